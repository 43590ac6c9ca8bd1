package oauth

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"example.org/ccde/mockehr/check"
)

// authenticate is the client of a request to the token or the revocation
// endpoint (RFC 6749 2.3 and 3.2.1): by HTTP Basic or in the body, never both; a
// public one names itself. id is the requirement that is at stake.
func (s *SignIn) authenticate(ctx context.Context, id string, r TokenRequest) (Client, error) {
	user, password, refusal := credentials(id, r)
	client, known := s.opt.Directory().client(user.text)
	if !known {
		// Not form-encoded, as curl -u sends it.
		if raw, there := s.opt.Directory().client(user.raw); there {
			client, known = raw, true
		}
	}
	own := refuseClient(id, "the application is not known here, or its secret is wrong")
	if refusal == nil && (!known || !(sameText(hash(client.Secret), hash(password.text)) || sameText(hash(client.Secret), hash(password.raw)))) {
		refusal = own
	}
	var verdict error
	if refusal != nil {
		verdict = refusal
	}
	in := check.Inputs{"parameter": "client_id", "client_id": user.text, "grant_type": r.Form.Get("grant_type")}
	return client, asTokenError(s.opt.Checks.Do(ctx, id, in, verdict), own)
}

// credential is a client_id or client_secret: with form-encoding taken off, as
// RFC 6749 2.3.1 has it for HTTP Basic, and as it came.
type credential struct{ text, raw string }

func decoded(raw string) credential {
	text, err := url.QueryUnescape(raw)
	if err != nil {
		text = raw
	}
	return credential{text, raw}
}

// refuseClient asks for HTTP Basic (RFC 6749 5.2).
func refuseClient(id, why string) *Error {
	e := refuseToken(id, http.StatusUnauthorized, InvalidClient, "%s", why)
	e.Scheme = "Basic"
	return e
}

func credentials(id string, r TokenRequest) (user, password credential, refusal *Error) {
	for _, name := range []string{"client_id", "client_secret"} {
		if len(r.Form[name]) > 1 {
			return user, password, refuseToken(id, http.StatusBadRequest, InvalidRequest, "%s is there twice; give it once", name)
		}
	}
	inBody, secretInBody := r.Form.Get("client_id"), r.Form.Get("client_secret")
	if r.Authorization == "" {
		if inBody == "" {
			return user, password, refuseClient(id,
				"client_id is missing; authenticate with HTTP Basic, or with client_id and client_secret in the body")
		}
		return credential{inBody, inBody}, credential{secretInBody, secretInBody}, nil
	}
	scheme, packed, _ := strings.Cut(r.Authorization, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return user, password, refuseClient(id, "the Authorization header is no HTTP Basic")
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(packed))
	name, word, ok := strings.Cut(string(raw), ":")
	if err != nil || !ok {
		return user, password, refuseClient(id, "the Authorization header can't be read; send base64 of client_id:client_secret behind Basic")
	}
	user, password = decoded(name), decoded(word)
	switch {
	case secretInBody != "":
		return user, password, refuseToken(id, http.StatusBadRequest, InvalidRequest, "the client authenticates in the header and in the body; use one of them")
	case inBody != "" && inBody != user.text && inBody != user.raw:
		return user, password, refuseToken(id, http.StatusBadRequest, InvalidRequest, "client_id is another in the body than in the header")
	}
	return user, password, nil
}
