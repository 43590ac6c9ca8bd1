package reports

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

//go:embed report.html
var pageText string

// shownBody bounds what the page shows of one body, in bytes; report.json has it all.
const shownBody = 6 << 10

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"ms":      duration,
	"why":     func(r *Run) string { return strings.TrimPrefix(r.Why, "runtime "+r.Runtime+": ") },
	"time":    func(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04:05 UTC") },
	"iso":     func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
	"clock":   func(t time.Time) string { return t.UTC().Format("15:04:05.000") },
	"role":    RoleName,
	"mark":    mark,
	"body":    body,
	"join":    strings.Join,
	"anchor":  anchor,
	"linkSeq": func(s *Scenario, seq int) string { return fmt.Sprintf("%s-x%d", anchor(s.ID), seq) },
}).Parse(pageText))

// WriteHTML writes the run as one page that needs nothing else: no network, no
// other file. It works without scripts too.
func WriteHTML(w io.Writer, run *Run) error {
	var b bytes.Buffer // a page that breaks off in the middle is no page
	if err := page.Execute(&b, view(run)); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// RoleName is what people call a role.
func RoleName(role string) string {
	switch role {
	case "target":
		return "Target EHR"
	case "source":
		return "Source EHR"
	case "cavs":
		return "CAVS"
	case "every":
		return "Every system"
	case "exchange":
		return "Whole exchange"
	default:
		return role
	}
}

// pageView is the run as the page needs it.
type pageView struct {
	*Run
	Headline, Subline string
	State             Verdict
	Columns           []Verdict // the verdicts that occur
	Findings          []findingView
	Roles             []roleView
	Asked             []askedView // requirements by role
}

type findingView struct {
	Finding
	Text     string
	Scenario *Scenario
}

type roleView struct {
	Role      string
	Counts    Counts
	Scenarios []*Scenario
}

type askedView struct {
	Role         string
	Requirements []requirementView
}

type requirementView struct {
	Requirement
	Judged []*Scenario
}

func view(run *Run) pageView {
	v := pageView{Run: run}
	v.Headline, v.Subline, v.State = run.headline()
	for _, verdict := range Verdicts() {
		if run.Counts[verdict] > 0 || run.ScenarioCounts[verdict] > 0 {
			v.Columns = append(v.Columns, verdict)
		}
	}
	byID := map[string]*Scenario{}
	for i := range run.Scenarios {
		s := &run.Scenarios[i]
		byID[s.ID] = s
		n := slices.IndexFunc(v.Roles, func(r roleView) bool { return r.Role == s.Role })
		if n < 0 {
			n = len(v.Roles)
			v.Roles = append(v.Roles, roleView{Role: s.Role, Counts: Counts{}})
		}
		v.Roles[n].Scenarios = append(v.Roles[n].Scenarios, s)
		v.Roles[n].Counts[s.Verdict]++
	}
	for _, q := range run.Requirements {
		n := slices.IndexFunc(v.Asked, func(a askedView) bool { return a.Role == q.Role })
		if n < 0 {
			n = len(v.Asked)
			v.Asked = append(v.Asked, askedView{Role: q.Role})
		}
		rv := requirementView{Requirement: q}
		for _, id := range q.Scenarios {
			rv.Judged = append(rv.Judged, byID[id])
		}
		v.Asked[n].Requirements = append(v.Asked[n].Requirements, rv)
		for _, f := range q.Findings {
			if f.Verdict != Passed {
				v.Findings = append(v.Findings, findingView{Finding: f, Text: q.Text, Scenario: byID[f.Scenario]})
			}
		}
	}
	slices.SortStableFunc(v.Findings, func(a, b findingView) int { return rank(b.Verdict) - rank(a.Verdict) })
	return v
}

// headline says in a few words what came out.
func (r *Run) headline() (head, sub string, state Verdict) {
	switch ExitCode(r) {
	case ExitConformant:
		head, state = "Conformant", Passed
	case ExitNotConformant:
		head, state = "Not conformant", Failed
	case ExitNotJudged:
		head, state = "Could not judge all of it", Error
	case ExitStaleWaiver:
		head, state = "Conformant, with a stale waiver", Warning
	default:
		return "Nothing was judged", "No scenario was selected.", Error
	}
	sub = fmt.Sprintf("%d requirements, %d scenarios", len(r.Requirements), len(r.Scenarios))
	var parts []string
	for _, v := range Verdicts() {
		if n := r.Counts[v]; n > 0 {
			parts = append(parts, counted(n, v))
		}
	}
	if len(parts) > 0 {
		sub += ": " + strings.Join(parts, ", ")
	}
	if r.Interrupted {
		sub += ". The run was cut short"
	} else if r.Partial {
		sub += ". The run is partial"
	}
	return head, sub + ".", state
}

// mark is a sign for a verdict, so that colour is never all that tells.
func mark(v Verdict) string {
	switch v {
	case Passed:
		return "✓"
	case Warning:
		return "!"
	case Failed:
		return "✗"
	case Waived:
		return "~"
	case Skipped:
		return "–"
	case Unjudged:
		return "?"
	default:
		return "⚠"
	}
}

// body is a body as the page shows it: JSON is indented, what is long is cut.
func body(text string) string {
	if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
		var b bytes.Buffer
		if json.Indent(&b, []byte(text), "", "  ") == nil {
			text = b.String()
		}
	}
	if len(text) <= shownBody {
		return text
	}
	cut := shownBody
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return fmt.Sprintf("%s\n… %d bytes more, see report.json", text[:cut], len(text)-cut)
}

// anchor makes an id of the page from a scenario's id.
func anchor(id string) string {
	return "s-" + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '.':
			return r
		case r > 127:
			return r
		}
		return '_'
	}, id)
}

// duration is a time in milliseconds as people read it.
func duration(ms float64) string {
	switch {
	case ms >= 60_000:
		return fmt.Sprintf("%d min %d s", int(ms)/60_000, int(ms)%60_000/1000)
	case ms >= 1000:
		return fmt.Sprintf("%.1f s", ms/1000)
	case ms >= 10:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f ms", ms)
}

// counted is a number of things with a verdict: "1 error", "3 warnings".
func counted(n int, v Verdict) string {
	if n != 1 && (v == Warning || v == Error) {
		v += "s"
	}
	return fmt.Sprintf("%d %s", n, v)
}
