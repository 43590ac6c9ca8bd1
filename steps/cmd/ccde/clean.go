package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"example.org/ccde/mockehr/cluster"
)

func cleanCommand(s streams) *cobra.Command {
	var verbose bool
	cmd := &cobra.Command{
		Use:   "clean",
		Short: "Remove what dead runs left on the Docker engine and in the temporary folder",
		Long: `Remove the containers, networks, images and temporary files of runs that were
killed. What a living run has stays. Every run does this too before it starts.`,
		Example: "  ccde clean",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// Opening a runtime sweeps; without Docker only the folder is there to sweep.
			rt, why, err := cluster.Auto(cmd.Context(), cluster.ChooseAuto, cluster.Options{Log: logger(s, verbose)})
			if err != nil {
				return err
			}
			fmt.Fprintln(s.err, why)
			ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), time.Minute)
			defer cancel()
			if err := rt.Close(ctx); err != nil {
				return err
			}
			fmt.Fprintln(s.err, "nothing of dead runs is left")
			return nil
		},
	}
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show the log")
	return cmd
}
