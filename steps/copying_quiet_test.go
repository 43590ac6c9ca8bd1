package steps

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/control"
	"example.org/ccde/steps/judge"
)

const searchset = `{"resourceType":"Bundle","type":"searchset"}`

// heardAt is what a source heard, one request a second from an instant on.
func heardAt(begin time.Time, all ...control.Exchange) []seen {
	source := &node{name: "source", fhir: sourceBase}
	var out []seen
	for i, e := range all {
		e.Method, e.Real = "GET", begin.Add(time.Duration(i)*time.Second)
		out = append(out, seen{Exchange: e, at: source})
	}
	return out
}

func given(path, body string) control.Exchange {
	return control.Exchange{URL: sourceBase + path, Status: 200, ResponseBody: control.Body{Text: body}}
}

func TestATargetThatIsNeverQuietHasDoneAWholeUpdate(t *testing.T) {
	begin := time.Date(2017, 9, 8, 9, 0, 0, 0, time.UTC)
	first, patient := given("/Condition?patient=a", searchset), given("/Patient/a", `{"resourceType":"Patient"}`)
	anew := given("/Condition?patient=a&_lastUpdated=gt2017-09-08T09:00:00Z", searchset)
	later := given("/Condition?patient=a&_lastUpdated=gt2017-09-08T09:00:03Z", searchset)
	other := given("/Procedure?patient=a&_lastUpdated=gt2017-09-08T09:00:00Z", searchset)
	refused := anew
	refused.Status = 401
	paged := given("/Condition?patient=a&_lastUpdated=gt2017-09-08T09:00:00Z", `{"resourceType":"Bundle","type":"searchset","link":[
		{"relation":"next","url":"`+sourceBase+`/Condition?patient=a&_lastUpdated=gt2017-09-08T09:00:00Z"}]}`)
	cases := []struct {
		name string
		all  []control.Exchange
		from int // seconds
		done bool
	}{
		{"nothing", nil, 0, false},
		{"the first copy", []control.Exchange{patient, first}, 0, false},
		{"the first copy, begun again", []control.Exchange{patient, first, patient, first}, 0, false},
		{"an update that is on the way", []control.Exchange{first, anew, other}, 0, false},
		{"the update after it", []control.Exchange{first, anew, other, patient, later}, 0, true},
		{"only one of them in this wait", []control.Exchange{first, anew, other, patient, later}, 2, false},
		{"a search that was refused, and went well", []control.Exchange{first, refused, anew}, 0, false},
		{"pages in a circle", []control.Exchange{first, paged, paged}, 0, false},
	}
	for _, c := range cases {
		assert.Equal(t, c.done, updatedTwice(heardAt(begin, c.all...), begin.Add(time.Duration(c.from)*time.Second)), c.name)
	}
}

func TestAFailedQueryMayBeTriedAgain(t *testing.T) {
	path := "/Condition?patient=a"
	with := func(status int) control.Exchange {
		e := given(path, `{"resourceType":"OperationOutcome"}`)
		e.Status = status
		return e
	}
	token := control.Exchange{URL: "http://source.example/auth/token", Status: 200, RequestBody: control.Body{Text: "grant_type=client_credentials"},
		ResponseBody: control.Body{Text: `{"access_token":"t"}`}}
	cut := given(path, searchset)
	cut.Error = "cut short"
	cases := []struct {
		name    string
		all     []control.Exchange
		failing bool
	}{
		{"all is well", []control.Exchange{token, given("/Patient/a", "{}"), given(path, searchset), given("/Binary/b", "no JSON")}, false},
		{"busy", []control.Exchange{with(429)}, true},
		{"broken", []control.Exchange{with(503), given("/Procedure?patient=a", searchset)}, true},
		{"a broken Bundle", []control.Exchange{given(path, `{"resourceType":"Bund`)}, true},
		{"another Bundle", []control.Exchange{given(path, `{"resourceType":"Bundle","type":"history"}`)}, true},
		{"an answer that broke off", []control.Exchange{cut}, true},
		{"no answer yet", []control.Exchange{{URL: sourceBase + path, Pending: true}}, true},
		{"good in the end", []control.Exchange{with(503), given(path, searchset)}, false},
		{"good when it asks for what is new", []control.Exchange{with(503), given(path+"&_lastUpdated=ge2017-09-08", searchset)}, false},
		{"refused for good", []control.Exchange{with(403), given("/Practitioner/d", "{}")}, false},
	}
	for _, c := range cases {
		assert.Equal(t, c.failing, failing(heardAt(time.Time{}, c.all...)), c.name)
	}
}

func TestATargetThatTellsNoConnectionIsJudgedByTheRest(t *testing.T) {
	w := &world{env: &Env{}, rec: judge.NewRecord(judge.Options{}), ids: []string{"TGT-43"}, flow: &passage{target: &node{name: "target"}}}
	_, err := w.expand(t.Context(), "$connection?id={connection}")
	require.ErrorIs(t, err, judge.ErrUnjudged)
	assert.ErrorContains(t, err, "tells no connection")
}
