package reports

import (
	"cmp"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// This file draws a scenario's exchanges as a sequence diagram: participants as
// columns, one arrow for each request, in order of time, with what was answered.

// Sizes in SVG units, which are CSS pixels.
const (
	columnWidth = 150
	callerWidth = 105 // of one whom nobody calls: its arrows start there, and none ends
	rowHeight   = 32
	headHeight  = 34
	leftEdge    = 58
	labelRoom   = 190 // beside the last column
	charWidth   = 6.1 // of the labels' font, about
)

// From wholeDiagram arrows on, requests of one kind in a row share an arrow; a
// diagram ends after maxArrows.
const (
	wholeDiagram = 60
	maxArrows    = 150
)

// arrow is one exchange, or several of one kind in a row.
type arrow struct {
	*Exchange
	count int
}

// diagram is the SVG of a scenario; empty if nothing was exchanged. link gives
// the id in the page of an exchange by its Seq, about says that a finding is
// about it.
func diagram(s *Scenario, link func(seq int) string, about func(seq int) bool) string {
	if len(s.Exchanges) == 0 {
		return ""
	}
	arrows := arrowsOf(s.Exchanges, about)
	left := 0
	if len(arrows) > maxArrows {
		for _, a := range arrows[maxArrows:] {
			left += a.count
		}
		arrows = arrows[:maxArrows]
	}
	who, called := participants(s.Exchanges)
	column := map[string]int{}
	x := leftEdge
	for _, name := range who {
		column[name] = x
		if called[name] {
			x += columnWidth
		} else {
			x += callerWidth
		}
	}
	width := column[who[len(who)-1]] + labelRoom
	bottom := headHeight + len(arrows)*rowHeight + 12
	height := bottom + 22
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="seq" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="group" aria-label="Sequence diagram: %[3]s">`,
		width, height, html.EscapeString(strings.Join(who, ", ")))
	b.WriteString(`<path class="life" d="`)
	for _, name := range who {
		fmt.Fprintf(&b, "M%d %dV%d", column[name], headHeight-6, bottom)
	}
	b.WriteString(`"/>`)
	for _, name := range who {
		for _, y := range []int{18, bottom + 15} {
			fmt.Fprintf(&b, `<text class="who" x="%d" y="%d">%s</text>`, column[name], y, html.EscapeString(shortened(name, 18)))
		}
	}
	for i, a := range arrows {
		y := headHeight + (i+1)*rowHeight - 6
		a.draw(&b, column[a.From], column[a.To], y, width, link(a.Seq), about(a.Seq))
	}
	b.WriteString("</svg>")
	if left > 0 {
		fmt.Fprintf(&b, `<p class="soft">%d more exchanges are in the list below.</p>`, left)
	}
	return b.String()
}

// arrowsOf are the arrows of exchanges. In a long diagram requests in a row that
// differ in their path alone are one, unless a finding is about one of them.
func arrowsOf(all []Exchange, about func(seq int) bool) []arrow {
	out := make([]arrow, 0, len(all))
	for i := range all {
		e := &all[i]
		if n := len(out) - 1; len(all) > wholeDiagram && n >= 0 && !about(e.Seq) && !about(out[n].Seq) &&
			e.From == out[n].From && e.To == out[n].To && e.Method == out[n].Method && e.Status == out[n].Status {
			out[n].count++
			continue
		}
		out = append(out, arrow{e, 1})
	}
	return out
}

// participants are those who only call, in the order in which they do, and then
// those who are called: so most arrows go to the right.
func participants(all []Exchange) (who []string, called map[string]bool) {
	called = map[string]bool{}
	for i := range all {
		called[all[i].To] = true
	}
	var callers, others []string
	add := func(name string) {
		list := &callers
		if called[name] {
			list = &others
		}
		if !slices.Contains(*list, name) {
			*list = append(*list, name)
		}
	}
	for i := range all {
		add(all[i].From)
		add(all[i].To)
	}
	return append(callers, others...), called
}

func (a arrow) draw(b *strings.Builder, from, to, y, width int, id string, about bool) {
	status := a.outcome()
	path := target(a.URL)
	many := ""
	if a.count > 1 {
		many = fmt.Sprintf(" and %d more like it", a.count-1)
	}
	class := ""
	if a.Status == 0 {
		class = ` class="none"`
	}
	if about {
		class = ` class="about"`
	}
	label := fmt.Sprintf("%d: %s to %s, %s %s, %s%s", a.Seq, a.From, a.To, a.Method, shortened(path, 60), status, many)
	fmt.Fprintf(b, `<a href="#%s"%s aria-label="%s">`, id, class, html.EscapeString(label))
	x := min(from, to)
	switch {
	case from == to:
		fmt.Fprintf(b, `<path d="M%d %dh24v8h-20m5-4-6 4 6 4"/>`, from, y-2)
		x += 24
	case from < to:
		fmt.Fprintf(b, `<path d="M%d %dH%dm-7-4 7 4-7 4"/>`, from, y, to)
	default:
		fmt.Fprintf(b, `<path d="M%d %dH%dm7-4-7 4 7 4"/>`, from, y, to)
	}
	x += 6
	room := int(float64(width-x-4)/charWidth) - utf8.RuneCountInString(fmt.Sprintf("%d %s  %s", a.Seq, a.Method, status))
	shown := shortened(path, max(room, 8))
	if a.count > 1 {
		more := fmt.Sprintf(" (×%d)", a.count)
		shown = shortened(path, max(room-len(more), 8)) + more
	}
	if about {
		status += " ◆"
	}
	fmt.Fprintf(b, `<text x="%d" y="%d"><tspan>%d</tspan> %s %s <tspan class="st">%s</tspan></text></a>`,
		x, y-5, a.Seq, html.EscapeString(a.Method), html.EscapeString(shown), html.EscapeString(status))
}

// outcome is the status, or that there was none.
func (e *Exchange) outcome() string {
	if e.Status == 0 {
		return "no answer"
	}
	return fmt.Sprint(e.Status)
}

// target is a URL without its origin.
func target(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return text
	}
	path := cmp.Or(u.EscapedPath(), "/")
	if u.RawQuery != "" {
		path += "?" + u.RawQuery
	}
	return path
}

// shortened is a text of at most n characters.
func shortened(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	runes := []rune(text)
	return string(runes[:max(n-1, 0)]) + "…"
}
