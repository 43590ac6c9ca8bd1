package oauth

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"example.org/ccde/mockehr/check"
)

// Request is an authorization request that was found good (protocol 1.8, RFC
// 6749 4.1.1).
type Request struct {
	Client    string   `json:"client"`
	Redirect  string   `json:"redirect"`
	State     []byte   `json:"state"` // any bytes
	Scopes    []string `json:"scopes"`
	Challenge string   `json:"challenge,omitempty"` // PKCE S256, "" without
}

// SentBack is an answer that goes back to the application by its redirect_uri
// (RFC 6749 4.1.2.1): it is no page. Location holds no code.
type SentBack struct {
	ID          string // the requirement, such as SRC-70
	Code        string // such as invalid_request
	Description string
	Location    string
}

// Error is the code and what it means here.
func (e *SentBack) Error() string { return e.Code + ": " + e.Description }

// The error codes of RFC 6749 4.1.2.1 that 5.2 doesn't have.
const (
	AccessDenied            = "access_denied"
	UnsupportedResponseType = "unsupported_response_type"
)

// ReadRequest reads the parameters of an authorization request. A client or a
// redirect_uri that isn't registered is a *check.Refusal, for a page: nothing is
// sent anywhere (SRC-70, SRC-79). What else is wrong is a *SentBack.
func (s *SignIn) ReadRequest(ctx context.Context, q Query) (Request, error) {
	client, err := s.clientOf(ctx, q)
	if err != nil {
		return Request{}, err
	}
	r := Request{Client: client.ID}
	if r.Redirect, err = s.redirectOf(ctx, q, client); err != nil {
		return Request{}, err
	}
	state, twice := q.get("state")
	if !twice {
		r.State = []byte(state)
	}
	scope, _ := q.get("scope")
	r.Scopes = grantable(scope)
	for _, ch := range []struct {
		name string
		bad  *SentBack
	}{
		{"", repeated(q)},
		{"response_type", badResponseType(q)},
		{"state", badState(state)},
		{"scope", badScope(scope, r.Scopes)},
		{"aud", s.badAudience(q)},
	} {
		value, _ := q.get(ch.name)
		if err := s.sendBack(ctx, "SRC-70", check.Inputs{"parameter": ch.name, "value": value, "client_id": client.ID}, r, ch.bad); err != nil {
			return Request{}, err
		}
	}
	r.Challenge, err = s.challengeOf(ctx, q, r, client)
	return r, err
}

// clientOf is the client of a request. One that a script let in though nobody
// knows it is a public one.
func (s *SignIn) clientOf(ctx context.Context, q Query) (Client, error) {
	id, twice := q.get("client_id")
	client, known := s.opt.Directory().client(id)
	var verdict error
	switch {
	case twice:
		verdict = refuseRequest("SRC-70", "client_id", "is there twice")
	case id == "":
		verdict = refuseRequest("SRC-70", "client_id", "is missing")
	case !known:
		verdict = refuseRequest("SRC-70", "client_id", "names no application that is registered here")
	}
	return client, s.opt.Checks.Do(ctx, "SRC-70", check.Inputs{"parameter": "client_id", "value": id}, verdict)
}

// redirectOf is the redirect_uri of a request: one of those registered, to the
// letter. One that leads to a place where the client has none is SRC-70's, one
// that comes near is SRC-79's.
func (s *SignIn) redirectOf(ctx context.Context, q Query, client Client) (string, error) {
	const name = "redirect_uri"
	uri, twice := q.get(name)
	id := "SRC-70"
	var verdict error
	switch {
	case twice:
		verdict = refuseRequest(id, name, "is there twice")
	case uri == "":
		verdict = refuseRequest(id, name, "is missing")
	case !slices.Contains(client.Redirects, uri):
		if slices.ContainsFunc(client.Redirects, func(r string) bool { return samePlace(r, uri) }) {
			id = "SRC-79"
		}
		verdict = refuseRequest(id, name, "is not one that is registered for this application, to the letter")
	default:
		id = "SRC-79"
	}
	in := check.Inputs{"parameter": name, "value": uri, "registered": client.Redirects, "client_id": client.ID}
	return uri, s.opt.Checks.Do(ctx, id, in, verdict)
}

