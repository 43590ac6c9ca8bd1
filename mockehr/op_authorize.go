package mockehr

import (
	"net/http"

	"github.com/gorilla/mux"

	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/oauth"
)

// authorize answers POST [base]/Consent/[id]/$authorize (protocol 1.3).
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	if err := acceptable(r); err != nil {
		return err
	}
	c, err := s.caller(r)
	if err != nil {
		return err
	}
	if err := s.known(ctx, c, "SRC-48", "$authorize"); err != nil {
		return err
	}
	if c.role == granted && !c.grant.SignIn {
		if err := s.mayWrite(ctx, c, "Consent"); err != nil {
			return err
		}
	}
	params, err := readResource(r, "Parameters")
	if err != nil {
		return err
	}
	request := oauth.AuthorizeRequest{ConsentID: mux.Vars(r)["id"], Params: params}
	if c.role == granted {
		request.Patient = c.grant.Patient
	}
	result, err := s.oauth.Authorize(ctx, request)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	s.writeResource(w, r, http.StatusOK, authorizeAnswer(result))
	return nil
}

func authorizeAnswer(result oauth.AuthorizeResult) *fhir.Object {
	parts := []*fhir.Object{
		textParameter(result.MessageName, "valueString", result.Message),
		textParameter("id", "valueId", result.ID),
	}
	for _, e := range result.Endorsements {
		parts = append(parts, partsParameter("endorsement",
			textParameter("type", "valueCode", e.Type),
			textParameter("comment", "valueString", e.Comment),
			textParameter("endorser", "valueString", e.Endorser.Name),
			textParameter("url", "valueUri", e.Endorser.URL)))
	}
	return parameters(parts...)
}
