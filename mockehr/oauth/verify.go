package oauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// skew is how far two systems' clocks may differ: a JWT issued that much ahead
// is taken. At its exp it is over.
const skew = 60 * time.Second

// algorithms are those that a JWT may be signed with. Never none, and never an
// HMAC: its secret would be a public key.
var algorithms = map[string]jwt.SigningMethod{
	"RS256": jwt.SigningMethodRS256, "RS384": jwt.SigningMethodRS384, "RS512": jwt.SigningMethodRS512,
	"PS256": jwt.SigningMethodPS256, "PS384": jwt.SigningMethodPS384, "PS512": jwt.SigningMethodPS512,
	"ES256": jwt.SigningMethodES256, "ES384": jwt.SigningMethodES384, "ES512": jwt.SigningMethodES512,
	"EdDSA": jwt.SigningMethodEdDSA,
}

// CheckAlgorithm refuses a JWT that is not signed with an asymmetric algorithm
// known here, in either dialect (protocol 2). The error is a *TokenError.
func (t *Token) CheckAlgorithm() error {
	if _, ok := algorithms[t.Algorithm]; !ok {
		return badToken(BadAlgorithm, "alg %q; use EdDSA, or one of RS, PS or ES with 256, 384 or 512", clip(t.Algorithm))
	}
	if t.critical {
		return badToken(BadAlgorithm, "its header has crit or b64, which are not known here")
	}
	return nil
}

// CheckClaims refuses a JWT without iss, sub or exp, one that is over at now, or
// one from the future. The error is a *TokenError.
func (t *Token) CheckClaims(now time.Time) error {
	switch {
	case t.Issuer == "":
		return badToken(Unreadable, "it has no iss")
	case t.Subject == "":
		return badToken(Unreadable, "it has no sub")
	case t.Expires.IsZero():
		return badToken(Unreadable, "it has no exp")
	case !now.Before(t.Expires):
		return badToken(Expired, "it was good until %s; it is %s", stamp(t.Expires), stamp(now))
	case t.NotBefore.After(now.Add(skew)):
		return badToken(NotYetValid, "it is good from %s; it is %s", stamp(t.NotBefore), stamp(now))
	case t.IssuedAt.After(now.Add(skew)):
		return badToken(NotYetValid, "it was issued at %s; it is %s", stamp(t.IssuedAt), stamp(now))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// signedBy tells whether key, which its JWK allows for alg, signed the JWT.
func (t *Token) signedBy(key PublicKey) bool {
	method, ok := algorithms[t.Algorithm]
	if !ok || (key.Algorithm != "" && key.Algorithm != t.Algorithm) || !suits(method, key.Key) {
		return false
	}
	return method.Verify(t.signingInput(), t.signature, key.Key) == nil
}

// suits tells whether a key is of the type, and the curve, of an algorithm.
func suits(method jwt.SigningMethod, key crypto.PublicKey) bool {
	switch m := method.(type) {
	case *jwt.SigningMethodRSA, *jwt.SigningMethodRSAPSS:
		_, ok := key.(*rsa.PublicKey)
		return ok
	case *jwt.SigningMethodECDSA:
		k, ok := key.(*ecdsa.PublicKey)
		return ok && k.Curve.Params().BitSize == m.CurveBits
	case *jwt.SigningMethodEd25519:
		_, ok := key.(ed25519.PublicKey)
		return ok
	}
	return false
}
