package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"example.org/ccde/mockehr/cluster"
)

func imageCommand(s streams) *cobra.Command {
	var tag, node string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "image",
		Short: "Build the node's container image and keep it",
		Long: `Build the container image that nodes run from: FROM scratch and one static
binary, nothing is pulled. Runs build and remove their own; this one stays,
for those who want to run a node by themselves.`,
		Example: `  ccde image
  ccde image --tag registry.example/ccde-mockehr:1.0
  docker run --rm ccde-mockehr:dev --help`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			rt, _, err := cluster.Auto(cmd.Context(), cluster.ChooseDocker, cluster.Options{NodeBinary: node, Log: logger(s, verbose)})
			if err != nil {
				return err
			}
			defer func() {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), time.Minute)
				defer cancel()
				if closing := rt.Close(ctx); err == nil {
					err = closing
				}
			}()
			if err := cluster.KeepImage(cmd.Context(), rt, tag); err != nil {
				return err
			}
			fmt.Fprintln(s.out, tag)
			return nil
		},
	}
	cmd.Flags().StringVar(&tag, "tag", "ccde-mockehr:dev", "the image's name")
	cmd.Flags().StringVar(&node, "node", "", "built node binary, in place of building it")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show the log")
	return cmd
}
