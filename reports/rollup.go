package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// rank orders verdicts from harmless to worst. A failure that was seen weighs
// more than an error beside it: the one is proven, the other only hides more.
func rank(v Verdict) int {
	switch v {
	case Skipped:
		return 0
	case Passed:
		return 1
	case Warning:
		return 2
	case Unjudged:
		return 3
	case Error:
		return 4
	case Waived:
		return 5
	case Failed:
		return 6
	default:
		// A text that is no verdict says that something is wrong here, not there.
		return 4
	}
}

// Worst answers the worst of the verdicts, "" if there are none.
func Worst(verdicts ...Verdict) Verdict {
	worst := ""
	for _, v := range verdicts {
		if worst == "" || rank(v) > rank(worst) {
			worst = v
		}
	}
	return worst
}

// Judge sets the scenario's verdict from its findings, its steps and its
// error, and gives each id that it is tagged with, but found nothing of, a
// finding of its own: passed if the scenario came to its end, else why not.
// level answers the level of an id.
func (s *Scenario) Judge(level func(id string) string) {
	verdicts := []Verdict{}
	var failed []string
	seen := map[string]bool{}
	for _, f := range s.Findings {
		verdicts = append(verdicts, f.Verdict)
		seen[f.ID] = true
		if f.Verdict == Failed && !slices.Contains(failed, f.ID) {
			failed = append(failed, f.ID)
		}
	}
	if s.Error != "" {
		verdicts = append(verdicts, Error)
	}
	rest, reason := s.rest(failed)
	verdicts = append(verdicts, rest)
	s.Verdict = Worst(verdicts...)
	for _, id := range s.Requirements {
		if seen[id] {
			continue
		}
		seen[id] = true
		s.Findings = append(s.Findings, Finding{ID: id, Level: level(id), Verdict: rest, Found: reason})
	}
}

// rest is the verdict for what the scenario is tagged with and says nothing of.
func (s *Scenario) rest(failed []string) (v Verdict, reason string) {
	if len(failed) > 0 {
		return Unjudged, "not reached: after " + strings.Join(failed, ", ") + ", which failed"
	}
	if s.Error != "" {
		return Error, s.Error
	}
	v = Passed
	for _, step := range s.Steps {
		switch step.Verdict {
		case Passed, Warning:
		case Skipped, Unjudged:
			if v == Passed {
				v, reason = Unjudged, cmp.Or(step.Error, "the scenario ended before it")
			}
		default:
			return Error, cmp.Or(step.Error, fmt.Sprintf("step %q ended as %q", step.Text, step.Verdict))
		}
	}
	if v == Unjudged {
		// A scenario that was left out by a finding takes that finding's word.
		for _, f := range s.Findings {
			if f.Verdict == Skipped || f.Verdict == Unjudged {
				return f.Verdict, f.Found
			}
		}
	}
	return v, reason
}

// RollUp fills in all that follows from the scenarios and from the
// requirements' own fields: verdicts, findings, counts, summary, exit code.
// The scenarios must have been judged. It can be called again.
func (r *Run) RollUp() {
	r.Schema = Schema
	byID := make(map[string]*Requirement, len(r.Requirements))
	for i := range r.Requirements {
		q := &r.Requirements[i]
		q.Findings, q.Scenarios = nil, []string{}
		byID[q.ID] = q
	}
	r.ScenarioCounts = Counts{}
	for i := range r.Scenarios {
		s := &r.Scenarios[i]
		r.ScenarioCounts[s.Verdict]++
		for j := range s.Findings {
			f := s.Findings[j]
			f.Scenario = s.ID
			q := byID[f.ID]
			if q == nil {
				continue
			}
			q.Findings = append(q.Findings, f)
			if !slices.Contains(q.Scenarios, s.ID) {
				q.Scenarios = append(q.Scenarios, s.ID)
			}
		}
	}
	r.Counts = Counts{}
	r.Summary = nil
	r.Partial = r.Interrupted
	for i := range r.Requirements {
		q := &r.Requirements[i]
		q.rollUp(r.Interrupted)
		r.Counts[q.Verdict]++
		r.group(q.Role, q.Level).add(q.Verdict)
		if q.Verdict == Error || q.Verdict == Unjudged && q.counts() {
			r.Partial = true
		}
	}
	r.sortSummary()
	r.ExitCode = ExitCode(r)
	r.Conformant = r.ExitCode == ExitConformant || r.ExitCode == ExitStaleWaiver
}

