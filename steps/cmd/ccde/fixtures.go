package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"example.org/ccde/fixtures"
)

func fixturesCommand(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fixtures",
		Short: "The patients that mock EHRs start with",
		Example: `  ccde fixtures export patients
  ccde fixtures export --force patients`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("command %q is unknown; %swrite: ccde fixtures export DIR", "fixtures "+args[0], meant(args[0], []string{"export"}))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var force bool
	export := &cobra.Command{
		Use:   "export DIR",
		Short: "Write the patients as files that another system can load",
		Long: `Write the fixture patients with their records into a folder: as transaction
Bundles, as single resources, and a README.md that says how to load them. A
system that holds them can say "loaded: true": then completeness is judged to
the letter.`,
		Example: `  ccde fixtures export patients`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("name one folder: ccde fixtures export DIR")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return exportFixtures(s, args[0], force) },
	}
	export.Flags().BoolVar(&force, "force", false, "write into a folder that is not empty")
	cmd.AddCommand(export)
	return cmd
}

func exportFixtures(s streams, dir string, force bool) error {
	there, err := os.ReadDir(dir)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return usage("%w; name a folder", err)
	case len(there) > 0 && !force:
		return usage("the folder %s is not empty; name another one, or write into it with --force", dir)
	}
	files, err := fixtures.Export()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return usage("%w; name a folder that can be written", err)
		}
		if err := os.WriteFile(file, files[name], 0o644); err != nil {
			return usage("%w; name a folder that can be written", err)
		}
	}
	_, err = fmt.Fprintf(s.out, "%s in %s: bundles/, resources/, and README.md, which says how to load them\n", counted(len(files), "file"), dir)
	return err
}
