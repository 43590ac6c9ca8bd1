package steps

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/fhir"
)

const sourceBase, targetBase = "http://source.example/r3", "http://target.example/r3"

// record is a small record as a source gives it.
var record = []string{
	`{"resourceType":"Patient","id":"p","meta":{"versionId":"1"},"birthDate":"1970-01","generalPractitioner":[{"reference":"Practitioner/d"}]}`,
	`{"resourceType":"Practitioner","id":"d","name":[{"family":"Доктор"}]}`,
	`{"resourceType":"Observation","id":"1","subject":{"reference":"Patient/p"},"performer":[{"reference":"Practitioner/d"}],"valueQuantity":{"value":1.50}}`,
	`{"resourceType":"Observation","id":"2","subject":{"reference":"Patient/p"},"performer":[{"reference":"Organization/gone"}],"valueQuantity":{"value":1.50}}`,
	`{"resourceType":"DocumentReference","id":"r","text":{"status":"generated","div":"<div><a href=\"Patient/p\">p</a></div>"},"subject":{"reference":"http://source.example/r3/Patient/p/_history/1"},"content":[{"attachment":{"url":"Binary/b"}}]}`,
	`{"resourceType":"Binary","id":"b","contentType":"text/plain","content":"YQ=="}`,
}

// copyOf is the record as a target that does well holds it.
var copyOf = []string{
	`{"resourceType":"Patient","id":"P1","meta":{"versionId":"7"},"generalPractitioner":[{"reference":"Practitioner/D1"}],"birthDate":"1970-01"}`,
	`{"resourceType":"Practitioner","id":"D1","name":[{"family":"Доктор"}]}`,
	`{"resourceType":"Observation","id":"O1","subject":{"reference":"http://target.example/r3/Patient/P1"},"performer":[{"reference":"Practitioner/D1/_history/2"}],"valueQuantity":{"value":1.50}}`,
	`{"resourceType":"Observation","id":"O2","subject":{"reference":"Patient/P1"},"performer":[{"reference":"http://source.example/r3/Organization/gone"}],"valueQuantity":{"value":1.50}}`,
	`{"resourceType":"DocumentReference","id":"R1","text":{"status":"generated","div":"<div><a href=\"Patient/P1\">p</a></div>"},"subject":{"reference":"Patient/P1"},"content":[{"attachment":{"url":"http://target.example/r3/Binary/B1"}}]}`,
	`{"resourceType":"Binary","id":"B1","contentType":"text/plain","content":"YQ=="}`,
}

func graphOf(t *testing.T, base string, resources []string) *graph {
	t.Helper()
	g := newGraph(base)
	for _, text := range resources {
		o, err := fhir.ParseJSON([]byte(text))
		require.NoError(t, err, text)
		g.add(o)
	}
	return g
}

func TestCompareTakesAGoodCopy(t *testing.T) {
	assert.Equal(t, difference{}, compare(graphOf(t, sourceBase, record), graphOf(t, targetBase, copyOf), true))
	sameIDs := strings.ReplaceAll(strings.Join(record, "\n"), sourceBase, targetBase)
	assert.Equal(t, difference{}, compare(graphOf(t, sourceBase, record), graphOf(t, targetBase, strings.Split(sameIDs, "\n")), true), "the ids may be the same")
}

func TestCompareTakesAReferenceThatStays(t *testing.T) {
	stays := strings.ReplaceAll(strings.Join(copyOf, "\n"), "http://source.example/r3/Organization/gone", "Organization/gone")
	assert.Equal(t, difference{}, compare(graphOf(t, sourceBase, record), graphOf(t, targetBase, strings.Split(stays, "\n")), true))
}

func TestCompareTakesMembersInAnyOrder(t *testing.T) {
	turned := strings.Replace(strings.Join(copyOf, "\n"), `"subject":{"reference":"http://target.example/r3/Patient/P1"},"performer":[{"reference":"Practitioner/D1/_history/2"}]`,
		`"performer":[{"reference":"Practitioner/D1/_history/2"}],"subject":{"reference":"http://target.example/r3/Patient/P1"}`, 1)
	require.NotEqual(t, strings.Join(copyOf, "\n"), turned)
	assert.Equal(t, difference{}, compare(graphOf(t, sourceBase, record), graphOf(t, targetBase, strings.Split(turned, "\n")), true))
}

// TestCompareTakesWhatAnotherConnectionCopied lets a reference to another
// patient's record, copied too, lead to that copy or out.
func TestCompareTakesWhatAnotherConnectionCopied(t *testing.T) {
	other := `{"resourceType":"Patient","id":"q","birthDate":"1980"}`
	given := append(slices.Clone(record), `{"resourceType":"Observation","id":"3","subject":{"reference":"Patient/p"},"performer":[{"reference":"Patient/q"}]}`)
	compared := func(reference, held string) difference {
		copied := append(slices.Clone(copyOf), `{"resourceType":"Observation","id":"O3","subject":{"reference":"Patient/P1"},"performer":[{"reference":"`+reference+`"}]}`, held)
		return compare(graphOf(t, sourceBase, given), graphOf(t, targetBase, copied), true, graphOf(t, sourceBase, []string{other}))
	}
	held := strings.Replace(other, `"q"`, `"Q1"`, 1)
	assert.Equal(t, difference{}, compared("Patient/Q1", held))
	assert.Equal(t, difference{}, compared("http://source.example/r3/Patient/q", held))
	assert.NotEqual(t, difference{}, compared("Patient/P1", held), "not to a third one")
}