// samePlace tells whether two URIs lead to the same host by the same scheme.
func samePlace(a, b string) bool {
	x, err := url.Parse(a)
	if err != nil {
		return false
	}
	y, err := url.Parse(b)
	return err == nil && strings.EqualFold(x.Scheme, y.Scheme) && strings.EqualFold(x.Hostname(), y.Hostname())
}

func refuseRequest(id, name, what string) error {
	return check.Refuse(id, http.StatusBadRequest, "invalid", name, "The request of the application can't be taken: the parameter %s %s.", name, what)
}

// sendBack passes the verdict of a check that the application is told of.
func (s *SignIn) sendBack(ctx context.Context, id string, in check.Inputs, r Request, bad *SentBack) error {
	var verdict error
	if bad != nil {
		verdict = bad
	}
	err := s.opt.Checks.Do(ctx, id, in, verdict)
	if err == nil {
		return nil
	}
	back := SentBack{ID: id, Code: InvalidRequest, Description: err.Error()}
	if bad != nil {
		back = *bad
		back.ID = id
	}
	back.Location = withParameters(r.Redirect, append(Query{{"error", back.Code}, {"error_description", describable(back.Description)}},
		s.stateOf(ctx, r)...))
	return &back
}

// stateOf is the state as it goes back: as it came (SRC-71).
func (s *SignIn) stateOf(ctx context.Context, r Request) Query {
	if len(r.State) == 0 {
		return nil
	}
	state := check.Value(ctx, s.opt.Checks, "SRC-71", check.Inputs{"state": string(r.State), "client_id": r.Client}, string(r.State))
	return Query{{"state", state}}
}

// describable keeps to the characters of an error_description (RFC 6749 A.8).
func describable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == '\\':
			return '\''
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, text)
}

// repeated refuses a parameter that stands there twice (RFC 6749 3.1).
func repeated(q Query) *SentBack {
	for _, name := range []string{"response_type", "state", "scope", "aud", "code_challenge", "code_challenge_method"} {
		if _, twice := q.get(name); twice {
			return &SentBack{Code: InvalidRequest, Description: name + " is there twice; give it once"}
		}
	}
	return nil
}

func badResponseType(q Query) *SentBack {
	switch value, _ := q.get("response_type"); value {
	case "code":
		return nil
	case "":
		return &SentBack{Code: InvalidRequest, Description: "response_type is missing; send response_type=code"}
	}
	return &SentBack{Code: UnsupportedResponseType, Description: "response_type is not known here; send response_type=code"}
}

func badState(state string) *SentBack {
	if state != "" {
		return nil
	}
	return &SentBack{Code: InvalidRequest, Description: "state is missing; send a text that can't be guessed, and compare it when it comes back"}
}

func badScope(scope string, can []string) *SentBack {
	switch {
	case strings.TrimSpace(scope) == "":
		return &SentBack{Code: InvalidScope, Description: "scope is missing; ask for something such as patient/*.read"}
	case len(can) == 0:
		return &SentBack{Code: InvalidScope, Description: "nothing that scope names can be granted here; ask for something such as patient/*.read"}
	}
	return nil
}

// badAudience refuses a request that was made for another server (SMART App
// Launch); without aud it is for this one.
func (s *SignIn) badAudience(q Query) *SentBack {
	aud, _ := q.get("aud")
	if aud == "" || strings.TrimSuffix(aud, "/") == s.opt.Base {
		return nil
	}
	return &SentBack{Code: InvalidRequest, Description: fmt.Sprintf("aud is another server than this one, %s", s.opt.Base)}
}
