package fhir

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSplitReference(t *testing.T) {
	for _, c := range []struct{ ref, base, typ, id, version string }{
		{"Patient/1", "", "Patient", "1", ""},
		{"Patient/1/_history/2", "", "Patient", "1", "2"},
		{"http://x.org/r3/Patient/1", "http://x.org/r3", "Patient", "1", ""},
		{"https://x.org/a/b/Binary/a-b.c/_history/7", "https://x.org/a/b", "Binary", "a-b.c", "7"},
		{"http://x.org/Patient/Patient", "http://x.org", "Patient", "Patient", ""},
	} {
		base, typ, id, version, ok := SplitReference(c.ref)
		assert.True(t, ok, c.ref)
		assert.Equal(t, []string{c.base, c.typ, c.id, c.version}, []string{base, typ, id, version}, c.ref)
	}
	for _, ref := range []string{"", "1", "#p", "/", "Patient/", "/Patient/1", "Person1/1", "Patient/a b", "Patient/1/_history/", "Patient?identifier=1",
		"ftp://x/Patient/1", "x/Patient/1", "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "http://x.org/?a=/Patient/1", "Resource/1"} {
		_, _, _, _, ok := SplitReference(ref)
		assert.False(t, ok, ref)
	}
}

func TestLocalReference(t *testing.T) {
	for _, c := range []struct {
		ref   string
		local bool
	}{
		{"Patient/1", true}, {"http://me/r3/Patient/1", true}, {"http://me/r3/Patient/1/_history/1", true},
		{"http://other/r3/Patient/1", false}, {"http://me/Patient/1", false}, {"urn:uuid:1", false},
	} {
		typ, id, ok := LocalReference(c.ref, "http://me/r3/")
		assert.Equal(t, c.local, ok, c.ref)
		assert.Equal(t, c.local, typ == "Patient" && id == "1", c.ref)
	}
	_, _, ok := LocalReference("http://me/r3/Patient/1", "")
	assert.False(t, ok)
}

func TestEachReference(t *testing.T) {
	o, err := ParseJSON([]byte(`{"resourceType":"DocumentReference","id":"d",
		"contained":[{"resourceType":"Practitioner","id":"p","photo":[{"url":"Binary/c"}]}],
		"extension":[{"url":"http://x/Binary/no","valueReference":{"reference":"Organization/e"}},{"url":"urn:uuid:1","valueUri":"Binary/u"}],
		"subject":{"reference":"Patient/1"},
		"author":[{"reference":"#p"},{"reference":"http://other/r3/Practitioner/2/_history/3"},{"display":"nobody"}],
		"content":[{"attachment":{"url":"http://me/r3/Binary/b"}},{"attachment":{"url":"urn:uuid:2"}},{"attachment":{"url":"http://x.org/page.html"}}]}`))
	require.NoError(t, err)
	var found []string
	EachReference(o, func(r Reference) {
		found = append(found, r.Value)
		if r.Value == "Patient/1" {
			r.Set("Patient/2")
		}
	})
	assert.ElementsMatch(t, []string{"Binary/c", "Organization/e", "Binary/u", "Patient/1", "http://other/r3/Practitioner/2/_history/3", "http://me/r3/Binary/b", "urn:uuid:2"}, found)
	assert.Equal(t, "Patient/2", o.Text("subject", "reference"))

	for _, text := range []string{
		`{"resourceType":"ProcessRequest","reference":"ABC"}`,
		`{"resourceType":"DetectedIssue","reference":"http://x/Patient/1"}`,
		`{"resourceType":"Bundle","link":[{"relation":"self","url":"http://x/Binary/1"}],"entry":[{"fullUrl":"urn:uuid:1","request":{"method":"GET","url":"Binary/1"}}]}`,
	} {
		o, err := ParseJSON([]byte(text))
		require.NoError(t, err)
		EachReference(o, func(r Reference) { t.Errorf("%s: found %q", text, r.Value) })
	}
	EachReference(nil, func(Reference) { t.Error("nil has none") })
}

func TestCompartmentPatients(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"its own", `{"resourceType":"Patient","id":"1","link":[{"other":{"reference":"Patient/2"}}]}`, []string{"1"}},
		{"subject", `{"resourceType":"Observation","subject":{"reference":"Patient/1"},"performer":[{"reference":"Patient/2"}]}`, []string{"1"}},
		{"patient, not asserter", `{"resourceType":"AllergyIntolerance","patient":{"reference":"Patient/1"},"asserter":{"reference":"Patient/2"}}`, []string{"1"}},
		{"beneficiary, not subscriber", `{"resourceType":"Coverage","beneficiary":{"reference":"Patient/1"},"subscriber":{"reference":"Patient/2"}}`, []string{"1"}},
		{"performer alone", `{"resourceType":"Observation","performer":[{"reference":"Patient/2"}]}`, nil},
		{"a version", `{"resourceType":"Condition","subject":{"reference":"Patient/1/_history/4"}}`, []string{"1"}},
		{"several", `{"resourceType":"Provenance","target":[{"reference":"Patient/1"},{"reference":"Observation/2"},{"reference":"Patient/3"},{"reference":"Patient/1"}]}`, []string{"1", "3"}},
		{"a group", `{"resourceType":"Observation","subject":{"reference":"Group/1"}}`, nil},
		{"below the base", `{"resourceType":"Observation","subject":{"reference":"http://me/r3/Patient/1"}}`, []string{"1"}},
		{"another server's", `{"resourceType":"Observation","subject":{"reference":"http://other/r3/Patient/1"}}`, nil},
		{"no compartment", `{"resourceType":"Device","patient":{"reference":"Patient/1"}}`, nil},
		{"nothing", `{"resourceType":"Observation"}`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := ParseJSON([]byte(c.text))
			require.NoError(t, err)
			assert.Equal(t, c.want, CompartmentPatients(o, "http://me/r3"))
		})
	}
}

func TestInPatientCompartment(t *testing.T) {
	for _, typ := range []string{"Patient", "Observation", "Coverage", "Encounter", "Consent", "AuditEvent"} {
		assert.True(t, InPatientCompartment(typ), typ)
	}
	// Appointment, Schedule and Group have the patient as actor or member alone.
	for _, typ := range []string{"Practitioner", "Organization", "Medication", "Location", "Device", "Binary", "Appointment", "Schedule", "Group", "Nonsense"} {
		assert.False(t, InPatientCompartment(typ), typ)
	}
}

func FuzzSplitReference(f *testing.F) {
	for _, ref := range []string{"Patient/1", "http://x/r3/Patient/1/_history/2", "urn:uuid:1", "#1"} {
		f.Add(ref)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		base, typ, id, version, ok := SplitReference(ref)
		if !ok {
			return
		}
		again := typ + "/" + id
		if base != "" {
			again = base + "/" + again
		}
		if version != "" {
			again += "/_history/" + version
		}
		if again != ref {
			t.Fatalf("%q came back as %q", ref, again)
		}
	})
}
