package acme

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Clients are the registered applications: two with a secret, one without.
var Clients = map[string]string{"acme-web": "a web+secret/ of: acme%", "acme-other": "other-secret", "acme-phone": ""}

// consented is what a person granted an application.
type consented struct {
	client, patient string
	scopes          []string
	redirect        string
	challenge       string
	code, refresh   string
	codeEnds        time.Time
	codeUsed        bool
	revoked         bool
}

type signIns struct {
	asked map[string]url.Values // authorize requests that wait for the person
	all   []*consented
}

func newSignIns() signIns { return signIns{asked: map[string]url.Values{}} }

func (s *Server) pageError(c *call, p *problem) {
	c.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	c.w.WriteHeader(p.status)
	fmt.Fprintf(c.w, "<!doctype html><title>Acme</title><p>%s</p>", html.EscapeString(p.text))
}

// person answers the pages.
func (s *Server) person(c *call) error {
	switch c.URL.Path {
	case "/person/authorize":
		return s.askPerson(c)
	case "/person/decide":
		return s.decide(c)
	case "/person/grants":
		return s.grantsPage(c)
	case "/person/revoke":
		return s.revoke(c)
	}
	return wrong(http.StatusNotFound, "there is no such page")
}

// askPerson shows what an application asks for.
func (s *Server) askPerson(c *call) error {
	q := c.URL.Query()
	if c.Method == http.MethodPost {
		var err error
		if q, err = c.form(); err != nil {
			return err
		}
	}
	secret, known := Clients[q.Get("client_id")]
	if !known {
		return wrong(http.StatusBadRequest, "client_id is no application that is registered here")
	}
	if q.Get("redirect_uri") != s.Redirect && !(s.bug("redirect-by-prefix") && strings.HasPrefix(q.Get("redirect_uri"), s.Redirect)) {
		return wrong(http.StatusBadRequest, "redirect_uri is not the registered one")
	}
	back := func(code, text string) error {
		v := url.Values{"error": {code}, "error_description": {text}}
		if q.Get("state") != "" {
			v.Set("state", q.Get("state"))
		}
		http.Redirect(c.w, c.Request, s.Redirect+"?"+v.Encode(), http.StatusFound)
		return nil
	}
	for name := range q {
		if len(q[name]) > 1 {
			return back("invalid_request", name+" stands there twice")
		}
	}
	method, challenge := q.Get("code_challenge_method"), q.Get("code_challenge")
	switch {
	case q.Get("response_type") != "code":
		return back("unsupported_response_type", "response_type is code")
	case q.Get("state") == "":
		return back("invalid_request", "state is missing")
	case strings.TrimSpace(q.Get("scope")) == "":
		return back("invalid_scope", "scope is missing")
	case challenge == "" && (secret == "" || method != ""):
		return back("invalid_request", "code_challenge is missing")
	case challenge != "" && method != "S256":
		return back("invalid_request", "code_challenge_method is S256")
	}
	if aud := q.Get("aud"); aud != "" && strings.TrimRight(aud, "/") != s.base() {
		return back("invalid_request", "aud is not this server")
	}
	id := uuid()
	s.mu.Lock()
	s.signIns.asked[id] = q
	s.mu.Unlock()
	c.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(c.w, `<!doctype html><title>Acme</title><form method="post" action="/person/decide"><input type="hidden" name="request" value="%s">
<p>%s asks for %s</p><label>Patient <input name="patient"></label><button name="decision" value="approve">Yes</button><button name="decision" value="deny">No</button></form>`,
		id, html.EscapeString(q.Get("client_id")), html.EscapeString(q.Get("scope")))
	return nil
}

// decide is what the person said.
func (s *Server) decide(c *call) error {
	form, err := c.form()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.signIns.asked[form.Get("request")]
	delete(s.signIns.asked, form.Get("request"))
	if q == nil || c.Method != http.MethodPost {
		return wrong(http.StatusBadRequest, "that request is over")
	}
	v := url.Values{"state": {q.Get("state")}}
	if s.bug("state-trimmed") && len(v.Get("state")) > 64 {
		v.Set("state", v.Get("state")[:64])
	}
	if form.Get("decision") != "approve" {
		v.Set("error", "access_denied")
	} else {
		if s.held["Patient/"+form.Get("patient")] == nil {
			return wrong(http.StatusBadRequest, "there is no such patient")
		}
		g := &consented{client: q.Get("client_id"), patient: form.Get("patient"), redirect: q.Get("redirect_uri"), challenge: q.Get("code_challenge"),
			code: uuid(), codeEnds: time.Now().Add(time.Minute), scopes: strings.Fields(q.Get("scope"))}
		g.scopes = slices.DeleteFunc(g.scopes, func(sc string) bool {
			return !smartScope.MatchString(sc) && !slices.Contains([]string{"launch/patient", "offline_access", "openid", "profile"}, sc)
		})
		s.signIns.all = append(s.signIns.all, g)
		v.Set("code", g.code)
	}
	http.Redirect(c.w, c.Request, q.Get("redirect_uri")+"?"+v.Encode(), http.StatusSeeOther)
	return nil
}