func (q *Requirement) rollUp(interrupted bool) {
	if len(q.Findings) == 0 {
		why := "no scenario judged it"
		if interrupted {
			why = "the run was cut short before it"
		}
		q.Findings = []Finding{{ID: q.ID, Level: q.Level, Verdict: Unjudged, Found: why}}
	}
	slices.SortStableFunc(q.Findings, func(a, b Finding) int { return rank(b.Verdict) - rank(a.Verdict) })
	q.Verdict = q.Findings[0].Verdict
	if q.Verdict == Failed && q.Waiver != "" {
		q.Verdict = Waived
	}
}

// counts says whether an unjudged requirement makes the run partial.
func (q *Requirement) counts() bool { return q.Level == SHALL || q.Level == MAY && q.Claimed }

// sortSummary keeps the roles as they came, and puts SHALL before SHOULD before MAY.
func (r *Run) sortSummary() {
	role := map[string]int{}
	for _, g := range r.Summary {
		if _, ok := role[g.Role]; !ok {
			role[g.Role] = len(role)
		}
	}
	level := []string{SHALL, SHOULD, MAY}
	slices.SortStableFunc(r.Summary, func(a, b Group) int {
		return cmp.Or(role[a.Role]-role[b.Role], slices.Index(level, a.Level)-slices.Index(level, b.Level))
	})
}

func (r *Run) group(role, level string) *Group {
	for i := range r.Summary {
		if g := &r.Summary[i]; g.Role == role && g.Level == level {
			return g
		}
	}
	r.Summary = append(r.Summary, Group{Role: role, Level: level, Counts: Counts{}})
	return &r.Summary[len(r.Summary)-1]
}

func (g *Group) add(v Verdict) {
	g.Counts[v]++
	g.Total++
}

// Scenario finds a scenario by its id; nil if there is none.
func (r *Run) Scenario(id string) *Scenario {
	for i := range r.Scenarios {
		if r.Scenarios[i].ID == id {
			return &r.Scenarios[i]
		}
	}
	return nil
}

// The exit codes of a run. Where several hold, it is the first of 2, 1, 3, 4.
const (
	ExitConformant    = 0
	ExitNotConformant = 1 // a failed requirement
	ExitUsage         = 2 // bad usage or config, or nothing selected
	ExitNotJudged     = 3 // an error, or something that counts unjudged: the run is partial
	ExitStaleWaiver   = 4 // a waiver that is over, or was not needed
)

// ExitCode answers the exit code of a run that was rolled up.
func ExitCode(r *Run) int {
	if r == nil || len(r.Scenarios) == 0 && !r.Interrupted {
		return ExitUsage
	}
	partial := r.Partial
	for i := range r.Requirements {
		if r.Requirements[i].Verdict == Failed {
			return ExitNotConformant
		}
	}
	for i := range r.Scenarios {
		// A scenario that judges no id counts all the same, and so does one that broke off.
		s := &r.Scenarios[i]
		switch {
		case s.Verdict == Failed && len(s.Requirements) == 0:
			return ExitNotConformant
		case s.Verdict == Error:
			partial = true
		}
	}
	switch {
	case partial:
		return ExitNotJudged
	case len(r.StaleWaivers) > 0:
		return ExitStaleWaiver
	}
	return ExitConformant
}
