package oauth

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/store"
)

func tokenRequest(packed, authorization string) TokenRequest {
	return TokenRequest{Authorization: "Bearer " + packed,
		Form: url.Values{"grant_type": {"client_credentials"}, "scope": {authorization}}}
}

func (b *bench) exchange(t *testing.T, packed, authorization string) TokenResponse {
	t.Helper()
	answer, err := b.service.Exchange(context.Background(), tokenRequest(packed, authorization))
	require.NoError(t, err)
	return answer
}

func tokenErrorOf(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	require.ErrorAs(t, err, &e)
	return e
}

func setScope(code string) func(*fhir.Object) {
	return func(o *fhir.Object) { o.Child("except", "class").Set("code", code) }
}

func TestExchange(t *testing.T) {
	b := newBench(t)
	packed := b.jwt(t)
	id := b.authorize(t, packed).ID
	answer := b.exchange(t, packed, id)
	require.Regexp(t, `^urn:oauth:[0-9a-f-]{36}$`, answer.AccessToken)
	require.Equal(t, "user/*.*", answer.Scope)
	require.Equal(t, "example", answer.Patient)
	require.EqualValues(t, 3600, answer.ExpiresIn)
	again := b.exchange(t, packed, id)
	require.NotEqual(t, answer.AccessToken, again.AccessToken, "each answer is a token of its own")

	text, err := json.Marshal(answer)
	require.NoError(t, err)
	require.JSONEq(t, `{"access_token":"`+answer.AccessToken+`","token_type":"Bearer","expires_in":3600,"scope":"user/*.*","patient":"example"}`, string(text))
	b.checks.SetDialect(check.TestFHIR)
	text, err = json.Marshal(b.exchange(t, packed, id))
	require.NoError(t, err)
	require.Contains(t, string(text), `"expires_in":"3600"`)

	require.NoError(t, b.store.View(context.Background(), func(tx *store.Tx) error {
		return tx.Records(tokenKind, "", func(key string, raw json.RawMessage) error {
			require.NotContains(t, key+string(raw), strings.TrimPrefix(answer.AccessToken, "urn:oauth:"), "tokens are kept as hashes")
			return nil
		})
	}))
}

func TestExchangeGivesNoMoreThanIsLeft(t *testing.T) {
	b := newBench(t)
	packed := b.jwt(t)
	id := b.authorize(t, packed).ID
	b.clock.Set(start.AddDate(0, 3, 0).Add(-90500 * time.Millisecond))
	require.EqualValues(t, 90, b.exchange(t, packed, id).ExpiresIn, "and the JWT, long expired, still counts")
	b.consent(t, func(o *fhir.Object) {
		o.Set("period", fhir.NewObject(fhir.Member{Name: "end", Value: "2017-12-09T09:59:00Z"}))
	})
	require.EqualValues(t, 30, b.exchange(t, packed, id).ExpiresIn, "the Consent's period counts as it is now")
	b.clock.Set(start.AddDate(0, 3, 0))
	_, err := b.service.Exchange(context.Background(), tokenRequest(packed, id))
	require.Equal(t, "SRC-37", tokenErrorOf(t, err).ID, "at its very second it is over")
}

func TestExchangeRefuses(t *testing.T) {
	b := newBench(t)
	packed := b.jwt(t)
	other := mustSign(t, firstKey(), testKeyID, with(goodClaims(), "jti", "other"))
	id := b.authorize(t, packed).ID
	form := func(pairs ...string) url.Values {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Add(pairs[i], pairs[i+1])
		}
		return v
	}
	good := form("grant_type", "client_credentials", "scope", id)
	for name, c := range map[string]struct {
		header string
		form   url.Values
		id     string
		status int
		code   string
	}{
		"the control":           {"Bearer " + packed, good, "", 0, ""},
		"bearer in small print": {"bearer " + packed, good, "", 0, ""},
		"no grant_type":         {"Bearer " + packed, form("scope", id), "SRC-36", 400, InvalidRequest},
		"another grant_type":    {"Bearer " + packed, form("grant_type", "password", "scope", id), "SRC-36", 400, UnsupportedGrantType},
		"grant_type twice":      {"Bearer " + packed, form("grant_type", "client_credentials", "grant_type", "client_credentials", "scope", id), "SRC-36", 400, InvalidRequest},
		"no header":             {"", good, "SRC-33", 401, InvalidClient},
		"no scheme":             {packed, good, "SRC-33", 401, InvalidClient},
		"Basic":                 {"Basic " + packed, good, "SRC-33", 401, InvalidClient},
		"empty Bearer":          {"Bearer ", good, "SRC-33", 401, InvalidClient},
		"another good JWT":      {"Bearer " + other, good, "SRC-34", 401, InvalidClient},
		"altered JWT":           {"Bearer " + packed[:len(packed)-2] + "AA", good, "SRC-34", 401, InvalidClient},
		"JWT cut short":         {"Bearer " + packed[:len(packed)-1], good, "SRC-34", 401, InvalidClient},
		"JWT and more":          {"Bearer " + packed + "A", good, "SRC-34", 401, InvalidClient},
		"garbage":               {"Bearer garbage", good, "SRC-34", 401, InvalidClient},
		"no scope":              {"Bearer " + packed, form("grant_type", "client_credentials"), "SRC-35", 400, InvalidScope},
		"unknown authorization": {"Bearer " + packed, form("grant_type", "client_credentials", "scope", "1486332b-fe3b-483a-b9d4-d6d81cc5b72e"), "SRC-35", 400, InvalidScope},
		"a scope's own name":    {"Bearer " + packed, form("grant_type", "client_credentials", "scope", "user/*.*"), "SRC-35", 400, InvalidScope},
		"authorization and more": {"Bearer " + packed, form("grant_type", "client_credentials", "scope", id+" user/*.*"),
			"SRC-35", 400, InvalidScope},
		"another case": {"Bearer " + packed, form("grant_type", "client_credentials", "scope", strings.ToUpper(id)), "SRC-35", 400, InvalidScope},
		"scope twice":  {"Bearer " + packed, form("grant_type", "client_credentials", "scope", id, "scope", id), "SRC-35", 400, InvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.service.Exchange(context.Background(), TokenRequest{Authorization: c.header, Form: c.form})
			if c.id == "" {
				require.NoError(t, err)
				return
			}
			e := tokenErrorOf(t, err)
			require.Equal(t, c.id, e.ID)
			require.Equal(t, c.status, e.Status)
			require.Equal(t, c.code, e.Code)
			require.Equal(t, c.status == http.StatusUnauthorized, e.Scheme == "Bearer")
			require.NotContains(t, e.Description, id, "no secret")
		})
	}
}

