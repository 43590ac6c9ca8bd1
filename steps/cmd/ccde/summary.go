package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"example.org/ccde/reports"
)

// summarize shows what did not hold, what was not judged and why, and then, by
// role, what came out.
func summarize(w io.Writer, run *reports.Run) {
	fmt.Fprintln(w)
	waived := map[string]bool{}
	for _, r := range run.Requirements {
		waived[r.ID] = r.Verdict == reports.Waived
	}
	for i := range run.Scenarios {
		if s := &run.Scenarios[i]; s.Verdict == reports.Failed || s.Verdict == reports.Error {
			tell(w, s, waived)
		}
	}
	warnings(w, run)
	unjudged(w, run)
	waivers(w, run)
	table(w, run)
	fmt.Fprintf(w, "\n%s. %s, %s, %s.\n", outcome(run), counted(len(run.Scenarios), "scenario"), counted(len(run.Requirements), "requirement"), took(run.DurationMS))
}

// waivers shows what failed and does not count, and those that are stale.
func waivers(w io.Writer, run *reports.Run) {
	for _, r := range run.Requirements {
		if r.Verdict == reports.Waived {
			fmt.Fprintf(w, "WAIVED: %s %s\n", r.ID, r.Level)
			field(w, "because", r.Waiver)
			fmt.Fprintln(w)
		}
	}
	for _, id := range run.StaleWaivers {
		fmt.Fprintf(w, "STALE WAIVER: %s: it is over, or nothing fails any more; take it out of waivers\n\n", id)
	}
}

// unjudged shows each reason once, with the requirements that it left unjudged.
// A requirement that other scenarios judged is named too: a part of it was not
// looked at.
func unjudged(w io.Writer, run *reports.Run) {
	verdict, level := map[string]reports.Verdict{}, map[string]string{}
	for _, r := range run.Requirements {
		verdict[r.ID], level[r.ID] = r.Verdict, r.Level
	}
	whole, part := map[string][]string{}, map[string][]string{}
	var order []string
	add := func(why, id string) {
		to := part
		if verdict[id] == reports.Unjudged {
			to = whole
		}
		if !slices.Contains(order, why) {
			order = append(order, why)
		}
		if !slices.Contains(to[why], id) {
			to[why] = append(to[why], id)
		}
	}
	for _, s := range run.Scenarios {
		for _, f := range s.Findings {
			if f.Verdict == reports.Unjudged && s.Verdict != reports.Failed && s.Verdict != reports.Error {
				add(f.Found, f.ID)
			}
		}
		if len(s.Findings) == 0 && s.Verdict == reports.Unjudged {
			for _, st := range s.Steps {
				if st.Verdict == reports.Unjudged && !slices.Contains(order, st.Error) {
					order = append(order, st.Error)
				}
			}
		}
	}
	for _, r := range run.Requirements {
		if r.Verdict == reports.Unjudged && len(r.Scenarios) == 0 {
			add(r.Findings[0].Found, r.ID)
		}
	}
	for _, why := range order {
		fmt.Fprintf(w, "UNJUDGED: %s\n", why)
		slices.Sort(whole[why])
		slices.Sort(part[why])
		for i, id := range whole[why] {
			whole[why][i] = id + " " + level[id]
		}
		field(w, "ids", strings.Join(whole[why], ", "))
		field(w, "in part", strings.Join(part[why], ", "))
		fmt.Fprintln(w)
	}
}

func outcome(run *reports.Run) string {
	switch {
	case run.Interrupted:
		return "Cut short: what had not run yet was not judged"
	case run.ExitCode == reports.ExitConformant:
		return "Conformant"
	case run.ExitCode == reports.ExitNotConformant:
		return "Not conformant"
	case run.ExitCode == reports.ExitStaleWaiver:
		return "Conformant, but a waiver is stale: " + strings.Join(run.StaleWaivers, ", ")
	}
	return "Could not judge all of it"
}

// tell shows one scenario: what was expected, what was found, and the exchange.
// What a waiver covers is called so.
func tell(w io.Writer, s *reports.Scenario, waived map[string]bool) {
	verdict := s.Verdict
	if verdict == reports.Failed && !slices.ContainsFunc(s.Findings, func(f reports.Finding) bool { return f.Verdict == reports.Failed && !waived[f.ID] }) {
		verdict = reports.Waived
	}
	fmt.Fprintf(w, "%s: %s\n  %s:%d\n", strings.ToUpper(verdict), s.Name, s.URI, s.Line)
	var shown []int
	for _, f := range s.Findings {
		switch f.Verdict {
		case reports.Passed, reports.Skipped, reports.Warning:
			continue
		}
		if f.Expected == "" && strings.TrimSpace(f.Found) == strings.TrimSpace(s.Error) {
			continue // it says what the error below says
		}
		fmt.Fprintf(w, "  %s %s %s\n", f.ID, f.Level, f.Verdict)
		field(w, "expected", f.Expected)
		field(w, "found", f.Found)
		for _, seq := range f.Exchanges {
			i := slices.IndexFunc(s.Exchanges, func(x reports.Exchange) bool { return x.Seq == seq })
			if i < 0 || slices.Contains(shown, seq) || f.Verdict == reports.Unjudged {
				continue
			}
			shown = append(shown, seq)
			exchange(w, s.Exchanges[i])
		}
	}
	if s.Error != "" {
		field(w, "error", s.Error)
		for _, st := range s.Steps {
			if st.Verdict == reports.Error {
				field(w, "at", st.Keyword+" "+st.Text)
				break
			}
		}
	}
	fmt.Fprintln(w)
}

