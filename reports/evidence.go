package reports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"html/template"
	"slices"
	"strings"
	"time"
)

// This file writes what a scenario's page part shows of its exchanges. It does
// so by hand: there are thousands, and html/template would take ten times as long.

// The page shows the beginning of a body, laid out, up to so many bytes;
// report.json has more. What a finding is about is shown at length.
const (
	shownAbout  = 24 << 10
	shownBeside = 4 << 10 // in a scenario that did not pass
	shownPassed = 900     // in one that passed
	shownAtOnce = 6 << 10 // what is longer is collapsed
)

// evidence is the sequence diagram, the exchanges and the JWTs of a scenario.
func (v *scenarioView) evidence() template.HTML {
	if len(v.Exchanges) == 0 {
		return ""
	}
	about := map[int]bool{}
	for _, f := range v.Findings {
		for _, seq := range f.Exchanges {
			about[seq] = about[seq] || f.Verdict != Passed
		}
	}
	w := &writer{}
	w.raw(`<h4>Who called whom</h4><div class="seq-box" tabindex="0" role="region" aria-label="Sequence diagram">`)
	w.raw(diagram(v.Scenario, v.Link, func(seq int) bool { return about[seq] }))
	w.raw("</div>\n<h4>HTTP exchanges</h4>\n")
	decoded := map[int][]string{}
	for i, j := range v.JWTs {
		link := fmt.Sprintf(`<a href="#j%d.%d">%s</a>`, v.Number, i+1, html.EscapeString(j.Label))
		for _, place := range j.Seen {
			if !slices.Contains(decoded[place.Exchange], link) {
				decoded[place.Exchange] = append(decoded[place.Exchange], link)
			}
		}
	}
	for i := range v.Exchanges {
		e := &v.Exchanges[i]
		limit := shownPassed
		switch {
		case about[e.Seq]:
			limit = shownAbout
		case v.Verdict != Passed:
			limit = shownBeside
		}
		w.exchange(e, v.Link(e.Seq), about[e.Seq], limit, decoded[e.Seq])
	}
	if len(v.JWTs) > 0 {
		w.raw("<h4>JWTs, decoded</h4>\n")
	}
	for i, j := range v.JWTs {
		w.jwt(j, fmt.Sprintf("j%d.%d", v.Number, i+1), v.Link)
	}
	return template.HTML(w.String()) //nolint:gosec // all texts are escaped by text
}

// writer writes HTML: raw is markup of ours, text is anything else.
type writer struct{ strings.Builder }

func (w *writer) raw(markup string) { w.WriteString(markup) }

// inText escapes for the inside of an element, where quotes may stand.
var inText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\x00", "\uFFFD", "\r", "\u240D")

func (w *writer) text(text string) {
	_, _ = inText.WriteString(w, strings.ToValidUTF8(text, "\uFFFD")) // a Builder takes all
}

func (w *writer) exchange(e *Exchange, id string, about bool, limit int, jwts []string) {
	class := "x"
	if about {
		class += " about"
	}
	fmt.Fprintf(w, `<details class="%s" id="%s"><summary><span class="soft">%d · %s · `, class, id, e.Seq, e.At.UTC().Format("15:04:05.000"))
	w.text(e.From + " → " + e.To)
	w.raw("</span> <code>")
	w.text(e.Method + " " + shortened(target(e.URL), 300))
	fmt.Fprintf(w, "</code> <b>%s</b>", e.outcome())
	if about {
		w.raw(` <span class="soft">◆ a finding is about this</span>`)
	}
	w.raw("</summary><b>Request</b>")
	w.message(e.Method+" "+e.URL, e.RequestHeaders, e.RequestBody, limit)
	fmt.Fprintf(w, `<b>Answer</b> <span class="soft">after %s</span>`, duration(e.DurationMS))
	first := e.outcome()
	if e.Error != "" {
		first += ": " + e.Error
	}
	w.message(first, e.ResponseHeaders, e.ResponseBody, limit)
	if len(jwts) > 0 {
		w.raw(`<p class="soft">JWT, decoded: ` + strings.Join(jwts, ", ") + "</p>")
	}
	w.raw("</details>\n")
}

// message is one side of an exchange: its first line, headers and body.
func (w *writer) message(first string, headers [][2]string, body string, limit int) {
	shown, left := pretty(body, limit)
	long := len(shown) > shownAtOnce
	if long {
		fmt.Fprintf(w, `<details class="long"><summary class="soft">%d bytes</summary>`, len(body))
	}
	w.raw("<pre>")
	w.text(first)
	for _, h := range headers {
		w.text("\n" + h[0] + ": " + h[1])
	}
	if shown != "" {
		w.raw("\n\n")
		w.text(shown)
	}
	if left > 0 {
		fmt.Fprintf(w, "\n… %d bytes more, see report.json", left)
	}
	w.raw("</pre>")
	if long {
		w.raw("</details>")
	}
}

func (w *writer) jwt(j JWT, id string, link func(seq int) string) {
	fmt.Fprintf(w, `<details class="j" id="%s"><summary>%s <span class="soft">in exchange`, id, html.EscapeString(j.Label))
	for _, place := range j.Seen {
		fmt.Fprintf(w, ` <a href="#%s" title="%s">%d</a>`, link(place.Exchange), html.EscapeString(place.Where), place.Exchange)
	}
	if t := times(j.Claims); t != "" {
		w.raw(" · ")
		w.text(t)
	}
	w.raw("</span></summary><b>Header</b><pre>")
	w.text(indented(j.Header))
	w.raw("</pre><b>Claims</b><pre>")
	w.text(indented(j.Claims))
	w.raw("</pre></details>\n")
}

func indented(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return string(raw)
	}
	return b.String()
}

// times are a JWT's moments as people read them.
func times(claims json.RawMessage) string {
	var c map[string]json.RawMessage
	if json.Unmarshal(claims, &c) != nil {
		return ""
	}
	var out []string
	for _, name := range []string{"iat", "nbf", "exp"} {
		var seconds json.Number // also as a string, as test.fhir.org writes it
		if json.Unmarshal(c[name], &seconds) != nil {
			continue
		}
		if n, err := seconds.Float64(); err == nil && n > 0 && n < 1e11 {
			out = append(out, name+" "+time.Unix(int64(n), 0).UTC().Format("2006-01-02 15:04:05 UTC"))
		}
	}
	return strings.Join(out, " · ")
}
