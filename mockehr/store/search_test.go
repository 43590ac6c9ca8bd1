package store

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// find carries out one page of a search, given as a query string.
func find(t testing.TB, s *Store, typ, query string, scope Scope) (result Result, err error) {
	t.Helper()
	values, err := url.ParseQuery(query)
	require.NoError(t, err, query)
	search, err := ParseSearch(typ, values, true)
	if err != nil {
		return result, err
	}
	err = s.View(context.Background(), func(tx *Tx) error {
		result, err = tx.Search(search, scope)
		return err
	})
	return result, err
}

// ids are those of a search's matches, on one page.
func ids(t testing.TB, s *Store, typ, query string, scope Scope) []string {
	t.Helper()
	result, err := find(t, s, typ, query, scope)
	require.NoError(t, err, query)
	assert.Equal(t, len(result.Matches), result.Total, query)
	return idsOf(result.Matches)
}

func idsOf(versions []Version) []string {
	var list []string
	for _, v := range versions {
		list = append(list, v.ID)
	}
	return list
}

func sampleStore(t testing.TB) *Store {
	s := newStore(t, Options{})
	load(t, s,
		`{"resourceType":"Patient","id":"p1","active":true,"gender":"female","birthDate":"1970-05-17","name":[{"family":"Müller","given":["Zoë","Anna Maria"]}],
			"identifier":[{"system":"urn:a","value":"1,2|3"}],"telecom":[{"system":"phone","value":"555-1","use":"home"}],"address":[{"city":"Ulm"}]}`,
		`{"resourceType":"Patient","id":"p2","active":false,"gender":"male","birthDate":"1970","name":[{"family":"Mulligan"},{"family":"Ωmega"}],
			"identifier":[{"system":"urn:b","value":"x"},{"value":"x"}],"deceasedDateTime":"2010-02","managingOrganization":{"reference":"Organization/o"}}`,
		`{"resourceType":"Patient","id":"p3","meta":{"tag":[{"system":"urn:t","code":"seen"}],"profile":["http://x.org/a/b"]},"name":[{"family":"van der Meer"}]}`,
		`{"resourceType":"Organization","id":"o","name":"Org"}`,
		`{"resourceType":"Practitioner","id":"dr"}`,
		`{"resourceType":"Observation","id":"o1","status":"final","category":[{"coding":[{"system":"urn:cat","code":"laboratory"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"1"},{"system":"urn:x","code":"1"}]},
			"subject":{"reference":"Patient/p1"},"effectiveDateTime":"2017-03-05T10:20:30.5Z","valueQuantity":{"value":5.40,"unit":"milligram","system":"http://unitsofmeasure.org","code":"mg"},"performer":[{"reference":"Practitioner/dr"},{"reference":"Patient/p2"}]}`,
		`{"resourceType":"Observation","id":"o2","status":"amended","category":[{"coding":[{"code":"laboratory"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"2"}]},
			"subject":{"reference":"http://me.example/r3/Patient/p2"},"effectivePeriod":{"start":"2017-03-05","end":"2017-03-10"},"valueQuantity":{"value":10,"comparator":">"}}`,
		`{"resourceType":"Observation","id":"o3","status":"final","category":[{"coding":[{"system":"urn:cat","code":"vital-signs"}]}],"code":{"text":"none"},
			"subject":{"reference":"http://other.example/r3/Patient/p1/_history/2"},"effectivePeriod":{"start":"2016"},"valueString":"Überall gut"}`,
		`{"resourceType":"Observation","id":"o4","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"3"}]},"subject":{"reference":"Group/p1"},"valueQuantity":{"value":-2e0,"code":"mg"}}`,
		`{"resourceType":"Immunization","id":"i1","vaccinationProtocol":[{"doseSequence":1}],"patient":{"reference":"Patient/p1"}}`,
		`{"resourceType":"Immunization","id":"i2","vaccinationProtocol":[{"doseSequence":100}],"patient":{"reference":"Patient/p2"}}`,
		`{"resourceType":"Device","id":"d1","url":"http://x.org/a/b"}`,
		`{"resourceType":"Device","id":"d2","url":"http://x.org/a/b/c"}`,
		`{"resourceType":"Device","id":"d3","url":"http://x.org/a/bc"}`,
	)
	return s
}

