package reports

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"time"
)

// KillSchema names the form of kill.json, as [Schema] does that of report.json.
const KillSchema = "ccde-kill/1"

// The files that [WriteKill] writes.
const (
	KillJSONFile = "kill.json"
	KillHTMLFile = "kill.html"
)

// KilledDefect is a defect that the judge was tried with, and what it saw.
type KilledDefect struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	// Breaks is the requirement that it breaks, Nodes are the roles that had it.
	Breaks string   `json:"breaks"`
	Nodes  []string `json:"nodes"`
	// Killed says that a scenario judged that requirement worse than on clean nodes.
	Killed bool `json:"killed"`
	// By are the names of those scenarios.
	By []string `json:"by,omitempty"`
	// Others are the ids of other requirements that came out worse, AlsoBy the
	// scenarios that judged them so.
	Others []string `json:"others,omitempty"`
	AlsoBy []string `json:"alsoBy,omitempty"`
	// Error says why the defect could not be tried: its script is wrong.
	Error      string  `json:"error,omitempty"`
	DurationMS float64 `json:"durationMs"`
}

// KillRow is one requirement with its defects.
type KillRow struct {
	ID      string   `json:"id"`
	Role    string   `json:"role"`
	Level   string   `json:"level"`
	Text    string   `json:"text,omitempty"`
	Defects []string `json:"defects"` // by name
	Killed  int      `json:"killed"`
}

// KillMatrix says which defects of mock EHRs the judge found out.
type KillMatrix struct {
	Schema     string    `json:"schema"`
	Started    time.Time `json:"started"`
	DurationMS float64   `json:"durationMs"`
	Dialect    string    `json:"dialect"`
	// Full says that all scenarios met all defects.
	Full bool `json:"full"`
	// Scenarios is how many there were for clean nodes.
	Scenarios int            `json:"scenarios"`
	Killed    int            `json:"killed"`
	Defects   []KilledDefect `json:"defects"`
	// Requirements are those that have a defect, in the order of the catalogue.
	Requirements []KillRow `json:"requirements"`
	// Idle are the scenarios that made no defect's verdict any worse; only where Full.
	Idle []string `json:"idle,omitempty"`
}

// Survivors are the defects that were not killed.
func (m *KillMatrix) Survivors() []KilledDefect {
	var out []KilledDefect
	for _, d := range m.Defects {
		if !d.Killed {
			out = append(out, d)
		}
	}
	return out
}

// RollUp counts, and sorts the defects under their requirements, which are
// given in order.
func (m *KillMatrix) RollUp(catalogue []Requirement) {
	m.Killed, m.Requirements = 0, nil
	for _, r := range catalogue {
		row := KillRow{ID: r.ID, Role: r.Role, Level: r.Level, Text: r.Text}
		for _, d := range m.Defects {
			if d.Breaks != r.ID {
				continue
			}
			row.Defects = append(row.Defects, d.Name)
			if d.Killed {
				row.Killed++
			}
		}
		if len(row.Defects) > 0 {
			m.Killed += row.Killed
			m.Requirements = append(m.Requirements, row)
		}
	}
}

//go:embed kill.html
var killPage string

// WriteKill writes kill.json and kill.html into a folder, which is made.
func WriteKill(dir string, m *KillMatrix) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", KillJSONFile, err)
	}
	page, err := template.New(KillHTMLFile).Funcs(template.FuncMap{
		"defect": func(name string) KilledDefect {
			for _, d := range m.Defects {
				if d.Name == name {
					return d
				}
			}
			return KilledDefect{Name: name}
		},
		"seconds": func(ms float64) string { return fmt.Sprintf("%.1f s", ms/1000) },
	}).Parse(killPage)
	if err != nil {
		return fmt.Errorf("%s: %w", KillHTMLFile, err)
	}
	var html bytes.Buffer
	if err := page.Execute(&html, m); err != nil {
		return fmt.Errorf("%s: %w", KillHTMLFile, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, KillJSONFile), append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, KillHTMLFile), html.Bytes(), 0o644)
}
