package acme

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// grant is an authorization: a JWT bound to a Consent for some time.
type grant struct {
	ID, JWT, Consent, Patient string
	Scopes                    []string
	Ends                      time.Time
	used                      bool
}

const simpleOAuth = "http://hl7.org/fhir/ConsentDefinition/simple-oauth"

var smartScope = regexp.MustCompile(`^(patient|user)/(\*|[A-Za-z]+)\.(read|write|\*)$`)

// smartScopes are a Consent's scopes.
func smartScopes(o map[string]any) []string {
	excepts := objects(o["except"])
	if len(excepts) == 0 {
		return nil
	}
	var out []string
	for _, class := range objects(excepts[0]["class"]) {
		if class["system"] == "http://smarthealthit.org/fhir/scopes" && smartScope.MatchString(text(class["code"])) {
			out = append(out, text(class["code"]))
		}
	}
	return out
}

// good says what keeps a Consent from being honoured until an instant; s.mu is held.
func (s *Server) good(o map[string]any, until time.Time) error {
	refuse := func(format string, args ...any) error { return wrong(http.StatusUnprocessableEntity, format, args...) }
	if o["status"] != "active" {
		return refuse("the Consent's status is not active")
	}
	patient := s.patientOf(o)
	if patient == "" || s.held["Patient/"+patient] == nil && !s.bug("patient-not-looked-for") {
		return refuse("the Consent has no patient who is known here")
	}
	if o["policyRule"] != simpleOAuth {
		return refuse("the Consent's policyRule is not %s", simpleOAuth)
	}
	if n := len(objects(o["except"])); n != 1 && !(n > 1 && s.bug("first-except-only")) {
		return refuse("the Consent needs exactly one except")
	}
	if len(smartScopes(o)) == 0 {
		return refuse("the Consent's except.class has no SMART scope")
	}
	if end := text(object(o["period"])["end"]); end != "" {
		_, last, err := span(end)
		if s.bug("period-by-day") {
			last = last.UTC().Truncate(24 * time.Hour).Add(24*time.Hour - 1)
		}
		now := time.Now()
		if until.IsZero() {
			until = now
		}
		if err != nil || last.Before(until) {
			return refuse("the Consent's period ends too early")
		}
	}
	return nil
}

// holds says whether what stands behind a grant holds still; s.mu is held.
func (s *Server) holds(g *grant) error {
	o := s.held["Consent/"+g.Consent]
	switch {
	case o == nil:
		return errors.New("the Consent was deleted")
	case s.patientOf(o) != g.Patient:
		return errors.New("the Consent is for another patient now")
	case !time.Now().Before(g.Ends):
		return errors.New("the authorization is over")
	}
	return s.good(o, time.Time{})
}