func TestSearch(t *testing.T) {
	s := sampleStore(t)
	for _, c := range []struct{ typ, query, want string }{
		{"Patient", "", "p1 p2 p3"},
		{"Appointment", "", ""},

		// token
		{"Patient", "gender=female", "p1"},
		{"Patient", "gender=Female", ""},
		{"Patient", "gender=female,male", "p1 p2"},
		{"Patient", "gender=http://hl7.org/fhir/administrative-gender|male", "p2"},
		{"Patient", "gender=http://wrong|male", ""},
		{"Patient", "gender=|male", "p2"},
		{"Patient", "gender:not=male", "p1 p3"},
		{"Patient", "gender:not=male,female", "p3"},
		{"Patient", "gender:missing=true", "p3"},
		{"Patient", "gender:missing=false", "p1 p2"},
		{"Patient", "active=true", "p1"},
		{"Patient", "active=http://hl7.org/fhir/special-values|false", "p2"},
		{"Patient", "deceased=true", "p2"},
		{"Patient", "deceased=false", "p1 p3"},
		{"Patient", "identifier=x", "p2"},
		{"Patient", "identifier=urn:b|x", "p2"},
		{"Patient", "identifier=urn:a|x", ""},
		{"Patient", "identifier=|x", "p2"},
		{"Patient", "identifier=urn:b|", "p2"},
		{"Patient", "identifier=urn:a|,urn:b|x", "p1 p2"},
		{"Patient", `identifier=1\,2\|3`, "p1"},
		{"Patient", `identifier=urn:a|1\,2\|3`, "p1"},
		{"Patient", "telecom=phone|555-1", "p1"},
		{"Patient", "telecom=home|555-1", "p1"},
		{"Patient", "phone=555-1", "p1"},
		{"Patient", "email=555-1", ""},
		{"Patient", "_tag=urn:t|seen", "p3"},
		{"Patient", "_tag:missing=true", "p1 p2"},
		{"Patient", "_id=p2,p3,nobody", "p2 p3"},
		{"Patient", "_id=p2&gender=female", ""},
		{"Observation", "category=laboratory", "o1 o2"},
		{"Observation", "category=urn:cat|laboratory", "o1"},
		{"Observation", "category=|laboratory", "o2"},
		{"Observation", "code=1", "o1"},
		{"Observation", "code=http://loinc.org|1,http://loinc.org|2", "o1 o2"},
		{"Observation", "code=http://loinc.org|", "o1 o2 o4"},
		{"Observation", "code:missing=true", "o3"},
		{"Observation", "category:not=laboratory", "o3 o4"},
		{"Observation", "status=final&status=amended", ""},
		{"Observation", "status=final&category=laboratory", "o1"},

		// reference
		{"Observation", "patient=p1", "o1"},
		{"Observation", "patient=Patient/p1", "o1"},
		{"Observation", "patient=http://me.example/r3/Patient/p1", "o1"},
		{"Observation", "patient=p2", "o2"},
		{"Observation", "patient=p1,p2", "o1 o2"},
		{"Observation", "patient=http://other.example/r3/Patient/p1", "o3"},
		{"Observation", "subject=p1", "o1 o4"},
		{"Observation", "subject=nobody", ""},
		{"Observation", "subject:Patient=p1", "o1"},
		{"Observation", "subject:Group=Group/p1", "o4"},
		{"Observation", "subject=Group/p1", "o4"},
		{"Observation", "subject=Patient/p1/_history/7", "o1"},
		{"Observation", "performer=p2", "o1"},
		{"Observation", "performer:missing=false", "o1"},
		{"Observation", "performer:missing=true", "o2 o3 o4"},
		{"Observation", "patient=p1&category=laboratory", "o1"},
		{"Patient", "organization=o", "p2"},

		// date: o1 an instant with tenths, o2 03-05 to 03-10, o3 from 2016 on, o4 none
		{"Observation", "date=2017", "o1 o2"},
		{"Observation", "date=2017-03-05", "o1"},
		{"Observation", "date=2017-03-05T10:20:30.5Z", "o1"},
		{"Observation", "date=2017-03-05T10:20:30Z", "o1"},
		{"Observation", "date=2017-03-05T10:20Z", "o1"},
		{"Observation", "date=2017-03-05T11:20:30%2B01:00", "o1"},
		{"Observation", "date=2017-03-05T11:20:30+01:00", "o1"}, // a + that nobody escaped
		{"Observation", "date=2017-03-05T10:20:31Z", ""},
		{"Observation", "date=ne2017", "o3"},
		{"Observation", "date=ne2017-03-05", "o2 o3"},
		{"Observation", "date=gt2017-03-05", "o2 o3"},
		{"Observation", "date=gt2017-03-04", "o1 o2 o3"},
		{"Observation", "date=gt2017-03-10", "o3"},
		{"Observation", "date=lt2017-03-05", "o3"},
		{"Observation", "date=lt2017-03-06", "o1 o2 o3"},
		{"Observation", "date=ge2017-03-05", "o1 o2 o3"},
		{"Observation", "date=ge2017-03-11", "o3"},
		{"Observation", "date=le2017-03-05", "o1 o3"},
		{"Observation", "date=le2017-03-04", "o3"},
		{"Observation", "date=sa2017-03-04", "o1 o2"},
		{"Observation", "date=sa2017-03-05", ""},
		{"Observation", "date=eb2017-03-06", "o1"},
		{"Observation", "date=eb2017-03-11", "o1 o2"},
		{"Observation", "date=ap2017-03-12", "o1 o2 o3"},
		{"Observation", "date=ge2017-03-05&date=lt2017-03-06", "o1 o2 o3"},
		{"Observation", "date=2016,2017-03-05", "o1"},
		{"Observation", "date:missing=true", "o4"},
		{"Patient", "birthdate=1970", "p1 p2"},
		{"Patient", "birthdate=1970-05", "p1"},
		{"Patient", "birthdate=1970-05-17", "p1"},
		{"Patient", "birthdate=gt1970-05-17", "p2"},
		{"Patient", "death-date=2010", "p2"},

		// _lastUpdated: all at noon of 2026-03-04
		{"Organization", "_lastUpdated=2026-03-04", "o"},
		{"Organization", "_lastUpdated=2026-03-04T12:00:00.000Z", "o"},
		{"Organization", "_lastUpdated=2026-03-05", ""},
		{"Organization", "_lastUpdated=gt2026-03-04T12:00:00.000Z", ""},
		{"Organization", "_lastUpdated=gt2026-03-04T11:59:59.999Z", "o"},
		{"Organization", "_lastUpdated=gt2026-03-04", ""},
		{"Organization", "_lastUpdated=ge2026-03-04", "o"},
		{"Organization", "_lastUpdated=lt2026-03-04", ""},
		{"Organization", "_lastUpdated=le2026-03-04", "o"},
		{"Organization", "_lastUpdated=ne2026-03-04", ""},
		{"Organization", "_lastUpdated=sa2026-03-03", "o"},
		{"Organization", "_lastUpdated=eb2026-03-05", "o"},

		// string
		{"Patient", "family=mul", "p1 p2"},
		{"Patient", "family=MÜLL", "p1 p2"},
		{"Patient", "family=müller", "p1"},
		{"Patient", "family=ller", ""},
		{"Patient", "family:contains=ller", "p1"},
		{"Patient", "family:exact=Müller", "p1"},
		{"Patient", "family:exact=müller", ""},
		{"Patient", "family:exact=Muller", ""},
		{"Patient", "family=ωm", "p2"},
		{"Patient", "family=van%20%20DER", "p3"},
		{"Patient", "given=zoe", "p1"},
		{"Patient", "name=anna%20m", "p1"},
		{"Patient", "name=muller,van", "p1 p3"},
		{"Patient", "name=mul&name=zoe", "p1"},
		{"Patient", "given:missing=true", "p2 p3"},
		{"Patient", "address=ulm", "p1"},
		{"Patient", "address-city=U", "p1"},
		{"Observation", "value-string=uber", "o3"},

		// number and quantity
		{"Immunization", "dose-sequence=1", "i1"},
		{"Immunization", "dose-sequence=1.0", "i1"},
		{"Immunization", "dose-sequence=1e2", "i2"},
		{"Immunization", "dose-sequence=gt1", "i2"},
		{"Immunization", "dose-sequence=ge1", "i1 i2"},
		{"Immunization", "dose-sequence=ne1", "i2"},
		{"Immunization", "dose-sequence=ap95", "i2"},
		{"Observation", "value-quantity=5.4", "o1"},
		{"Observation", "value-quantity=5", "o1"},
		{"Observation", "value-quantity=5.5", ""},
		{"Observation", "value-quantity=5.40", "o1"},
		{"Observation", "value-quantity=5.41", ""},
		{"Observation", "value-quantity=gt5.4", "o2"},
		{"Observation", "value-quantity=ge5.4", "o1 o2"},
		{"Observation", "value-quantity=lt0", "o4"},
		{"Observation", "value-quantity=sa5.4", "o2"},
		{"Observation", "value-quantity=eb5.4", "o4"},
		{"Observation", "value-quantity=-2", "o4"},
		{"Observation", "value-quantity=5.4|http://unitsofmeasure.org|mg", "o1"},
		{"Observation", "value-quantity=5.4||mg", "o1"},
		{"Observation", "value-quantity=5.4||milligram", "o1"},
		{"Observation", "value-quantity=5.4||g", ""},
		{"Observation", "value-quantity=5.4|urn:x|mg", ""},
		{"Observation", "value-quantity=ap5||mg", "o1"},

		// uri
		{"Device", "url=http://x.org/a/b", "d1"},
		{"Device", "url=http://x.org/a/", ""},
		{"Device", "url:below=http://x.org/a/b", "d1 d2"},
		{"Device", "url:below=http://x.org/a", "d1 d2 d3"},
		{"Device", "url:above=http://x.org/a/b/c/d", "d1 d2"},
		{"Patient", "_profile=http://x.org/a/b", "p3"},

		// order
		{"Patient", "_sort=family", "p1 p2 p3"},
		{"Patient", "_sort=-family", "p2 p3 p1"}, // by the last of several: ωmega
		{"Patient", "_sort=-_id", "p3 p2 p1"},
		{"Patient", "_sort=birthdate,-_id", "p2 p1 p3"},
		{"Patient", "_sort=-birthdate", "p1 p2 p3"},
		{"Patient", "_sort=_lastUpdated,-_id", "p3 p2 p1"},
		{"Observation", "_sort=date", "o3 o2 o1 o4"},
		{"Observation", "_sort=-date", "o1 o2 o3 o4"},
		{"Observation", "_sort=value-quantity", "o4 o1 o2 o3"},
		{"Observation", "_sort=-value-quantity", "o2 o1 o4 o3"},
		{"Device", "_sort=-url", "d3 d2 d1"},
	} {
		t.Run(c.typ+"?"+c.query, func(t *testing.T) {
			assert.Equal(t, strings.Fields(c.want), append([]string{}, ids(t, s, c.typ, c.query, Scope{})...))
		})
	}
}

