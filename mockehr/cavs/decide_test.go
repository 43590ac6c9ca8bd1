package cavs

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/clock"
	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/oauth"
	"example.org/ccde/mockehr/store"
)

var start = time.Date(2017, 9, 9, 10, 0, 0, 0, time.UTC)

// The keys are made once: that is what takes time.
var (
	firstKey  = sync.OnceValues(oauth.NewKey)
	secondKey = sync.OnceValues(oauth.NewKey)
)

// bench is a CAVS that trusts one issuer, and that issuer.
type bench struct {
	clock   *clock.Clock
	store   *store.Store
	checks  *check.Checks
	issuer  *oauth.Issuer
	trust   *oauth.Trust
	service *Service
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{clock: clock.New(), checks: check.New(check.Strict)}
	b.clock.Hold()
	b.clock.Set(start)
	var err error
	b.store, err = store.Open("", store.Options{Clock: b.clock})
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.store.Close() })
	b.issuer = b.newIssuer(t, "urn:uuid:1486332b-fe3b-483a-b9d4-d6d81cc5b72e", firstKey)
	b.trust = oauth.NewTrust(nil, b.clock, nil)
	set, err := b.issuer.KeySet()
	require.NoError(t, err)
	require.NoError(t, b.trust.SetSources([]oauth.Source{{Keys: set}}))
	b.service = New(Options{Store: b.store, Clock: b.clock, Checks: b.checks, Trust: b.trust, Host: "cavs.example"})
	return b
}

func (b *bench) newIssuer(t *testing.T, name string, key func() (*oauth.Key, error)) *oauth.Issuer {
	t.Helper()
	k, err := key()
	require.NoError(t, err)
	i, err := oauth.NewIssuer(context.Background(), oauth.IssuerOptions{
		Store: b.store, Clock: b.clock, Checks: check.New(check.Strict), Name: name, Root: "http://target.example", Key: k})
	require.NoError(t, err)
	return i
}

func (b *bench) jwt(t *testing.T, sub string) string {
	t.Helper()
	packed, err := b.issuer.Issue(context.Background(), sub)
	require.NoError(t, err)
	return packed
}

func (b *bench) put(t *testing.T, format string, args ...any) {
	t.Helper()
	o, err := fhir.ParseJSON(fmt.Appendf(nil, format, args...))
	require.NoError(t, err)
	require.NoError(t, b.store.Update(context.Background(), func(tx *store.Tx) error {
		_, _, err := tx.Put(o, "")
		return err
	}))
}

func (b *bench) remove(t *testing.T, typ, id string) {
	t.Helper()
	require.NoError(t, b.store.Update(context.Background(), func(tx *store.Tx) error {
		_, err := tx.Delete(typ, id)
		return err
	}))
}

func (b *bench) device(t *testing.T, id, status, packed string) {
	t.Helper()
	b.put(t, `{"resourceType":"Device","id":%q,
		"extension":[{"url":"http://www.healthintersections.com.au/fhir/StructureDefinition/JWT","valueString":%q}],
		"status":%q,"type":{"coding":[{"system":"http://healthintersections.com.au/fhir/codes/obs","code":"app"}]}}`, id, packed, status)
}

func (b *bench) organization(t *testing.T, id, name string) {
	t.Helper()
	b.put(t, `{"resourceType":"Organization","id":%q,"name":%q,
		"telecom":[{"system":"phone","value":"1"},{"system":"url","value":"http://%s.example"}]}`, id, name, id)
}

func (b *bench) endorse(t *testing.T, id, device, status, code, performers string) {
	t.Helper()
	b.put(t, `{"resourceType":"Observation","id":%q,"status":%q,
		"category":[{"coding":[{"system":"http://healthintersections.com.au/fhir/codes/obs","code":"endorsement"}]}],
		"code":{"coding":[{"system":"http://healthintersections.com.au/fhir/codes/obs","code":%q}]},
		"subject":{"reference":"Device/%s"},"performer":[%s],"comment":"comment %s"}`, id, status, code, device, performers, id)
}