func TestCompareFindsWhatDiffers(t *testing.T) {
	for name, c := range map[string]struct {
		old, new string // in the copy
		found    string
	}{
		"a digit lost":            {`"O1","subject":{"reference":"http://target.example/r3/Patient/P1"},"performer":[{"reference":"Practitioner/D1/_history/2"}],"valueQuantity":{"value":1.50}`, `"O1","subject":{"reference":"http://target.example/r3/Patient/P1"},"performer":[{"reference":"Practitioner/D1/_history/2"}],"valueQuantity":{"value":1.5}`, "valueQuantity.value is 1.5, was 1.50"},
		"a name":                  {"Доктор", "Doktor", "name"},
		"an element lost":         {`,"birthDate":"1970-01"`, ``, "birthDate is missing"},
		"an element new":          {`"birthDate":"1970-01"`, `"birthDate":"1970-01","gender":"other"`, "gender is new"},
		"a document's content":    {"YQ==", "Yg==", "content"},
		"a narrative":             {">p<", ">q<", "DocumentReference"},
		"a reference elsewhere":   {`"performer":[{"reference":"Practitioner/D1/_history/2"}]`, `"performer":[{"reference":"Practitioner/other"}]`, "leads to"},
		"a reference out":         {`"subject":{"reference":"Patient/P1"},"performer"`, `"subject":{"reference":"http://source.example/r3/Patient/p"},"performer"`, "leads to"},
		"another one left behind": {"http://source.example/r3/Organization/gone", "http://source.example/r3/Organization/other", "leads to"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Join(copyOf, "\n")
			require.Contains(t, text, c.old)
			bad := strings.Split(strings.Replace(text, c.old, c.new, 1), "\n")
			d := compare(graphOf(t, sourceBase, record), graphOf(t, targetBase, bad), false)
			assert.Contains(t, d.found, c.found, "%+v", d)
		})
	}
}

func TestCompareFindsWhatIsMissingAndTwice(t *testing.T) {
	for i, text := range copyOf {
		less := append(append([]string{}, copyOf[:i]...), copyOf[i+1:]...)
		assert.NotEqual(t, difference{}, compare(graphOf(t, sourceBase, record), graphOf(t, targetBase, less), false), text)
	}
	more := append([]string{strings.Replace(copyOf[3], `"O2"`, `"O3"`, 1)}, copyOf...)
	assert.Equal(t, difference{}, compare(graphOf(t, sourceBase, record), graphOf(t, targetBase, more), false))
	d := compare(graphOf(t, sourceBase, record), graphOf(t, targetBase, more), true)
	assert.Equal(t, "each resource once", d.expected)
}

func TestCompareHoldsOneMappingThroughout(t *testing.T) {
	given := []string{
		`{"resourceType":"Practitioner","id":"a","active":true}`, `{"resourceType":"Practitioner","id":"b","active":true}`,
		`{"resourceType":"Condition","id":"1","asserter":{"reference":"Practitioner/a"},"code":{"text":"one"}}`,
		`{"resourceType":"Condition","id":"2","asserter":{"reference":"Practitioner/a"},"code":{"text":"two"}}`,
		`{"resourceType":"Practitioner","id":"c","active":false}`,
	}
	same := graphOf(t, targetBase, given)
	assert.Equal(t, difference{}, compare(graphOf(t, sourceBase, given), same, true))
	bad := append([]string{}, given...)
	bad[3] = strings.Replace(bad[3], "Practitioner/a", "Practitioner/c", 1)
	assert.NotEqual(t, difference{}, compare(graphOf(t, sourceBase, given), graphOf(t, targetBase, bad), true))
}

// What a failed query gave may be held or not, and references may lead to it or out.
func TestCompareLeavesAnOpenTypeOut(t *testing.T) {
	given := graphOf(t, sourceBase, record)
	given.open = "Practitioner"
	assert.Equal(t, difference{}, compare(given, graphOf(t, targetBase, copyOf), true))
	without := strings.ReplaceAll(strings.Join(append([]string{copyOf[0]}, copyOf[2:]...), "\n"), "Practitioner/D1", sourceBase+"/Practitioner/d")
	given = graphOf(t, sourceBase, record)
	given.open = "Practitioner"
	assert.Equal(t, difference{}, compare(given, graphOf(t, targetBase, strings.Split(without, "\n")), true))
	given.open = "Observation"
	assert.NotEqual(t, difference{}, compare(given, graphOf(t, targetBase, copyOf[2:]), true), "the rest still counts")
}
