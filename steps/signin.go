package steps

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// signIn is what an application that is registered for SMART sign-in has by
// now (protocol 1.8).
type signIn struct {
	id, secret string // secret "" = a public client
	redirect   string // its registered redirect_uri
	verifier   string // PKCE
	scopes     string // asked for
	state      string // as it was sent
	code       string
	refresh    string
	link       string // the authorize URL that was opened last
}

// clients are the applications that a step may speak of: with a secret or without.
const clients = `the web application|the phone application`

func signInSteps() []step {
	return []step{
		{`a sign-in request of {client} for "{scopes}"`,
			"Makes the authorization request of protocol 1.8 the request at hand: response_type, client_id, redirect_uri, scope, state, PKCE. It is sent in the person's browser, and the person approves. The web application has a secret, the phone application has none.",
			`Given a sign-in request of the web application for "launch/patient patient/*.read"`, (*world).signInRequest},
		{`its state is {int} characters long`, "Gives the sign-in request at hand a state of that length.",
			`But its state is 2000 characters long`, (*world).longState},
		{`it is sent, and the person denies`, "Sends the sign-in request at hand; the person says no.",
			`When it is sent, and the person denies`, (*world).sentAndDenied},
		{`the denial comes back`, "The redirect has error=access_denied, the state, and no code. Judges SRC-72.",
			`Then the denial comes back`, (*world).denialBack},
		{`the state comes back intact`, "The state of the redirect is the one that was sent. Judges SRC-71.",
			`And the state comes back intact`, (*world).stateIntact},
		{`{client} has a code for "{scopes}"`, "The person signed in, chose the patient and approved. Judges SRC-73.",
			`Given the web application has a code for "patient/*.read"`, (*world).hasCode},
		{`{client} has signed the person in for "{scopes}"`, "The same, and the code was traded for tokens. Judges SRC-73.",
			`Given the phone application has signed the person in for "patient/*.read offline_access"`, (*world).hasSignedIn},
		{`a code request of {client}`, "Makes the token request with its code the request at hand: method, Authorization (or client_id), grant_type, code, redirect_uri, code_verifier.",
			`And a code request of the web application`, (*world).codeRequest},
		{`a refresh request of {client}`, "Makes the token request with its refresh token the request at hand.",
			`And a refresh request of the web application`, (*world).refreshRequest},
		{`it comes from {client}`, "Puts another application's credentials into the token request at hand.",
			`But it comes from the phone application`, (*world).comesFrom},
		{`its scope is no wider than "{scopes}"`, "Compares the scope of the token answer. Judges the scenario's first id.",
			`And its scope is no wider than "patient/*.read"`, (*world).noWider},
		{`its scope is no wider than "{scopes}", unless {excuse}`, "The same, where a row of the dialect tables may excuse it.",
			`And its scope is no wider than "user/Patient.read", unless a withdrawn Consent runs on there`, (*world).noWiderUnless},
		{`the person revokes what they granted at {role}`, "On the source's page.",
			`When the person revokes what they granted at the source EHR`, (*world).revokesByPage},
		{`{client} revokes its access token`, "By RFC 7009, at the revocation endpoint that smart-configuration names. Judges SRC-77.",
			`When the web application revokes its access token`, (*world).revokesAccess},
		{`{client} revokes its refresh token`, "The same, with the refresh token. Judges SRC-77.",
			`When the web application revokes its refresh token`, (*world).revokesRefresh},
		{`what {client} had should have ended`, "Its access token reads nothing any more, as a SHOULD. Judges the scenario's first id.",
			`And what the web application had should have ended`, (*world).shouldHaveEnded},
	}
}

// clientFlow is the passage of a registered application.
func (w *world) clientFlow(ctx context.Context, name string) (*passage, error) {
	if f := w.flows[name]; f != nil {
		w.flow = f
		return f, nil
	}
	source, err := w.role(ctx, "the source EHR")
	if err != nil {
		return nil, err
	}
	if source.control == nil {
		return w.outsideClient(ctx, source, name)
	}
	s, err := source.control.Settings(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", source.title(), err)
	}
	for _, c := range s.Clients {
		if (c.Secret == "") == (name == "the phone application") && len(c.Redirects) > 0 {
			f := &passage{app: c.ID, source: source, patient: w.env.patient(), caller: name, lasts: w.lasts,
				signIn: &signIn{id: c.ID, secret: c.Secret, redirect: c.Redirects[0]}}
			w.flows[name], w.flow = f, f
			return f, nil
		}
	}
	return nil, w.unjudged(fmt.Sprintf("%s has no client like %s", source.title(), name))
}

