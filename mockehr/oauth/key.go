package oauth

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
)

// Key is an RSA signing key.
type Key struct {
	private    *rsa.PrivateKey
	thumbprint string
}

const keyBits = 2048

// NewKey makes a key of 2048 bits.
func NewKey() (*Key, error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("a new signing key: %w", err)
	}
	return newKey(private), nil
}

// ParseKey reads an RSA private key from PEM, PKCS#8 or PKCS#1.
func ParseKey(text []byte) (*Key, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("signing key: no PEM block; give an RSA private key in PEM")
	}
	var private any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		private, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("signing key: PEM block %q; give an RSA private key (PRIVATE KEY)", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	k, ok := private.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("signing key: %T; give an RSA key", private)
	}
	if k.N.BitLen() < keyBits {
		return nil, fmt.Errorf("signing key: %d bits; give an RSA key of %d or more", k.N.BitLen(), keyBits)
	}
	return newKey(k), nil
}

func newKey(private *rsa.PrivateKey) *Key {
	return &Key{private: private, thumbprint: thumbprint(&private.PublicKey)}
}

// PEM is the private key, PKCS#8: a secret.
func (k *Key) PEM() []byte {
	// An RSA key that was made or parsed can always be marshalled.
	der, _ := x509.MarshalPKCS8PrivateKey(k.private)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// Public is the public key.
func (k *Key) Public() crypto.PublicKey { return &k.private.PublicKey }

// Thumbprint is the JWK thumbprint of RFC 7638, SHA-256, base64url.
func (k *Key) Thumbprint() string { return k.thumbprint }

func thumbprint(k *rsa.PublicKey) string {
	encode := base64.RawURLEncoding.EncodeToString
	canonical := fmt.Sprintf(`{"e":%q,"kty":"RSA","n":%q}`, encode(big.NewInt(int64(k.E)).Bytes()), encode(k.N.Bytes()))
	sum := sha256.Sum256([]byte(canonical))
	return encode(sum[:])
}