// withdrawals are the ways in which a Consent ends what was authorized.
var withdrawals = map[string]func(t *testing.T, b *bench){
	"status changed": func(t *testing.T, b *bench) { b.consent(t, func(o *fhir.Object) { o.Set("status", "inactive") }) },
	"deleted":        func(t *testing.T, b *bench) { b.remove(t, "Consent", "c1") },
	"another patient": func(t *testing.T, b *bench) {
		b.consent(t, func(o *fhir.Object) { o.Child("patient").Set("reference", "Patient/other") })
	},
	"no scope left": func(t *testing.T, b *bench) { b.consent(t, setScope("none")) },
	"now a deny": func(t *testing.T, b *bench) {
		b.consent(t, func(o *fhir.Object) { o.Child("except").Set("type", "deny") })
	},
	"period over": func(t *testing.T, b *bench) {
		b.consent(t, func(o *fhir.Object) {
			o.Set("period", fhir.NewObject(fhir.Member{Name: "end", Value: "2017-09-08"}))
		})
	},
}

func TestWithdrawnConsent(t *testing.T) {
	for name, withdraw := range withdrawals {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			b := newBench(t)
			packed := b.jwt(t)
			id := b.authorize(t, packed).ID
			token := b.exchange(t, packed, id).AccessToken
			_, err := b.service.Token(ctx, token)
			require.NoError(t, err, "the control")
			withdraw(t, b)

			_, err = b.service.Exchange(ctx, tokenRequest(packed, id))
			e := tokenErrorOf(t, err)
			require.Equal(t, "SRC-38", e.ID)
			require.Equal(t, InvalidGrant, e.Code)
			_, err = b.service.Token(ctx, token)
			e = tokenErrorOf(t, err)
			require.Equal(t, "SRC-45", e.ID)
			require.Equal(t, http.StatusUnauthorized, e.Status)

			pass := func(context.Context, check.Inputs, any) (any, bool) { return true, true }
			b.checks.Override("SRC-38", pass)
			b.checks.Override("SRC-45", pass)
			require.Equal(t, "user/*.*", b.exchange(t, packed, id).Scope, "a script answers from a cache")
			_, err = b.service.Token(ctx, token)
			require.NoError(t, err)

			b.checks.Clear()
			b.checks.SetDialect(check.TestFHIR)
			b.exchange(t, packed, id)
			grant, err := b.service.Token(ctx, token)
			require.NoError(t, err, "in dialect test.fhir.org it runs on to its end")
			require.Equal(t, "example", grant.Patient)
		})
	}
}

func TestScopesFollowTheConsent(t *testing.T) {
	ctx := context.Background()
	b := newBench(t)
	b.consent(t, setScope("user/*.read"))
	packed := b.jwt(t)
	id := b.authorize(t, packed).ID
	token := b.exchange(t, packed, id).AccessToken
	scope := func() string {
		grant, err := b.service.Token(ctx, token)
		require.NoError(t, err)
		return grant.ScopeText()
	}
	require.Equal(t, "user/*.read", scope())
	b.consent(t, setScope("user/*.*"))
	require.Equal(t, "user/*.read", scope(), "a token that is out gains nothing")
	require.Equal(t, "user/*.*", b.exchange(t, packed, id).Scope, "a new one says what the Consent says now")
	b.consent(t, setScope("user/Observation.*"))
	require.Equal(t, "user/Observation.read", scope(), "and loses what it lost")
	b.checks.SetDialect(check.TestFHIR)
	require.Equal(t, "user/*.read", scope())
}

