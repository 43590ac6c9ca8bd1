package mockehr

import (
	"context"
	"net/http"
	"net/url"

	"github.com/google/uuid"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/fhir"
)

// issuerOf is a node's iss: a name-based UUID of its root, so that it is the
// same for good without being kept anywhere (protocol 1.1).
func issuerOf(root string) string {
	return "urn:uuid:" + uuid.NewSHA1(uuid.NameSpaceURL, []byte(root)).String()
}

// hostOf is the sub of a node's own JWT: its host.
func hostOf(root string) string {
	u, err := url.Parse(root)
	if err != nil {
		return root
	}
	return u.Hostname()
}

// jwtByGet answers GET [base]/$jwt?source=[uri] with the compact JWS and
// nothing else (protocol 1.1, TGT-01).
func (s *Server) jwtByGet(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	packed, err := s.issueJWT(r, query.Get("source"), query.Get("for"))
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	writeBytes(w, http.StatusOK, "application/jwt", []byte(packed))
	return nil
}

// jwtByPost answers POST [base]/$jwt: Parameters in, Parameters out (TGT-08).
func (s *Server) jwtByPost(w http.ResponseWriter, r *http.Request) error {
	if err := acceptable(r); err != nil {
		return err
	}
	values, err := readParameters(w, r)
	if err != nil {
		return err
	}
	packed, err := s.issueJWT(r, values.Get("source"), values.Get("for"))
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	s.writeResource(w, r, http.StatusOK, parameters(textParameter("jwt", "valueString", packed)))
	return nil
}

// issueJWT issues a JWT for this system, or, to the administrator, for the
// application that `for` names.
func (s *Server) issueJWT(r *http.Request, source, application string) (string, error) {
	ctx := r.Context()
	if application != "" {
		if err := s.mayNameApplication(ctx, r, application); err != nil {
			return "", err
		}
		return s.issuer.Issue(ctx, application)
	}
	var verdict error
	if source == "" {
		verdict = check.Refuse("TGT-02", http.StatusBadRequest, "required", "source",
			"the parameter source is missing; give the URL of the source EHR, as in $jwt?source=http://source.example/r3")
	}
	if err := s.checks.Do(ctx, "TGT-02", check.Inputs{"source": source}, verdict); err != nil {
		return "", err
	}
	return s.issuer.Issue(ctx, hostOf(s.cfg.Root))
}

// mayNameApplication keeps `for` to the administrator (TGT-09): else anyone
// could pose as any application.
func (s *Server) mayNameApplication(ctx context.Context, r *http.Request, application string) error {
	c, err := s.caller(r)
	if err != nil {
		return err
	}
	var verdict error
	switch c.role {
	case admin:
	case anonymous, stranger:
		verdict = check.Refuse("TGT-09", http.StatusUnauthorized, "login", "for", "the parameter for is the administrator's; send its bearer")
	default:
		verdict = check.Refuse("TGT-09", http.StatusForbidden, "forbidden", "for", "the parameter for is the administrator's; this bearer may not")
	}
	return s.checks.Do(ctx, "TGT-09", check.Inputs{"for": application, "caller": c.role.String()}, verdict)
}

// parameters is a Parameters resource of the given parts.
func parameters(parts ...*fhir.Object) *fhir.Object {
	list := make([]any, 0, len(parts))
	for _, p := range parts {
		if p != nil {
			list = append(list, p)
		}
	}
	o := fhir.NewObject(fhir.Member{Name: "resourceType", Value: "Parameters"})
	if len(list) > 0 {
		o.Set("parameter", list)
	}
	return o
}

// textParameter is one parameter with a value[x] of text; nil where there is
// no text, since FHIR knows no empty value.
func textParameter(name, valueType, text string) *fhir.Object {
	if text == "" {
		return nil
	}
	return fhir.NewObject(fhir.Member{Name: "name", Value: name}, fhir.Member{Name: valueType, Value: text})
}

// partsParameter is one parameter made of parts.
func partsParameter(name string, parts ...*fhir.Object) *fhir.Object {
	return fhir.NewObject(fhir.Member{Name: "name", Value: name}, fhir.Member{Name: "part", Value: parameters(parts...).Get("parameter")})
}
