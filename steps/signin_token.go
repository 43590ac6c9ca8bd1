package steps

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.org/ccde/steps/judge"
)

// authenticated adds an application's credentials to a token request: HTTP
// Basic, or its client_id alone.
func (s *signIn) authenticated(fields map[string]any) map[string]any {
	delete(fields, "Authorization")
	delete(fields, "client_id")
	if s.secret == "" {
		fields["client_id"] = s.id
		return fields
	}
	pair := url.QueryEscape(s.id) + ":" + url.QueryEscape(s.secret)
	fields["Authorization"] = "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
	return fields
}

func (w *world) codeRequest(ctx context.Context, name string) error {
	f, err := w.clientFlow(ctx, name)
	if err != nil {
		return err
	}
	s := f.signIn
	if s.code == "" {
		return fmt.Errorf("%s has no code yet; say \"%s has a code for ...\" before", name, name)
	}
	w.draft(aCode, f, f.source, s.authenticated(map[string]any{"method": "POST", "grant_type": "authorization_code",
		"code": s.code, "redirect_uri": s.redirect, "code_verifier": s.verifier}))
	return nil
}

func (w *world) refreshRequest(ctx context.Context, name string) error {
	f, err := w.clientFlow(ctx, name)
	if err != nil {
		return err
	}
	if f.signIn.refresh == "" {
		return w.unjudged(name + " got no refresh token")
	}
	w.draft(aRefresh, f, f.source, f.signIn.authenticated(map[string]any{"method": "POST", "grant_type": "refresh_token",
		"refresh_token": f.signIn.refresh}))
	return nil
}

func (w *world) comesFrom(ctx context.Context, name string) error {
	d, err := w.atHand()
	if err != nil {
		return err
	}
	own := w.flow
	other, err := w.clientFlow(ctx, name)
	w.flow = own
	if err == nil {
		d.fields = other.signIn.authenticated(d.fields)
	}
	return err
}

// signInTokenGranted judges a good answer to a code (SRC-73) or a refresh token
// (SRC-75).
func (w *world) signInTokenGranted(ctx context.Context, a *answer) error {
	id := w.inherent(a.call)
	const want = "200, application/json with access_token, token_type, expires_in and scope"
	v := a.json()
	if a.Status != http.StatusOK || v == nil || !strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") {
		return w.fail(a, id, want, a.is())
	}
	f := a.call.flow
	t := &tokenAnswer{access: asText(v["access_token"]), scope: asText(v["scope"]), patient: asText(v["patient"])}
	if t.access == "" || t.scope == "" && a.call.kind == aCode {
		return w.fail(a, id, want, "no access_token or no scope in it")
	}
	if kind := asText(v["token_type"]); !strings.EqualFold(kind, "Bearer") {
		return w.fail(a, id, "token_type Bearer", fmt.Sprintf("%q", kind))
	}
	seconds, err := strconv.ParseFloat(asText(v["expires_in"]), 64)
	if err != nil || seconds <= 0 {
		return w.fail(a, id, "expires_in, a number of seconds over 0", fmt.Sprintf("%v", v["expires_in"]))
	}
	if a.call.kind == aCode && strings.TrimPrefix(t.patient, "Patient/") != f.patient {
		return w.fail(a, id, fmt.Sprintf("patient %q, the chosen one", f.patient), fmt.Sprintf("%q", t.patient))
	}
	t.expiresIn = time.Duration(seconds * float64(time.Second))
	if t.got, err = w.now(ctx, a.call.to); err != nil {
		return err
	}
	f.token = t
	f.tokens = append(f.tokens, t.access)
	if refresh := asText(v["refresh_token"]); refresh != "" {
		f.signIn.refresh = refresh
	}
	w.passIfAsked(id)
	return nil
}

// noWider compares scopes by what they name.
func (w *world) noWider(_ context.Context, scopes string) error { return w.scopeWithin(scopes, nil) }

func (w *world) noWiderUnless(_ context.Context, scopes, excuse string) error {
	row := excuses[excuse]
	return w.scopeWithin(scopes, &row)
}

func (w *world) scopeWithin(scopes string, row *judge.Row) error {
	a := w.last
	if a == nil || !a.call.kind.isToken() {
		return fmt.Errorf("the last answer is none of the token endpoint")
	}
	allowed := strings.Fields(scopes)
	for _, got := range strings.Fields(asText(a.json()["scope"])) {
		if slices.Contains(allowed, got) {
			continue
		}
		expected, found := fmt.Sprintf("a scope no wider than %q", scopes), fmt.Sprintf("%q in it", got)
		if row != nil {
			return w.form(a, w.subject, *row, false, expected, found)
		}
		return w.fail(a, w.subject, expected, found)
	}
	return nil
}

func (w *world) revokesAccess(ctx context.Context, name string) error {
	return w.revokesToken(ctx, name, func(f *passage) string {
		if f.token == nil {
			return ""
		}
		return f.token.access
	})
}

func (w *world) revokesRefresh(ctx context.Context, name string) error {
	return w.revokesToken(ctx, name, func(f *passage) string { return f.signIn.refresh })
}

// revokesToken calls the revocation endpoint (RFC 7009).
func (w *world) revokesToken(ctx context.Context, name string, of func(*passage) string) error {
	f, err := w.clientFlow(ctx, name)
	if err != nil {
		return err
	}
	token := of(f)
	if token == "" {
		return w.unjudged(name + " has no such token to revoke")
	}
	a, err := w.ask(ctx, call{from: "nobody", to: f.source, method: http.MethodGet,
		url: f.source.fhir + "/.well-known/smart-configuration", header: http.Header{"Accept": {"application/json"}}})
	if err != nil {
		return err
	}
	link := asText(a.json()["revocation_endpoint"])
	if link == "" {
		return w.unjudged(f.source.title() + " names no revocation endpoint")
	}
	c := call{kind: aRefresh, from: name, to: f.source, method: http.MethodPost, url: link, header: formEncoded(), flow: f}
	form := url.Values{}
	for field, v := range f.signIn.authenticated(map[string]any{"token": token}) {
		if field == "Authorization" {
			c.header.Set(field, asText(v))
			continue
		}
		form.Set(field, asText(v))
	}
	c.body = []byte(form.Encode())
	if a, err = w.ask(ctx, c); err != nil {
		return err
	}
	if a.Status != http.StatusOK {
		return w.fail(a, "SRC-77", "200: the token is revoked", a.is())
	}
	return nil
}
