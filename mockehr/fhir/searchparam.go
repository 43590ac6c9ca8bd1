package fhir

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
)

// SearchParam is a search parameter of a resource type (FHIR STU3 3.1.1).
type SearchParam struct {
	Code       string   // the name in a query: birthdate
	Type       string   // token, reference, date, string, number, quantity or uri
	Expression string   // FHIRPath, as the specification has it
	Targets    []string // of a reference: the types it may point to; empty: any
	paths      []searchPath
}

// SearchTables identifies the tables that search parameters are made from: another
// text means that what [SearchParam.Extract] returns may be another.
func SearchTables() string {
	sum := sha256.Sum256([]byte(searchParamsText + compartmentText + elementsText))
	return hex.EncodeToString(sum[:8])
}

// typeParams keeps the compiled parameters of each type that was asked for.
var typeParams sync.Map // type name -> []SearchParam

// SearchParams returns the parameters of a resource type that a value can be
// extracted for, by name: its own and those of every resource (_id, _tag, ..).
// Composite ones, text search and distances are not among them. Types that the
// specification's table doesn't cover have those by which their Patient
// compartment is defined. The slice is shared: it is for reading only.
func SearchParams(resource string) []SearchParam {
	if params, ok := typeParams.Load(resource); ok {
		return params.([]SearchParam)
	}
	if !IsResourceType(resource) {
		return nil
	}
	params, _ := typeParams.LoadOrStore(resource, compileParams(resource))
	return params.([]SearchParam)
}

// ParamOf returns the parameter of a resource type with that name.
func ParamOf(resource, code string) (SearchParam, bool) {
	params := SearchParams(resource)
	i, ok := slices.BinarySearchFunc(params, code, func(p SearchParam, code string) int {
		return strings.Compare(p.Code, code)
	})
	if !ok {
		return SearchParam{}, false
	}
	return params[i], true
}

func compileParams(resource string) []SearchParam {
	var params []SearchParam
	add := func(code, typ, expression string, targets []string) {
		if slices.ContainsFunc(params, func(p SearchParam) bool { return p.Code == code }) {
			return
		}
		p := SearchParam{Code: code, Type: typ, Expression: expression, Targets: targets,
			paths: compileExpression(resource, expression)}
		if slices.Contains(targets, "Resource") {
			p.Targets = nil
		}
		// The table repeats a target for lack of a finer one: what is called
		// patient is one, though some of these elements may name a Group too.
		if code == "patient" && slices.Contains(targets, "Patient") {
			p.Targets = []string{"Patient"}
		}
		if len(p.paths) > 0 {
			params = append(params, p)
		}
	}
	for _, row := range searchParamRows() {
		if row.Resource != resource && row.Resource != "Resource" && row.Resource != "DomainResource" {
			continue
		}
		switch {
		case row.Type == "composite", row.Usage == "nearby", row.Usage == "distance":
		default:
			add(row.Code, row.Type, row.Expression, row.Targets)
		}
	}
	for _, row := range compartmentRows() {
		if row.Resource == resource && row.Expression != "" {
			add(row.Param, row.Type, row.Expression, row.Targets)
		}
	}
	slices.SortFunc(params, func(a, b SearchParam) int { return strings.Compare(a.Code, b.Code) })
	return params
}

// CodeSystems returns the code systems that a token's bare codes (elements of
// type code) belong to by their binding: status=http://hl7.org/fhir/..|final.
func (p SearchParam) CodeSystems() []string {
	var systems []string
	for _, path := range p.paths {
		for _, f := range path.steps[len(path.steps)-1].fields {
			if f.typ == nil || f.typ.name != "code" || !f.valueSet.known() {
				continue
			}
			for c := range f.valueSet.codings {
				if !slices.Contains(systems, c.system) {
					systems = append(systems, c.system)
				}
			}
		}
	}
	slices.Sort(systems)
	return systems
}
