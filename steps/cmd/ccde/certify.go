package main

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"example.org/ccde/reports"
	"example.org/ccde/steps/config"
	"example.org/ccde/steps/suite"
)

type certifyFlags struct {
	run            config.Run
	choose         choice
	system         systemFlags
	node, sign     string
	concurrency    int
	verbose, quiet bool
	list, tls      bool
}

func certifyCommand(s streams) *cobra.Command {
	var f certifyFlags
	cmd := &cobra.Command{
		Use:   "certify [system.yaml]",
		Short: "Run the scenarios and say what held",
		Long: `Run the scenarios and write index.html, junit.xml and report.json.

With a file, the system that it describes is judged in each role that it names,
while mocks play the others ("ccde init" writes such a file). First comes what
"ccde doctor" does: where the system can't be judged as it is, nothing is.
Without a file, everything runs on the built-in cluster of mock EHRs and a CAVS.

` + exitCodes + "\n\n" + environment + "\n\n" + fileEnvironment,
		Example: `  ccde certify system.yaml
  ccde certify system.yaml --role source --requirement SRC-14,SRC-15
  ccde certify system.yaml --failed          only what did not pass last time
  ccde certify system.yaml --set source.fhir=http://localhost:8080/r3
  ccde certify system.yaml --sign key.pem    with a signed certificate
  ccde certify                               the built-in cluster
  ccde certify --runtime embedded --tags "@SRC-14 or @token and not @slow" --list`,
		Args: oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			return certify(cmd.Context(), s, f, append(args, "")[0])
		},
	}
	flags := cmd.Flags()
	f.system.add(cmd)
	f.choose.add(cmd)
	flags.BoolVar(&f.list, "list", false, "print what would run, and run nothing")
	flags.StringVar(&f.run.Report, "report", "", "folder that the reports go to (default reports/out)")
	flags.StringVar(&f.sign, "sign", "", "sign a certificate of the run with this private key, PEM; it goes to certificate.jws in the report folder")
	runFlags(cmd, &f.run)
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

// certify runs the suite on the system of a file, "" = the built-in cluster.
func certify(ctx context.Context, s streams, f certifyFlags, file string) (err error) {
	if f.quiet && f.verbose {
		return usage("--quiet and --verbose together; give one of them")
	}
	if f.concurrency < 0 {
		return usage("--concurrency %d: give 1 or more", f.concurrency)
	}
	system, err := f.describe(s, file)
	if err != nil {
		return err
	}
	where, err := config.Resolve(f.run, s.env)
	if err != nil {
		return exit{reports.ExitUsage, err}
	}
	opt := suite.Options{Runtime: where.Runtime, Dialect: where.Dialect, NodeBinary: f.node, Concurrency: f.concurrency,
		System: "built-in cluster", Version: version(), Log: logger(s, f.verbose)}
	if opt, err = f.about(opt, system); err != nil {
		return err
	}
	if err := f.choose.apply(&opt, where.Report); err != nil {
		return err
	}
	planned, err := suite.List(opt)
	if err != nil {
		return f.choose.nothing(opt, err)
	}
	if f.list {
		return list(s.out, planned)
	}
	// Better now than after all the work.
	key, err := signer(f.sign)
	if err != nil {
		return err
	}
	if err := reports.Probe(where.Report); err != nil {
		return usage("%w (with --report DIR or %s)", err, config.EnvReport)
	}
	if opt.TLS, err = authorityFor(f.tls); err != nil {
		return err
	}
	p := newProgress(s.err, s.env, f.quiet, f.verbose)
	said := false
	quiet := func() {
		if !said {
			said = true
			p.close()
		}
	}
	defer quiet()
	if system != nil {
		personFor(s, p, system, &opt)
		closing, err := f.ready(ctx, s, p, system, opt)
		if err != nil {
			return err
		}
		defer func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
			defer cancel()
			err = errors.Join(err, closing(ctx))
		}()
		if opt, err = f.about(opt, system); err != nil { // now with the front door and the keys
			return err
		}
	}
	opt.Progress = p.event
	result, err := suite.Run(ctx, opt)
	quiet()
	if err != nil {
		return err
	}
	return conclude(s, where.Report, result, system, key)
}

// conclude writes the reports and the certificate, and says what came out.
func conclude(s streams, report string, result *reports.Run, system *suite.System, key crypto.Signer) error {
	writing := reports.Write(report, result)
	certificate := ""
	if writing == nil && key != nil {
		certificate, writing = sign(report, result, system, key)
	}
	summarize(s.out, result)
	if writing != nil {
		code := reports.ExitNotJudged
		if result.ExitCode == reports.ExitNotConformant {
			code = result.ExitCode // a failure that was seen stands without its report
		}
		return exit{code, fmt.Errorf("the reports could not be written: %w", writing)}
	}
	fmt.Fprintf(s.out, "\nReport: %s\n", filepath.Join(report, reports.HTMLFile))
	if certificate != "" {
		fmt.Fprintf(s.out, "Certificate: %s (\"ccde verify\" says what it covers)\n", certificate)
	}
	if result.ExitCode != reports.ExitConformant {
		return exit{code: result.ExitCode}
	}
	return nil
}