func TestSearchScope(t *testing.T) {
	s := sampleStore(t)
	for _, c := range []struct{ typ, query, patient, want string }{
		{"Observation", "", "p1", "o1"},
		{"Observation", "", "p2", "o2"}, // that p2 performed o1 counts for nothing
		{"Observation", "patient=p1", "p2", ""},
		{"Observation", "category:not=vital-signs", "p1", "o1"},
		{"Observation", "_id=o1,o2,o3", "p2", "o2"},
		{"Patient", "", "p2", "p2"},
		{"Patient", "_sort=-family", "p1", "p1"},
		{"Organization", "", "p2", ""},
		{"Observation", "", "nobody", ""},
	} {
		assert.Equal(t, strings.Fields(c.want), append([]string{}, ids(t, s, c.typ, c.query, Scope{Patient: c.patient})...), "%s?%s of %s", c.typ, c.query, c.patient)
	}
	update(t, s, func(tx *Tx) error {
		_, _, err := tx.Put(parse(t, `{"resourceType":"Consent","id":"c","patient":{"reference":"Patient/p1"}}`), "ann")
		return err
	})
	assert.Equal(t, []string{"c"}, ids(t, s, "Consent", "patient=p1", Scope{Owner: "ann"}))
	assert.Empty(t, ids(t, s, "Consent", "patient=p1", Scope{Owner: "bob"}))
}

