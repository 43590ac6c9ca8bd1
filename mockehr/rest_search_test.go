package mockehr

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/fhir"
)

// ward is a node with a few people and what was measured of them.
func ward(t testing.TB) *node {
	n := newNode(t)
	n.load(`{"resourceType":"Organization","id":"org","name":"Ward"}`,
		`{"resourceType":"Practitioner","id":"dr","name":[{"family":"Who"}]}`,
		`{"resourceType":"Patient","id":"p1","name":[{"family":"Müller"}],"birthDate":"1970-05-17","gender":"female","identifier":[{"system":"urn:a","value":"1,2"}],"managingOrganization":{"reference":"Organization/org"}}`,
		`{"resourceType":"Patient","id":"p2","name":[{"family":"Mulligan"}],"birthDate":"1980","identifier":[{"value":"x"}]}`,
		`{"resourceType":"Device","id":"d1","url":"http://x.org/a"}`,
		`{"resourceType":"Immunization","id":"i1","status":"completed","notGiven":false,"primarySource":true,"vaccineCode":{"text":"x"},"patient":{"reference":"Patient/p1"},
			"vaccinationProtocol":[{"doseSequence":2,"targetDisease":[{"text":"x"}],"doseStatus":{"text":"x"}}]}`)
	for i := range 12 {
		n.load(fmt.Sprintf(`{"resourceType":"Observation","id":"o%02d","status":"final","category":[{"coding":[{"system":"urn:cat","code":"%s"}]}],
			"code":{"coding":[{"system":"http://loinc.org","code":"%d"}]},"subject":{"reference":"Patient/p%d"},"performer":[{"reference":"Practitioner/dr"}],
			"effectiveDateTime":"2017-03-%02dT10:00:00Z","valueQuantity":{"value":%d}}`,
			i, []string{"laboratory", "vital-signs"}[i%2], i%3, 1+i/6, 1+i, i*i%7))
	}
	return n
}

func TestSearch(t *testing.T) {
	n := ward(t)
	all := "o00 o01 o02 o03 o04 o05 o06 o07 o08 o09 o10 o11"
	for _, row := range []struct{ query, want string }{
		{"Patient", "p1 p2"},
		// token
		{"Patient?gender=female", "p1"}, {"Patient?gender=http://hl7.org/fhir/administrative-gender|female", "p1"}, {"Patient?gender:not=female", "p2"}, {"Patient?gender:missing=true", "p2"},
		{"Patient?identifier=|x", "p2"}, {"Patient?identifier=urn:a|", "p1"}, {`Patient?identifier=urn:a|1\,2`, "p1"}, {"Patient?identifier=1,2", ""}, {"Patient?identifier=x,none", "p2"},
		// reference
		{"Observation?patient=p2&code=1", "o07 o10"}, {"Observation?subject=Patient/p2&code=1", "o07 o10"}, {"Observation?subject=" + n.base() + "/Patient/p2&code=1", "o07 o10"}, {"Observation?subject:Patient=p2&code=1", "o07 o10"},
		{"Observation?subject=http://elsewhere.example/r3/Patient/p2", ""}, {"Observation?performer:missing=true", ""},
		// date
		{"Observation?date=2017-03-04", "o03"}, {"Observation?date=gt2017-03-10T10:00:00Z", "o10 o11"}, {"Observation?date=ge2017-03-12", "o11"}, {"Observation?date=lt2017-03-02", "o00"}, {"Observation?date=le2017-03-01", "o00"},
		{"Observation?date=sa2017-03-11", "o11"}, {"Observation?date=eb2017-03-02", "o00"}, {"Observation?date=ne2017-03", ""}, {"Observation?date=2017", all}, {"Observation?date=ap2017-03-06", all},
		{"Observation?date=ge2017-03-03&date=le2017-03-04", "o02 o03"}, {"Observation?date=2017-03-04T11:00:00%2B01:00", "o03"}, {"Patient?birthdate=1970-05", "p1"}, {"Patient?birthdate=eq1980", "p2"},
		// string, number, uri, quantity
		{"Patient?name=mul", "p1 p2"}, {"Patient?family:exact=Müller", "p1"}, {"Patient?family:exact=muller", ""}, {"Patient?family:exact=Mulligan;", ""}, {"Patient?family:exact=x;y,Mulligan", "p2"}, {"Patient?family:contains=LLI", "p2"},
		{"Immunization?dose-sequence=2", "i1"}, {"Immunization?dose-sequence=gt2", ""}, {"Device?url=http://x.org/a", "d1"}, {"Observation?value-quantity=gt3", "o02 o05 o09"},
		// those of every type
		{"Observation?_id=o01,o02", "o01 o02"}, {"Observation?_lastUpdated=gt2017-01-01&_id=o01", "o01"}, {"Observation?_lastUpdated=lt2017-01-01", ""},
		{"Observation?_id=o01&_id=o02", ""}, {"Observation?category=laboratory&code=0,1&patient=p1", "o00 o04"},
		{"Observation?_sort=-date&_count=3", "o11 o10 o09"}, {"Observation?_sort=value-quantity,-date&_count=4", "o07 o00 o08 o06"},
		{"Observation?_count=0", ""}, {"Observation?_summary=count", ""},
		// what nobody knows is passed over
		{"Patient?colour=red&gender=female", "p1"}, {"Patient?_revinclude=Observation:subject&gender=female", "p1"}, {"Patient?_elements=name&gender=female", "p1"}, {"Patient?general-practitioner.name=x&gender=female", "p1"},
		// includes
		{"Observation?_id=o01&_include=Observation:patient", "o01 Patient/p1"}, {"Observation?_id=o01&_include=Observation:performer&_include=Observation:subject:Patient", "o01 Practitioner/dr Patient/p1"},
		{"Observation?_id=o01&_include=Observation:subject:Group", "o01"}, {"Observation?_id=o01&_include=*", "o01 Patient/p1 Practitioner/dr"}, {"Patient?_id=p1&_include=Patient:organization", "p1 Organization/org"},
	} {
		path, query, _ := strings.Cut(row.query, "?")
		got := n.get("/" + row.query)
		want := strings.Fields(row.want)
		sorted := strings.Contains(row.query, "_sort")
		for how, a := range map[string]reply{"GET": got, "POST": n.post("/"+path+"/_search", query, "Content-Type", typeForm),
			"POST without a form": n.do("POST", "/r3/"+path+"/_search?"+query, ""), "GET with a slash": n.get("/" + path + "/?" + query),
			"XML": n.get("/"+row.query, "Accept", typeXML)} {
			if sorted {
				assert.Equal(t, want, a.ids(t), "%s %s", how, row.query)
			} else {
				assert.ElementsMatch(t, want, a.ids(t), "%s %s", how, row.query)
			}
		}
	}
}

