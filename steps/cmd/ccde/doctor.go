package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.org/ccde/reports"
	"example.org/ccde/steps/suite"
)

func doctorCommand(s streams) *cobra.Command {
	var f systemFlags
	var asJSON, verbose bool
	cmd := &cobra.Command{
		Use:   "doctor system.yaml",
		Short: "Look whether a system can be judged, and say what to mend",
		Long: `Look at what usually goes wrong before a system can be judged: host names, TLS,
paths, clocks, credentials, the patient and their data, and whether the system
reaches the front door. Nothing is judged. What it creates it takes away again.

Exit codes:
  0  it can be judged
  2  the file must be mended: a wrong path, a refused bearer, no such patient
  3  the system or the network must be: no answer, a bad certificate, a wrong clock

` + fileEnvironment,
		Example: `  ccde doctor system.yaml
  ccde doctor system.yaml --role target
  ccde doctor system.yaml --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("name the system's file: ccde doctor system.yaml; \"ccde init\" writes one")
			}
			return oneFile(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			system, err := f.read(s, args[0])
			if err != nil {
				return err
			}
			found, err := examine(cmd.Context(), s, system, verbose)
			if err != nil {
				return err
			}
			if asJSON {
				err = indented(s.out, found)
			} else {
				err = printFindings(s.out, system, found)
			}
			if code := found.Exit(); err == nil && code != reports.ExitConformant {
				return exit{code: code}
			}
			return err
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show the log")
	return cmd
}

// examine opens what the doctor needs, and closes it again.
func examine(ctx context.Context, s streams, system *suite.System, verbose bool) (found suite.Diagnosis, err error) {
	p := newProgress(s.err, s.env, false, false)
	defer p.close()
	p.doing("looking whether " + system.Name() + " can be judged")
	system.Doing = p.doing
	if verbose {
		system.Output = s.err
	}
	if err := system.Open(ctx, logger(s, verbose)); err != nil {
		return nil, err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if more := system.Close(closing); err == nil {
			err = more
		}
	}()
	return system.Doctor(ctx)
}

func printFindings(w io.Writer, system *suite.System, found suite.Diagnosis) error {
	for _, f := range found {
		fmt.Fprintln(w, strings.Join(finding(f), "\n"))
	}
	for _, g := range system.File.Gaps(system.Roles) {
		fmt.Fprintf(w, "%-5s %s\n", "-", "unjudged without "+g.String())
	}
	verdict := system.Name() + " can be judged as " + strings.Join(system.Roles, ", ")
	switch found.Exit() {
	case reports.ExitUsage:
		verdict = "Mend the file first"
	case reports.ExitNotJudged:
		verdict = "It can't be judged as it is now"
	}
	_, err := fmt.Fprintf(w, "\n%s.\n", verdict)
	return err
}

// finding is a finding in lines: how grave it is, where, what was seen, what to do.
func finding(f suite.Finding) []string {
	sign := "ok"
	switch {
	case f.Exit != 0:
		sign = "STOP"
	case !f.OK:
		sign = "note"
	}
	lines := []string{fmt.Sprintf("%-5s %s: %s", sign, f.Where, f.Found)}
	if f.Fix != "" {
		lines = append(lines, "      -> "+f.Fix)
	}
	return lines
}

// stopped shows what the doctor found that is not good, and counts the rest
// where nothing keeps the system from being judged.
func (p *progress) stopped(found suite.Diagnosis) {
	good := 0
	for _, f := range found {
		if f.OK {
			good++
			continue
		}
		p.always(finding(f)...)
	}
	if found.Exit() == reports.ExitConformant {
		p.say(fmt.Sprintf("%s before judging: good", counted(good, "check")))
	}
}