func (b *bench) decide(t *testing.T, packed string) Answer {
	t.Helper()
	answer, err := b.service.Decide(context.Background(), packed)
	require.NoError(t, err)
	return answer
}

func TestDecideByTheRegistry(t *testing.T) {
	b := newBench(t)
	registered := b.jwt(t, "app")
	b.clock.Add(25 * time.Hour) // the registered JWT has expired: nothing but iss and sub is read of it
	packed := b.jwt(t, "app")
	require.Equal(t, oauth.Unknown, b.decide(t, packed).Status, "nothing is registered")

	b.device(t, "d1", "active", registered)
	answer := b.decide(t, packed)
	require.Equal(t, oauth.Approved, answer.Status)
	require.Equal(t, "Approved for use by cavs.example", answer.Message)
	require.Empty(t, answer.Endorsements)
	require.Equal(t, oauth.Unknown, b.decide(t, b.jwt(t, "another")).Status, "another sub")

	b.device(t, "d1", "inactive", registered)
	require.Equal(t, oauth.Unsuitable, b.decide(t, packed).Status)
	b.device(t, "d1", "entered-in-error", registered)
	require.Equal(t, oauth.Unsuitable, b.decide(t, packed).Status)
	b.device(t, "d1", "active", registered)
	b.device(t, "d2", "inactive", registered)
	require.Equal(t, oauth.Unsuitable, b.decide(t, packed).Status, "of several Devices one is inactive")
	b.remove(t, "Device", "d2")
	require.Equal(t, oauth.Approved, b.decide(t, packed).Status)
	b.remove(t, "Device", "d1")
	require.Equal(t, oauth.Unknown, b.decide(t, packed).Status)
}

func TestDecideSeesOnlyApplications(t *testing.T) {
	b := newBench(t)
	packed := b.jwt(t, "app")
	const device = `{"resourceType":"Device","id":"x","status":"active","extension":[{"url":%q,"valueString":%q}],
		"type":{"coding":[{"system":%q,"code":%q}]}}`
	for name, c := range map[string]struct {
		url, packed, system, code string
		want                      string
	}{
		"the control":       {jwtExtension, packed, codeSystem, "app", oauth.Approved},
		"another type":      {jwtExtension, packed, codeSystem, "pump", oauth.Unknown},
		"another system":    {jwtExtension, packed, "http://x.example", "app", oauth.Unknown},
		"another extension": {"http://x.example/StructureDefinition/JWT", packed, codeSystem, "app", oauth.Unknown},
		"no JWT in it":      {jwtExtension, "garbage", codeSystem, "app", oauth.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			b.put(t, device, c.url, c.packed, c.system, c.code)
			require.Equal(t, c.want, b.decide(t, packed).Status)
		})
	}
}

func TestDecideEndorsements(t *testing.T) {
	b := newBench(t)
	packed := b.jwt(t, "app")
	b.device(t, "d1", "active", packed)
	b.device(t, "d2", "active", b.jwt(t, "other"))
	b.organization(t, "o1", "One")
	b.organization(t, "o2", "Two")
	const one, two = `{"reference":"Organization/o1"}`, `{"reference":"Organization/o2"}`
	b.endorse(t, "e1", "d1", "final", "approval", one+","+two)
	b.endorse(t, "e2", "d1", "amended", "warning", `{"reference":"Practitioner/p"},`+two)
	b.endorse(t, "e3", "d1", "final", "usage-note", one)
	b.endorse(t, "n1", "d1", "preliminary", "approval", one)
	b.endorse(t, "n2", "d1", "entered-in-error", "approval", one)
	b.endorse(t, "n3", "d1", "final", "praise", one)
	b.endorse(t, "n4", "d1", "final", "approval", `{"reference":"Organization/nobody"}`)
	b.endorse(t, "n5", "d2", "final", "approval", one)
	want := []oauth.Endorsement{
		{Type: "approval", Comment: "comment e1", Endorser: oauth.Endorser{Name: "One", URL: "http://o1.example"}},
		{Type: "warning", Comment: "comment e2", Endorser: oauth.Endorser{Name: "Two", URL: "http://o2.example"}},
		{Type: "usage-note", Comment: "comment e3", Endorser: oauth.Endorser{Name: "One", URL: "http://o1.example"}},
	}
	require.ElementsMatch(t, want, b.decide(t, packed).Endorsements)

	b.organization(t, "o2", "Second")
	b.remove(t, "Observation", "e3")
	b.endorse(t, "e1", "d1", "cancelled", "approval", one)
	answer := b.decide(t, packed)
	require.Len(t, answer.Endorsements, 1, "a change shows in the next answer")
	require.Equal(t, "Second", answer.Endorsements[0].Endorser.Name)
}

