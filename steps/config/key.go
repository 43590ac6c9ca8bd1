package config

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Keys are what the harness and its mocks sign with, the same from run to run.
type Keys struct {
	Harness *rsa.PrivateKey
	Issuer  string // the iss of the harness's JWTs, made of its key
	Mocks   string // the key of all mocks, PEM
}

// ReadKeys reads a key file, and makes it (mode 0600) if it is not there. Its
// first key is the harness's, its last one that of all mocks.
func ReadKeys(file string) (Keys, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if text, err = makeKeys(file); err != nil {
			return Keys{}, err
		}
	}
	if err != nil {
		return Keys{}, fmt.Errorf("key: %w", err)
	}
	var all []*rsa.PrivateKey
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		k, err := parseKey(block)
		if err != nil {
			return Keys{}, fmt.Errorf("key: %s: %w", file, err)
		}
		all = append(all, k)
	}
	if len(all) == 0 {
		return Keys{}, fmt.Errorf("key: %s holds no private key in PEM; take it away, and a new one is made", file)
	}
	mocks, err := x509.MarshalPKCS8PrivateKey(all[len(all)-1])
	if err != nil {
		return Keys{}, fmt.Errorf("key: %s: %w", file, err)
	}
	sum := sha256.Sum256(x509.MarshalPKCS1PublicKey(&all[0].PublicKey))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80 // a UUID of a form of its own (RFC 9562, version 8)
	return Keys{Harness: all[0], Mocks: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: mocks})),
		Issuer: fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])}, nil
}

func parseKey(block *pem.Block) (*rsa.PrivateKey, error) {
	if block.Type == "RSA PRIVATE KEY" {
		return x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	any, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	k, ok := any.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("a %T; give an RSA key", any)
	}
	return k, nil
}

// makeKeys writes a new file. Another run that was faster keeps its own.
func makeKeys(file string) ([]byte, error) {
	var text []byte
	for range 2 {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, fmt.Errorf("key: %w", err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			return nil, fmt.Errorf("key: %w", err)
		}
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...)
	}
	to, err := os.CreateTemp(filepath.Dir(file), ".harness-*.pem") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("key: %s can't be made: %w", file, err)
	}
	defer os.Remove(to.Name())
	_, err = to.Write(text)
	if err = errors.Join(err, to.Close()); err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	if err := os.Link(to.Name(), file); err != nil && !errors.Is(err, fs.ErrExist) {
		if err = os.Rename(to.Name(), file); err != nil { // a file system without links
			return nil, fmt.Errorf("key: %s can't be made: %w", file, err)
		}
	}
	return os.ReadFile(file)
}