// authorize answers POST Consent/[id]/$authorize.
func (s *Server) authorize(c *call, id string) error {
	if c.Method != http.MethodPost {
		return wrong(http.StatusMethodNotAllowed, "$authorize is a POST")
	}
	switch {
	case c.who.kind == "nobody", c.who.kind == "unknown" && !s.bug("stranger-authorizes"):
		return errLogin
	case c.who.kind == "token" && c.who.token.signIn == nil:
		return wrong(http.StatusForbidden, "an application authorizes nobody")
	}
	in, err := s.resource(c, "Parameters")
	if err != nil {
		return err
	}
	var length map[string]any
	packed, given := "", false
	for _, p := range objects(in["parameter"]) {
		switch p["name"] {
		case "duration":
			length = object(p["valueDuration"])
		case "jwt":
			packed, given = text(p["valueString"]), p["valueString"] != nil
		}
	}
	s.mu.Lock()
	o := s.held["Consent/"+id]
	if o == nil {
		s.mu.Unlock()
		return wrong(http.StatusNotFound, "there is no such Consent")
	}
	patient := s.patientOf(o)
	if t := c.who.token; t != nil && t.Patient != patient {
		s.mu.Unlock()
		return wrong(http.StatusForbidden, "the person signed in for another patient")
	}
	ends, err := ending(time.Now(), length)
	if err == nil {
		err = s.good(o, ends)
	}
	scopes := smartScopes(o)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if !given || packed == "" {
		return bad("jwt", "a JWT is needed, as valueString")
	}
	if _, _, err := jwt.NewParser().ParseUnverified(packed, jwt.MapClaims{}); err != nil {
		return bad("jwt", "it is no JWT that can be read")
	}
	if !s.Style.Reference {
		if _, err := s.claims(c.Context(), packed); err != nil {
			return bad("jwt", "%s", err)
		}
	} else if t, _, _ := jwt.NewParser().ParseUnverified(packed, jwt.MapClaims{}); t.Header["alg"] == "none" || strings.HasPrefix(fmt.Sprint(t.Header["alg"]), "HS") {
		return bad("jwt", "its algorithm is not taken")
	}
	out := []any{}
	message := "Application Validation is not implemented yet"
	if s.CAVS != "" {
		said, err := s.askCAVS(c.Context(), packed)
		if err != nil {
			return err
		}
		message = said.Message
		if !s.bug("no-endorsements") {
			for _, e := range said.Endorsements {
				out = append(out, map[string]any{"name": "endorsement", "part": []any{
					map[string]any{"name": "type", "valueCode": e.Type}, map[string]any{"name": "comment", "valueString": e.Comment},
					map[string]any{"name": "endorser", "valueString": e.Endorser.Name}, map[string]any{"name": "url", "valueUri": e.Endorser.URL}}})
			}
		}
	}
	g := &grant{ID: uuid(), JWT: packed, Consent: id, Patient: patient, Scopes: scopes, Ends: ends}
	s.mu.Lock()
	if s.bug("counted-ids") {
		g.ID = fmt.Sprintf("authorization-%d", 1000+len(s.grants))
	}
	s.grants[g.ID] = g
	s.keep("grant "+g.ID, g)
	s.mu.Unlock()
	out = append(out, map[string]any{"name": "id", "valueId": g.ID}, map[string]any{"name": "Message", "valueString": message})
	s.give(c, http.StatusOK, map[string]any{"resourceType": "Parameters", "parameter": out})
	return nil
}

// ending is when a Duration from an instant ends.
func ending(now time.Time, length map[string]any) (time.Time, error) {
	if length == nil {
		return now, bad("duration", "a Duration is needed")
	}
	value, err := strconv.ParseFloat(fmt.Sprint(length["value"]), 64)
	if err != nil || value <= 0 || value > 1e6 {
		return now, bad("duration", "its value is no number above 0")
	}
	unit := map[string]time.Duration{"s": time.Second, "min": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "wk": 7 * 24 * time.Hour}
	switch code := text(length["code"]); {
	case length["system"] != "http://unitsofmeasure.org":
		return now, bad("duration", "its system is not UCUM's")
	case code == "mo":
		return now.AddDate(0, int(value), 0), nil
	case code == "a":
		return now.AddDate(int(value), 0, 0), nil
	case unit[code] != 0:
		return now.Add(time.Duration(value * float64(unit[code]))), nil
	}
	return now, bad("duration", "its unit is no unit of time")
}

type verdict struct {
	Status, Message string
	Endorsements    []struct {
		Type, Comment string
		Endorser      struct{ Name, URL, Type, Comment string }
	}
}

// askCAVS asks what is known of an application.
func (s *Server) askCAVS(ctx context.Context, packed string) (verdict, error) {
	var v verdict
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.CAVS, strings.NewReader(url.Values{"jwt": {packed}}.Encode()))
	if err != nil {
		return v, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := s.client.Do(req)
	if err != nil {
		return v, wrong(http.StatusBadGateway, "the CAVS is out of reach")
	}
	defer res.Body.Close()
	slog.Debug("the CAVS", "status", res.StatusCode)
	if res.StatusCode != http.StatusOK || json.NewDecoder(http.MaxBytesReader(nil, res.Body, 1<<20)).Decode(&v) != nil {
		return v, wrong(http.StatusBadGateway, "the CAVS does not answer as it should")
	}
	if (v.Status == "invalid" || v.Status == "unsuitable" && !s.bug("takes-unsuitable")) && !s.Style.Reference {
		return v, wrong(http.StatusUnprocessableEntity, "the CAVS says that the application is %s: %s", v.Status, v.Message)
	}
	return v, nil
}

func (s *Server) oauthError(c *call, p *problem) {
	code := p.code
	if !slices.Contains([]string{"invalid_grant", "invalid_client", "unsupported_grant_type", "invalid_scope"}, code) {
		code = "invalid_request"
	}
	status := p.status
	if s.Style.Reference && status < 500 {
		status = http.StatusInternalServerError
	}
	if status == http.StatusUnauthorized {
		c.w.Header().Set("WWW-Authenticate", `Bearer realm="acme", error="invalid_token"`)
	}
	c.w.Header().Set("Cache-Control", "no-store")
	c.w.Header().Set("Pragma", "no-cache")
	giveJSON(c, status, map[string]string{"error": code, "error_description": p.text})
}

