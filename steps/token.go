package steps

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.org/ccde/steps/judge"
)

// tokenAnswer is what the token endpoint answered.
type tokenAnswer struct {
	access    string
	scope     string
	patient   string
	expiresIn time.Duration
	got       time.Time // the source's time after the answer
}

func tokenSteps() []step {
	return []step{
		{`a token request`,
			"Makes the token request of protocol 1.4 the request at hand: Authorization, grant_type, scope, and method.",
			`Given a token request`, (*world).tokenRequest},
		{`the application asks for an access token`,
			"Sends a good token request.",
			`When the application asks for an access token`, (*world).asksForToken},
		{`{app} has an access token of {role} for "{scopes}"`,
			"Consent, authorization and access token of the application that the harness plays. Judges SRC-01, SRC-10 and SRC-30.",
			`Given the application has an access token of the source EHR for "user/*.read"`, (*world).hasToken},
		{`{app} has an access token of {role} for "{scopes}" and {who}`,
			"The same, for another patient.",
			`And another application has an access token of the source EHR for "user/*.*" and the other patient`, (*world).hasTokenFor},
		{`scope and patient are the Consent's`,
			"Compares the token answer with the Consent. Judges SRC-31.",
			`Then scope and patient are the Consent's`, (*world).scopeAndPatient},
		{`the access token ends no later than the authorization`,
			"expires_in is at most what is left of the authorization; a number. Judges SRC-31.",
			`Then the access token ends no later than the authorization`, (*world).endsInTime},
		{`no cache may keep the answer`,
			"Cache-Control: no-store. Judges SRC-32.",
			`Then no cache may keep the answer`, (*world).noStore},
		{`the access token is another than before`,
			"Each token answer is a token of its own. Judges the scenario's first id.",
			`Then the access token is another than before`, (*world).anotherToken},
		{`the answer is an OAuth error`,
			"The JSON of RFC 6749 5.2 with 400 or 401. Judges SRC-39.",
			`Then the answer is an OAuth error`, (*world).isOAuthError},
	}
}

func (w *world) tokenRequest(context.Context) error {
	f := w.flow
	if f == nil || f.authorization == "" {
		return fmt.Errorf("nothing is authorized; say \"the person has authorized the application at ...\" before")
	}
	w.tokenDraft(f)
	return nil
}

func (w *world) tokenDraft(f *passage) *draft {
	return w.draft(aToken, f, f.source, map[string]any{"method": "POST", "Authorization": "Bearer {jwt}",
		"grant_type": "client_credentials", "scope": f.authorization})
}

func (w *world) asksForToken(ctx context.Context) error {
	if w.flow == nil || w.flow.authorization == "" {
		return w.tokenRequest(ctx)
	}
	return w.send(ctx, w.tokenDraft(w.flow), "the application")
}

func (w *world) hasToken(ctx context.Context, app, title, scopes string) error {
	return w.hasTokenFor(ctx, app, title, scopes, "the patient")
}

func (w *world) hasTokenFor(ctx context.Context, app, title, scopes, who string) error {
	first := w.flow
	f, err := w.applicationFlow(ctx, app)
	if err != nil {
		return err
	}
	if f.source, err = w.role(ctx, title); err != nil {
		return err
	}
	f.scopes = scopes
	f.patient, f.caller = w.patientOf(who)
	if err := w.authorize(ctx, f); err != nil {
		return err
	}
	if err := w.send(ctx, w.tokenDraft(f), app); err != nil {
		return err
	}
	w.thing = nil
	if err := w.granted(ctx); err != nil {
		return err
	}
	if app == "another application" && first != nil {
		w.flow = first
	}
	return nil
}

// tokenEndpoint is the source's, as its CapabilityStatement names it (SRC-50).
func (w *world) tokenEndpoint(ctx context.Context, n *node) (string, error) {
	if n.token != "" {
		return n.token, nil
	}
	var err error
	n.token, err = w.endpoint(ctx, n, "token")
	return n.token, err
}

// endpoint is an endpoint that the source's CapabilityStatement names (SRC-50).
func (w *world) endpoint(ctx context.Context, n *node, name string) (string, error) {
	uri, a, err := w.named(ctx, n, name)
	if err == nil && uri == "" {
		err = w.fail(a, "SRC-50", "a CapabilityStatement whose rest.security names "+name+" in oauth-uris", a.is())
	}
	return uri, err
}

