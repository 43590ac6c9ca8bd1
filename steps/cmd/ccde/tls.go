package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"example.org/ccde/mockehr/cluster"
)

func tlsFlag(cmd *cobra.Command, secure *bool) {
	cmd.Flags().BoolVar(secure, "tls", false, "nodes serve TLS, with certificates of the harness's own CA: ccde/ca.pem in your configuration folder")
}

// authorityFor is the CA that is kept for this user, nil where no TLS is asked for.
func authorityFor(secure bool) (*cluster.Authority, error) {
	if !secure {
		return nil, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return nil, usage("--tls: there is no folder for the harness's CA: %w", err)
	}
	authority, err := cluster.KeptAuthority(filepath.Join(dir, "ccde"))
	if err != nil {
		return nil, exit{code: 2, err: fmt.Errorf("--tls: %w", err)}
	}
	return authority, nil
}
