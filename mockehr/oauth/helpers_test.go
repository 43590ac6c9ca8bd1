package oauth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/clock"
	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/store"
)

// start is the instant at which the clocks of the tests are held.
var start = time.Date(2017, 9, 9, 10, 0, 0, 0, time.UTC)

// The keys are made once: that is what takes time.
var (
	firstKey  = sync.OnceValue(mustKey)
	secondKey = sync.OnceValue(mustKey)
)

func mustKey() *Key {
	key, err := NewKey()
	if err != nil {
		panic(err)
	}
	return key
}

const (
	testIssuer = "urn:uuid:1486332b-fe3b-483a-b9d4-d6d81cc5b72e"
	testRoot   = "http://target.example"
	testBase   = "http://source.example/r3"
	testKeyID  = "key-1"
)

func heldClock() *clock.Clock {
	c := clock.New()
	c.Hold()
	c.Set(start)
	return c
}

func openStore(t testing.TB, clk *clock.Clock) *store.Store {
	t.Helper()
	s, err := store.Open("", store.Options{Clock: clk})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// goodClaims are those of a JWT that is alive at start.
func goodClaims() map[string]any {
	return map[string]any{"iss": testIssuer, "sub": "target.example", "iat": start.Unix(), "exp": start.Add(24 * time.Hour).Unix()}
}

func with(m map[string]any, name string, value any) map[string]any {
	if value == nil {
		delete(m, name)
	} else {
		m[name] = value
	}
	return m
}

func mustSign(t testing.TB, key *Key, kid string, claims map[string]any) string {
	t.Helper()
	packed, err := sign(key, "RS256", kid, claims)
	require.NoError(t, err)
	return packed
}

// signWith packs a JWT with any header, method and secret.
func signWith(t testing.TB, method jwt.SigningMethod, secret any, header, claims map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(method, jwt.MapClaims(claims))
	for name, value := range header {
		token.Header[name] = value
	}
	packed, err := token.SignedString(secret)
	require.NoError(t, err)
	return packed
}

func setOf(t testing.TB, keys map[string]*Key) json.RawMessage {
	t.Helper()
	list := []json.RawMessage{}
	for kid, key := range keys {
		raw, err := printKey(key.Public(), kid, "RS256")
		require.NoError(t, err)
		list = append(list, raw)
	}
	text, err := json.Marshal(map[string]any{"keys": list})
	require.NoError(t, err)
	return text
}

// keyServer serves a key set that a test can change, and counts what it is asked.
type keyServer struct {
	*httptest.Server
	body  atomic.Pointer[[]byte]
	fails atomic.Bool
	asked atomic.Int64
}

func serveKeys(t testing.TB, body []byte) *keyServer {
	t.Helper()
	s := &keyServer{}
	s.set(body)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.asked.Add(1)
		if s.fails.Load() {
			http.Error(w, "out of order", http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(*s.body.Load())
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *keyServer) set(body []byte) { s.body.Store(&body) }

func trusting(t testing.TB, clk *clock.Clock, sources ...Source) *Trust {
	t.Helper()
	trust := NewTrust(nil, clk, nil)
	require.NoError(t, trust.SetSources(sources))
	return trust
}

func b64(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// bench is a source with a patient, a Consent and a trusted target.
type bench struct {
	clock   *clock.Clock
	store   *store.Store
	checks  *check.Checks
	cavs    Validator
	service *Service
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{clock: heldClock(), checks: check.New(check.Strict)}
	b.store = openStore(t, b.clock)
	b.service = NewService(Options{
		Store: b.store, Clock: b.clock, Checks: b.checks, Base: testBase,
		Trust: trusting(t, b.clock, Source{Keys: setOf(t, map[string]*Key{testKeyID: firstKey()})}),
		CAVS:  func() Validator { return b.cavs },
	})
	b.put(t, `{"resourceType":"Patient","id":"example"}`)
	b.put(t, `{"resourceType":"Patient","id":"other"}`)
	b.put(t, goodConsent)
	return b
}

const goodConsent = `{"resourceType":"Consent","id":"c1","status":"active","patient":{"reference":"Patient/example"},
	"policyRule":"http://hl7.org/fhir/ConsentDefinition/simple-oauth",
	"except":[{"type":"permit","action":[{"coding":[{"system":"http://hl7.org/fhir/consentaction","code":"access"}]}],
		"class":[{"system":"http://smarthealthit.org/fhir/scopes","code":"user/*.*"}]}]}`

func (b *bench) put(t testing.TB, text string) {
	t.Helper()
	o := mustParse(t, text)
	require.NoError(t, b.store.Update(context.Background(), func(tx *store.Tx) error {
		_, _, err := tx.Put(o, "")
		return err
	}))
}

func (b *bench) remove(t testing.TB, typ, id string) {
	t.Helper()
	require.NoError(t, b.store.Update(context.Background(), func(tx *store.Tx) error {
		_, err := tx.Delete(typ, id)
		return err
	}))
}

// consent stores the Consent of the tests, changed.
func (b *bench) consent(t testing.TB, change func(*fhir.Object)) {
	t.Helper()
	o := mustParse(t, goodConsent)
	change(o)
	require.NoError(t, b.store.Update(context.Background(), func(tx *store.Tx) error {
		_, _, err := tx.Put(o, "")
		return err
	}))
}

func mustParse(t testing.TB, text string) *fhir.Object {
	t.Helper()
	o, err := fhir.ParseJSON([]byte(text))
	require.NoError(t, err)
	return o
}

func (b *bench) jwt(t testing.TB) string { return mustSign(t, firstKey(), testKeyID, goodClaims()) }

// params are the Parameters of $authorize; a part that is "" is left out.
func params(t testing.TB, duration, jwtValue string) *fhir.Object {
	t.Helper()
	parts := ""
	for name, value := range map[string]string{"duration": duration, "jwt": jwtValue} {
		if value == "" {
			continue
		}
		if parts != "" {
			parts += ","
		}
		parts += `{"name":"` + name + `",` + value + `}`
	}
	return mustParse(t, `{"resourceType":"Parameters","parameter":[`+parts+`]}`)
}

const threeMonths = `"valueDuration":{"value":3,"system":"http://unitsofmeasure.org","code":"mo"}`

func quoted(packed string) string { return `"valueString":"` + packed + `"` }

// authorize asks for an authorization that must be given.
func (b *bench) authorize(t testing.TB, packed string) AuthorizeResult {
	t.Helper()
	result, err := b.service.Authorize(context.Background(),
		AuthorizeRequest{ConsentID: "c1", Params: params(t, threeMonths, quoted(packed))})
	require.NoError(t, err)
	return result
}

type fixedCAVS struct {
	answer Answer
	err    error
}

func (f fixedCAVS) Validate(context.Context, string) (Answer, error) { return f.answer, f.err }