func oauth(status int, code, format string, args ...any) *problem {
	p := wrong(status, format, args...)
	p.code = code
	return p
}

// token answers the token endpoint: a JWT and an authorization for an access
// token, and the grants of a person's sign-in.
func (s *Server) token(c *call) error {
	if c.Method != http.MethodPost && !(s.bug("token-by-get") && c.Method == http.MethodGet) {
		return wrong(http.StatusMethodNotAllowed, "the token endpoint takes a POST")
	}
	form := c.URL.Query()
	if c.Method == http.MethodPost {
		var err error
		if form, err = c.form(); err != nil {
			return err
		}
	}
	switch form.Get("grant_type") {
	case "client_credentials":
	case "authorization_code", "refresh_token":
		return s.signedIn(c, form)
	default:
		if s.bug("secret-in-error") {
			return oauth(http.StatusBadRequest, "unsupported_grant_type", "%s with %s", form.Get("grant_type"), c.Header.Get("Authorization"))
		}
		return oauth(http.StatusBadRequest, "unsupported_grant_type", "grant_type is client_credentials, authorization_code or refresh_token")
	}
	scheme, packed, _ := strings.Cut(c.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || packed == "" {
		return oauth(http.StatusUnauthorized, "invalid_client", "the JWT is missing")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.grants[form.Get("scope")]
	if g == nil {
		return oauth(http.StatusBadRequest, "invalid_grant", "there is no such authorization")
	}
	if !same(packed, g.JWT) && !s.likes(packed, g.JWT) {
		return oauth(http.StatusBadRequest, "invalid_grant", "the JWT is not the one that was authorized")
	}
	if g.used && s.bug("exchanged-once") {
		return oauth(http.StatusBadRequest, "invalid_grant", "the authorization was exchanged")
	}
	if err := s.holds(g); err != nil {
		late := !time.Now().Before(g.Ends)
		if !(s.bug("withdrawn-cached") && g.used && !late || s.bug("ends-never-looked-at") && late) {
			return oauth(http.StatusBadRequest, "invalid_grant", "%s", err)
		}
	}
	g.used = true
	now := time.Now()
	t := &access{Text: "acme." + uuid() + uuid(), Patient: g.Patient, Scopes: g.Scopes, Ends: now.Add(time.Hour), grant: g}
	if t.Ends.After(g.Ends) {
		t.Ends = g.Ends
	}
	if o := s.held["Consent/"+g.Consent]; o != nil {
		t.Scopes = smartScopes(o)
	}
	s.tokens[t.Text] = t
	seconds := any(int64(t.Ends.Sub(now) / time.Second))
	if s.bug("expires-in-an-hour") {
		seconds = 3600
	}
	if s.Style.Reference {
		seconds = fmt.Sprint(seconds)
	}
	scope := strings.Join(t.Scopes, " ")
	if s.bug("scope-from-request") {
		scope = form.Get("scope")
	}
	if !s.bug("cached-answer") {
		c.w.Header().Set("Cache-Control", "private, no-store")
	}
	giveJSON(c, http.StatusOK, map[string]any{"access_token": t.Text, "token_type": "bearer", "expires_in": seconds, "scope": scope,
		"patient": g.Patient, "issued_token_type": "access"})
	return nil
}

// likes is how a JWT is compared by those who do it wrong.
func (s *Server) likes(got, want string) bool {
	switch {
	case s.bug("jwt-by-prefix"):
		return strings.HasPrefix(want, got) && len(got) > 20
	case s.bug("jwt-by-head"):
		n := strings.LastIndex(want, ".")
		return strings.HasPrefix(got, want[:n])
	case s.bug("jwt-by-issuer"):
		a, b := jwt.MapClaims{}, jwt.MapClaims{}
		_, _, err := jwt.NewParser().ParseUnverified(got, a)
		_, _, _ = jwt.NewParser().ParseUnverified(want, b)
		if err != nil || a["iss"] != b["iss"] {
			return false
		}
		s.mu.Unlock()
		_, err = s.claims(s.ctx, got)
		s.mu.Lock()
		return err == nil
	}
	return false
}
