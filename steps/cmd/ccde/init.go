package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"example.org/ccde/steps/config"
	"example.org/ccde/steps/suite"
)

type initFlags struct {
	template    config.Template
	force, json bool
}

func initCommand(s streams) *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use:   "init [FILE]",
		Short: "Describe a system in a new file, and say what to enter at its side",
		Long: `Write a file, system.yaml if no other is named, that describes the system to be
certified: every field, with what it is for; what one need not say is commented
out. Beside it stands the harness's key, made if it is not there. Then print what
must be entered at the system's side, so that it trusts and reaches the harness.
Both stay the same from run to run.

A file that is there is not written over; what must be entered is printed all the same.`,
		Example: `  ccde init
  ccde init --role source --name "Acme EHR"
  ccde init --listen :9000 --advertise http://harness.acme.example:9000
  ccde init acme/system.yaml --json`,
		Args: oneFile,
		RunE: func(_ *cobra.Command, args []string) error { return initialize(s, f, append(args, "system.yaml")[0]) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.template.Name, "name", "", "the system's name (default \"Acme EHR\", to be changed)")
	flags.StringSliceVar(&f.template.Roles, "role", nil, "the roles that it plays: source, target, cavs (default: all)")
	flags.StringVar(&f.template.Listen, "listen", "", "address of the front door (default "+config.DefaultListen+")")
	flags.StringVar(&f.template.Advertise, "advertise", "", "URL by which the system reaches it (default http://"+config.DefaultListen+")")
	flags.BoolVar(&f.force, "force", false, "write over a file that is there")
	flags.BoolVar(&f.json, "json", false, "print what must be entered as JSON")
	return cmd
}

func initialize(s streams, f initFlags, file string) error {
	for _, role := range f.template.Roles {
		if !slices.Contains(roleNames, role) {
			return usage("--role %q is unknown; %sgive source, target or cavs", role, meant(role, roleNames))
		}
	}
	there, err := writeNew(file, f)
	if err != nil {
		return err
	}
	described, err := suite.ReadSystem(file, s.env)
	if err != nil {
		if !there {
			// What was written was checked but for what the flags brought in.
			err = errors.Join(err, os.Remove(file))
		}
		return err
	}
	keys, err := config.ReadKeys(described.Path(described.Key))
	if err != nil {
		return usage("%w", err)
	}
	door := described.FrontDoor(keys)
	if f.json {
		return indented(s.out, door)
	}
	said := "Wrote " + file
	if there {
		said = file + " is there already, and was left as it is (--force writes over it)"
	}
	fmt.Fprintln(s.out, said+".")
	return printDoor(s.out, file, described, door)
}

// writeNew writes a new file; there says that it was there before and is left.
func writeNew(file string, f initFlags) (there bool, err error) {
	mode := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if f.force {
		mode = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	out, err := os.OpenFile(file, mode, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return true, nil
	}
	if err != nil {
		return false, usage("%w; name another file: ccde init FILE", err)
	}
	_, err = out.WriteString(f.template.Commented())
	return false, errors.Join(err, out.Close())
}

func printDoor(w io.Writer, file string, s *config.System, d config.Door) error {
	fmt.Fprintf(w, "\nEnter at your side, where %s is reached from there (listen, advertise):\n", d.Advertise)
	row := func(what, where string) { fmt.Fprintf(w, "  %-44s %s\n", what, where) }
	if s.Source != nil {
		row("the source trusts the harness's key set", d.KeySet)
		row("  if it keeps a list of issuers: their iss", d.Issuer)
		row("the source trusts the mock target's key set", d.TargetKeySet)
		row("the source asks the CAVS (source.cavs: ours)", d.CAVS)
	}
	if s.CAVS != nil {
		row("the CAVS trusts the harness's key set", d.KeySet)
		row("  if it keeps a list of issuers: their iss", d.Issuer)
		row("the CAVS trusts the mock target's key set", d.TargetKeySet)
	}
	if s.Target != nil {
		row("the target may call whatever is below", d.Advertise)
	}
	fmt.Fprintf(w, "The mocks, where a list wants their FHIR bases:\n")
	row("source, source-2", d.Source+"  "+d.SecondSource)
	row("target", d.Target)
	_, err := fmt.Fprintf(w, `
The harness's key is %s; keep it, your side trusts it.
Next: fill in %s, then
  ccde doctor %[2]s
  ccde certify %[2]s
`, d.HarnessKeyIs, file)
	return err
}
