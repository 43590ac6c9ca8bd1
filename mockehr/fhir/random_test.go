package fhir

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// seed of what is drawn here: another one finds other resources.
const randomSeed = 3

// randomResources are made of each type; more if elements are left that did not occur.
const randomResources = 3

func TestRandomResources(t *testing.T) {
	r := &randomizer{Rand: rand.New(rand.NewPCG(randomSeed, 0)), used: map[string]bool{}, done: map[string]bool{}}
	for _, typ := range Types() {
		if typ == "Bundle" {
			continue // whose rules are tested by hand, and which holds all others
		}
		for i := 0; i < randomResources || i < 20*randomResources && !r.exhausted(typ, map[string]bool{}); i++ {
			asJSON, asXML := r.document(typ)
			if len(r.unsaid) > 0 {
				continue // something contained, and nothing could refer to it
			}
			there, err := ParseJSON([]byte(asJSON))
			require.NoError(t, err, "%s", asJSON)
			back, err := ParseXML([]byte(asXML))
			require.NoError(t, err, "%s", asXML)
			require.True(t, Equal(there, back), "the two say the same:\n%s\n%s\n%s", asJSON, asXML, AppendJSON(nil, back))
			require.Empty(t, Validate(there), "%s", asJSON)
			require.Empty(t, Validate(back), "%s", asXML)
			for _, print := range []func([]byte, *Object) ([]byte, error){AppendXML, AppendXMLIndent} {
				text, err := print(nil, there)
				require.NoError(t, err, "%s", asJSON)
				again, err := ParseXML(text)
				require.NoError(t, err, "%s", text)
				require.True(t, Equal(there, again), "%s\n%s", asJSON, text)
			}
			again, err := ParseJSON(AppendJSONIndent(nil, back))
			require.NoError(t, err)
			require.True(t, Equal(there, again), "%s\n%s", asJSON, asXML)
		}
	}
	for path, rows := range childRows() {
		for _, row := range rows {
			for _, typ := range row.Types {
				if !strings.HasPrefix(path, "Bundle") {
					assert.True(t, r.used[row.Path+":"+typ], "%s of type %s was never tried", row.Path, typ)
				}
			}
		}
	}
}

// One thing that is wrong is found, wherever it is, and its place is named.
func TestRandomResourcesSpoiled(t *testing.T) {
	r := &randomizer{Rand: rand.New(rand.NewPCG(randomSeed, 1)), used: map[string]bool{}, idle: true}
	for _, spoil := range []string{"unknown", "kind", "array"} {
		found := 0
		for _, typ := range Types() {
			if typ == "Bundle" {
				continue
			}
			for range 4 {
				r.spoil, r.spoilAt = spoil, 1+r.IntN(25)
				asJSON, _ := r.document(typ)
				if r.expression == "" {
					continue // it has fewer places than that
				}
				o, err := ParseJSON([]byte(asJSON))
				require.NoError(t, err, "%s", asJSON)
				issues := Validate(o)
				require.True(t, slices.ContainsFunc(issues, func(i Issue) bool {
					return i.Severity == "error" && slices.Equal(i.Expression, []string{r.expression})
				}), "%s at %s in %s: %v", spoil, r.expression, asJSON, issues)
				found++
			}
		}
		assert.Greater(t, found, 100, spoil)
	}
}
