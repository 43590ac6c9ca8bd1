package oauth

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxJWT is the longest packed JWT that is read, in bytes.
const maxJWT = 16 << 10

// Token is a JWT as it reads; nothing of it is verified.
type Token struct {
	Packed    string // the compact JWS, to the letter
	Algorithm string
	KeyID     string // kid, "" if it has none
	Issuer    string // iss
	Subject   string // sub
	IssuedAt  time.Time
	NotBefore time.Time
	Expires   time.Time // the zero time: no exp
	// Header and Claims are the two JSON texts.
	Header, Claims []byte

	critical  bool // the header has crit or b64, which nothing here understands
	signature []byte
}

// header and claims are what is read of the two; anything else is passed over,
// keys in the header (jwk, jku, x5u, x5c) above all.
type header struct {
	Algorithm string         `json:"alg"`
	KeyID     string         `json:"kid"`
	Critical  jsontext.Value `json:"crit"`
	Base64    jsontext.Value `json:"b64"`
}

type claims struct {
	Issuer    string         `json:"iss"`
	Subject   string         `json:"sub"`
	IssuedAt  jsontext.Value `json:"iat"`
	NotBefore jsontext.Value `json:"nbf"`
	Expires   jsontext.Value `json:"exp"`
}

// Read reads a packed JWT without verifying it: a compact JWS of three unpadded
// base64url parts, header and claims each one JSON object without a name twice.
// The times iat, nbf and exp may be numbers or, as test.fhir.org writes them,
// strings. The error is a *TokenError with reason Unreadable.
func Read(packed string) (*Token, error) {
	if packed == "" {
		return nil, badToken(Unreadable, "it is empty")
	}
	if len(packed) > maxJWT {
		return nil, badToken(Unreadable, "it has %d characters; %d are taken at most", len(packed), maxJWT)
	}
	parts := strings.Split(packed, ".")
	if len(parts) != 3 {
		return nil, badToken(Unreadable, "a compact JWS has 3 parts parted by dots, this has %d", len(parts))
	}
	t := &Token{Packed: packed}
	for i, part := range []struct {
		name string
		into *[]byte
	}{{"header", &t.Header}, {"payload", &t.Claims}, {"signature", &t.signature}} {
		raw, err := decodePart(parts[i])
		if err != nil {
			return nil, badToken(Unreadable, "its %s is no unpadded base64url: %v", part.name, err)
		}
		*part.into = raw
	}
	for _, part := range []struct {
		name string
		raw  []byte
	}{{"header", t.Header}, {"claims", t.Claims}} {
		if jsontext.Value(part.raw).Kind() != '{' {
			return nil, badToken(Unreadable, "its %s: it is no JSON object", part.name)
		}
	}
	var h header
	if err := json.Unmarshal(t.Header, &h); err != nil {
		return nil, badToken(Unreadable, "its header: %s", jsonProblem(err))
	}
	var c claims
	if err := json.Unmarshal(t.Claims, &c); err != nil {
		return nil, badToken(Unreadable, "its claims: %s", jsonProblem(err))
	}
	if h.Algorithm == "" {
		return nil, badToken(Unreadable, "its header has no alg")
	}
	t.Algorithm, t.KeyID = h.Algorithm, h.KeyID
	t.critical = h.Critical != nil || h.Base64 != nil
	t.Issuer, t.Subject = c.Issuer, c.Subject
	for _, when := range []struct {
		name string
		raw  jsontext.Value
		into *time.Time
	}{{"iat", c.IssuedAt, &t.IssuedAt}, {"nbf", c.NotBefore, &t.NotBefore}, {"exp", c.Expires, &t.Expires}} {
		at, err := numericDate(when.raw)
		if err != nil {
			return nil, badToken(Unreadable, "its %s is no number of seconds: %s", when.name, clip(string(when.raw)))
		}
		*when.into = at
	}
	return t, nil
}

// signingInput is what the signature is made over.
func (t *Token) signingInput() string {
	return t.Packed[:strings.LastIndexByte(t.Packed, '.')]
}

// decodePart is strict: the last character's spare bits must be zero, else
// several texts would stand for one JWT. The decoder passes over line ends, so
// these are looked for first.
func decodePart(part string) ([]byte, error) {
	if i := strings.IndexAny(part, "\r\n"); i >= 0 {
		return nil, base64.CorruptInputError(i)
	}
	return base64.RawURLEncoding.Strict().DecodeString(part)
}

// jsonProblem says what is wrong with a part without repeating its content.
func jsonProblem(err error) string {
	text := err.Error()
	if strings.Contains(text, "duplicate object member name") {
		return "a name stands there twice"
	}
	if strings.Contains(text, "cannot unmarshal") {
		return "a member is of the wrong type"
	}
	return "it is no JSON object"
}

// numericDate reads seconds since 1970, a number or a string with one; none is
// the zero time. Years beyond 9999 are refused, so that nothing overflows.
func numericDate(raw jsontext.Value) (time.Time, error) {
	if raw == nil {
		return time.Time{}, nil
	}
	text := string(raw)
	if raw.Kind() == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return time.Time{}, err
		}
		if !plainDecimal.MatchString(text) {
			return time.Time{}, strconv.ErrSyntax
		}
	} else if raw.Kind() != '0' {
		return time.Time{}, strconv.ErrSyntax
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return time.Time{}, err
	}
	const year10000 = 253402300800
	if seconds < 0 || seconds >= year10000 {
		return time.Time{}, strconv.ErrRange
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*1e9)).UTC(), nil
}
