package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"example.org/ccde/reports"
	"example.org/ccde/steps/config"
	"example.org/ccde/steps/suite"
)

type certifyFlags struct {
	run            config.Run
	tags, node     string
	concurrency    int
	verbose, quiet bool
	tls            bool
}

func certifyCommand(s streams) *cobra.Command {
	var f certifyFlags
	cmd := &cobra.Command{
		Use:   "certify",
		Short: "Run the scenarios and say what held",
		Long: `Run the scenarios on the built-in cluster of mock EHRs and a CAVS, and write
index.html, junit.xml and report.json.

` + exitCodes + "\n\n" + environment,
		Example: `  ccde certify
  ccde certify --runtime embedded --tags "@SRC-14 or @SRC-15"
  ccde certify --tags "@token and not @slow" --report /tmp/report
  ccde certify --dialect test.fhir.org`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return certify(cmd.Context(), s, f) },
	}
	flags := cmd.Flags()
	runFlags(cmd, &f.run)
	flags.StringVar(&f.tags, "tags", "", `select scenarios: "@SRC-14", "@SRC-14 or @SRC-15", "@token and not @slow"`)
	flags.StringVar(&f.run.Report, "report", "", "folder that the reports go to (default reports/out)")
	flags.IntVar(&f.concurrency, "concurrency", 0, "scenarios at once (default: what suits the runtime)")
	flags.StringVar(&f.node, "node", "", "built node binary, in place of building it")
	tlsFlag(cmd, &f.tls)
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "show each scenario with its steps, and the log")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "show the outcome alone")
	return cmd
}

// runFlags are those that every command with a cluster has.
func runFlags(cmd *cobra.Command, r *config.Run) {
	cmd.Flags().StringVar(&r.Runtime, "runtime", "", "where nodes run: auto, docker or embedded (default auto)")
	cmd.Flags().StringVar(&r.Dialect, "dialect", "", "what nodes speak: strict or test.fhir.org (default strict)")
}

func certify(ctx context.Context, s streams, f certifyFlags) error {
	where, err := config.Resolve(f.run, s.env)
	if err != nil {
		return exit{reports.ExitUsage, err}
	}
	if f.quiet && f.verbose {
		return usage("--quiet and --verbose together; give one of them")
	}
	if f.concurrency < 0 {
		return usage("--concurrency %d: give 1 or more", f.concurrency)
	}
	// Better now than after all the work.
	if err := reports.Probe(where.Report); err != nil {
		return usage("%w (with --report DIR or %s)", err, config.EnvReport)
	}
	authority, err := authorityFor(f.tls)
	if err != nil {
		return err
	}
	p := newProgress(s.err, s.env, f.quiet, f.verbose)
	result, err := suite.Run(ctx, suite.Options{
		Tags: f.tags, Runtime: where.Runtime, Dialect: where.Dialect, NodeBinary: f.node, TLS: authority, Concurrency: f.concurrency,
		System: "built-in cluster", Version: version(), Progress: p.event, Log: logger(s, f.verbose),
	})
	p.close()
	if err != nil {
		if errors.Is(err, suite.ErrNothingSelected) {
			return usage("%w; \"ccde requirements\" lists the ids, a tag is one with an @", err)
		}
		return err
	}
	writing := reports.Write(where.Report, result)
	summarize(s.out, result)
	if writing != nil {
		code := reports.ExitNotJudged
		if result.ExitCode == reports.ExitNotConformant {
			code = result.ExitCode // a failure that was seen stands without its report
		}
		return exit{code, fmt.Errorf("the reports could not be written: %w", writing)}
	}
	fmt.Fprintf(s.out, "\nReport: %s\n", filepath.Join(where.Report, reports.HTMLFile))
	if result.ExitCode != reports.ExitConformant {
		return exit{code: result.ExitCode}
	}
	return nil
}
