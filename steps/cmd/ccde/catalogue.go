package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"example.org/ccde/steps"
	"example.org/ccde/steps/suite"
)

func stepsCommand(s streams) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "steps",
		Short: "List what a scenario can say, by topic",
		Example: `  ccde steps
  ccde steps --json`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			all := steps.Catalogue()
			if asJSON {
				type step struct {
					Topic   string `json:"topic"`
					Pattern string `json:"pattern"`
					Doc     string `json:"doc"`
					Example string `json:"example,omitempty"`
				}
				out := []step{}
				for _, d := range all {
					out = append(out, step(d))
				}
				return indented(s.out, out)
			}
			topic := ""
			for _, d := range all {
				if d.Topic != topic {
					topic = d.Topic
					fmt.Fprintf(s.out, "\n%s\n", strings.ToUpper(topic))
				}
				fmt.Fprintf(s.out, "  %s\n", d.Pattern)
				if d.Doc != "" {
					fmt.Fprintf(s.out, "      %s\n", strings.ReplaceAll(d.Doc, "\n", "\n      "))
				}
				if d.Example != "" {
					fmt.Fprintf(s.out, "      e.g. %s\n", strings.ReplaceAll(d.Example, "\n", "\n      "))
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func requirementsCommand(s streams) *cobra.Command {
	var asJSON, verbose bool
	cmd := &cobra.Command{
		Use:   "requirements",
		Short: "List the protocol's requirements with their scenarios",
		Example: `  ccde requirements
  ccde requirements --verbose          with the names of the scenarios
  ccde requirements --json`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			all, err := suite.Requirements()
			if err != nil {
				return err
			}
			if asJSON {
				return indented(s.out, all)
			}
			for _, r := range all {
				state := counted(len(r.Scenarios), "scenario")
				fmt.Fprintf(s.out, "%s  %-6s  %-12s  %s\n", r.ID, r.Level, state, r.Text)
				if verbose {
					for _, name := range r.Scenarios {
						fmt.Fprintf(s.out, "                  %s\n", name)
					}
				}
			}
			fmt.Fprintf(s.out, "\n%s; a scenario can judge several\n", counted(len(all), "requirement"))
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "name the scenarios")
	return cmd
}

func versionCommand(s streams) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  ccde version",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(s.out, "ccde", version())
			return err
		},
	}
}

// version is the module's, or the commit that it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "devel"
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				v += " " + s.Value[:12]
			}
		}
	}
	return v
}

func indented(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