// warnings shows each thing that was warned of once, however many scenarios saw it.
func warnings(w io.Writer, run *reports.Run) {
	type warning struct {
		first reports.Finding
		in    []string // names of scenarios
	}
	var all []*warning
	for _, s := range run.Scenarios {
		for _, f := range s.Findings {
			if f.Verdict != reports.Warning {
				continue
			}
			i := slices.IndexFunc(all, func(o *warning) bool { return o.first.ID == f.ID && o.first.Expected == f.Expected })
			if i < 0 {
				i = len(all)
				all = append(all, &warning{first: f})
			}
			if n := len(all[i].in); n == 0 || all[i].in[n-1] != s.Name {
				all[i].in = append(all[i].in, s.Name)
			}
		}
	}
	for _, o := range all {
		fmt.Fprintf(w, "WARNING: %s %s\n", o.first.ID, o.first.Level)
		field(w, "expected", o.first.Expected)
		field(w, "found", o.first.Found)
		seen := o.in[0]
		if more := len(o.in) - 1; more > 0 {
			seen += fmt.Sprintf(" (and in %d more)", more)
		}
		field(w, "in", seen)
		fmt.Fprintln(w)
	}
}

func field(w io.Writer, name, text string) {
	if text = strings.TrimSpace(text); text != "" {
		fmt.Fprintf(w, "    %-9s %s\n", name+":", strings.ReplaceAll(text, "\n", "\n              "))
	}
}

// exchange shows a request and its answer in a few lines.
func exchange(w io.Writer, x reports.Exchange) {
	fmt.Fprintf(w, "    exchange %d, %s to %s:\n      > %s %s\n", x.Seq, x.From, x.To, x.Method, x.URL)
	some(w, ">", x.RequestBody)
	if x.Error != "" {
		fmt.Fprintf(w, "      < %s\n", x.Error)
	}
	if x.Status > 0 {
		fmt.Fprintf(w, "      < %d\n", x.Status)
	}
	some(w, "<", x.ResponseBody)
}

// some shows the beginning of a body.
func some(w io.Writer, sign, body string) {
	const most = 400
	body = strings.Join(strings.Fields(body), " ")
	if body == "" {
		return
	}
	if runes := []rune(body); len(runes) > most {
		body = string(runes[:most]) + " …"
	}
	fmt.Fprintf(w, "      %s %s\n", sign, body)
}

// table counts requirements and scenarios by role.
func table(w io.Writer, run *reports.Run) {
	var columns []reports.Verdict
	for _, v := range reports.Verdicts() {
		if run.Counts[v]+run.ScenarioCounts[v] > 0 {
			columns = append(columns, v)
		}
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', tabwriter.AlignRight)
	row := func(name, level string, counts reports.Counts, time string) {
		fmt.Fprintf(t, "%-16s %-8s\t", name, level)
		for _, v := range columns {
			fmt.Fprintf(t, "%d\t", counts[v])
		}
		fmt.Fprintf(t, "%s\t\n", time)
	}
	fmt.Fprintf(t, "%-16s %-8s\t", "requirements", "")
	for _, v := range columns {
		fmt.Fprintf(t, "%s\t", v)
	}
	fmt.Fprint(t, "\t\n")
	for _, g := range run.Summary {
		row(reports.RoleName(g.Role), g.Level, g.Counts, "")
	}
	fmt.Fprintf(t, "%-16s %-8s\t%s\t\n", "scenarios", "", strings.Repeat("\t", len(columns)))
	for _, r := range byRole(run) {
		row(reports.RoleName(r.role), "", r.counts, took(r.ms))
	}
	_ = t.Flush() // an error to write is one of the terminal
}

type roleCount struct {
	role   string
	counts reports.Counts
	ms     float64
}

func byRole(run *reports.Run) []roleCount {
	var out []roleCount
	for _, s := range run.Scenarios {
		i := slices.IndexFunc(out, func(r roleCount) bool { return r.role == s.Role })
		if i < 0 {
			i = len(out)
			out = append(out, roleCount{role: s.Role, counts: reports.Counts{}})
		}
		out[i].counts[s.Verdict]++
		out[i].ms += s.DurationMS
	}
	return out
}

func took(ms float64) string {
	return (time.Duration(ms) * time.Millisecond).Round(100 * time.Millisecond).String()
}
