package reports

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"
)

//go:embed report.html
var pageText string

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"ms":     duration,
	"why":    func(r *Run) string { return strings.TrimPrefix(r.Why, "runtime "+r.Runtime+": ") },
	"time":   func(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04:05 UTC") },
	"day":    func(t time.Time) string { return t.UTC().Format("2 January 2006") },
	"iso":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"role":   RoleName,
	"mark":   mark,
	"code":   code,
	"join":   strings.Join,
	"anchor": anchor,
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
		sub += ". The run is partial" + r.notJudged()
	}
	return head, sub + ".", state
}

// notJudged names what makes a run partial.
func (r *Run) notJudged() string {
	const most = 6
	var ids []string
	for i := range r.Requirements {
		if q := &r.Requirements[i]; q.Verdict == Error || q.Verdict == Unjudged && q.counts() {
			ids = append(ids, q.ID)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	text := ": not judged: " + strings.Join(ids[:min(len(ids), most)], ", ")
	if len(ids) > most {
		text += fmt.Sprintf(" and %d more", len(ids)-most)
	}
	return text
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

// code is a text in which what stands between backticks is code.
func code(text string) template.HTML {
	parts := strings.Split(text, "`")
	var b strings.Builder
	for i, part := range parts {
		part = template.HTMLEscapeString(part)
		switch {
		case i%2 == 0:
			b.WriteString(part)
		case i == len(parts)-1:
			b.WriteString("`" + part) // it is never closed
		default:
			b.WriteString("<code>" + part + "</code>")
		}
	}
	return template.HTML(b.String()) //nolint:gosec // each part is escaped
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