// named is an endpoint that a system's CapabilityStatement names, "" if it
// names none, with the answer that says so.
func (w *world) named(ctx context.Context, n *node, name string) (string, *answer, error) {
	a, err := w.ask(ctx, call{from: "nobody", to: n, method: http.MethodGet, url: n.fhir + "/metadata"})
	if err != nil {
		return "", nil, err
	}
	return oauthURI(a.json(), name), a, nil
}

// TokenEndpoint is the token endpoint that a CapabilityStatement names, "" if none.
func TokenEndpoint(metadata map[string]any) string { return oauthURI(metadata, "token") }

// AuthorizeEndpoint is the authorization endpoint that it names, "" for none.
func AuthorizeEndpoint(metadata map[string]any) string { return oauthURI(metadata, "authorize") }

const oauthURIs = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"

// oauthURI is one of the endpoints that a CapabilityStatement names.
func oauthURI(metadata map[string]any, name string) string {
	for _, r := range served(metadata) {
		extensions, _ := child(r["security"])["extension"].([]any)
		for _, e := range extensions {
			if child(e)["url"] != oauthURIs {
				continue
			}
			inner, _ := child(e)["extension"].([]any)
			for _, i := range inner {
				if one := child(i); one["url"] == name {
					return asText(one["valueUri"])
				}
			}
		}
	}
	return ""
}

func (w *world) tokenCall(ctx context.Context, d *draft, caller string) (call, error) {
	endpoint, err := w.tokenEndpoint(ctx, d.to)
	if err != nil {
		return call{}, err
	}
	fields, err := w.filled(ctx, d)
	if err != nil {
		return call{}, err
	}
	c := call{kind: d.kind, from: caller, to: d.to, method: asText(fields["method"]), url: endpoint, header: formEncoded(), flow: d.flow}
	form := url.Values{}
	for name, v := range fields {
		switch name {
		case "method":
		case "Authorization":
			c.header.Set(name, asText(v))
		default:
			form.Add(name, asText(v))
			if d.twice[name] {
				form.Add(name, asText(v))
			}
		}
	}
	if c.method == http.MethodGet {
		c.url += "?" + form.Encode()
		c.header.Del("Content-Type")
	} else {
		c.body = []byte(form.Encode())
	}
	return c, nil
}

// tokenGranted judges a good token answer (SRC-30).
func (w *world) tokenGranted(ctx context.Context, a *answer) error {
	const want = "200, application/json with access_token, token_type, expires_in, scope and patient"
	if a.Status != http.StatusOK {
		return w.fail(a, "SRC-30", want, a.is())
	}
	v := a.json()
	if !strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") || v == nil {
		return w.fail(a, "SRC-30", want, a.is())
	}
	t := &tokenAnswer{access: asText(v["access_token"]), scope: asText(v["scope"]), patient: asText(v["patient"])}
	for name, text := range map[string]string{"access_token": t.access, "scope": t.scope, "patient": t.patient} {
		if text == "" {
			return w.fail(a, "SRC-30", want, fmt.Sprintf("no %s in it", name))
		}
	}
	if kind := asText(v["token_type"]); !strings.EqualFold(kind, "Bearer") {
		return w.fail(a, "SRC-30", "token_type Bearer", fmt.Sprintf("%q", kind))
	}
	seconds, err := strconv.ParseFloat(asText(v["expires_in"]), 64)
	if err != nil || seconds <= 0 {
		return w.fail(a, "SRC-30", "expires_in, a number of seconds over 0", fmt.Sprintf("%v", v["expires_in"]))
	}
	t.expiresIn = time.Duration(seconds * float64(time.Second))
	if t.got, err = w.now(ctx, a.call.to); err != nil {
		return err
	}
	w.rec.Secret("token", t.access)
	f := a.call.flow
	f.token = t
	f.tokens = append(f.tokens, t.access)
	w.passIfAsked("SRC-30")
	return nil
}

func (w *world) lastToken() (*answer, *passage, map[string]any, error) {
	if w.last == nil || !w.last.call.kind.isToken() || w.last.Status != http.StatusOK {
		return nil, nil, nil, fmt.Errorf("the last answer is no access token; say \"the application asks for an access token\" and \"it is granted\" before")
	}
	return w.last, w.last.call.flow, w.last.json(), nil
}

