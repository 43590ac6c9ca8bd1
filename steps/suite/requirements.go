package suite

import (
	"example.org/ccde/features"
)

// Requirement is a row of the catalogue with the scenarios that judge it.
type Requirement struct {
	features.Requirement
	// Scenarios are names, in the order of the files.
	Scenarios []string `json:"scenarios"`
}

// Requirements lists the catalogue with the project's own scenarios. An error
// says what is wrong with the catalogue or the feature files.
func Requirements() ([]Requirement, error) {
	catalogue, err := features.Catalogue()
	if err != nil {
		return nil, err
	}
	out := make([]Requirement, len(catalogue))
	known := map[string]bool{}
	at := map[string]int{}
	for i, r := range catalogue {
		out[i] = Requirement{Requirement: r, Scenarios: []string{}}
		known[r.ID], at[r.ID] = true, i
	}
	p, err := readPlan(func([]string) bool { return true }, known, features.FS)
	if err != nil {
		return nil, err
	}
	for _, name := range p.order {
		s := p.scenarios[name]
		for _, id := range s.Requirements {
			out[at[id]].Scenarios = append(out[at[id]].Scenarios, s.Name)
		}
	}
	return out, nil
}
