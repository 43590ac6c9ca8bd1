package exchange

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/store"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTwoPatientsShareAPractitioner(t *testing.T) {
	clk := heldClock()
	s, tg := newSource(t, clk), newTarget(t, clk)
	s.fill("p1", 70)
	s.fill("p2", 70)
	s.patients["auth-2"] = "p2"
	one, two := tg.connect(s, "auth-1"), tg.connect(s, "auth-2")
	tg.pass(11 * time.Minute)
	assert.Equal(t, "p1", tg.get(one.ID).Patient)
	assert.Equal(t, "p2", tg.get(two.ID).Patient)
	assert.Equal(t, tg.get(one.ID).Copied, tg.get(two.ID).Copied)
	tg.equal(s, append(record(s, "p1"), record(s, "p2")...)...)
	assert.Equal(t, 1, tg.stored("Practitioner"))
	assert.Equal(t, 1, tg.stored("Medication"))
	assert.Equal(t, 2, tg.stored("Patient"))
	assert.Equal(t, 146, tg.stored("Observation"))
	assert.Equal(t, 1, tg.versions(s.base+"/Practitioner/gp"))
	copies := tg.copies()
	for _, p := range []string{"p1", "p2"} {
		mine := copies[s.base+"/Patient/"+p].ID()
		for url, o := range copies {
			if strings.Contains(url, "/"+p+"-") && o.Type() != "Binary" {
				assert.Equal(t, []string{mine}, fhir.CompartmentPatients(o, targetBase), url)
			}
		}
	}
}

// What a source refused to one connection stays out of its record, even if another has copied it.
func TestCopiesOfAnotherConnectionAreNotTaken(t *testing.T) {
	clk := heldClock()
	s, tg := newSource(t, clk), newTarget(t, clk)
	s.fill("p1", 1)
	s.fill("p2", 1)
	s.patients["auth-2"] = "p2"
	s.put(`{"resourceType":"DocumentReference","id":"p2-d","status":"current","type":{"text":"x"},"indexed":"2017-09-01T10:00:00Z","subject":{"reference":"Patient/p2"},"content":[{"attachment":{"url":"@/Binary/p1-b"}}]}`)
	s.answer(on("/Binary/p1-b", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")] != "p1" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		writeJSON(w, s.shown("Binary/p1-b"))
	}))
	two := tg.connect(s, "auth-2")
	tg.idle()
	tg.connect(s, "auth-1")
	tg.pass(11 * time.Minute)
	assert.Empty(t, tg.get(two.ID).Message, "a refused reference is passed over")
	assert.Len(t, s.seen("/Binary/p1-b"), 3, "once by the first, by the second again with the page that the overlap brings again")
	copies := tg.copies()
	url := copies[s.base+"/DocumentReference/p2-d"].Objects("content")[0].Text("attachment", "url")
	assert.Equal(t, s.base+"/Binary/p1-b", url)
	assert.Equal(t, "Binary/"+copies[s.base+"/Binary/p1-b"].ID(), copies[s.base+"/DocumentReference/p1-d"].Objects("content")[0].Text("attachment", "url"))
}

func TestSamePatientIDAtTwoSources(t *testing.T) {
	clk := heldClock()
	a, b, tg := newSource(t, clk), newSource(t, clk), newTarget(t, clk)
	a.fill("p1", 5)
	b.fill("p1", 7)
	one, two := tg.connect(a, "auth-1"), tg.connect(b, "auth-1")
	assert.NotEqual(t, one.ID, two.ID)
	tg.pass(6 * time.Minute)
	tg.equal(a, record(a, "p1")...)
	tg.equal(b, record(b, "p1")...)
	assert.Equal(t, 2, tg.stored("Patient"))
	assert.Equal(t, 12+6, tg.stored("Observation"))
}

