package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.org/ccde/fixtures"
	"example.org/ccde/reports"
	"example.org/ccde/steps/config"
	"example.org/ccde/steps/suite"
)

type killFlags struct {
	run          config.Run
	requirements []string
	full, list   bool
	concurrency  int
	node         string
}

func killCommand(s streams) *cobra.Command {
	var f killFlags
	cmd := &cobra.Command{
		Use:   "kill [DEFECT...]",
		Short: "Try the judge: does it find out every defect?",
		Long: `Play the scenarios against mock EHRs that break one requirement each (the
defects in fixtures/defects), side by side in this process, and say which
scenario found out which defect. A defect is killed when the verdict on its
requirement is worse than on clean nodes; one that survives is a hole in the
suite. Writes kill.html and kill.json.

Exit codes:
  0  all defects were killed
  1  a defect survived
  2  bad usage, or nothing selected
  3  the defects could not be tried`,
		Example: `  ccde kill
  ccde kill --requirement SRC-34
  ccde kill jwt-prefix --full
  ccde kill --list`,
		RunE: func(cmd *cobra.Command, args []string) error { return kill(cmd.Context(), s, f, args) },
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.requirements, "requirement", nil, "only defects that break these requirements: SRC-34,SRC-35")
	flags.BoolVar(&f.full, "full", false, "all scenarios against each defect; names scenarios that kill nothing, and what else came out worse")
	flags.BoolVar(&f.list, "list", false, "list the defects and end")
	flags.StringVar(&f.run.Dialect, "dialect", "", "what nodes speak: strict or test.fhir.org (default strict)")
	flags.StringVar(&f.run.Report, "report", "", "folder that kill.html and kill.json go to (default reports/out)")
	flags.IntVar(&f.concurrency, "concurrency", 0, "defects at once (default: what suits the machine)")
	flags.StringVar(&f.node, "node", "", "built node binary, in place of building it")
	return cmd
}

func kill(ctx context.Context, s streams, f killFlags, names []string) error {
	where, err := config.Resolve(f.run, s.env)
	if err != nil {
		return exit{reports.ExitUsage, err}
	}
	defects, err := chooseDefects(names, f.requirements)
	if err != nil {
		return err
	}
	if f.list {
		for _, d := range defects {
			fmt.Fprintf(s.out, "%-7s %-32s %s\n", d.Breaks, d.Name, d.Title)
		}
		return nil
	}
	if err := reports.Probe(where.Report); err != nil {
		return usage("%w (with --report DIR or %s)", err, config.EnvReport)
	}
	matrix, err := suite.Kill(ctx, suite.KillOptions{Defects: defects, Full: f.full, Dialect: where.Dialect, Concurrency: f.concurrency,
		NodeBinary: f.node, Progress: func(e suite.KillEvent) { tellKill(s, e) }})
	if err != nil {
		return err
	}
	writing := reports.WriteKill(where.Report, matrix)
	summarizeKill(s, matrix)
	if writing != nil {
		return fmt.Errorf("the matrix could not be written: %w", writing)
	}
	fmt.Fprintf(s.out, "\nMatrix: %s\n", filepath.Join(where.Report, reports.KillHTMLFile))
	if len(matrix.Survivors()) > 0 {
		return exit{code: reports.ExitNotConformant}
	}
	return nil
}

// chooseDefects selects by name and by requirement; nothing selects all.
func chooseDefects(names, requirements []string) ([]fixtures.Defect, error) {
	all, err := fixtures.Defects()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if !slices.ContainsFunc(all, func(d fixtures.Defect) bool { return d.Name == name }) {
			return nil, usage("defect %q is unknown; \"ccde kill --list\" lists them", name)
		}
	}
	out := slices.DeleteFunc(all, func(d fixtures.Defect) bool {
		return len(names) > 0 && !slices.Contains(names, d.Name) || len(requirements) > 0 && !slices.Contains(requirements, d.Breaks)
	})
	if len(out) == 0 {
		return nil, usage("no defect breaks %s; \"ccde kill --list\" lists them", strings.Join(requirements, ", "))
	}
	return out, nil
}

func tellKill(s streams, e suite.KillEvent) {
	switch d := e.Defect; {
	case d == nil:
		fmt.Fprintln(s.err, e.Message)
	case d.Error != "":
		fmt.Fprintf(s.err, "%d of %d · %s: error: %s\n", e.Done, e.Total, d.Name, d.Error)
	case d.Killed:
		fmt.Fprintf(s.err, "%d of %d · %s: killed by %q\n", e.Done, e.Total, d.Name, d.By[0])
	default:
		fmt.Fprintf(s.err, "%d of %d · %s: SURVIVED\n", e.Done, e.Total, d.Name)
	}
}

func summarizeKill(s streams, m *reports.KillMatrix) {
	fmt.Fprintln(s.out)
	for _, row := range m.Requirements {
		fmt.Fprintf(s.out, "%-7s %-7s %d of %d killed\n", row.ID, row.Level, row.Killed, len(row.Defects))
	}
	if left := m.Survivors(); len(left) > 0 {
		fmt.Fprintln(s.out, "\nSurvivors:")
		for _, d := range left {
			fmt.Fprintf(s.out, "  %s %s: %s\n", d.Breaks, d.Name, d.Title)
			if d.Error != "" {
				fmt.Fprintf(s.out, "      error: %s\n", d.Error)
			}
			if len(d.Others) > 0 {
				fmt.Fprintf(s.out, "      but worse: %s, by %q\n", strings.Join(d.Others, ", "), d.AlsoBy[0])
			}
		}
	}
	if m.Full {
		for _, name := range m.Idle {
			fmt.Fprintf(s.out, "kills nothing: %s\n", name)
		}
	}
	fmt.Fprintf(s.out, "\n%d of %d defects killed, %d requirements, %.1f s.\n", m.Killed, len(m.Defects), len(m.Requirements), m.DurationMS/1000)
}