func (w *world) scopeAndPatient(context.Context) error {
	a, f, v, err := w.lastToken()
	if err != nil {
		return err
	}
	if got := strings.TrimPrefix(asText(v["patient"]), "Patient/"); got != f.patient {
		return w.fail(a, "SRC-31", fmt.Sprintf("patient %q, the Consent's", f.patient), fmt.Sprintf("%q", got))
	}
	if !sameScopes(f.scopes, asText(v["scope"])) {
		return w.fail(a, "SRC-31", fmt.Sprintf("scope %q, the Consent's", f.scopes), fmt.Sprintf("%q", asText(v["scope"])))
	}
	w.passIfAsked("SRC-31")
	return nil
}

// sameScopes compares two sets of scopes. A source that lets such tokens write
// nothing may say .read for .*, and leave .write out (protocol 1.4).
func sameScopes(want, got string) bool {
	has := strings.Fields(got)
	for _, s := range strings.Fields(want) {
		reads := strings.TrimSuffix(s, ".*") + ".read"
		if !slices.Contains(has, s) && !(strings.HasSuffix(s, ".*") && slices.Contains(has, reads)) && !strings.HasSuffix(s, ".write") {
			return false
		}
	}
	for _, s := range has {
		whole := strings.TrimSuffix(s, ".read") + ".*"
		if !slices.Contains(strings.Fields(want), s) && !(strings.HasSuffix(s, ".read") && slices.Contains(strings.Fields(want), whole)) {
			return false
		}
	}
	return true
}

func (w *world) endsInTime(context.Context) error {
	a, f, v, err := w.lastToken()
	if err != nil {
		return err
	}
	end := f.before.Add(f.lasts.atMost())
	// The authorization began after f.before was read, the answer was made before
	// token.got: what a round trip took, and half seconds that a server may round, count for nobody.
	left := end.Sub(f.token.got) + 2*time.Second + a.Took
	if f.token.expiresIn > left {
		return w.fail(a, "SRC-31", fmt.Sprintf("expires_in of at most %.0f s, what is left of the authorization", left.Seconds()),
			fmt.Sprintf("%.0f s", f.token.expiresIn.Seconds()))
	}
	_, isNumber := v["expires_in"].(float64)
	if err := w.form(a, "SRC-31", judge.ExpiresInText, isNumber, "expires_in as a number", fmt.Sprintf("the text %q", asText(v["expires_in"]))); err != nil {
		return err
	}
	if isNumber {
		w.passIfAsked("SRC-31")
	}
	return nil
}

func (w *world) noStore(context.Context) error {
	a, _, _, err := w.lastToken()
	if err != nil {
		return err
	}
	if got := a.Header.Get("Cache-Control"); !strings.Contains(strings.ToLower(got), "no-store") {
		return w.fail(a, "SRC-32", "Cache-Control: no-store", fmt.Sprintf("%q", got))
	}
	return nil
}

func (w *world) anotherToken(context.Context) error {
	a, f, _, err := w.lastToken()
	if err != nil {
		return err
	}
	if n := len(f.tokens); n < 2 || slices.Contains(f.tokens[:n-1], f.tokens[n-1]) {
		return w.fail(a, w.subject, "an access token of its own for each answer", "the same one again")
	}
	return nil
}

// oauthError is the error code of an RFC 6749 5.2 answer, "" if it is none.
func oauthError(a *answer) string {
	var v map[string]any
	if !strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") || json.Unmarshal(a.Body, &v) != nil {
		return ""
	}
	code, _ := v["error"].(string)
	return code
}

func (w *world) isOAuthError(context.Context) error {
	a := w.last
	code := oauthError(a)
	switch {
	case code != "" && (a.Status == 400 || a.Status == 401):
		return nil
	case code != "" && a.Status == 500:
		return w.form(a, "SRC-39", judge.TokenErrors, false, "400 or 401 with the JSON of RFC 6749 5.2", a.is())
	}
	return w.fail(a, "SRC-39", "400 or 401 with the JSON of RFC 6749 5.2: {\"error\": ..}", a.is())
}