// What is written changes what is found, within its transaction too.
func TestSearchFollowsWrites(t *testing.T) {
	s := sampleStore(t)
	load(t, s, `{"resourceType":"Observation","id":"o1","status":"final","code":{"coding":[{"code":"new"}]},"subject":{"reference":"Patient/p2"}}`)
	assert.Equal(t, []string{"o1", "o2"}, ids(t, s, "Observation", "patient=p2", Scope{Patient: "p2"}))
	assert.Empty(t, ids(t, s, "Observation", "patient=p1", Scope{}))
	assert.Empty(t, ids(t, s, "Observation", "", Scope{Patient: "p1"}))
	assert.Empty(t, ids(t, s, "Observation", "date=2017-03-05", Scope{}))
	remove(t, s, "Observation", "o2")
	assert.Equal(t, []string{"o1", "o3", "o4"}, ids(t, s, "Observation", "", Scope{}))
	assert.Equal(t, []string{"o1"}, ids(t, s, "Observation", "patient=p2", Scope{Patient: "p2"}))

	search, err := ParseSearch("Observation", url.Values{"code": {"fresh"}}, true)
	require.NoError(t, err)
	update(t, s, func(tx *Tx) error {
		v, err := tx.Create(parse(t, `{"resourceType":"Observation","code":{"coding":[{"code":"fresh"}]}}`), "")
		require.NoError(t, err)
		result, err := tx.Search(search, Scope{})
		assert.Equal(t, []string{v.ID}, idsOf(result.Matches))
		return err
	})
}

