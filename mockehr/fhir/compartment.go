package fhir

import (
	"slices"
	"sync"
)

// compartmentPaths are the ways from a resource of a type to the Patients in
// whose compartment it is; each type's are made when first asked for.
//
// The compartment is narrower here than in FHIR (protocol 1.5): a person's record
// is what has them as subject, patient or beneficiary. What they performed,
// asserted or authored for someone else is the other one's.
func compartmentPaths(typ string) []searchPath {
	if paths := compartments()[typ]; paths != nil {
		return paths()
	}
	return nil
}

var compartments = sync.OnceValue(func() map[string]func() []searchPath {
	expressions := map[string][]string{}
	for _, row := range compartmentRows() {
		switch row.Param {
		case "subject", "patient", "beneficiary":
			if row.Expression != "" {
				expressions[row.Resource] = append(expressions[row.Resource], row.Expression)
			}
		}
	}
	types := map[string]func() []searchPath{}
	for typ, texts := range expressions {
		types[typ] = sync.OnceValue(func() []searchPath { return compileDistinct(typ, texts) })
	}
	return types
})

// compileDistinct compiles expressions, leaving out what others among them say.
func compileDistinct(typ string, expressions []string) []searchPath {
	var paths []searchPath
	for _, text := range expressions {
		for _, p := range compileExpression(typ, text) {
			if !slices.ContainsFunc(paths, p.same) {
				paths = append(paths, p)
			}
		}
	}
	return paths
}

// InPatientCompartment tells whether resources of a type can be in a Patient's
// compartment; others (Practitioner, Medication, Binary, ..) belong to no patient.
func InPatientCompartment(typ string) bool {
	return typ == "Patient" || len(compartmentPaths(typ)) > 0
}

// CompartmentPatients returns the ids of the Patients in whose compartment o is,
// each once (protocol 1.5): those that it refers to as subject, patient or
// beneficiary; a Patient is in its own. Only Patients of this server count:
// relative references, and absolute ones below one of its bases.
func CompartmentPatients(o *Object, bases ...string) []string {
	if o.Type() == "Patient" {
		if id := o.ID(); id != "" {
			return []string{id}
		}
		return nil
	}
	var ids []string
	for _, p := range compartmentPaths(o.Type()) {
		p.walk(o, func(v any, _ *field) {
			ref, _ := v.(*Object)
			typ, id, ok := LocalReference(ref.Text("reference"), bases...)
			if ok && typ == "Patient" && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		})
	}
	return ids
}