func (w *world) signInRequest(ctx context.Context, name, scopes string) error {
	f, err := w.clientFlow(ctx, name)
	if err != nil {
		return err
	}
	s := f.signIn
	s.verifier, s.scopes = randomText(32), scopes
	sum := sha256.Sum256([]byte(s.verifier))
	w.draft(aSignIn, f, f.source, map[string]any{"response_type": "code", "client_id": s.id, "redirect_uri": s.redirect,
		"scope": scopes, "state": randomText(12), "aud": f.source.fhir,
		"code_challenge": base64.RawURLEncoding.EncodeToString(sum[:]), "code_challenge_method": "S256"})
	return nil
}

func (w *world) longState(_ context.Context, length string) error {
	d, err := w.atHand()
	if err == nil {
		n := number(length)
		d.fields["state"] = randomText(n/2 + 1)[:n]
	}
	return err
}

// browse sends a sign-in request in the person's browser; the answer that ended
// it becomes "it".
func (w *world) browse(ctx context.Context, d *draft, approve bool) error {
	if d.to.sign == "" {
		link, err := w.endpoint(ctx, d.to, "authorize")
		if err != nil {
			return err
		}
		d.to.sign = link
	}
	person, err := w.signerAt(ctx, d.to)
	if err != nil {
		return err
	}
	query := url.Values{}
	for name, v := range d.fields {
		query.Add(name, asText(v))
		if d.twice[name] {
			query.Add(name, asText(v))
		}
	}
	d.flow.signIn.state = asText(d.fields["state"])
	d.flow.signIn.link = WithQuery(d.to.sign, query)
	a, err := person.decide(ctx, d.flow.signIn.link, d.flow.patient, approve)
	if err != nil {
		return err
	}
	a.call.flow = d.flow
	if back := a.back(); back != nil {
		w.rec.Secret("code", back.Get("code"))
	}
	w.last, w.set = a, nil
	w.answers = append(w.answers, a)
	return nil
}

// WithQuery is a URL with more parameters, whether it has some or not.
func WithQuery(link string, query url.Values) string {
	if strings.Contains(link, "?") {
		return link + "&" + query.Encode()
	}
	return link + "?" + query.Encode()
}

// back is the query of a redirect that leaves the pages, nil if it is none.
func (a *answer) back() url.Values {
	u, err := url.Parse(a.Header.Get("Location"))
	if err != nil || a.Status < 300 || a.Status > 399 {
		return nil
	}
	return u.Query()
}

func (w *world) sentAndDenied(ctx context.Context) error {
	d, err := w.atHand()
	if err != nil {
		return err
	}
	return w.browse(ctx, d, false)
}

// comesHome judges that a redirect leads to the registered redirect_uri.
func (w *world) comesHome(a *answer, id string) (url.Values, error) {
	s := a.call.flow.signIn
	back, at := a.back(), a.Header.Get("Location")
	separator := "?"
	if strings.Contains(s.redirect, "?") {
		separator = "&"
	}
	if back == nil || !strings.HasPrefix(at, s.redirect+separator) {
		return nil, w.fail(a, id, "a redirect to "+s.redirect, fmt.Sprintf("%d, Location %q: %s", a.Status, at, a.is()))
	}
	return back, nil
}

