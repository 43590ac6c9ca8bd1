package exchange

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/store"
)

// access returns an access token: the one at hand while it lives, else a new one (protocol 1.4).
func (w *worker) access(ctx context.Context) (string, error) {
	if t := w.state().Token; t.alive(w.Clock.Now()) {
		return t.Value, nil
	}
	return w.exchangeToken(ctx)
}

// exchangeToken trades JWT and authorization for a new access token. A source that refuses ends the
// connection: the consent is over or withdrawn.
func (w *worker) exchangeToken(ctx context.Context) (string, error) {
	st := w.state()
	in := check.Inputs{"endpoint": w.endpoint, "connection": st.ID, "authorization": st.Authorization}
	form := url.Values{}
	for name, value := range check.Value(ctx, w.Checks, "TGT-20", in, map[string]string{"grant_type": "client_credentials", "scope": st.Authorization}) {
		form.Set(name, value)
	}
	jwt := check.Value(ctx, w.Checks, "TGT-21", check.Inputs{"endpoint": w.endpoint, "connection": st.ID}, st.JWT)
	r, err := http.NewRequest(http.MethodPost, w.endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return "", fail(broken, "the token endpoint that the metadata names is no http(s) URL")
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", acceptJSON)
	r.Header.Set("Authorization", "Bearer "+jwt)
	// Taken before it is sent: the source counts from later on, so we never hold it for longer.
	asked := w.Clock.Now()
	a, err := w.send(ctx, r)
	if err != nil {
		return "", err
	}
	if err := w.tokenFailure(a); err != nil {
		return "", err
	}
	granted, err := readGrant(a)
	if err != nil {
		return "", err
	}
	w.seen[granted.token] = true
	if patient := st.Patient; patient != "" && granted.patient != "" && patient != granted.patient {
		return "", fail(fatal, "the token is for the patient %s, the connection for %s", granted.patient, patient)
	}
	if st.Patient == "" && granted.patient == "" {
		return "", fail(fatal, "neither $connect nor the token names the patient")
	}
	fresh := token{Value: granted.token, Scope: granted.scope}
	if granted.lives {
		fresh.Expires = asked.Add(granted.life)
	}
	err = w.change(ctx, func(_ *store.Tx, st *state) error {
		st.Token = fresh
		if st.Patient == "" {
			st.Patient = granted.patient
		}
		return nil
	})
	return fresh.Value, err
}

// tokenFailure tells what a token endpoint's refusal means. An OAuth error says it whatever its status
// is: test.fhir.org answers 500.
func (w *worker) tokenFailure(a *answer) error {
	f := w.failureOf(a)
	if f == nil {
		return nil
	}
	var oauth struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if a.json() {
		_ = json.Unmarshal(a.body, &oauth) // else there is no error code, and the status speaks
	}
	switch oauth.Error {
	case "":
		if f.kind != passing {
			f.kind = fatal
		}
	case "server_error", "temporarily_unavailable", "slow_down":
		f.kind = passing
	default:
		f.kind = fatal
	}
	if f.status == http.StatusTooManyRequests {
		f.kind = passing
	}
	if f.kind == fatal {
		f.text = fmt.Sprintf("the source refuses a token, so the consent is over, withdrawn or not for this connection: %d %s %s", a.status, oauth.Error, oauth.Description)
	}
	return f
}

// grant is a token endpoint's answer.
type grant struct {
	token, scope, patient string
	lives                 bool // it says for how long
	life                  time.Duration
}

var tokenChars = regexp.MustCompile(`^[\x21-\x7e]+$`)

// readGrant reads a token answer; expires_in may be a number or a string.
func readGrant(a *answer) (grant, error) {
	var raw struct {
		AccessToken string          `json:"access_token"`
		TokenType   string          `json:"token_type"`
		Scope       string          `json:"scope"`
		Patient     string          `json:"patient"`
		ExpiresIn   json.RawMessage `json:"expires_in"`
	}
	if err := json.Unmarshal(a.body, &raw); err != nil {
		return grant{}, fail(broken, "the token endpoint %s answers %s that is no token", where(a.url), a.kindOf())
	}
	g := grant{token: raw.AccessToken, scope: raw.Scope, patient: strings.TrimPrefix(raw.Patient, "Patient/")}
	switch {
	case !tokenChars.MatchString(g.token):
		return g, fail(broken, "the token endpoint %s answers without an access_token that can be sent", where(a.url))
	case raw.TokenType != "" && !strings.EqualFold(raw.TokenType, "bearer"):
		return g, fail(broken, "the token endpoint %s gives a token of another type than Bearer", where(a.url))
	case g.patient != "" && !fhir.ValidID(g.patient):
		return g, fail(broken, "the token endpoint %s names a patient by no FHIR id", where(a.url))
	}
	text := string(bytes.Trim(raw.ExpiresIn, `"`))
	if text == "" || text == "null" {
		return g, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(seconds) {
		return g, fail(broken, "the token endpoint %s gives an expires_in that is no number", where(a.url))
	}
	const century = 100 * 366 * 24 * 60 * 60 // what a time.Duration holds
	g.lives, g.life = true, time.Duration(min(max(seconds, 0), century)*float64(time.Second))
	return g, nil
}

// scopes are the SMART scopes of a token.
type scopes struct {
	any   bool // the source named none: nothing is known
	types map[string]bool
}

var smartScope = regexp.MustCompile(`^(?:patient|user)/(\*|[A-Za-z]+)\.(read|write|\*)$`)

func readScopes(text string) scopes {
	s := scopes{any: strings.TrimSpace(text) == "", types: map[string]bool{}}
	for _, f := range strings.Fields(text) {
		if m := smartScope.FindStringSubmatch(f); m != nil && m[2] != "write" {
			s.types[m[1]] = true
		}
	}
	return s
}

// reads tells whether resources of a type may be read.
func (s scopes) reads(typ string) bool { return s.any || s.types["*"] || s.types[typ] }