func TestInclude(t *testing.T) {
	s := sampleStore(t)
	for _, c := range []struct{ query, patient, want string }{
		{"_id=o1&_include=Observation:subject", "", "p1"},
		{"_id=o1&_include=Observation:performer", "", "dr p2"},
		{"_id=o1&_include=Observation:performer:Practitioner", "", "dr"},
		{"_id=o1&_include=Observation:performer&_include=Observation:patient", "", "p1 dr p2"},
		{"_id=o1&_include=*", "", "dr p1 p2"},
		{"_id=o1&_include=Observation:*", "p1", "dr p1"},
		{"_id=o1,o2&_include=Observation:subject", "", "p1 p2"},
		{"_id=o2&_include=Observation:subject", "", "p2"},
		{"_id=o3&_include=Observation:subject", "", ""},
		{"_id=o4&_include=Observation:subject", "", ""},
	} {
		result, err := find(t, s, "Observation", c.query, Scope{Patient: c.patient})
		require.NoError(t, err)
		got := idsOf(result.Included)
		want := strings.Fields(c.want)
		slices.Sort(got)
		slices.Sort(want)
		assert.Equal(t, want, append([]string{}, got...), c.query)
	}
}

// Without handling=strict what isn't known is left out, and isn't in Self.
func TestSearchLenient(t *testing.T) {
	search, err := ParseSearch("Patient", url.Values{"nonsense": {"1"}, "organization.name": {"x"}, "gender": {"male"}, "_sort": {"gender"},
		"_summary": {"text"}, "_count": {"7"}, "_format": {"json"}}, false)
	require.NoError(t, err)
	assert.Equal(t, url.Values{"gender": {"male"}, "_count": {"7"}, "_format": {"json"}}, search.self)
	_, err = ParseSearch("Patient", url.Values{"gender:text": {"m"}}, false)
	assert.Error(t, err, "what would change the meaning isn't ignored")
}

func TestSummaryCount(t *testing.T) {
	s := sampleStore(t)
	for _, query := range []string{"_summary=count", "_count=0", "_summary=count&_include=*&_sort=date"} {
		result, err := find(t, s, "Observation", query, Scope{})
		require.NoError(t, err)
		assert.Equal(t, 4, result.Total)
		assert.Empty(t, result.Matches)
		assert.Empty(t, result.Included)
		assert.Empty(t, result.Next)
	}
}

// A context that ends, ends a search.
func TestSearchContext(t *testing.T) {
	s := sampleStore(t)
	ctx, cancel := context.WithCancel(context.Background())
	search, err := ParseSearch("Patient", url.Values{"gender": {"male"}}, true)
	require.NoError(t, err)
	err = s.View(ctx, func(tx *Tx) error {
		cancel()
		_, err := tx.Search(search, Scope{})
		return err
	})
	assert.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, []string{"p2"}, ids(t, s, "Patient", "gender=male", Scope{}), "the connection is as good as before")
}