func TestTokenEnds(t *testing.T) {
	ctx := context.Background()
	b := newBench(t)
	packed := b.jwt(t)
	token := b.exchange(t, packed, b.authorize(t, packed).ID).AccessToken
	b.clock.Add(time.Hour - time.Nanosecond)
	grant, err := b.service.Token(ctx, token)
	require.NoError(t, err)
	require.Equal(t, start.Add(time.Hour), grant.Expires)
	require.True(t, grant.Covers("Observation", "read"))
	require.False(t, grant.SignIn)
	require.Equal(t, "c1", grant.Consent)
	b.clock.Add(time.Nanosecond)
	_, err = b.service.Token(ctx, token)
	require.Equal(t, "SRC-45", tokenErrorOf(t, err).ID)
}

func TestWhatIsNoAccessToken(t *testing.T) {
	b := newBench(t)
	packed := b.jwt(t)
	id := b.authorize(t, packed).ID
	for name, bearer := range map[string]string{"nothing": "", "garbage": "garbage", "a JWT": packed, "an authorization": id, "unknown": "urn:oauth:" + id} {
		t.Run(name, func(t *testing.T) {
			_, err := b.service.Token(context.Background(), bearer)
			e := tokenErrorOf(t, err)
			require.Equal(t, http.StatusUnauthorized, e.Status)
			require.Equal(t, InvalidToken, e.Code)
		})
	}
}

// TestDefects writes down, as overrides, faults that a source may have.
func TestDefects(t *testing.T) {
	ctx := context.Background()
	b := newBench(t)
	packed := b.jwt(t)
	id := b.authorize(t, packed).ID
	pass := func(context.Context, check.Inputs, any) (any, bool) { return true, true }

	t.Run("compares only a prefix of the JWT", func(t *testing.T) {
		defer b.checks.Clear()
		b.checks.Override("SRC-34", func(_ context.Context, in check.Inputs, _ any) (any, bool) {
			return in["jwt"].(string)[:20] == in["authorized"].(string)[:20], true
		})
		b.exchange(t, packed[:len(packed)-2]+"AA", id)
		_, err := b.service.Exchange(ctx, tokenRequest("another"+packed, id))
		require.Equal(t, "SRC-34", tokenErrorOf(t, err).ID)
	})
	t.Run("takes the scope from the request", func(t *testing.T) {
		defer b.checks.Clear()
		b.checks.Override("SRC-31", func(_ context.Context, _ check.Inputs, v any) (any, bool) {
			return map[string]any{"scope": "user/*.write", "patient": "other", "expires_in": 5}, true
		})
		answer := b.exchange(t, packed, id)
		require.Equal(t, "user/*.write", answer.Scope)
		require.Equal(t, "other", answer.Patient)
		require.EqualValues(t, 5, answer.ExpiresIn)
	})
	t.Run("finds the authorization by the JWT alone", func(t *testing.T) {
		defer b.checks.Clear()
		b.checks.Override("SRC-35", pass)
		b.exchange(t, packed, "nonsense")
	})
	t.Run("wants no Bearer", func(t *testing.T) {
		defer b.checks.Clear()
		b.checks.Override("SRC-33", pass)
		_, err := b.service.Exchange(ctx, TokenRequest{Form: tokenRequest("", id).Form})
		require.NoError(t, err)
	})
	t.Run("takes any grant_type", func(t *testing.T) {
		defer b.checks.Clear()
		b.checks.Override("SRC-36", pass)
		request := tokenRequest(packed, id)
		request.Form.Set("grant_type", "password")
		_, err := b.service.Exchange(ctx, request)
		require.NoError(t, err)
	})
	t.Run("knows no end", func(t *testing.T) {
		defer b.checks.Clear()
		b.clock.Set(start.AddDate(1, 0, 0))
		defer b.clock.Set(start)
		b.checks.Override("SRC-37", pass)
		require.Positive(t, b.exchange(t, packed, id).ExpiresIn)
	})
	t.Run("a script's own words", func(t *testing.T) {
		defer b.checks.Clear()
		b.checks.Override("SRC-37", func(context.Context, check.Inputs, any) (any, bool) { return "not today", true })
		_, err := b.service.Exchange(ctx, tokenRequest(packed, id))
		e := tokenErrorOf(t, err)
		require.Equal(t, InvalidGrant, e.Code)
		require.Equal(t, "not today", e.Description)
	})
	t.Run("the same id each time", func(t *testing.T) {
		defer b.checks.Clear()
		b.checks.Override("SRC-11", func(context.Context, check.Inputs, any) (any, bool) { return "same", true })
		require.Equal(t, "same", b.authorize(t, packed).ID)
		b.exchange(t, packed, "same")
	})
}