// The same patient by two connections, the second of which may read less: nothing is stored twice, and
// it takes nothing away.
func TestTwoConnectionsOfOnePatient(t *testing.T) {
	clk := heldClock()
	s, tg := newSource(t, clk), newTarget(t, clk)
	s.fill("p1", 5)
	tg.connect(s, "auth-1")
	tg.idle()
	s.scope = "user/Patient.read user/Observation.read user/Condition.read"
	two := tg.connect(s, "auth-2")
	tg.pass(6 * time.Minute)
	tg.equal(s, record(s, "p1")...)
	assert.Equal(t, 8, tg.stored("Observation"))
	assert.Equal(t, map[string]int{"Patient": 1, "Practitioner": 1, "Observation": 8, "Condition": 1}, tg.get(two.ID).Copied)
	assert.Equal(t, 1, tg.versions(s.base+"/Observation/p1-smoke"))
}

func TestCopiesOfCopies(t *testing.T) {
	clk := heldClock()
	a, b := newSource(t, clk), newTarget(t, clk)
	a.fill("p1", 20)
	b.connect(a, "auth-1")
	b.idle()
	// What b holds is served to c.
	bs, c := newSource(t, clk), newTarget(t, clk)
	copies := b.copies()
	bs.patient = copies[a.base+"/Patient/p1"].ID()
	var names []string
	for _, o := range copies {
		bs.put(string(fhir.AppendJSON(nil, o)))
		names = append(names, o.Type()+"/"+o.ID())
	}
	conn := c.connect(bs, "auth-1")
	c.pass(6 * time.Minute)
	assert.Empty(t, c.get(conn.ID).Message)
	c.equal(bs, names...)
	for url, o := range c.copies() {
		assert.True(t, strings.HasPrefix(url, bs.base), "the tag names where it came from: %s", url)
		assert.Len(t, o.Child("meta").Objects("tag"), 1)
	}
	assert.Len(t, c.copies(), len(copies))
}

// A source can't write into the record of a patient here, approve itself, or bring a Consent.
func TestSourceGainsNothing(t *testing.T) {
	clk := heldClock()
	s, tg := newSource(t, clk), newTarget(t, clk)
	require.NoError(t, tg.store.Update(tg.ctx(), func(tx *store.Tx) error {
		o, err := fhir.ParseJSON([]byte(`{"resourceType":"Patient","id":"p1"}`))
		if err == nil {
			_, _, err = tx.Put(o, "")
		}
		return err
	}))
	s.fill("p1", 1)
	s.put(`{"resourceType":"Observation","id":"p1-x","status":"final","category":[{"coding":[{"code":"laboratory"}]}],"code":{"text":"x"},"subject":{"reference":"Patient/p1"},
		"device":{"reference":"Device/app"},"performer":[{"reference":"Patient/p2"}],
		"related":[{"target":{"reference":"Observation/endorses"}},{"target":{"reference":"Observation/strange"}},{"target":{"reference":"Sequence/own"}}],
		"extension":[{"url":"urn:x","valueReference":{"reference":"Consent/c"}}]}`,
		`{"resourceType":"Device","id":"app","type":{"coding":[{"system":"`+cavsCodes+`","code":"app"}]}}`,
		`{"resourceType":"Observation","id":"endorses","category":[{"coding":[{"system":"`+cavsCodes+`","code":"endorsement"}]}],"subject":{"reference":"Device/app"}}`,
		`{"resourceType":"Observation","id":"strange","subject":{"reference":"Patient/p2"}}`,
		`{"resourceType":"Patient","id":"p2"}`,
		`{"resourceType":"Consent","id":"c","status":"active","patient":{"reference":"Patient/p1"}}`)
	conn := tg.connect(s, "auth-1")
	tg.pass(6 * time.Minute)
	assert.Empty(t, tg.get(conn.ID).Message)
	copies := tg.copies()
	x := copies[s.base+"/Observation/p1-x"]
	require.NotNil(t, x)
	assert.Equal(t, s.base+"/Device/app", x.Text("device", "reference"))
	assert.Equal(t, s.base+"/Patient/p2", x.Objects("performer")[0].Text("reference"))
	for _, name := range []string{"Device/app", "Observation/endorses", "Observation/strange", "Patient/p2", "Consent/c"} {
		assert.Nil(t, copies[s.base+"/"+name], name)
	}
	assert.Empty(t, s.seen("Consent"))
	assert.Empty(t, s.seen("Patient/p2"))
	assert.NotEqual(t, "p1", copies[s.base+"/Patient/p1"].ID())

	s.put(`{"resourceType":"Observation","id":"p1-y","status":"final","category":[{"coding":[{"code":"laboratory"}]}],"code":{"text":"x"},"subject":{"reference":"Patient/p1"},
		"related":[{"target":{"reference":"Encounter/evil"}}]}`)
	s.put(`{"resourceType":"Coverage","id":"p1-evil","beneficiary":{"reference":"Patient/p1"},"subscriber":{"reference":"` + targetBase + `/Patient/p1"}}`)
	tg.pass(6 * time.Minute)
	assert.NotNil(t, tg.copies()[s.base+"/Coverage/p1-evil"], "a reference that gives nothing stays")
}