func TestSearchSaysWhatItHeeded(t *testing.T) {
	n := ward(t)
	a := n.get("/Patient?gender=female&colour=red&_revinclude=Observation:subject&access_token=x&_format=xml", "Accept", typeJSON)
	self, err := url.Parse(a.link(t, "self"))
	require.NoError(t, err)
	assert.Equal(t, url.Values{"gender": {"female"}, "_format": {"xml"}}, self.Query())
	assert.Equal(t, "Patient", self.Path[strings.LastIndex(self.Path, "/")+1:])

	for _, query := range []string{"colour=red", "_revinclude=Observation:subject", "_elements=name", "_summary=true", "general-practitioner.name=x", "_sort=gender"} {
		strict := n.get("/Patient?"+query, "Prefer", "handling=strict")
		assert.Equal(t, 400, strict.StatusCode, strict.body)
		assert.Contains(t, strict.outcome(t), query[:strings.IndexAny(query, "=")])
		assert.Equal(t, 200, n.get("/Patient?"+query, "Prefer", "handling=lenient").StatusCode)
	}
	for _, query := range []string{"_count=0", "_summary=count"} {
		o := n.get("/Observation?" + query).resource(t)
		assert.Equal(t, fhir.Number("12"), o.Get("total"))
		assert.Empty(t, o.Objects("entry"))
	}
}

func TestSearchesThatCannotBe(t *testing.T) {
	n := ward(t)
	for _, query := range []string{
		"date=2017-13", "date=0000", "date=2017-02-30", "date=yesterday", "date=99999-01-01", "date=", "date=gt", "date=2017-03-04T25:00:00Z",
		"value-quantity=x", "value-quantity=1|2", "patient=a b", "patient=", "patient=../x", "code=a|b|c", "code=|", "_count=-1", "_count=x", "_count=1&_count=2", "_id=a%20b",
		"code:exact=x", "status:missing=perhaps", "_include=Patient:organization", "_include=nonsense", "_sort=date,date,date,date,date", "_cursor=x", "_summary=maybe",
		"code=%ff%fe", "code=a%00b", "code=%zz", "patient=p1&code=1%", "value-quantity=1e999", "code=" + strings.Repeat("a", 5000), "code=" + strings.Repeat("a,", 10_000) + "a", "_id=" + strings.Repeat("0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0,", 10_000) + "a",
		strings.Repeat("code=a&", 10_000), "_include=" + strings.Repeat("x:", 10_000),
	} {
		for how, a := range map[string]reply{
			"POST": n.post("/Observation/_search", query, "Content-Type", typeForm),
			"GET":  n.get("/Observation?" + strings.ReplaceAll(query, " ", "%20")),
		} {
			assert.Equal(t, 400, a.StatusCode, "%s %s: %s", how, clip(query), clip(a.body))
			a.outcome(t)
		}
	}
}

