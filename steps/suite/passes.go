package suite

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"example.org/ccde/reports"
	"example.org/ccde/steps"
)

// pass is one way through the features. Where outside systems are judged there
// is one for each of their roles: in it that system plays this role, and mocks
// play the others, whatever else it can do.
type pass struct {
	role    string // the role under test; "" = mocks play all, and all are judged
	roles   map[string]steps.Role
	plan    *plan
	alone   bool               // its scenarios run one at a time, with the names at the front door to themselves
	kills   bool               // they kill the system, so that nothing else may run
	skipped []reports.Scenario // what is left out by the config, with the reason
}

// passOrder is the order in which roles are judged.
var passOrder = []string{"source", "target", "cavs"}

// prefixes are those of the roles' ids.
var prefixes = map[string]string{"source": "SRC-", "target": "TGT-", "cavs": "CAV-"}

// ofEvery is the prefix of the ids that bind every system.
const ofEvery = "SEC-"

// mentions find in a step which role it speaks of.
var mentions = map[string]*regexp.Regexp{
	"source": regexp.MustCompile(`\bsource\b`),
	"target": regexp.MustCompile(`\btarget\b`),
	"cavs":   regexp.MustCompile(`\bCAVS\b`),
}

// passesOf parts a plan by the roles under test.
func passesOf(opt *Options, p *plan) []*pass {
	if len(opt.Roles) == 0 {
		one := &pass{plan: p}
		one.leaveOut(opt.Skip)
		return []*pass{one}
	}
	var out []*pass
	in := map[string]int{} // of a scenario, in how many passes it is
	for _, role := range passOrder {
		system, judged := opt.Roles[role]
		if !judged || opt.Judged != nil && !slices.Contains(opt.Judged, role) {
			continue
		}
		one := &pass{role: role, roles: map[string]steps.Role{role: system}, plan: p.of(func(s *reports.Scenario) bool {
			return judges(s, role) || len(out) == 0 && nobodys(s)
		})}
		if theirs, there := opt.Roles["cavs"]; there && role == "source" && system.AsksCAVS == "theirs" {
			one.roles["cavs"] = theirs
		}
		for _, s := range one.plan.scenarios {
			s.Requirements = slices.DeleteFunc(slices.Clone(s.Requirements), func(id string) bool { return !binds(role, id) })
			in[s.ID]++
		}
		one.leaveOut(opt.Skip)
		one.plan.waitingFirst()
		out = append(out, one.parted()...)
	}
	for _, one := range out {
		for _, s := range one.plan.scenarios {
			if in[s.ID] > 1 { // the plan goes on by the scenario's own key
				s.Name += " (" + one.role + ")"
				s.ID += " (" + one.role + ")"
			}
		}
	}
	return out
}

// waits find in a step that real time passes where an outside system is judged.
var waits = regexp.MustCompile(`(seconds?|minutes?|hours?) pass|update is over|time is over|has had time`)

// waitingFirst lets the features begin whose scenarios wait for most, so that
// nobody waits for them at the end.
func (p *plan) waitingFirst() {
	waiting, all := map[string]float64{}, map[string]float64{}
	for _, s := range p.scenarios {
		all[s.URI]++
		for _, st := range s.Steps {
			if waits.MatchString(st.Text) {
				waiting[s.URI]++
			}
		}
	}
	slices.SortStableFunc(p.files, func(a, b file) int { return cmp.Compare(waiting[b.uri]/all[b.uri], waiting[a.uri]/all[a.uri]) })
}

// parted is a pass with those scenarios apart that change what others could
// meet at the front door: a source or a CAVS knows our mocks by their names
// there, so that they can be in one state at a time.
func (p *pass) parted() []*pass {
	killing := func(s *reports.Scenario) bool {
		return slices.ContainsFunc(s.Steps, func(st reports.Step) bool { return strings.HasSuffix(st.Text, " is killed") })
	}
	// What a person revokes may be all that an application has of them.
	revoking := func(s *reports.Scenario) bool {
		return slices.ContainsFunc(s.Steps, func(st reports.Step) bool { return strings.Contains(st.Text, " revokes ") })
	}
	apart := func(s *reports.Scenario) bool {
		// A target is told with each $connect where its source is.
		return p.role != "target" && !killing(s) && (revoking(s) || slices.ContainsFunc(passOrder, func(role string) bool {
			_, outside := p.roles[role]
			return !outside && slices.ContainsFunc(s.Steps, func(st reports.Step) bool { return mentions[role].MatchString(st.Text) })
		}))
	}
	alone := &pass{role: p.role, roles: p.roles, alone: true, plan: p.plan.of(apart)}
	kills := &pass{role: p.role, roles: p.roles, alone: true, kills: true, plan: p.plan.of(killing)}
	p.plan = p.plan.of(func(s *reports.Scenario) bool { return !apart(s) && !killing(s) })
	return []*pass{p, alone, kills}
}

// binds says whether a requirement binds a role: "" is any. One that is not in
// the catalogue, but another module's own, binds all.
func binds(role, id string) bool {
	for other, prefix := range prefixes {
		if role != "" && other != role && strings.HasPrefix(id, prefix) {
			return false
		}
	}
	return true
}