func TestDecideReadsEveryPage(t *testing.T) {
	b := newBench(t)
	packed := b.jwt(t, "app")
	b.organization(t, "o1", "One")
	const others = 450
	foreign := b.jwt(t, "other")
	for i := range others {
		b.device(t, fmt.Sprintf("x%d", i), "active", foreign)
	}
	b.device(t, "d1", "active", packed)
	for i := range 250 {
		b.endorse(t, fmt.Sprintf("e%d", i), "d1", "final", "approval", `{"reference":"Organization/o1"}`)
	}
	require.Len(t, b.decide(t, packed).Endorsements, 250)
}

func TestDecideInvalid(t *testing.T) {
	b := newBench(t)
	good := b.jwt(t, "app")
	b.device(t, "d1", "active", good)
	require.Equal(t, oauth.Approved, b.decide(t, good).Status, "the control")
	override := func(id string, result any) string {
		checks := check.New(check.Strict)
		k, err := firstKey()
		require.NoError(t, err)
		i, err := oauth.NewIssuer(context.Background(), oauth.IssuerOptions{Store: b.store, Clock: b.clock, Checks: checks,
			Name: b.issuer.Name(), Root: "http://target.example", Key: k})
		require.NoError(t, err)
		checks.Override(id, func(context.Context, check.Inputs, any) (any, bool) { return result, true })
		packed, err := i.Issue(context.Background(), "app")
		require.NoError(t, err)
		return packed
	}
	forger := b.newIssuer(t, b.issuer.Name(), secondKey)
	forged, err := forger.Issue(context.Background(), "app")
	require.NoError(t, err)
	for name, c := range map[string]struct{ packed, says string }{
		"garbage":               {"garbage", "unreadable"},
		"unknown key":           {forged, "unknown key"},
		"bad signature":         {good[:len(good)-6] + "AAAAAA", "bad signature"},
		"none":                  {override("TGT-03", "none"), "bad algorithm"},
		"HMAC with the key":     {override("TGT-03", "HS256"), "bad algorithm"},
		"expired":               {override("TGT-05", -1), "expired"},
		"no claims to speak of": {override("TGT-04", map[string]any{"iss": b.issuer.Name()}), "unreadable"},
	} {
		t.Run(name, func(t *testing.T) {
			answer := b.decide(t, c.packed)
			require.Equal(t, oauth.Invalid, answer.Status)
			require.Contains(t, answer.Message, c.says)
			require.Empty(t, answer.Endorsements)
		})
	}
	t.Run("nothing", func(t *testing.T) {
		_, err := b.service.Decide(context.Background(), "")
		var refusal *check.Refusal
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, "CAV-07", refusal.ID)
		require.Equal(t, http.StatusBadRequest, refusal.Status)
	})
	t.Run("its key can't be had", func(t *testing.T) {
		dead := httptest.NewServer(http.NotFoundHandler())
		dead.Close()
		trust := oauth.NewTrust(nil, b.clock, nil)
		require.NoError(t, trust.SetSources([]oauth.Source{{URL: dead.URL}}))
		foreign := mustIssue(t, b, dead.URL)
		service := New(Options{Store: b.store, Clock: b.clock, Checks: b.checks, Trust: trust, Host: "cavs.example"})
		_, err := service.Decide(context.Background(), foreign)
		var refusal *check.Refusal
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, "CAV-12", refusal.ID)
		require.Equal(t, http.StatusServiceUnavailable, refusal.Status)
	})
}

