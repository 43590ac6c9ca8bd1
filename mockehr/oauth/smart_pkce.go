package oauth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strings"

	"example.org/ccde/mockehr/check"
)

// challengeOf is the PKCE challenge of a request (RFC 7636; SRC-78): S256 only,
// since plain proves nothing to who saw the request; mandatory for a client
// without a secret.
func (s *SignIn) challengeOf(ctx context.Context, q Query, r Request, client Client) (string, error) {
	challenge, _ := q.get("code_challenge")
	method, _ := q.get("code_challenge_method")
	var bad *SentBack
	refuse := func(why string) { bad = &SentBack{Code: InvalidRequest, Description: why} }
	switch {
	case challenge == "" && method != "":
		refuse("code_challenge is missing, though code_challenge_method is there")
	case challenge == "" && client.Public():
		refuse("code_challenge is missing; an application without a secret must use PKCE with code_challenge_method=S256")
	case challenge == "":
	case method != "S256":
		refuse("code_challenge_method must be S256; without it, it is plain")
	case !isChallenge(challenge):
		refuse("code_challenge is no S256 challenge; give 43 characters, the base64url of a SHA-256")
	}
	in := check.Inputs{"parameter": "code_challenge", "value": challenge, "method": method, "client_id": client.ID}
	return challenge, s.sendBack(ctx, "SRC-78", in, r, bad)
}

func isChallenge(text string) bool {
	sum, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil && len(sum) == sha256.Size && !strings.ContainsAny(text, "\r\n")
}

// badVerifier refuses a code_verifier that doesn't fit the challenge of the
// request, one that is missing, and one where the request had no challenge:
// that one was taken out on the way (RFC 9700 2.1.1).
func badVerifier(challenge, verifier string, twice bool) *Error {
	refuse := func(code, why string) *Error {
		return refuseToken("SRC-78", http.StatusBadRequest, code, "code_verifier %s", why)
	}
	switch {
	case twice:
		return refuse(InvalidRequest, "is there twice; give it once")
	case challenge == "" && verifier == "":
		return nil
	case challenge == "":
		return refuse(InvalidGrant, "is there, though the request had no code_challenge")
	case verifier == "":
		return refuse(InvalidGrant, "is missing; send the one that the code_challenge was made from")
	case !isVerifier(verifier):
		return refuse(InvalidGrant, "must have 43 to 128 characters, letters, digits and -._~")
	}
	sum := sha256.Sum256([]byte(verifier))
	want := base64.RawURLEncoding.EncodeToString(sum[:])
	if subtle.ConstantTimeCompare([]byte(want), []byte(challenge)) != 1 {
		return refuse(InvalidGrant, "is not the one that the code_challenge was made from")
	}
	return nil
}

// isVerifier is the form of RFC 7636 4.1.
func isVerifier(text string) bool {
	return len(text) >= 43 && len(text) <= 128 && !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._~", r)
	})
}
