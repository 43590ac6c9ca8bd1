package oauth

import (
	"errors"
	"fmt"
	"net/http"

	"example.org/ccde/mockehr/check"
)

// The error codes in use: RFC 6749 5.2, and of RFC 6750 invalid_token.
const (
	InvalidRequest       = "invalid_request"
	InvalidClient        = "invalid_client"
	InvalidGrant         = "invalid_grant"
	InvalidScope         = "invalid_scope"
	InvalidToken         = "invalid_token"
	UnsupportedGrantType = "unsupported_grant_type"
)

// Error is a refusal of the token endpoint (RFC 6749 5.2) or of a bearer that
// is no access token (RFC 6750 3.1).
type Error struct {
	ID          string // the requirement, such as SRC-34
	Status      int    // HTTP status of dialect strict: 400, 401, 403 or 405
	Code        string // such as invalid_grant
	Description string // for a person; never a secret
	// Scheme is what the WWW-Authenticate header of a 401 asks for: Bearer, or
	// Basic.
	Scheme string
}

// Error is the code and what it means here.
func (e *Error) Error() string { return e.Code + ": " + e.Description }

// Challenge is the WWW-Authenticate header of a 401. Basic has no parameter for
// the code.
func (e *Error) Challenge(realm string) string {
	if e.Scheme == "Basic" {
		return fmt.Sprintf("Basic realm=%q", realm)
	}
	return fmt.Sprintf("Bearer realm=%q, error=%q", realm, e.Code)
}

func refuseToken(id string, status int, code, format string, args ...any) *Error {
	e := &Error{ID: id, Status: status, Code: code, Description: fmt.Sprintf(format, args...)}
	if status == http.StatusUnauthorized {
		e.Scheme = "Bearer"
	}
	return e
}

// asTokenError gives an error of a check the form that the token endpoint
// speaks: what an override refused takes status and code of own, the check's
// usual refusal.
func asTokenError(err error, own *Error) error {
	if err == nil {
		return nil
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		return e
	}
	e := *own
	if r := (*check.Refusal)(nil); errors.As(err, &r) {
		e.Description = r.Message
	} else {
		e.Description = err.Error()
	}
	return &e
}

// Reason is what is wrong with a JWT.
type Reason string

// The reasons for which a JWT is refused.
const (
	Unreadable      Reason = "unreadable"       // no compact JWS, no JSON, or a claim missing or of the wrong type
	BadAlgorithm    Reason = "bad algorithm"    // none, HMAC, or one that is not known here
	BadSignature    Reason = "bad signature"    // a key fits, and did not sign it
	UnknownKey      Reason = "unknown key"      // no trusted key set has a key that fits
	KeysUnreachable Reason = "keys unreachable" // the key set that may have the key can't be had
	Expired         Reason = "expired"
	NotYetValid     Reason = "not yet valid" // nbf or iat is ahead by more than the skew
	ForeignIssuer   Reason = "foreign issuer"
)

// TokenError is why a JWT is not taken. Message is for a person, and holds
// nothing of the JWT but its kid, alg, iss and times.
type TokenError struct {
	Reason  Reason
	Message string
}

// Error is the reason, and the message.
func (e *TokenError) Error() string { return string(e.Reason) + ": " + e.Message }

func badToken(r Reason, format string, args ...any) *TokenError {
	return &TokenError{Reason: r, Message: fmt.Sprintf(format, args...)}
}

// ReasonOf is the reason of a *TokenError, "" of any other error.
func ReasonOf(err error) Reason {
	if e := (*TokenError)(nil); errors.As(err, &e) {
		return e.Reason
	}
	return ""
}