// signInGranted judges that a code came back.
func (w *world) signInGranted(a *answer) error {
	id := w.inherent(a.call)
	back, err := w.comesHome(a, id)
	if err != nil {
		return err
	}
	s := a.call.flow.signIn
	if back.Get("state") != s.state && strings.Contains(a.Header.Get("Location"), "state="+s.state) {
		// As it was sent, but not escaped: what it says beyond is no error and no code.
		return w.fail(a, "SRC-71", "the state as it was sent", fmt.Sprintf("%q", back.Get("state")))
	}
	if back.Get("code") == "" || back.Has("error") {
		return w.fail(a, id, "a redirect with a code", fmt.Sprintf("error %q: %s", back.Get("error"), back.Get("error_description")))
	}
	if back.Get("state") != s.state {
		return w.fail(a, "SRC-71", "the state as it was sent", fmt.Sprintf("%q", back.Get("state")))
	}
	s.code = back.Get("code")
	w.passIfAsked(id)
	return nil
}

// signInRefused judges a refusal that is shown or sent back, never with a code,
// and never to an unregistered redirect_uri (SRC-70, SRC-79).
func (w *world) signInRefused(a *answer) error {
	back := a.back()
	if back == nil {
		if !a.shown && (a.Status < 400 || a.Status > 499) {
			return w.fail(a, w.subject, "a page that says what is wrong, 4xx, or an error that is sent back", a.is())
		}
		return nil
	}
	if _, err := w.comesHome(a, w.subject); err != nil {
		return err
	}
	if back.Has("code") || back.Get("error") == "" {
		return w.fail(a, w.subject, "an error that is sent back, without a code", "a redirect without error, or with a code")
	}
	return nil
}

func (w *world) denialBack(context.Context) error {
	a := w.last
	if a == nil || a.call.kind != aSignIn {
		return fmt.Errorf("the person denied nothing; say \"it is sent, and the person denies\" before")
	}
	back, err := w.comesHome(a, "SRC-72")
	if err != nil {
		return err
	}
	if back.Get("error") != "access_denied" || back.Has("code") || back.Get("state") != a.call.flow.signIn.state {
		return w.fail(a, "SRC-72", "error=access_denied, the state, and no code",
			fmt.Sprintf("error %q, state %q, code: %t", back.Get("error"), back.Get("state"), back.Has("code")))
	}
	return nil
}

func (w *world) stateIntact(context.Context) error {
	a := w.last
	if a == nil || a.call.kind != aSignIn {
		return fmt.Errorf("no sign-in came back; say \"it is sent\" before")
	}
	back, err := w.comesHome(a, "SRC-71")
	if err != nil {
		return err
	}
	if got := back["state"]; !slices.Equal(got, []string{a.call.flow.signIn.state}) {
		return w.fail(a, "SRC-71", fmt.Sprintf("the state %q", a.call.flow.signIn.state), fmt.Sprintf("%q", got))
	}
	w.passIfAsked("SRC-71")
	return nil
}

func (w *world) hasCode(ctx context.Context, name, scopes string) error {
	if err := w.signInRequest(ctx, name, scopes); err != nil {
		return err
	}
	if err := w.browse(ctx, w.thing, true); err != nil {
		return err
	}
	return w.signInGranted(w.last)
}

func (w *world) hasSignedIn(ctx context.Context, name, scopes string) error {
	if err := w.hasCode(ctx, name, scopes); err != nil {
		return err
	}
	if err := w.codeRequest(ctx, name); err != nil {
		return err
	}
	if err := w.send(ctx, w.thing, name); err != nil {
		return err
	}
	w.thing = nil
	return w.granted(ctx)
}

func (w *world) revokesByPage(ctx context.Context, title string) error {
	n, err := w.role(ctx, title)
	if err != nil {
		return err
	}
	person, err := w.signerAt(ctx, n)
	if err != nil {
		return err
	}
	return person.revoke(ctx)
}

func (w *world) shouldHaveEnded(ctx context.Context, name string) error {
	f, err := w.clientFlow(ctx, name)
	if err != nil {
		return err
	}
	if f.token == nil {
		return fmt.Errorf("%s has no access token yet", name)
	}
	a, err := w.ask(ctx, call{kind: aRead, from: name, bearer: f.token.access, to: f.source, method: http.MethodGet,
		url: f.source.fhir + "/Patient/" + f.patient, flow: f})
	if err == nil && a.Status != http.StatusUnauthorized {
		w.warn(a, w.subject, "401: what it had has ended", a.is())
	}
	return err
}
