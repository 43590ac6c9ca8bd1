package fhir

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// First use by many at once; the race detector watches.
func TestFirstUseAtOnce(t *testing.T) {
	var wait sync.WaitGroup
	for range 4 {
		for _, typ := range []string{"Patient", "Observation", "Consent", "Questionnaire", "Bundle"} {
			wait.Go(func() {
				o, err := ParseXML([]byte(`<` + typ + ` xmlns="http://hl7.org/fhir"><language value="de"/></` + typ + `>`))
				assert.NoError(t, err)
				Validate(o)
				SearchParams(typ)
				CompartmentPatients(o)
			})
		}
	}
	wait.Wait()
}

func TestIsResourceType(t *testing.T) {
	for name, want := range map[string]bool{
		"Patient": true, "Bundle": true, "Parameters": true, "Binary": true,
		"": false, "patient": false, "Nonsense": false, "Resource": false, "DomainResource": false, "HumanName": false, "string": false, "Patient.contact": false,
	} {
		assert.Equal(t, want, IsResourceType(name), name)
	}
	types := Types()
	assert.Len(t, types, 117)
	assert.True(t, slices.IsSorted(types))
	for _, name := range types {
		assert.True(t, IsResourceType(name), name)
	}
}

func TestValidID(t *testing.T) {
	for id, want := range map[string]bool{
		"1": true, "A-z.0": true, strings.Repeat("x", 64): true,
		"": false, strings.Repeat("x", 65): false, "a_b": false, "a/b": false, "a b": false, "é": false, "a\n": false,
	} {
		assert.Equal(t, want, ValidID(id), id)
	}
}

// Every line of the tables is read into a type, and makes sense there.
func TestTables(t *testing.T) {
	seen := map[*typeDef]bool{}
	own := 0
	var visit func(typ *typeDef)
	visit = func(typ *typeDef) {
		if seen[typ] {
			return
		}
		seen[typ] = true
		inherited := 0
		if typ.base != "" {
			base := namedTypes()[typ.base]
			require.NotNil(t, base, typ.base)
			inherited = len(base.content().elements)
			assert.Equal(t, base.content().elements, typ.content().elements[:inherited], typ.name)
		}
		own += len(typ.content().elements) - inherited
		for i, e := range typ.content().elements {
			assert.Equal(t, i, e.index)
			assert.Equal(t, e.choice, len(e.choices) > 1, "%s.%s", typ.name, e.name)
		}
		for name, f := range typ.content().fields {
			assert.Equal(t, name, f.dataName)
			assert.Same(t, f.element, typ.content().elements[f.index])
			if f.typ == nil {
				assert.Contains(t, []string{"contained", "resource", "outcome"}, name)
				continue
			}
			if f.valueSet != nil && !f.valueSet.known() {
				assert.Contains(t, []string{"http://hl7.org/fhir/ValueSet/designation-use", "http://www.rfc-editor.org/bcp/bcp13.txt"}, f.valueSet.url, "the only ones that are not enumerated")
			}
			visit(f.typ)
		}
	}
	for _, typ := range namedTypes() {
		visit(typ)
		if typ.prim != nil && typ.prim.regex != nil {
			assert.NotNil(t, typ.prim.regex(), "it compiles")
		}
	}
	assert.Equal(t, strings.Count(elementsText, "\n")-1, own, "lines of elements.tsv")
	assert.Equal(t, strings.Count(typesText, "\n")-1, len(namedTypes()), "lines of types.tsv")
}