func TestReferencesThatFailNowAreReadLater(t *testing.T) {
	clk := heldClock()
	s, tg := newSource(t, clk), newTarget(t, clk)
	s.fill("p1", 3)
	s.answer(on("/Location/ward", text(500, "text/plain", "")))
	conn := tg.connect(s, "auth-1")
	tg.pass(4 * time.Minute)
	got := tg.get(conn.ID)
	assert.Equal(t, Waiting, got.Status)
	assert.Contains(t, got.Message, "what the resources refer to: ")
	encounter := tg.copies()[s.base+"/Encounter/p1-e"]
	assert.Equal(t, s.base+"/Location/ward", encounter.Objects("location")[0].Text("location", "reference"))
	s.answer(nil)
	tg.pass(2 * time.Minute)
	assert.Empty(t, tg.get(conn.ID).Message)
	tg.equal(s, record(s, "p1")...)
}

func TestOddPages(t *testing.T) {
	clk := heldClock()
	s, tg := newSource(t, clk), newTarget(t, clk)
	s.fill("p1", 3)
	obs := func(id, status string) string {
		return `{"search":{"mode":"match"},"fullUrl":"https://alias.example/fhir/Observation/` + id + `","resource":{"resourceType":"Observation","id":"` + id + `","status":"` + status + `","code":{"text":"x"},"subject":{"reference":"https://alias.example/fhir/Patient/p1"}}}`
	}
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		return on("category=laboratory", bundle(obs("twice", "preliminary")+","+obs("twice", "final")+
			`,{"search":{"mode":"include"},"resource":{"resourceType":"Practitioner","id":"inc"}}`+
			`,{"search":{"mode":"include"},"resource":{"resourceType":"Patient","id":"p9"}}`+
			`,{"search":{"mode":"outcome"},"resource":{"resourceType":"OperationOutcome"}}`))(w, r) ||
			on("/Binary/p1-b", text(200, "text/plain; charset=utf-8", "hello"))(w, r)
	})
	conn := tg.connect(s, "auth-1")
	tg.idle()
	assert.Empty(t, tg.get(conn.ID).Message)
	copies := tg.copies()
	assert.Equal(t, "final", copies[s.base+"/Observation/twice"].Text("status"))
	assert.Equal(t, "Patient/"+copies[s.base+"/Patient/p1"].ID(), copies[s.base+"/Observation/twice"].Text("subject", "reference"), "an alias of the base by fullUrl")
	assert.NotNil(t, copies[s.base+"/Practitioner/inc"])
	assert.Nil(t, copies[s.base+"/Patient/p9"])
	assert.Equal(t, "aGVsbG8=", copies[s.base+"/Binary/p1-b"].Text("content"), "a Binary given as what it holds")
}
