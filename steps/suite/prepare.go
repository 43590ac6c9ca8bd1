package suite

import (
	"fmt"
	"slices"
	"strings"

	"example.org/ccde/features"
	"example.org/ccde/reports"
)

// prepared is all that is known before anything is started.
type prepared struct {
	catalogue []features.Requirement
	levels    map[string]string // by id
	plan      *plan             // what is selected
	passes    []*pass
	total     int // scenarios of all passes
}

// prepare reads the features and selects. Each error is one that the caller can mend.
func prepare(opt *Options) (*prepared, error) {
	if err := opt.defaults(); err != nil {
		return nil, err
	}
	r := &prepared{levels: map[string]string{}}
	var err error
	if r.catalogue, err = features.Catalogue(); err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, q := range r.catalogue {
		known[q.ID], r.levels[q.ID] = true, q.Level
	}
	selected, err := parseTags(opt.Tags)
	if err != nil {
		return nil, err
	}
	all, err := readPlan(selected, known, opt.Features, opt.ExtraFeatures)
	if err != nil {
		return nil, err
	}
	r.plan = all.of(opt.wants)
	r.passes = passesOf(opt, r.plan)
	for _, one := range r.passes {
		// What a pass judges is its role's part of a scenario's ids.
		one.plan = one.plan.of(opt.asks)
		one.skipped = slices.DeleteFunc(one.skipped, func(s reports.Scenario) bool { return !opt.asks(&s) })
		r.total += len(one.plan.order)
	}
	if r.total == 0 {
		return nil, fmt.Errorf("%w out of %d", ErrNothingSelected, len(all.order))
	}
	return r, nil
}

// wants says whether a scenario is selected by its own id.
func (o *Options) wants(s *reports.Scenario) bool {
	return o.Only == nil || slices.ContainsFunc(o.Only, func(id string) bool { return id == s.ID || strings.HasPrefix(id, s.ID+" (") })
}

// asks says whether a scenario is selected by the requirements that it judges.
func (o *Options) asks(s *reports.Scenario) bool {
	return o.Requirements == nil || slices.ContainsFunc(s.Requirements, func(id string) bool { return slices.Contains(o.Requirements, id) })
}

// List is what Run would run: the scenarios as they are before they ran, in the
// order of the features, role by role. The error is a *UsageError.
func List(opt Options) ([]reports.Scenario, error) {
	r, err := prepare(&opt)
	if err != nil {
		return nil, &UsageError{err}
	}
	var out []reports.Scenario
	for _, one := range r.passes {
		for _, name := range one.plan.order {
			out = append(out, *one.plan.scenarios[name])
		}
	}
	return inOrder(out, r.plan), nil
}

// Tags are all that the scenarios have, each once, in order.
func Tags(opt Options) ([]string, error) {
	opt.Tags, opt.Requirements, opt.Only = "", nil, nil
	all, err := List(opt)
	var out []string
	for _, s := range all {
		out = append(out, s.Tags...)
	}
	slices.Sort(out)
	return slices.Compact(out), err
}
