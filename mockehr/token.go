package mockehr

import (
	"net/http"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/oauth"
)

// token answers POST [root]/auth/token (protocol 1.4 and 1.8). What stands in the query
// string is not read.
func (s *Server) token(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	if r.Method != http.MethodPost {
		id := "SRC-36"
		if of := oauth.SignInRequirement(r.Header.Get("Authorization"), r.URL.Query()); of != "" {
			id = of
		}
		refusal := &httpError{status: http.StatusMethodNotAllowed, code: "not-supported",
			message: "the token endpoint takes POST, not " + r.Method, headers: map[string]string{"Allow": "POST"}}
		if err := s.checks.Do(ctx, id, check.Inputs{"method": r.Method}, refusal); err != nil {
			return err
		}
		r.Form = r.URL.Query()
	} else {
		form, err := readForm(w, r)
		if err != nil {
			return err
		}
		r.Form = form
	}
	request := oauth.TokenRequest{Authorization: r.Header.Get("Authorization"), Form: r.Form}
	trade := s.oauth.Exchange
	if oauth.SignInRequirement(request.Authorization, request.Form) != "" {
		trade = s.signIn.Token
	}
	answer, err := trade(ctx, request)
	if err != nil {
		return err
	}
	if noStore := check.Value(ctx, s.checks, "SRC-32", check.Inputs{}, "no-store"); noStore != "" {
		w.Header().Set("Cache-Control", noStore)
		w.Header().Set("Pragma", "no-cache")
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// askCAVS answers POST [root]/auth/cavs (protocol 1.7), to anyone.
func (s *Server) askCAVS(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	answer, err := s.cavs.Decide(r.Context(), form.Get("jwt"))
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	body, err := answer.JSON(s.checks.Dialect())
	if err != nil {
		return err
	}
	writeBytes(w, http.StatusOK, "application/json", body)
	return nil
}
