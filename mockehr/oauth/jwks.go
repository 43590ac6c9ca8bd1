package oauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/MicahParks/jwkset"
)

// maxKeys bounds a key set.
const maxKeys = 1000

// minRSA is the shortest RSA key that is taken, in bits (RFC 7518 3.3).
const minRSA = 2048

// PublicKey is one key of a key set, with what its JWK says of its use.
type PublicKey struct {
	ID        string // kid, "" if it has none
	Algorithm string // alg, "" = any that its type can
	Key       crypto.PublicKey
}

// ParseKeys reads a JWK Set, or a lone JWK as a set of one. Keys that can't
// verify a signature here are passed over: of another type, for encryption, too
// short, not readable. The error says why a text is no key set at all.
func ParseKeys(text []byte) ([]PublicKey, error) {
	var set struct {
		Keys *[]json.RawMessage `json:"keys"`
		KTY  string             `json:"kty"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("no JWK Set: it is no JSON object of that form: %w", err)
	}
	var list []json.RawMessage
	switch {
	case set.Keys != nil:
		list = *set.Keys
	case set.KTY != "":
		list = []json.RawMessage{text}
	default:
		return nil, errors.New(`no JWK Set: it has neither "keys" nor "kty"`)
	}
	if len(list) > maxKeys {
		return nil, fmt.Errorf("the JWK Set has %d keys; %d are taken at most", len(list), maxKeys)
	}
	var keys []PublicKey
	for _, raw := range list {
		if key, ok := parseKey(raw); ok {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

func parseKey(raw json.RawMessage) (PublicKey, bool) {
	var m jwkset.JWKMarshal
	if json.Unmarshal(raw, &m) != nil {
		return PublicKey{}, false
	}
	if m.USE != "" && m.USE != jwkset.UseSig {
		return PublicKey{}, false
	}
	if len(m.KEYOPS) > 0 && !slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify) {
		return PublicKey{}, false
	}
	// The key itself counts, not a certificate beside it, and least of all one
	// that would have to be fetched.
	m.X5U, m.X5C, m.X5T, m.X5TS256 = "", nil, "", ""
	jwk, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{SkipAll: true})
	if err != nil {
		return PublicKey{}, false
	}
	switch k := jwk.Key().(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSA || k.E < 3 {
			return PublicKey{}, false
		}
	case *ecdsa.PublicKey, ed25519.PublicKey:
	default:
		return PublicKey{}, false
	}
	return PublicKey{ID: m.KID, Algorithm: string(m.ALG), Key: jwk.Key()}, true
}

// printKey is the JWK of a public signing key.
func printKey(key crypto.PublicKey, id, alg string) (json.RawMessage, error) {
	jwk, err := jwkset.NewJWKFromKey(key, jwkset.JWKOptions{
		Metadata: jwkset.JWKMetadataOptions{ALG: jwkset.ALG(alg), KID: id, USE: jwkset.UseSig}})
	if err != nil {
		return nil, fmt.Errorf("the public key as a JWK: %w", err)
	}
	return json.Marshal(jwk.Marshal())
}
