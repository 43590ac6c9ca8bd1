package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"example.org/ccde/mockehr/cluster"
	"example.org/ccde/reports"
	"example.org/ccde/steps/suite"
)

// streams are what the command reads and writes: --json and what one asked
// for goes to out, everything else to err.
type streams struct {
	in       io.Reader // a person's answers; nil = nobody is there
	out, err io.Writer
	env      func(string) string
}

// exit is an error that has an exit code of its own.
type exit struct {
	code int
	err  error // nil: all was said already
}

func (e exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}
func (e exit) Unwrap() error { return e.err }

// usage is an error that the person who typed the command can mend.
func usage(format string, args ...any) error {
	return exit{reports.ExitUsage, fmt.Errorf(format, args...)}
}

// codeOf is the only place that turns an error into an exit code. What has no
// code of its own kept us from judging.
func codeOf(err error) int {
	var own exit
	var bad *suite.UsageError
	switch {
	case err == nil:
		return reports.ExitConformant
	case errors.As(err, &own):
		return own.code
	case errors.As(err, &bad):
		return reports.ExitUsage
	}
	return reports.ExitNotJudged
}

// execute runs the command line and answers its exit code.
func execute(s streams, args []string) int {
	ctx, stop := cluster.SignalContext(context.Background(), func(sig os.Signal) {
		fmt.Fprintf(s.err, "\n%s: cleaning up; once more ends it at once\n", sig)
	})
	defer stop()
	err := run(ctx, s, args)
	code := codeOf(err)
	if own := (exit{}); err != nil && (!errors.As(err, &own) || own.err != nil) {
		fmt.Fprintf(s.err, "ccde: %s\n", strings.TrimSpace(err.Error()))
	}
	return code
}

func run(ctx context.Context, s streams, args []string) error {
	root := rootCommand(s)
	root.SetArgs(args)
	root.SetOut(s.out)
	root.SetErr(s.err)
	return root.ExecuteContext(ctx)
}

const exitCodes = `Exit codes, the first that holds:
  2  bad usage or config, or nothing selected
  1  not conformant: a requirement failed
  3  could not judge: an error, or a SHALL that was not judged
  4  a stale waiver
  0  conformant`

const environment = `Environment, where the flag is not given:
  CCDE_RUNTIME  auto, docker or embedded          (--runtime)
  CCDE_DOCKER   require, auto or off: as --runtime docker, auto, embedded; CCDE_RUNTIME goes first
  CCDE_DIALECT  strict or test.fhir.org           (--dialect)
  CCDE_REPORT   folder for the reports            (--report)`

func rootCommand(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "ccde",
		Short: "Prove that EHRs exchange a person's record as the CCDE protocol says",
		Long: `ccde starts mock EHRs and a CAVS, lets them carry out the Consumer Centered Data
Exchange under Gherkin scenarios, among themselves or with a system of yours,
and says what held.`,
		Example: `  ccde init                             describe your system in system.yaml
  ccde doctor system.yaml               see whether it can be judged
  ccde certify system.yaml              judge it
  ccde certify                          run everything on the built-in cluster
  ccde certify --runtime embedded       without containers
  ccde up                               a cluster to try things on by hand
  ccde steps                            what a scenario can say`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("command %q is unknown; %s\"ccde help\" lists them", args[0], meant(args[0], commandNames(cmd)))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%w; %ssee \"%s --help\"", err, meantFlag(cmd, err), cmd.CommandPath())
	})
	root.AddCommand(certifyCommand(s), doctorCommand(s), verifyCommand(s), initCommand(s), fixturesCommand(s), upCommand(s), stepsCommand(s), requirementsCommand(s), cleanCommand(s), imageCommand(s), killCommand(s), versionCommand(s))
	return root
}

func commandNames(root *cobra.Command) []string {
	var out []string
	for _, c := range root.Commands() {
		out = append(out, c.Name())
	}
	return out
}

// meantFlag names the flag that a mistyped one was meant to be.
func meantFlag(cmd *cobra.Command, err error) string {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return ""
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	return meant("--"+unknown.GetSpecifiedName(), names)
}

// noArgs refuses arguments and says so in a way that helps.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%s takes no argument, but got %q; see \"%s --help\"", cmd.CommandPath(), args[0], cmd.CommandPath())
	}
	return nil
}

// logger writes what nodes and harness log, if asked to.
func logger(s streams, verbose bool) *slog.Logger {
	if !verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
