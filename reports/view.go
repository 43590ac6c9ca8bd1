package reports

import (
	"fmt"
	"html/template"
	"slices"
)

// This file arranges a run as the page shows it.

// pageView is the run as the page needs it.
type pageView struct {
	*Run
	Headline, Subline string
	State             Verdict
	Columns           []Verdict // the verdicts that occur
	Findings          []findingView
	Open              []reasonView // what was not judged, by reason
	Roles             []roleView
	Asked             []askedView // requirements by role
	Filter            []string    // the roles that one can choose
	Sources           []sourceView
}

// findingView is a finding that is no pass, with what it is about. What several
// scenarios found alike is one.
type findingView struct {
	Finding
	Asked Requirement
	Shown Verdict // waived, where a waiver holds
	In    []foundIn
}

// foundIn is one scenario that found it, and the exchanges that show it there.
type foundIn struct {
	Scenario  *scenarioView
	Exchanges []int
}

// reasonView is a reason for which requirements were not judged.
type reasonView struct {
	Verdict Verdict
	Reason  string
	IDs     []string
}

type roleView struct {
	Role      string
	Counts    Counts
	Scenarios []*scenarioView
}

type askedView struct {
	Role         string
	Requirements []requirementView
}

type requirementView struct {
	Requirement
	Judged []*scenarioView
}

// sourceView says what a mark in a requirement's source stands for.
type sourceView struct{ Mark, Text string }

// scenarioView is a scenario with its place in the page.
type scenarioView struct {
	*Scenario
	Number   int
	Evidence template.HTML // the diagram, the exchanges, the JWTs
}

// sources are the marks of the protocol's own table.
var sources = []sourceView{
	{"N", "the implementation notes for test.fhir.org (HL7 wiki, September 2017)"},
	{"R", "what the reference server behind test.fhir.org did in August 2017"},
	{"S", "the Sync for Science API documentation"},
	{"F", "FHIR STU3 (3.0.1)"},
	{"O", "the RFCs of OAuth, JOSE and bearer tokens; SMART App Launch"},
	{"H", "this project, where the notes name a step and give no format"},
}

func view(run *Run) pageView {
	v := pageView{Run: run, Sources: sources}
	v.Headline, v.Subline, v.State = run.headline()
	for _, verdict := range Verdicts() {
		if run.Counts[verdict] > 0 || run.ScenarioCounts[verdict] > 0 {
			v.Columns = append(v.Columns, verdict)
		}
	}
	byID := map[string]*scenarioView{}
	for i := range run.Scenarios {
		s := &scenarioView{Scenario: &run.Scenarios[i], Number: i + 1}
		s.Evidence = s.evidence()
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
		v.ask(q, byID)
	}
	for _, r := range v.Roles {
		v.Filter = append(v.Filter, r.Role)
	}
	for _, a := range v.Asked {
		if !slices.Contains(v.Filter, a.Role) {
			v.Filter = append(v.Filter, a.Role)
		}
	}
	slices.SortStableFunc(v.Findings, func(a, b findingView) int { return rank(b.Shown) - rank(a.Shown) })
	slices.SortStableFunc(v.Open, func(a, b reasonView) int { return rank(b.Verdict) - rank(a.Verdict) })
	return v
}

// ask puts a requirement in its place, and its findings where they are told.
func (v *pageView) ask(q Requirement, byID map[string]*scenarioView) {
	n := slices.IndexFunc(v.Asked, func(a askedView) bool { return a.Role == q.Role })
	if n < 0 {
		n = len(v.Asked)
		v.Asked = append(v.Asked, askedView{Role: q.Role})
	}
	rv := requirementView{Requirement: q}
	for _, id := range q.Scenarios {
		if s := byID[id]; s != nil {
			rv.Judged = append(rv.Judged, s)
		}
	}
	v.Asked[n].Requirements = append(v.Asked[n].Requirements, rv)
	for _, f := range q.Findings {
		switch f.Verdict {
		case Passed:
		case Unjudged, Skipped:
			v.open(f)
		default:
			shown := f.Verdict
			if shown == Failed && q.Verdict == Waived {
				shown = Waived
			}
			v.find(f, q, shown, byID[f.Scenario])
		}
	}
}

// find lists a finding, with those that are the same but for where they were made.
func (v *pageView) find(f Finding, q Requirement, shown Verdict, in *scenarioView) {
	n := slices.IndexFunc(v.Findings, func(o findingView) bool {
		return o.ID == f.ID && o.Shown == shown && o.Level == f.Level && o.Expected == f.Expected && o.Found == f.Found
	})
	if n < 0 {
		n = len(v.Findings)
		v.Findings = append(v.Findings, findingView{Finding: f, Asked: q, Shown: shown})
	}
	if in != nil {
		v.Findings[n].In = append(v.Findings[n].In, foundIn{in, f.Exchanges})
	}
}

// First are the scenarios that are named at once, More the others.
func (f findingView) First() []foundIn { return f.In[:min(len(f.In), shownAtFirst)] }
func (f findingView) More() []foundIn  { return f.In[min(len(f.In), shownAtFirst):] }

const shownAtFirst = 3

// FirstNotes are the notes that are shown at once, MoreNotes the others: a run
// may leave dozens of copies at a target.
func (v pageView) FirstNotes() []string { return v.Notes[:min(len(v.Notes), shownNotes)] }
func (v pageView) MoreNotes() []string  { return v.Notes[min(len(v.Notes), shownNotes):] }

const shownNotes = 5

// open lists a requirement below the reason for which it was not judged.
func (v *pageView) open(f Finding) {
	n := slices.IndexFunc(v.Open, func(r reasonView) bool { return r.Reason == f.Found && r.Verdict == f.Verdict })
	if n < 0 {
		n = len(v.Open)
		v.Open = append(v.Open, reasonView{Verdict: f.Verdict, Reason: f.Found})
	}
	if !slices.Contains(v.Open[n].IDs, f.ID) {
		v.Open[n].IDs = append(v.Open[n].IDs, f.ID)
	}
}

// Link is the id in the page of one of the scenario's exchanges.
func (v *scenarioView) Link(seq int) string { return fmt.Sprintf("x%d.%d", v.Number, seq) }

// Open says that the page shows the scenario opened.
func (v *scenarioView) Open() bool { return v.Verdict == Failed || v.Verdict == Error }
