// Package features holds what is judged: the feature files, by role, and the
// catalogue of the requirements that their tags name.
package features

import (
	"embed"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// FS holds the feature files, "[role]/[capability].feature", and requirements.yaml.
//
//go:embed requirements.yaml source/*.feature target/*.feature cavs/*.feature exchange/*.feature
var FS embed.FS

// Requirement is one row of the protocol's section 3.
type Requirement struct {
	ID     string   `yaml:"id" json:"id"`         // such as "SRC-14"; it never changes its meaning
	Role   string   `yaml:"role" json:"role"`     // target, source, cavs, or every
	Level  string   `yaml:"level" json:"level"`   // SHALL, SHOULD or MAY
	Source []string `yaml:"source" json:"source"` // where it comes from: N, R, S, F, O, H
	Text   string   `yaml:"text" json:"text"`
}

// IsID says whether a tag, without its "@", has the form of a requirement's id.
func IsID(tag string) bool { return idForm.MatchString(tag) }

var idForm = regexp.MustCompile(`^[A-Z]{3}-[0-9]{2}$`)

// Catalogue reads all requirements, in the protocol's order.
func Catalogue() ([]Requirement, error) {
	text, err := FS.ReadFile("requirements.yaml")
	if err != nil {
		return nil, fmt.Errorf("requirements.yaml: %w", err)
	}
	return Parse(text)
}

// Parse reads a catalogue. It takes nothing that it does not know; each error
// names its line.
func Parse(text []byte) ([]Requirement, error) {
	var file struct {
		Requirements []ast.Node `yaml:"requirements"`
	}
	if err := yaml.UnmarshalWithOptions(text, &file, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("requirements.yaml: %w", err)
	}
	var errs []error
	bad := func(at ast.Node, format string, args ...any) {
		errs = append(errs, fmt.Errorf("requirements.yaml:%d: %s", line(at), fmt.Sprintf(format, args...)))
	}
	all := make([]Requirement, 0, len(file.Requirements))
	seen := map[string]int{}
	for _, node := range file.Requirements {
		if node == nil {
			continue
		}
		var r Requirement
		if err := yaml.NodeToValue(node, &r, yaml.Strict()); err != nil {
			bad(node, "%v", err)
			continue
		}
		for _, fault := range r.faults() {
			bad(node, "%s", fault)
		}
		if before, twice := seen[r.ID]; twice {
			bad(node, "id: %s stands on line %d already", r.ID, before)
		}
		seen[r.ID] = line(node)
		all = append(all, r)
	}
	if len(all) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("requirements.yaml:1: requirements: there are none"))
	}
	return all, errors.Join(errs...)
}

// faults says what is wrong with one row, by field.
func (r Requirement) faults() []string {
	var out []string
	if !IsID(r.ID) {
		out = append(out, fmt.Sprintf("id: %q, want three letters, a hyphen and two digits", r.ID))
	}
	prefix := map[string]string{"target": "TGT", "source": "SRC", "cavs": "CAV", "every": "SEC"}[r.Role]
	switch {
	case prefix == "":
		out = append(out, fmt.Sprintf("role: %q, want target, source, cavs or every", r.Role))
	case !strings.HasPrefix(r.ID, prefix+"-"):
		out = append(out, fmt.Sprintf("id: %q is of another role than %s", r.ID, r.Role))
	}
	if r.Level != "SHALL" && r.Level != "SHOULD" && r.Level != "MAY" {
		out = append(out, fmt.Sprintf("level: %q, want SHALL, SHOULD or MAY", r.Level))
	}
	if r.Text == "" {
		out = append(out, "text: missing")
	}
	if len(r.Source) == 0 {
		out = append(out, "source: missing")
	}
	for _, s := range r.Source {
		if len(s) != 1 || !strings.Contains("NRSFOH", s) {
			out = append(out, fmt.Sprintf("source: %q, want letters of N, R, S, F, O, H", s))
		}
	}
	return out
}

func line(n ast.Node) int {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return 1
	}
	// A flow mapping's own token is its opening brace, so this is where the row starts.
	return n.GetToken().Position.Line
}
