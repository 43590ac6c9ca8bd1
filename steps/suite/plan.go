package suite

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	gherkin "github.com/cucumber/gherkin/go/v26"
	messages "github.com/cucumber/messages/go/v21"

	"example.org/ccde/features"
	"example.org/ccde/reports"
)

// ErrNothingSelected says that no scenario is left to run.
var ErrNothingSelected = errors.New("no scenario selected")

// plan is what will run: the feature files, and each scenario that was
// selected, by its key, in the order of the files.
type plan struct {
	files     []file
	order     []string
	scenarios map[string]*reports.Scenario
}

type file struct {
	uri  string
	text []byte
}

// key names a scenario in a run: names are unique, the files' are for people.
func key(uri, name string) string {
	return strings.TrimSuffix(uri, ".feature") + ": " + name
}

// readPlan reads all feature files and selects scenarios by tag. All that is
// wrong with them is found here, before anything starts: syntax, a scenario
// without steps (godog runs no hook for it), a name that occurs twice, a tag
// that looks like a requirement and is none.
func readPlan(select_ tagExpr, known map[string]bool, sources ...fs.FS) (*plan, error) {
	p := &plan{scenarios: map[string]*reports.Scenario{}}
	var errs []error
	seen := map[string]string{}
	total := 0
	for _, source := range sources {
		if source == nil {
			continue
		}
		files, err := featureFiles(source)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			all, faults := f.scenarios(known)
			errs = append(errs, faults...)
			total += len(all)
			selected := false
			for _, s := range all {
				if other, twice := seen[s.Name]; twice {
					errs = append(errs, fmt.Errorf("%s:%d: scenario %q: the name is taken by %s; give each its own (in an outline, put a <column> into the name)", s.URI, s.Line, s.Name, other))
					continue
				}
				seen[s.Name] = fmt.Sprintf("%s:%d", s.URI, s.Line)
				if select_(s.Tags) {
					selected = true
					p.order = append(p.order, s.ID)
					p.scenarios[s.ID] = s
				}
			}
			if selected {
				p.files = append(p.files, f)
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if len(p.order) == 0 {
		return nil, fmt.Errorf("%w out of %d", ErrNothingSelected, total)
	}
	return p, nil
}

// featureFiles reads all feature files below the root, by name.
func featureFiles(source fs.FS) ([]file, error) {
	var out []file
	err := fs.WalkDir(source, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(p) != ".feature" {
			return err
		}
		text, err := fs.ReadFile(source, p)
		out = append(out, file{uri: p, text: text})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("features: %w", err)
	}
	return out, nil
}

// scenarios reads one file. Outline rows are scenarios of their own.
func (f file) scenarios(known map[string]bool) (out []*reports.Scenario, faults []error) {
	newID := (&messages.Incrementing{}).NewId
	doc, err := gherkin.ParseGherkinDocument(bytes.NewReader(f.text), newID)
	if err != nil {
		return nil, []error{fmt.Errorf("%s: %w", f.uri, err)}
	}
	if doc.Feature == nil {
		return nil, []error{fmt.Errorf("%s: no feature in it", f.uri)}
	}
	at := index(doc.Feature)
	for _, pickle := range gherkin.Pickles(*doc, f.uri, newID) {
		s := &reports.Scenario{ID: key(f.uri, pickle.Name), Name: pickle.Name, Feature: doc.Feature.Name, URI: f.uri}
		for _, id := range pickle.AstNodeIds {
			s.Line = int(at[id].line) // of an outline the row's, which comes last
		}
		for _, tag := range pickle.Tags {
			if slices.Contains(s.Tags, tag.Name) {
				continue
			}
			s.Tags = append(s.Tags, tag.Name)
			id := strings.TrimPrefix(tag.Name, "@")
			switch {
			case !features.IsID(id):
			case known[id]:
				s.Requirements = append(s.Requirements, id)
			default:
				faults = append(faults, fmt.Errorf("%s:%d: scenario %q: tag %s names no requirement of requirements.yaml", f.uri, s.Line, s.Name, tag.Name))
			}
		}
		s.Role = roleOf(s)
		for _, step := range pickle.Steps {
			line := reports.Step{Text: step.Text, Verdict: reports.Skipped, Argument: argument(step.Argument)}
			if len(step.AstNodeIds) > 0 {
				line.Keyword = at[step.AstNodeIds[0]].keyword
			}
			s.Steps = append(s.Steps, line)
		}
		if len(s.Steps) == 0 {
			faults = append(faults, fmt.Errorf("%s:%d: scenario %q has no steps", f.uri, s.Line, s.Name))
		}
		if strings.TrimSpace(s.Name) == "" {
			faults = append(faults, fmt.Errorf("%s:%d: a scenario has no name", f.uri, s.Line))
		}
		out = append(out, s)
	}
	return out, faults
}

// node is what a scenario takes from the document: where a line is, its keyword.
type node struct {
	line    int64
	keyword string
}

func index(feature *messages.Feature) map[string]node {
	out := map[string]node{}
	steps := func(list []*messages.Step) {
		for _, s := range list {
			out[s.Id] = node{s.Location.Line, strings.TrimSpace(s.Keyword)}
		}
	}
	scenario := func(b *messages.Background, s *messages.Scenario) {
		if b != nil {
			steps(b.Steps)
		}
		if s != nil {
			out[s.Id] = node{line: s.Location.Line}
			steps(s.Steps)
			for _, e := range s.Examples {
				for _, row := range e.TableBody {
					out[row.Id] = node{line: row.Location.Line}
				}
			}
		}
	}
	for _, child := range feature.Children {
		scenario(child.Background, child.Scenario)
		if child.Rule != nil {
			for _, c := range child.Rule.Children {
				scenario(c.Background, c.Scenario)
			}
		}
	}
	return out
}

// roleOf is the folder that the feature is in, else that of its first requirement.
func roleOf(s *reports.Scenario) string {
	if dir, _, ok := strings.Cut(s.URI, "/"); ok && dir != "." {
		return dir
	}
	for _, id := range s.Requirements {
		switch id[:3] {
		case "TGT":
			return "target"
		case "SRC":
			return "source"
		case "CAV":
			return "cavs"
		case "SEC":
			return "every"
		}
	}
	return "other"
}

// argument is a step's doc string or table, as text.
func argument(a *messages.PickleStepArgument) string {
	switch {
	case a == nil:
		return ""
	case a.DocString != nil:
		return a.DocString.Content
	case a.DataTable != nil:
		var b strings.Builder
		for _, row := range a.DataTable.Rows {
			for _, cell := range row.Cells {
				b.WriteString("| " + cell.Value + " ")
			}
			b.WriteString("|\n")
		}
		return b.String()
	}
	return ""
}