// judges says whether a scenario judges a role: by its ids or, where these are
// of every system, by the folder of its feature or else by whom its steps speak of.
func judges(s *reports.Scenario, role string) bool {
	every := len(s.Requirements) == 0
	for _, id := range s.Requirements {
		if strings.HasPrefix(id, prefixes[role]) {
			return true
		}
		every = every || strings.HasPrefix(id, ofEvery)
	}
	folder, _, _ := strings.Cut(s.URI, "/")
	if _, of := prefixes[folder]; of {
		return every && folder == role
	}
	return every && speaks(s, role)
}

func speaks(s *reports.Scenario, role string) bool {
	return slices.ContainsFunc(s.Steps, func(st reports.Step) bool { return mentions[role].MatchString(st.Text) })
}

// nobodys says that a scenario judges no requirement and speaks of no role: one
// that another module brings, about whatever its steps look at.
func nobodys(s *reports.Scenario) bool {
	return len(s.Requirements) == 0 && !slices.ContainsFunc(passOrder, func(role string) bool { return speaks(s, role) })
}

// of is the part of a plan that keep wants, with scenarios of its own.
func (p *plan) of(keep func(*reports.Scenario) bool) *plan {
	out := &plan{scenarios: map[string]*reports.Scenario{}}
	files := map[string]bool{}
	for _, name := range p.order {
		if s := *p.scenarios[name]; keep(&s) {
			s.Steps = slices.Clone(s.Steps)
			out.order = append(out.order, name)
			out.scenarios[name] = &s
			files[s.URI] = true
		}
	}
	for _, f := range p.files {
		if files[f.uri] {
			out.files = append(out.files, f)
		}
	}
	return out
}

// leaveOut takes from a pass what the config skips. A scenario that judges
// nothing else is not played; it stands in the report with the reason.
func (p *pass) leaveOut(skip map[string]string) {
	out := p.plan.of(func(s *reports.Scenario) bool {
		left := slices.DeleteFunc(slices.Clone(s.Requirements), func(id string) bool { return skip[id] != "" })
		if len(left) == len(s.Requirements) {
			return true
		}
		if len(left) > 0 {
			s.Requirements = left
			return true
		}
		gone := *s
		for _, id := range s.Requirements {
			gone.Findings = append(gone.Findings, reports.Finding{ID: id, Verdict: reports.Skipped, Found: skip[id]})
		}
		gone.Verdict = reports.Skipped
		p.skipped = append(p.skipped, gone)
		return false
	})
	p.plan = out
}

// judges says of each id whether this pass is about it.
func (p *pass) judges(skip map[string]string) func(id string) bool {
	return func(id string) bool { return binds(p.role, id) && skip[id] == "" }
}

// settle makes of a pass's results what counts for the role under test. What a
// scenario found of a mock, or of another role, is no verdict on this system: a
// failure there kept us from judging.
func (p *pass) settle(all []reports.Scenario, skip map[string]string) []reports.Scenario {
	if p.role == "" && len(skip) == 0 {
		return all
	}
	for i := range all {
		s := &all[i]
		var kept []reports.Finding
		beside := ""
		for _, f := range s.Findings {
			switch {
			case binds(p.role, f.ID) && skip[f.ID] == "":
				kept = append(kept, f)
			case binds(p.role, f.ID), f.Verdict != reports.Failed:
			default:
				beside = cmp.Or(beside, fmt.Sprintf("the mock beside the system under test did not do its part, which keeps us from judging: either what the system gave it made it so, or ccde is wrong. %s: expected %s; found %s", f.ID, f.Expected, f.Found))
			}
		}
		if beside != "" {
			s.Error = cmp.Or(s.Error, beside)
			for j := range kept {
				if kept[j].Verdict == reports.Unjudged {
					kept[j].Found = beside
				}
			}
		}
		s.Findings = kept
	}
	return append(all, p.skipped...)
}

// promote makes what could only be left out unjudged, where no scenario could
// judge the requirement in another way.
func promote(all []reports.Scenario, skip map[string]string) {
	judged := map[string]bool{}
	for _, s := range all {
		for _, f := range s.Findings {
			judged[f.ID] = judged[f.ID] || f.Verdict != reports.Skipped
		}
	}
	for i := range all {
		for j := range all[i].Findings {
			if f := &all[i].Findings[j]; f.Verdict == reports.Skipped && !judged[f.ID] && skip[f.ID] == "" {
				f.Verdict = reports.Unjudged
			}
		}
	}
}

// underTest are the roles that are judged, in order; none where mocks play all.
func underTest(passes []*pass) []string {
	var out []string
	for _, p := range passes {
		if p.role != "" && !slices.Contains(out, p.role) {
			out = append(out, p.role)
		}
	}
	return out
}

// inOrder puts scenarios back into the order of the plan, by role under test.
func inOrder(all []reports.Scenario, p *plan) []reports.Scenario {
	at := map[string]int{}
	for i, name := range p.order {
		at[p.scenarios[name].URI+":"+fmt.Sprint(p.scenarios[name].Line)+p.scenarios[name].Feature] = i
	}
	slices.SortStableFunc(all, func(a, b reports.Scenario) int {
		return at[a.URI+":"+fmt.Sprint(a.Line)+a.Feature] - at[b.URI+":"+fmt.Sprint(b.Line)+b.Feature]
	})
	return all
}
