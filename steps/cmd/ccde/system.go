package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.org/ccde/reports"
	"example.org/ccde/steps/config"
	"example.org/ccde/steps/suite"
)

const fileEnvironment = `A field of the file is overridden by CCDE_ and its path, and that by --set:
source.consumer.bearer by CCDE_SOURCE_CONSUMER_BEARER, --set source.consumer.bearer=TEXT`

// systemFlags say what is different from the system's file.
type systemFlags struct {
	roles []string
	set   []string
}

func (f *systemFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&f.roles, "role", nil, "judge the system as source, target or cavs alone (default: all that the file names)")
	cmd.Flags().StringArrayVar(&f.set, "set", nil, "override a field of the file: source.fhir=http://localhost:8080/r3; can be given again")
}

// read reads a system's file; nothing is opened.
func (f *systemFlags) read(s streams, file string, overrides ...config.Override) (*suite.System, error) {
	for _, text := range f.set {
		path, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, usage("--set %q: write it like source.fhir=http://localhost:8080/r3", text)
		}
		overrides = append(overrides, config.Override{Path: strings.TrimSpace(path), Text: value, From: "--set"})
	}
	described, err := suite.ReadSystem(file, s.env, overrides...)
	if err != nil {
		return nil, err
	}
	for _, role := range f.roles {
		if !slices.Contains(roleNames, role) {
			return nil, usage("--role %q is unknown; %sgive source, target or cavs", role, meant(role, roleNames))
		}
	}
	return suite.NewSystem(described, f.roles)
}

var roleNames = []string{"source", "target", "cavs"}

// meant is "is "x" meant? ", or nothing.
func meant(typed string, words []string) string {
	if word := config.Nearest(typed, words); word != "" {
		return fmt.Sprintf("is %q meant? ", word)
	}
	return ""
}

// oneFile takes a system's file, or none.
func oneFile(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usage("%s takes one file, but got %q too; see \"%s --help\"", cmd.CommandPath(), args[1], cmd.CommandPath())
	}
	return nil
}

// describe reads the file of a certification; nil where there is none. What
// makes no sense with a file, or without, is refused.
func (f *certifyFlags) describe(s streams, file string) (*suite.System, error) {
	if file == "" {
		if len(f.system.roles) > 0 || len(f.system.set) > 0 {
			return nil, usage("--role and --set are about a system's file; name it: ccde certify system.yaml")
		}
		return nil, nil
	}
	var overrides []config.Override
	switch {
	case f.run.Runtime != "" && f.run.Runtime != "embedded":
		return nil, usage("--runtime %s: beside a system of a file, mocks run in this process, behind the front door; leave it out", f.run.Runtime)
	case f.node != "":
		return nil, usage("--node: beside a system of a file, mocks run in this process; leave it out")
	case f.tls:
		return nil, usage("--tls is for the built-in cluster; give tls.cert and tls.key in the file for a front door with TLS")
	case f.run.Dialect != "":
		// What the system speaks; the mocks beside it are strict.
		overrides = append(overrides, config.Override{Path: "system.dialect", Text: f.run.Dialect, From: "--dialect"})
		f.run.Dialect = ""
	}
	return f.system.read(s, file, overrides...)
}

// about makes a run one about the system, if there is one.
func (f *certifyFlags) about(opt suite.Options, system *suite.System) (suite.Options, error) {
	if system == nil {
		return opt, nil
	}
	opt.Dialect = "strict"
	return system.Options(opt)
}

// ready says what the file leaves unjudged, opens what the run needs, and lets
// the doctor look: where the system can't be judged as it is, an error with the
// exit code of that. The function that it returns closes all again.
func (f *certifyFlags) ready(ctx context.Context, s streams, p *progress, system *suite.System, opt suite.Options) (func(context.Context) error, error) {
	for _, g := range system.File.Gaps(system.Roles) {
		if g.Field == "smart" && system.Person != nil {
			continue // somebody at the terminal signs in
		}
		if opt.Requirements == nil || slices.ContainsFunc(opt.Requirements, g.Covers) {
			p.say("unjudged without " + g.String())
		}
	}
	doing := "opening the front door"
	if c := system.File.Command; c != nil {
		doing = "starting " + c.Start
	}
	p.doing(doing)
	system.Doing = p.doing
	if f.verbose {
		system.Output = s.err
	}
	if err := system.Open(ctx, opt.Log); err != nil {
		return nil, err
	}
	p.doing("looking whether " + system.Name() + " can be judged")
	found, err := system.Doctor(ctx)
	if code := found.Exit(); err == nil && code != reports.ExitConformant {
		p.stopped(found)
		err = exit{code, fmt.Errorf("nothing was judged; \"ccde doctor\" looks again")}
	}
	if err != nil {
		return nil, joined(err, system.Close(context.WithoutCancel(ctx)))
	}
	p.stopped(found)
	return system.Close, nil
}

// joined keeps an exit code beside what else went wrong.
func joined(err, more error) error {
	if more == nil {
		return err
	}
	return exit{codeOf(err), fmt.Errorf("%w; %w", err, more)}
}
