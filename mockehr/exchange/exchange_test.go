package exchange

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFirstConnection(t *testing.T) {
	c := heldClock()
	s, tg := newSource(t, c), newTarget(t, c)
	s.fill("p1", 120)
	s.fill("p2", 3)
	conn := tg.connect(s, "auth-1")
	assert.Equal(t, Queued, conn.Status)
	tg.idle()

	got := tg.get(conn.ID)
	assert.Equal(t, Waiting, got.Status)
	assert.Empty(t, got.Message)
	assert.Equal(t, "p1", got.Patient)
	assert.Equal(t, start, got.LastCheck)
	assert.Equal(t, start.Add(5*time.Minute), got.NextCheck)
	assert.Equal(t, map[string]int{"Patient": 1, "Practitioner": 1, "Observation": 123, "Encounter": 1, "Location": 2, "Organization": 1,
		"Condition": 1, "MedicationRequest": 1, "Medication": 1, "DocumentReference": 1, "Binary": 1, "Coverage": 1, "Immunization": 1}, got.Copied)
	tg.equal(s, record(s, "p1")...)
	assert.Equal(t, 1, tg.stored("Patient"))
	assert.Equal(t, 123, tg.stored("Observation"))

	assert.Len(t, s.seen("/auth/token"), 1)
	assert.Len(t, s.seen("category=laboratory"), 3)
	assert.Len(t, s.seen("Practitioner/gp"), 1, "read once")
	assert.Len(t, s.seen("Practitioner/away"), 1)
	for _, q := range firstConnection {
		assert.NotEmpty(t, s.seen("/r3/"+q+"p1"), q)
	}
	for _, r := range s.seen("") {
		assert.NotContains(t, r.String(), "urn", "no token in a URL")
		assert.NotContains(t, r.String(), "auth-1")
		switch {
		case r.Path == "/auth/token":
			assert.Equal(t, "Bearer "+sourceJWT, r.Auth)
			assert.Equal(t, "auth-1", r.Form.Get("scope"))
		case r.Path == "/r3/metadata":
			assert.Empty(t, r.Auth)
		default:
			assert.Contains(t, r.Auth, "Bearer urn:oauth:")
		}
	}
	doc := tg.copies()[s.base+"/DocumentReference/p1-d"]
	binary := tg.copies()[s.base+"/Binary/p1-b"]
	assert.Equal(t, "Binary/"+binary.ID(), doc.Objects("content")[0].Text("attachment", "url"))
	asserter := tg.copies()[s.base+"/Condition/p1-c"].Text("asserter", "reference")
	assert.Equal(t, s.base+"/Practitioner/away", asserter, "what can't be read becomes absolute")
}

func TestUpdatePicksUpChangesOnce(t *testing.T) {
	c := heldClock()
	s, tg := newSource(t, c), newTarget(t, c)
	s.fill("p1", 60)
	conn := tg.connect(s, "auth-1")
	tg.pass(2 * time.Minute)
	lab := s.base + "/Observation/p1-lab-0007"
	before := tg.versions(lab)
	s.put(`{"resourceType":"Observation","id":"p1-lab-0007","status":"amended","category":[{"coding":[{"code":"laboratory"}]}],"code":{"text":"lab"},"subject":{"reference":"Patient/p1"}}`,
		`{"resourceType":"Observation","id":"p1-lab-new","status":"final","category":[{"coding":[{"code":"laboratory"}]}],"code":{"text":"lab"},"subject":{"reference":"Patient/p1"}}`)
	s.forget()
	tg.pass(4 * time.Minute)

	assert.Equal(t, before+1, tg.versions(lab))
	assert.Equal(t, 1, tg.versions(s.base+"/Observation/p1-lab-0008"))
	assert.Equal(t, 1, tg.versions(s.base+"/Patient/p1"))
	tg.equal(s, record(s, "p1")...)
	searches := s.seen("patient=p1")
	require.NotEmpty(t, searches)
	for _, r := range searches {
		assert.Contains(t, r.Query, "_lastUpdated=gt2017-09-09T09%3A59%3A55Z", r.String())
	}
	assert.Len(t, s.seen("Patient/p1"), 1, "read again, not searched")
	assert.Empty(t, s.seen("/auth/token"), "the token is used again")
	got := tg.get(conn.ID)
	assert.Equal(t, start.Add(5*time.Minute), got.LastCheck)
	assert.Equal(t, 2, got.Round)

	s.forget()
	tg.pass(54 * time.Minute)
	assert.Len(t, s.seen("/r3/Condition"), 11)
	assert.Equal(t, before+1, tg.versions(lab), "once")
}

func TestScopesAndCapabilitiesBoundThePlan(t *testing.T) {
	for name, prepare := range map[string]func(*source){
		"scopes": func(s *source) {
			s.scope = "user/Observation.read patient/Condition.* user/Immunization.write user/Patient.read"
		},
		"capabilities": func(s *source) { s.types = []string{"Patient", "Observation", "Condition", "Practitioner"} },
	} {
		t.Run(name, func(t *testing.T) {
			c := heldClock()
			s, tg := newSource(t, c), newTarget(t, c)
			s.fill("p1", 3)
			prepare(s)
			conn := tg.connect(s, "a-1")
			tg.idle()
			assert.Equal(t, Waiting, tg.get(conn.ID).Status)
			assert.NotEmpty(t, s.seen("/Observation?"))
			assert.NotEmpty(t, s.seen("/Condition?"))
			for _, typ := range []string{"Immunization", "Coverage", "DocumentReference", "MedicationRequest"} {
				assert.Empty(t, s.seen("/"+typ+"?"), typ)
			}
		})
	}
}