// mustIssue issues a JWT whose kid lies below root.
func mustIssue(t *testing.T, b *bench, root string) string {
	t.Helper()
	k, err := secondKey()
	require.NoError(t, err)
	i, err := oauth.NewIssuer(context.Background(), oauth.IssuerOptions{
		Store: b.store, Clock: b.clock, Checks: check.New(check.Strict), Name: "urn:other", Root: root, Key: k})
	require.NoError(t, err)
	packed, err := i.Issue(context.Background(), "app")
	require.NoError(t, err)
	return packed
}

func TestDecideInDialectTestFHIR(t *testing.T) {
	b := newBench(t)
	registered := b.jwt(t, "app")
	b.device(t, "d1", "active", registered)
	b.checks.SetDialect(check.TestFHIR)
	require.Equal(t, oauth.Approved, b.decide(t, registered).Status)
	require.Equal(t, oauth.Unknown, b.decide(t, b.jwt(t, "app")).Status, "another JWT of the same application")
	b.clock.Add(25 * time.Hour)
	require.Equal(t, oauth.Approved, b.decide(t, registered).Status, "expired")
	require.Equal(t, oauth.Invalid, b.decide(t, "garbage").Status)
}

// TestDecideOverrides writes down, as overrides, faults that a CAVS may have.
func TestDecideOverrides(t *testing.T) {
	pass := func(context.Context, check.Inputs, any) (any, bool) { return true, true }
	for id, c := range map[string]struct {
		change func(t *testing.T, b *bench) string
		status string
	}{
		"CAV-03": {func(t *testing.T, b *bench) string { return b.jwt(t, "nobody") }, oauth.Unknown},
		"CAV-05": {func(t *testing.T, b *bench) string {
			packed := b.jwt(t, "app")
			b.device(t, "d1", "inactive", packed)
			return packed
		}, oauth.Unsuitable},
		"CAV-08": {func(t *testing.T, b *bench) string {
			packed := b.jwt(t, "app")
			b.device(t, "d1", "active", packed)
			b.clock.Add(25 * time.Hour)
			return packed
		}, oauth.Invalid},
	} {
		t.Run(id, func(t *testing.T) {
			b := newBench(t)
			packed := c.change(t, b)
			require.Equal(t, c.status, b.decide(t, packed).Status)
			b.checks.Override(id, pass)
			require.Equal(t, oauth.Approved, b.decide(t, packed).Status)
		})
	}
	t.Run("another application's endorsements", func(t *testing.T) {
		b := newBench(t)
		packed := b.jwt(t, "app")
		b.device(t, "d1", "active", packed)
		b.checks.Override("CAV-02", func(context.Context, check.Inputs, any) (any, bool) {
			return []map[string]any{{"type": "approval", "comment": "not theirs"}}, true
		})
		require.Equal(t, "not theirs", b.decide(t, packed).Endorsements[0].Comment)
	})
}

func TestAnswerJSON(t *testing.T) {
	a := Answer{Status: oauth.Approved, Message: "m", Endorsements: []oauth.Endorsement{
		{Type: "approval", Comment: "c", Endorser: oauth.Endorser{Name: "n", URL: "u"}}}}
	for d, want := range map[check.Dialect]string{
		check.Strict:   `{"status":"approved","message":"m","endorsements":[{"endorser":{"name":"n","url":"u"},"type":"approval","comment":"c"}]}`,
		check.TestFHIR: `{"status":"approved","message":"m","endorsements":[{"endorser":{"name":"n","url":"u","type":"approval","comment":"c"}}]}`,
	} {
		text, err := a.JSON(d)
		require.NoError(t, err)
		require.JSONEq(t, want, string(text))
		read, err := ParseAnswer(text)
		require.NoError(t, err)
		require.Equal(t, a, read, "both shapes read the same")
		text, err = Answer{Status: oauth.Unknown}.JSON(d)
		require.NoError(t, err)
		require.True(t, json.Valid(text))
		require.Contains(t, string(text), `"endorsements":[]`)
	}
}
