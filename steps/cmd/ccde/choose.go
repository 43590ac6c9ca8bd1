package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.org/ccde/features"
	"example.org/ccde/reports"
	"example.org/ccde/steps/suite"
)

// choice says which scenarios run. What is given must hold together.
type choice struct {
	tags         string
	requirements []string
	failed       bool
}

func (c *choice) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&c.tags, "tags", "", `select scenarios: "@SRC-14", "@SRC-14 or @SRC-15", "@token and not @slow"`)
	flags.StringSliceVar(&c.requirements, "requirement", nil, "select scenarios by what they judge: SRC-14,SRC-15")
	flags.BoolVar(&c.failed, "failed", false, "run only what did not pass last time, by report.json in the report folder")
}

// apply puts the choice into a run's options. The reports of the last run are in
// the folder report.
func (c *choice) apply(opt *suite.Options, report string) error {
	opt.Tags = c.tags
	if len(c.requirements) > 0 {
		if err := c.ids(opt); err != nil {
			return err
		}
	}
	if !c.failed {
		return nil
	}
	last, err := lastRun(filepath.Join(report, reports.JSONFile), opt.System)
	if err != nil {
		return err
	}
	return c.again(opt, last)
}

// ids reads --requirement.
func (c *choice) ids(opt *suite.Options) error {
	catalogue, err := features.Catalogue()
	if err != nil {
		return err
	}
	var known []string
	for _, r := range catalogue {
		known = append(known, r.ID)
	}
	for _, id := range c.requirements {
		id = strings.ToUpper(strings.TrimPrefix(strings.TrimSpace(id), "@"))
		if !slices.Contains(known, id) {
			return usage("--requirement %q is no requirement; %s\"ccde requirements\" lists them", id, meant(id, known))
		}
		if why := opt.Skip[id]; why != "" {
			return usage("--requirement %s: it is not judged: %s", id, why)
		}
		opt.Requirements = append(opt.Requirements, id)
	}
	return nil
}

// lastRun reads the report of a run of the same system.
func lastRun(file, system string) (*reports.Run, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usage("--failed: there is no %s, so no last time; run without --failed, or give its folder by --report", file)
	}
	if err != nil {
		return nil, usage("--failed: %w", err)
	}
	var last reports.Run
	if err := json.Unmarshal(text, &last); err != nil || last.Schema != reports.Schema {
		return nil, usage("--failed: %s is no report of this version (%s); run without --failed", file, reports.Schema)
	}
	if last.System != system {
		return nil, usage("--failed: %s is about %q, not about %q; give the folder of its last report by --report, or run without --failed", file, last.System, system)
	}
	return &last, nil
}

// again selects what did not pass in the last run, and what that run did not
// come to if it was cut short.
func (c *choice) again(opt *suite.Options, last *reports.Run) error {
	opt.Only = []string{}
	reached := map[string]bool{}
	for _, s := range last.Scenarios {
		reached[s.ID] = true
		if s.Verdict != reports.Passed && s.Verdict != reports.Skipped {
			opt.Only = append(opt.Only, s.ID)
		}
	}
	if last.Interrupted {
		whole := *opt
		whole.Only = nil
		planned, err := suite.List(whole)
		if err != nil {
			return c.nothing(whole, err)
		}
		for _, s := range planned {
			if !reached[s.ID] {
				opt.Only = append(opt.Only, s.ID)
			}
		}
	}
	if len(opt.Only) == 0 {
		return usage("--failed: everything passed last time, on %s; run without --failed", last.Started.Local().Format("2006-01-02 15:04"))
	}
	return nil
}

// nothing says what to do where no scenario is selected.
func (c *choice) nothing(opt suite.Options, err error) error {
	if !errors.Is(err, suite.ErrNothingSelected) {
		return err
	}
	hint := `"ccde requirements" lists the ids, a tag is one with an @`
	if tags, listing := suite.Tags(opt); listing == nil {
		for _, word := range strings.FieldsFunc(c.tags, func(r rune) bool { return strings.ContainsRune(" ,&|()~", r) }) {
			if strings.HasPrefix(word, "@") && !slices.Contains(tags, word) {
				hint = fmt.Sprintf("no scenario has the tag %s; %s%s", word, meant(word, tags), hint)
				break
			}
		}
	}
	if opt.Judged != nil {
		hint = "judged is the system as " + strings.Join(opt.Judged, ", ") + "; " + hint
	}
	if c.failed {
		hint = "of what did not pass last time; " + hint
	}
	return usage("%w; %s", err, hint)
}

// list prints what would run.
func list(w io.Writer, planned []reports.Scenario) error {
	feature := ""
	for _, s := range planned {
		if s.URI != feature {
			feature = s.URI
			fmt.Fprintf(w, "%s\n", feature)
		}
		fmt.Fprintf(w, "  %-4d %s  %s\n", s.Line, s.Name, strings.Join(s.Requirements, " "))
	}
	_, err := fmt.Fprintf(w, "\n%s\n", counted(len(planned), "scenario"))
	return err
}

// counted is "1 scenario", "2 scenarios".
func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