// grantsPage revokes, as a person, all that a patient granted an application.
func (s *Server) grantsPage(c *call) error {
	form, err := c.form()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.signIns.all {
		if g.client == form.Get("client_id") && g.patient == form.Get("patient") {
			g.revoked = true
		}
	}
	c.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(c.w, "<!doctype html><title>Acme</title><p>Revoked</p>")
	return nil
}

// revoke answers RFC 7009.
func (s *Server) revoke(c *call) error {
	form, err := c.form()
	if err != nil {
		return err
	}
	id, err := clientOf(c, form)
	if err != nil {
		s.oauthError(c, err.(*problem))
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tokens[form.Get("token")]
	for _, g := range s.signIns.all {
		if g.client == id && (g.refresh != "" && g.refresh == form.Get("token") || t != nil && t.signIn == g) {
			g.revoked = true
		}
	}
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// clientOf authenticates an application: HTTP Basic, the form, or no secret at all.
func clientOf(c *call, form url.Values) (string, error) {
	refused := oauth(http.StatusUnauthorized, "invalid_client", "the application is not known, or its secret is wrong")
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if header := c.Header.Get("Authorization"); header != "" {
		user, password, ok := c.BasicAuth()
		var err, err2 error
		user, err = url.QueryUnescape(user)
		password, err2 = url.QueryUnescape(password)
		if !ok || err != nil || err2 != nil || id != "" && id != user {
			return "", refused
		}
		id, secret = user, password
	}
	want, known := Clients[id]
	if !known || want != "" && !same(secret, want) || want == "" && secret != "" {
		return "", refused
	}
	return id, nil
}

// signedIn answers the token endpoint for a code or a refresh token.
func (s *Server) signedIn(c *call, form url.Values) error {
	id, err := clientOf(c, form)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	code := form.Get("grant_type") == "authorization_code"
	i := slices.IndexFunc(s.signIns.all, func(g *consented) bool {
		return code && same(form.Get("code"), g.code) || !code && same(form.Get("refresh_token"), g.refresh)
	})
	if i < 0 || s.signIns.all[i].revoked || s.signIns.all[i].client != id && !s.bug("code-of-another") {
		return oauth(http.StatusBadRequest, "invalid_grant", "that is over, or was never given")
	}
	g := s.signIns.all[i]
	scopes := g.scopes
	if code {
		if g.codeUsed && !s.bug("code-twice") {
			g.revoked = true
			return oauth(http.StatusBadRequest, "invalid_grant", "the code was used")
		}
		sum := sha256.Sum256([]byte(form.Get("code_verifier")))
		verified := base64.RawURLEncoding.EncodeToString(sum[:]) == g.challenge
		if g.challenge == "" {
			verified = form.Get("code_verifier") == ""
		}
		if s.bug("verifier-optional") && form.Get("code_verifier") == "" {
			verified = true
		}
		if !verified || form.Get("redirect_uri") != g.redirect || !time.Now().Before(g.codeEnds) {
			return oauth(http.StatusBadRequest, "invalid_grant", "the code is not for that request")
		}
		g.codeUsed = true
	} else if asked := strings.Fields(form.Get("scope")); len(asked) > 0 {
		for _, sc := range asked {
			if !slices.Contains(g.scopes, sc) {
				return oauth(http.StatusBadRequest, "invalid_scope", "that is more than was granted")
			}
		}
		scopes = asked
	}
	t := &access{Text: "acme." + uuid(), Patient: g.patient, Scopes: scopes, Ends: time.Now().Add(20 * time.Minute), signIn: g}
	s.tokens[t.Text] = t
	out := map[string]any{"access_token": t.Text, "token_type": "Bearer", "expires_in": 1200, "scope": strings.Join(scopes, " "), "patient": g.patient}
	if slices.Contains(g.scopes, "offline_access") {
		if g.refresh == "" {
			g.refresh = "refresh." + uuid()
		}
		out["refresh_token"] = g.refresh
	}
	c.w.Header().Set("Cache-Control", "no-store")
	c.w.Header().Set("Pragma", "no-cache")
	giveJSON(c, http.StatusOK, out)
	return nil
}
