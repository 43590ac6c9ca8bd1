package main

import (
	"crypto"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"example.org/ccde/reports"
	"example.org/ccde/reports/certificate"
	"example.org/ccde/steps/suite"
)

// certificateFile is where certify --sign writes to, in the report folder.
const certificateFile = "certificate.jws"

// signer reads the key of --sign, before any work is done; nil: none is asked for.
func signer(file string) (crypto.Signer, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, usage("--sign: %w; make one: openssl genpkey -algorithm ED25519 -out %s", err, file)
	}
	key, err := certificate.ReadSigner(text)
	if err != nil {
		return nil, usage("--sign: %s: %w", file, err)
	}
	return key, nil
}

// sign writes the certificate of a run beside its report.
func sign(report string, result *reports.Run, system *suite.System, key crypto.Signer) (string, error) {
	evidence, err := certificate.EvidenceOf(filepath.Join(report, reports.JSONFile))
	if err != nil {
		return "", err
	}
	extra := certificate.Statement{Evidence: evidence}
	if system != nil {
		extra.Config = system.File.Public()
	}
	text, err := certificate.Sign(result, extra, key)
	if err != nil {
		return "", err
	}
	file := filepath.Join(report, certificateFile)
	return file, os.WriteFile(file, append(text, '\n'), 0o644)
}

func verifyCommand(s streams) *cobra.Command {
	var keys []string
	var report string
	cmd := &cobra.Command{
		Use:   "verify FILE --key pub.pem",
		Short: "Check a certificate, and say what it covers",
		Long: `Check the signature of a certificate that "ccde certify --sign" wrote, offline, and
say what it covers and what it can't vouch for. The key is the signer's public
key, PEM ("openssl pkey -in key.pem -pubout -out pub.pem"), or a certificate of it.
With --report, the report must be the very one that the certificate names.

Exit codes:
  0  valid
  1  not valid: not signed by that key, changed, or of another report
  2  bad usage: a file that can't be read`,
		Example: `  ccde verify reports/out/certificate.jws --key pub.pem
  ccde verify certificate.jws --key pub.pem --report report.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("name one certificate: ccde verify FILE --key pub.pem")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return verify(s, args[0], report, keys) },
	}
	cmd.Flags().StringArrayVar(&keys, "key", nil, "the signer's public key, PEM; given again: any of them")
	cmd.Flags().StringVar(&report, "report", "", "the report.json that goes with it")
	return cmd
}

func verify(s streams, file, report string, keyFiles []string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return usage("%w", err)
	}
	if len(keyFiles) == 0 {
		return usage("whose certificate it is must be known beforehand; give the signer's public key: --key pub.pem")
	}
	var keys []crypto.PublicKey
	for _, name := range keyFiles {
		pem, err := os.ReadFile(name)
		if err != nil {
			return usage("--key: %w", err)
		}
		key, err := certificate.ReadPublicKey(pem)
		if err != nil {
			return usage("--key: %s: %w", name, err)
		}
		keys = append(keys, key)
	}
	statement, err := certificate.Verify(text, keys...)
	if err != nil {
		return exit{reports.ExitNotConformant, fmt.Errorf("not valid: %w", err)}
	}
	if report != "" {
		if err := sameReport(statement, report); err != nil {
			return err
		}
	}
	return vouch(s.out, statement, report)
}

func sameReport(statement *certificate.Statement, report string) (err error) {
	f, err := os.Open(report)
	if err != nil {
		return usage("--report: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := statement.CheckEvidence(f); err != nil {
		return exit{reports.ExitNotConformant, fmt.Errorf("not valid for %s: %w", report, err)}
	}
	return nil
}

// vouch says what a valid certificate covers and what it can't vouch for.
func vouch(w io.Writer, statement *certificate.Statement, report string) error {
	fmt.Fprintln(w, "Valid: the signature is by that key, and nothing was changed since.")
	if report != "" {
		fmt.Fprintf(w, "%s is the report that it names.\n", report)
	}
	fmt.Fprintln(w, "\nIt covers:")
	for _, line := range statement.Covers() {
		fmt.Fprintf(w, "  %s\n", line)
	}
	fmt.Fprintln(w, "\nIt can't vouch for:")
	for _, line := range statement.CannotVouch() {
		fmt.Fprintf(w, "  %s\n", line)
	}
	mine, err := suite.Digests()
	if err != nil {
		return err
	}
	if other := statement.OtherFiles(mine); len(other) > 0 {
		fmt.Fprintln(w, "\nThe suite that judged is not the one of this ccde; these files differ:")
		for _, line := range other {
			fmt.Fprintf(w, "  %s\n", line)
		}
	}
	return nil
}
