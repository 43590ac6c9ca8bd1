package mockehr

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/oauth"
)

// role is what a caller is, by protocol 1.9.
type role int

const (
	anonymous role = iota // no bearer
	stranger              // a bearer that is not known
	consumer              // the person's app
	admin                 // the administrator
	granted               // an access token, of the exchange (1.4) or of SMART sign-in
)

// caller is who sent a request, and what they may see.
type caller struct {
	role  role
	grant *oauth.Grant // with role granted
}

// owner is the text that marks what a caller made (Consents, connections);
// "" for one that can't be told apart from anybody else.
func (c caller) owner() string {
	switch c.role {
	case consumer:
		return "consumer"
	case admin:
		return "administrator"
	case granted:
		return "grant:" + c.grant.ID
	}
	return ""
}

// claimedGrant is what a script may put in the place of a bearer that is not
// known (SRC-46): a bearer with scopes reads that patient's record.
type claimedGrant struct {
	Patient string   `json:"patient"`
	Scopes  []string `json:"scopes"`
}

// caller reads the Authorization header. What stands in the query string is
// no credential (SRC-47), nor is a JWT or an authorization id (SRC-46).
func (s *Server) caller(r *http.Request) (caller, error) {
	ctx := r.Context()
	bearer := bearerOf(r.Header.Get("Authorization"))
	if bearer == "" {
		query := r.URL.Query().Get("access_token")
		if query != "" {
			bearer = check.Value(ctx, s.checks, "SRC-47", check.Inputs{"access_token": query}, "")
		}
	}
	switch {
	case bearer == "" && r.Header.Get("Authorization") == "":
		return caller{role: anonymous}, nil
	case bearer == "":
		return caller{role: stranger}, nil
	case same(bearer, s.cfg.Admin):
		return caller{role: admin}, nil
	case same(bearer, s.cfg.Consumer):
		return caller{role: consumer}, nil
	}
	grant, err := s.oauth.Token(ctx, bearer)
	switch {
	case err == nil:
		return caller{role: granted, grant: grant}, nil
	case !isUnknownToken(err):
		return caller{}, err
	}
	claimed := check.Value(ctx, s.checks, "SRC-46", check.Inputs{"bearer": bearer}, claimedGrant{})
	if len(claimed.Scopes) > 0 {
		return caller{role: granted, grant: grantOf(claimed)}, nil
	}
	return caller{role: stranger}, nil
}

func isUnknownToken(err error) bool {
	var oauthErr *oauth.Error
	return errors.As(err, &oauthErr)
}

func grantOf(c claimedGrant) *oauth.Grant {
	g := &oauth.Grant{Patient: c.Patient}
	for _, text := range c.Scopes {
		if scope, err := oauth.ParseScope(text); err == nil {
			g.Scopes = append(g.Scopes, scope)
		}
	}
	return g
}

func bearerOf(header string) string {
	scheme, token, ok := strings.Cut(header, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// known refuses a caller without a bearer that is known (401). id is the
// requirement that is at stake: SRC-41 for data, SRC-48 for Consents and
// operations.
func (s *Server) known(ctx context.Context, c caller, id, what string) error {
	var verdict error
	switch c.role {
	case anonymous:
		verdict = check.Refuse(id, http.StatusUnauthorized, "login", "", "%s needs an Authorization header with a bearer", what)
	case stranger:
		verdict = check.Refuse(id, http.StatusUnauthorized, "login", "", "%s needs a bearer that is known here; this one is not, or is over", what)
	}
	return s.checks.Do(ctx, id, check.Inputs{"what": what, "caller": c.role.String()}, verdict)
}

func (r role) String() string {
	return [...]string{"anonymous", "unknown", "consumer", "administrator", "access token"}[r]
}