// walk follows a search to its end.
func (n *node) walk(path string, between func(page int)) (ids, totals []string) {
	n.t.Helper()
	next := n.base() + path
	for page := 1; next != ""; page++ {
		a := n.do("GET", next, "")
		ids = append(ids, a.ids(n.t)...)
		totals = append(totals, string(a.resource(n.t).Get("total").(fhir.Number)))
		next = a.link(n.t, "next")
		if between != nil {
			between(page)
		}
	}
	return ids, totals
}

// What matches throughout comes exactly once, whatever happens between pages.
func TestPagesStandStill(t *testing.T) {
	for _, query := range []string{"_count=2", "_count=2&_sort=-date", "_count=2&_sort=value-quantity&status=final", "_count=2&patient=p1,p2", "_count=5&_format=xml"} {
		n := ward(t)
		ids, totals := n.walk("/Observation?"+query, func(page int) {
			n.load(strings.ReplaceAll(`{"resourceType":"Observation","id":"new@","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p1"},"effectiveDateTime":"2017-03-0@"}`, "@", fmt.Sprint(page)))
			if page == 1 {
				require.Equal(t, 204, n.do("DELETE", "/r3/Observation/o11", "").StatusCode)
				require.Equal(t, 204, n.do("DELETE", "/r3/Observation/o00", "").StatusCode)
			}
			n.load(fmt.Sprintf(`{"resourceType":"Observation","id":"o%02d","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p2"},
				"effectiveDateTime":"2000-01-01","valueQuantity":{"value":%d}}`, page+1, 100-page))
		})
		times := map[string]int{}
		for _, id := range ids {
			times[id]++
		}
		for i := 1; i < 11; i++ {
			assert.Equal(t, 1, times[fmt.Sprintf("o%02d", i)], "%s: o%02d in %v", query, i, ids)
		}
		for _, total := range totals {
			assert.Equal(t, "12", total, query)
		}
	}
	n := ward(t)
	first := n.get("/Observation?_count=5&_format=xml")
	assert.Contains(t, first.link(t, "next"), "_format=xml", "the pages come in the same format")
}

// A token sees by a search, an include, a batch or a history what it sees by a read.
func TestSearchWithinATokensReach(t *testing.T) {
	n := ward(t)
	app := n.withToken("p1", "user/Observation.read")
	assert.ElementsMatch(t, []string{"o00", "o01", "o02", "o03", "o04", "o05"}, app.get("/Observation").ids(t))
	assert.Equal(t, []string{"o01", "Practitioner/dr"}, app.get("/Observation?_id=o01&_include=*").ids(t), "the scopes don't name Patient")
	assert.Empty(t, app.get("/Observation?_id=o07").ids(t))
	assert.Empty(t, app.get("/Observation?patient=p2").ids(t))
	for path, status := range map[string]int{
		"/Observation/o01": 200, "/Observation/o01/_history": 200, "/Observation/o01/_history/1": 200, "/Practitioner/dr": 200,
		"/Observation/o07": 404, "/Observation/o07/_history": 404, "/Observation/o07/_history/1": 404, "/Observation/nothing": 404,
		"/Patient/p1": 403, "/Patient/nobody": 403, "/Patient": 403, "/Practitioner": 403, "/Organization/org": 403, "/Device": 403,
	} {
		a := app.get(path)
		assert.Equal(t, status, a.StatusCode, "%s: %s", path, a.body)
		b := app.post("", bundleOf("batch", entry("GET", path[1:], "")))
		assert.Equal(t, fmt.Sprint(status), app.statuses(b)[0], "%s in a batch: %s", path, b.body)
	}
	hidden, missing := app.get("/Observation/o07"), app.get("/Observation/o77")
	assert.Equal(t, strings.ReplaceAll(hidden.body, "o07", "o77"), missing.body, "what is hidden looks like what isn't there")
	for method, path := range map[string]string{"PUT": "/Observation/o01", "DELETE": "/Observation/o01", "POST": "/Observation"} {
		a := app.do(method, "/r3"+path, `{"resourceType":"Observation","id":"o01"}`, "Content-Type", typeJSON)
		assert.Equal(t, 403, a.StatusCode, "%s: %s", path, a.body)
		a = app.post("", bundleOf("batch", entry(method, path[1:], map[string]string{"PUT": n.get("/Observation/o01").body, "POST": n.get("/Observation/o01").body}[method])))
		assert.Equal(t, "403", app.statuses(a)[0], a.body)
	}
	assert.Equal(t, `W/"1"`, n.get("/Observation/o01").Header.Get("ETag"))
}
