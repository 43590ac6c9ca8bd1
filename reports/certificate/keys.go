package certificate

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// ReadSigner reads a private key: PEM, in PKCS #8, or as OpenSSL writes RSA and
// EC keys. The error says how to bring another form into this one.
func ReadSigner(text []byte) (crypto.Signer, error) {
	block, err := block(text)
	if err != nil {
		return nil, err
	}
	var key any
	switch kind := block.Type; {
	case kind == "ENCRYPTED PRIVATE KEY", strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
		return nil, errors.New("the key is encrypted; give it in the clear, by a pipe or a file of its own: openssl pkey -in key.pem -out clear.pem")
	case kind == "OPENSSH PRIVATE KEY":
		return nil, errors.New("the key is in OpenSSH's own form; make one for this: openssl genpkey -algorithm ED25519 -out key.pem")
	case kind == "PUBLIC KEY", kind == "RSA PUBLIC KEY", kind == "CERTIFICATE":
		return nil, fmt.Errorf("this is a %s, which can't sign; give the private key", strings.ToLower(kind))
	case kind == "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case kind == "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case kind == "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("a PEM block of type %q is no private key; openssl pkey -in key.pem -out pkcs8.pem makes one", kind)
	}
	if err != nil {
		return nil, fmt.Errorf("the private key can't be read: %w; RSA, P-256 and Ed25519 keys can: openssl genpkey -algorithm ED25519 -out key.pem", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T can't sign; use RSA, P-256 or Ed25519: openssl genpkey -algorithm ED25519 -out key.pem", key)
	}
	if _, err := methodOf(signer.Public()); err != nil {
		return nil, err
	}
	return signer, nil
}

// ReadPublicKey reads a public key, or that of an X.509 certificate: PEM.
func ReadPublicKey(text []byte) (crypto.PublicKey, error) {
	block, err := block(text)
	if err != nil {
		return nil, err
	}
	var key crypto.PublicKey
	switch kind := block.Type; {
	case strings.HasSuffix(kind, "PRIVATE KEY"):
		return nil, errors.New("this is a private key, which nobody needs to verify; give the public one: openssl pkey -in key.pem -pubout -out pub.pem")
	case kind == "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case kind == "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case kind == "CERTIFICATE":
		var c *x509.Certificate
		if c, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = c.PublicKey
		}
	default:
		return nil, fmt.Errorf("a PEM block of type %q is no public key; openssl pkey -in key.pem -pubout -out pub.pem makes one", kind)
	}
	if err != nil {
		return nil, fmt.Errorf("the public key can't be read: %w", err)
	}
	if _, err := methodOf(key); err != nil {
		return nil, err
	}
	return key, nil
}

// block is the first PEM block that holds a key. OpenSSL may put the
// parameters of a curve before it.
func block(text []byte) (*pem.Block, error) {
	rest := text
	for {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if b.Type != "EC PARAMETERS" {
			return b, nil
		}
	}
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '{' {
		return nil, errors.New("this is JSON, perhaps a JWK; give the key as PEM, which begins with -----BEGIN")
	}
	return nil, errors.New("no PEM block in it; a key begins with -----BEGIN; one in DER becomes PEM by: openssl pkey -inform DER -in key.der -out key.pem")
}
