package mockehr

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/exchange"
	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/oauth"
)

// maxExpiresIn keeps expires_in within what time arithmetic holds: 100 years.
const maxExpiresIn = 100 * 366 * 24 * 60 * 60

// maxSource bounds the URL of a source.
const maxSource = 2000

// connect answers POST [base]/$connect (protocol 1.6): it checks every
// parameter, stores the connection, and lets the copier go.
func (s *Server) connect(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	if err := acceptable(r); err != nil {
		return err
	}
	c, err := s.caller(r)
	if err != nil {
		return err
	}
	values, err := readParameters(w, r)
	if err != nil {
		return err
	}
	request, err := s.connectRequest(ctx, values)
	if err != nil {
		return err
	}
	request.Owner = c.owner()
	conn, err := s.exchange.Connect(ctx, request)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Location", s.base()+"/$connection?id="+url.QueryEscape(conn.ID))
	severity := "information"
	if s.checks.Dialect() == check.TestFHIR {
		severity = "error"
	}
	s.writeResource(w, r, http.StatusOK, fhir.Outcome(fhir.Issue{Severity: severity, Code: "informational", Diagnostics: "Connection Accepted"}))
	return nil
}

// connectRequest checks the parameters in the order of protocol 1.6.
func (s *Server) connectRequest(ctx context.Context, v url.Values) (exchange.Request, error) {
	request := exchange.Request{
		Source: strings.TrimRight(v.Get("source"), "/"), Consent: v.Get("consent"), Patient: v.Get("patient"),
		JWT: v.Get("jwt"), Authorization: v.Get("authorization"),
	}
	seconds, secondsErr := strconv.ParseInt(v.Get("expires_in"), 10, 64)
	request.ExpiresIn = seconds
	checks := []struct {
		id, name string
		verdict  *check.Refusal
	}{
		{"TGT-19", "", givenTwice(v)},
		{"TGT-11", "source", badSource(v.Get("source"))},
		{"TGT-12", "consent", badID("TGT-12", "consent", v.Get("consent"), true)},
		{"TGT-14", "expires_in", badExpiry(v.Get("expires_in"), seconds, secondsErr)},
		{"TGT-13", "patient", badID("TGT-13", "patient", v.Get("patient"), v.Has("patient"))},
		{"TGT-15", "jwt", s.foreignJWT(request.JWT)},
		{"TGT-16", "authorization", badAuthorization(request.Authorization)},
	}
	for _, ch := range checks {
		var verdict error
		if ch.verdict != nil {
			verdict = ch.verdict
		}
		if err := s.checks.Do(ctx, ch.id, check.Inputs{"parameter": ch.name, "value": v.Get(ch.name), "values": map[string][]string(v)}, verdict); err != nil {
			return request, err
		}
	}
	err := s.checks.Do(ctx, "TGT-17", check.Inputs{"parameter": "jwt", "value": request.JWT}, s.alteredJWT(ctx, request.JWT))
	return request, err
}

// refuseParameter names the parameter in the diagnostics and in expression.
func refuseParameter(id, code, name, format string, args ...any) *check.Refusal {
	return check.Refuse(id, http.StatusBadRequest, code, name, "the parameter "+name+" "+format, args...)
}

func givenTwice(v url.Values) *check.Refusal {
	for _, name := range []string{"source", "consent", "expires_in", "patient", "jwt", "authorization"} {
		if len(v[name]) > 1 {
			return refuseParameter("TGT-19", "invalid", name, "is given %d times; give it once", len(v[name]))
		}
	}
	return nil
}

func badSource(text string) *check.Refusal {
	if text == "" {
		return refuseParameter("TGT-11", "required", "source", "is missing; give the absolute URL of the source's FHIR base")
	}
	if len(text) > maxSource {
		return refuseParameter("TGT-11", "value", "source", "has %d characters; at most %d are taken", len(text), maxSource)
	}
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return refuseParameter("TGT-11", "value", "source", "is no absolute http(s) URL")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return refuseParameter("TGT-11", "value", "source", "is a FHIR base; it has no user, query or fragment")
	}
	return nil
}

func badID(id, name, text string, given bool) *check.Refusal {
	switch {
	case !given:
		return nil
	case text == "":
		return refuseParameter(id, "required", name, "is missing or empty; give the id at the source")
	case !fhir.ValidID(text):
		return refuseParameter(id, "value", name, "is no FHIR id (1 to 64 of A-Z a-z 0-9 - .)")
	}
	return nil
}

func badExpiry(text string, seconds int64, err error) *check.Refusal {
	switch {
	case text == "":
		return refuseParameter("TGT-14", "required", "expires_in", "is missing; give the seconds that the authorization lives")
	case err != nil:
		return refuseParameter("TGT-14", "value", "expires_in", "is no integer of seconds")
	case seconds <= 0:
		return refuseParameter("TGT-14", "value", "expires_in", "is %d; it must be over 0", seconds)
	case seconds > maxExpiresIn:
		return refuseParameter("TGT-14", "value", "expires_in", "is over a hundred years (%d seconds)", int64(maxExpiresIn))
	}
	return nil
}

func badAuthorization(text string) *check.Refusal {
	switch {
	case text == "":
		return refuseParameter("TGT-16", "required", "authorization", "is missing; give the id that $authorize answered")
	case len(text) > 64:
		return refuseParameter("TGT-16", "value", "authorization", "is longer than 64 characters")
	}
	return nil
}

// foreignJWT refuses what is no JWT, or not one of this system's (TGT-15).
func (s *Server) foreignJWT(packed string) *check.Refusal {
	if packed == "" {
		return refuseParameter("TGT-15", "required", "jwt", "is missing; give a JWT that this system issued")
	}
	read, err := oauth.Read(packed)
	if err != nil {
		return refuseParameter("TGT-15", "value", "jwt", "can't be read: %v", err)
	}
	if read.Issuer != s.issuer.Name() {
		return refuseParameter("TGT-15", "value", "jwt", "was issued by another system (iss %q)", read.Issuer)
	}
	return nil
}

// alteredJWT refuses one of ours that was altered, or is over (TGT-17).
func (s *Server) alteredJWT(ctx context.Context, packed string) error {
	if err := s.issuer.Verify(ctx, packed); err != nil {
		return refuseParameter("TGT-17", "value", "jwt", "is not as it was issued: %v", err)
	}
	return nil
}