func TestSameAuthorizationIsTheSameConnection(t *testing.T) {
	c := heldClock()
	s, tg := newSource(t, c), newTarget(t, c)
	s.fill("p1", 3)
	first := tg.connect(s, "auth-1")
	again, err := tg.Connect(tg.ctx(), Request{Source: s.base + "/", Consent: "c1", JWT: sourceJWT, Authorization: "auth-1", ExpiresIn: 60})
	require.NoError(t, err)
	assert.Equal(t, first.ID, again.ID)
	require.NoError(t, tg.Disconnect(tg.ctx(), first.ID))
	again = tg.connect(s, "auth-1")
	assert.Equal(t, first.ID, again.ID)
	assert.Equal(t, Stopped, again.Status)
	assert.NotEqual(t, first.ID, tg.connect(s, "auth-2").ID)
	all, err := tg.List(tg.ctx())
	require.NoError(t, err)
	assert.Len(t, all, 2)
}

func TestDisconnect(t *testing.T) {
	c := heldClock()
	s, tg := newSource(t, c), newTarget(t, c)
	s.fill("p1", 3)
	inFlight := make(chan struct{})
	s.answer(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "Condition") {
			close(inFlight)
			<-r.Context().Done()
			return true
		}
		return false
	})
	conn := tg.connect(s, "auth-1")
	<-inFlight
	require.NoError(t, tg.Disconnect(tg.ctx(), conn.ID))
	asked := len(s.seen(""))
	tg.pass(time.Hour)
	assert.Len(t, s.seen(""), asked, "nothing more is asked")
	got := tg.get(conn.ID)
	assert.Equal(t, Stopped, got.Status)
	assert.Zero(t, got.NextCheck)
	require.NoError(t, tg.Disconnect(tg.ctx(), conn.ID))
	assert.Error(t, tg.Disconnect(tg.ctx(), "unknown"))

	tg.Close()
	require.NoError(t, tg.Start(tg.ctx()))
	tg.pass(time.Hour)
	assert.Len(t, s.seen(""), asked, "nor after a restart")
}

func TestExpiry(t *testing.T) {
	c := heldClock()
	s, tg := newSource(t, c), newTarget(t, c)
	s.fill("p1", 3)
	conn, err := tg.Connect(tg.ctx(), Request{Source: s.base, Consent: "c1", JWT: sourceJWT, Authorization: "a-1", ExpiresIn: 630})
	require.NoError(t, err)
	tg.pass(630*time.Second - time.Nanosecond)
	assert.Equal(t, Waiting, tg.get(conn.ID).Status)
	assert.Zero(t, tg.get(conn.ID).NextCheck, "there is no next one before the end")
	asked := len(s.seen(""))
	assert.Len(t, s.seen("metadata"), 3)
	tg.pass(time.Nanosecond)
	assert.Equal(t, Expired, tg.get(conn.ID).Status)
	tg.pass(time.Hour)
	assert.Len(t, s.seen(""), asked)
	require.NoError(t, tg.Disconnect(tg.ctx(), conn.ID))
	assert.Equal(t, Expired, tg.get(conn.ID).Status, "what is over stays what it is")
}

func TestExpiryInTheMiddleOfWaiting(t *testing.T) {
	c := heldClock()
	s, tg := newSource(t, c), newTarget(t, c)
	s.answer(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", "120")
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	conn, err := tg.Connect(tg.ctx(), Request{Source: s.base, Consent: "c1", JWT: sourceJWT, Authorization: "a-1", ExpiresIn: 60})
	require.NoError(t, err)
	tg.pass(time.Minute)
	assert.Equal(t, Expired, tg.get(conn.ID).Status)
	tg.pass(time.Hour)
	assert.Len(t, s.seen(""), 1)
}

func TestTokenIsRenewedWhenItIsOver(t *testing.T) {
	for _, life := range []any{400, "400", 400.0} {
		c := heldClock()
		s, tg := newSource(t, c), newTarget(t, c)
		s.fill("p1", 3)
		s.life = life
		conn := tg.connect(s, "auth-1")
		tg.pass(9 * time.Minute)
		assert.Len(t, s.seen("/auth/token"), 1)
		tg.pass(time.Minute)
		assert.Len(t, s.seen("/auth/token"), 2)
		assert.Equal(t, Waiting, tg.get(conn.ID).Status)
	}
}

func TestRefreshTakesNewSettings(t *testing.T) {
	c := heldClock()
	s, tg := newSource(t, c), newTarget(t, c)
	s.fill("p1", 1)
	conn := tg.connect(s, "auth-1")
	tg.idle()
	tg.updateEvery.Store(int64(time.Minute))
	tg.Refresh()
	tg.pass(time.Minute)
	assert.Equal(t, 2, tg.get(conn.ID).Round)
	c.Add(-24 * time.Hour)
	tg.Refresh()
	tg.pass(time.Minute)
	assert.Equal(t, 3, tg.get(conn.ID).Round, "a clock set back holds nothing up")
}
