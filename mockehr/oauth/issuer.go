package oauth

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/clock"
	"example.org/ccde/mockehr/store"
)

// lifetime is how long a JWT lives (protocol 1.1, TGT-05).
const lifetime = 24 * time.Hour

// looseKeyID is the kid of dialect test.fhir.org: a path.
const looseKeyID = "/auth_key"

// IssuerOptions is what an Issuer works with.
type IssuerOptions struct {
	Store  *store.Store // keeps the keys
	Clock  *clock.Clock
	Checks *check.Checks
	Name   string // iss: the same for good
	Root   string // root URL of the node, without a slash at its end
	Key    *Key   // the configured signing key; nil = the stored one, else a new one
}

// Issuer makes the node's JWTs and publishes the keys that verify them. Its
// methods may be called at the same time.
type Issuer struct {
	opt        IssuerOptions
	configured string // thumbprint of opt.Key, "" without

	mu      sync.RWMutex
	key     *Key
	retired []retiredKey
}

// retiredKey is a key of before a rotation; it is published until the last JWT
// that it signed is over.
type retiredKey struct {
	Thumbprint string          `json:"thumbprint"`
	JWK        json.RawMessage `json:"jwk"`
	Until      time.Time       `json:"until"`
}

// keyRecord is what the store holds of an Issuer.
type keyRecord struct {
	PEM string `json:"pem"`
	// Configured is the configured key at that time: another one in the
	// configuration replaces what is stored.
	Configured string       `json:"configured"`
	Retired    []retiredKey `json:"retired,omitempty"`
}

const keyKind, keyName = "signing-key", "current"

// NewIssuer returns the issuer of a node, with the key that the store holds,
// the configured one, or else a new one.
func NewIssuer(ctx context.Context, opt IssuerOptions) (*Issuer, error) {
	i := &Issuer{opt: opt}
	if opt.Key != nil {
		i.configured = opt.Key.Thumbprint()
	}
	if err := i.Reload(ctx); err != nil {
		return nil, err
	}
	return i, nil
}

// Reload takes the keys that the store holds now; for after a restore.
func (i *Issuer) Reload(ctx context.Context) error {
	var kept keyRecord
	err := i.opt.Store.View(ctx, func(tx *store.Tx) error { return tx.Record(keyKind, keyName, &kept) })
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("the signing key: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case err == nil && (i.configured == "" || kept.Configured == i.configured):
		key, err := ParseKey([]byte(kept.PEM))
		if err != nil {
			return fmt.Errorf("as stored: %w", err)
		}
		i.key, i.retired = key, kept.Retired
		return nil
	case i.opt.Key != nil:
		i.key, i.retired = i.opt.Key, nil
		return nil
	case i.key == nil:
		if i.key, err = NewKey(); err != nil {
			return err
		}
	}
	return i.keep(ctx)
}

// keep stores the keys; i.mu is held.
func (i *Issuer) keep(ctx context.Context) error {
	record := keyRecord{PEM: string(i.key.PEM()), Configured: i.configured, Retired: i.retired}
	err := i.opt.Store.Update(ctx, func(tx *store.Tx) error { return tx.PutRecord(keyKind, keyName, record) })
	if err != nil {
		return fmt.Errorf("keeping the signing key: %w", err)
	}
	return nil
}

// Rotate replaces the signing key by a new one, with a new kid. The old one
// stays published, in dialect strict, for as long as its last JWT lives.
func (i *Issuer) Rotate(ctx context.Context) error {
	key, err := NewKey()
	if err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	was, wasRetired := i.key, i.retired
	now := i.opt.Clock.Now()
	jwk, err := printKey(was.Public(), i.strictKeyID(was.Thumbprint()), "")
	if err != nil {
		return err
	}
	i.key = key
	i.retired = append([]retiredKey{{was.Thumbprint(), jwk, now.Add(lifetime)}}, alive(wasRetired, now)...)
	if err := i.keep(ctx); err != nil {
		i.key, i.retired = was, wasRetired
		return err
	}
	return nil
}

func alive(keys []retiredKey, now time.Time) []retiredKey {
	var left []retiredKey
	for _, k := range keys {
		if now.Before(k.Until) {
			left = append(left, k)
		}
	}
	return left
}

// Name is the iss of this system's JWTs.
func (i *Issuer) Name() string { return i.opt.Name }

// KeyID is the kid of the JWTs that are issued now: in dialect strict an
// absolute URL that ends with the key's thumbprint, else a path.
func (i *Issuer) KeyID() string {
	i.mu.RLock()
	defer i.mu.RUnlock()
	return i.keyID()
}

func (i *Issuer) keyID() string {
	if i.opt.Checks.Dialect() == check.TestFHIR {
		return looseKeyID
	}
	return i.strictKeyID(i.key.Thumbprint())
}

func (i *Issuer) strictKeyID(thumbprint string) string { return strictKeyID(i.opt.Root, thumbprint) }

func strictKeyID(root, thumbprint string) string { return root + "/auth/auth_key#" + thumbprint }

// KeySetOf is what the issuer of a system at root publishes in dialect strict as
// long as it has this one key.
func KeySetOf(key *Key, root string) ([]byte, error) {
	one, err := printKey(key.Public(), strictKeyID(root, key.Thumbprint()), "RS256")
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{"keys": []json.RawMessage{one}})
}

// Issue makes a JWT for a subject, this system's host or an application, that
// lives for a day (protocol 1.1). Each one is another text. Its decisions are
// the values TGT-03 (alg), TGT-05 (seconds to live), TGT-06 (kid), TGT-07 (iss)
// and TGT-04 (the claims as a whole).
func (i *Issuer) Issue(ctx context.Context, sub string) (string, error) {
	i.mu.RLock()
	key, kid := i.key, i.keyID()
	i.mu.RUnlock()
	c, in := i.opt.Checks, check.Inputs{"sub": sub}
	now := i.opt.Clock.Now()
	life := check.Value(ctx, c, "TGT-05", in, int64(lifetime/time.Second))
	claims := map[string]any{
		"iss": check.Value(ctx, c, "TGT-07", in, i.opt.Name),
		"sub": sub,
		"iat": now.Unix(),
		"exp": now.Unix() + life,
		"jti": uuid.NewString(),
	}
	if c.Dialect() == check.TestFHIR {
		claims["iat"] = strconv.FormatInt(now.Unix(), 10)
	}
	claims = check.Value(ctx, c, "TGT-04", in, claims)
	alg := check.Value(ctx, c, "TGT-03", in, "RS256")
	kid = check.Value(ctx, c, "TGT-06", in, kid)
	return sign(key, alg, kid, claims)
}

// sign packs a JWT with this kid in its header, "" for none.
func sign(key *Key, alg, kid string, claims map[string]any) (string, error) {
	header := map[string]any{}
	if kid != "" {
		header["kid"] = kid
	}
	return key.Sign(alg, header, claims)
}

// Sign packs a JWT; its header has alg and what is given. alg none, and HS256, HS384, HS512 with the
// public key's PEM as the secret, are there for nodes that are told to misbehave.
func (k *Key) Sign(alg string, header, claims map[string]any) (string, error) {
	method := jwt.GetSigningMethod(alg)
	if method == nil {
		return "", fmt.Errorf("no signing algorithm %q", alg)
	}
	token := jwt.NewWithClaims(method, jwt.MapClaims(claims))
	for name, value := range header {
		token.Header[name] = value
	}
	var secret any = k.private
	switch {
	case alg == "none":
		secret = jwt.UnsafeAllowNoneSignatureType
	case strings.HasPrefix(alg, "HS"):
		secret = k.publicPEM()
	}
	packed, err := token.SignedString(secret)
	if err != nil {
		return "", fmt.Errorf("signing with %s: %w", alg, err)
	}
	return packed, nil
}

// Current is the key that JWTs are signed with now, and its kid: for nodes that are told to misbehave.
func (i *Issuer) Current() (key *Key, kid string) {
	i.mu.RLock()
	defer i.mu.RUnlock()
	return i.key, i.keyID()
}

func (k *Key) publicPEM() []byte {
	der, _ := x509.MarshalPKIXPublicKey(k.Public()) // an RSA key always has this form
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// KeySet is the JSON of the published keys: in dialect strict a JWK Set, the
// current key first and then those retired ones whose JWTs may be alive; in
// dialect test.fhir.org the current key as a single JWK.
func (i *Issuer) KeySet() ([]byte, error) {
	i.mu.RLock()
	defer i.mu.RUnlock()
	current, err := printKey(i.key.Public(), i.keyID(), "RS256")
	if err != nil {
		return nil, err
	}
	if i.opt.Checks.Dialect() == check.TestFHIR {
		return current, nil
	}
	keys := []json.RawMessage{current}
	for _, k := range alive(i.retired, i.opt.Clock.Now()) {
		keys = append(keys, k.JWK)
	}
	return json.Marshal(map[string]any{"keys": keys})
}

// Verify says why a packed JWT is not one that this system issued, or is over: a
// *TokenError (protocol 1.6, TGT-15 and TGT-17).
func (i *Issuer) Verify(_ context.Context, packed string) error {
	token, err := Read(packed)
	if err != nil {
		return err
	}
	if token.Issuer != i.opt.Name {
		return badToken(ForeignIssuer, "iss is %q, not this system's %q", clip(token.Issuer), i.opt.Name)
	}
	if err := token.CheckAlgorithm(); err != nil {
		return err
	}
	if !i.signed(token) {
		return badToken(BadSignature, "no key of this system signed it")
	}
	return token.CheckClaims(i.opt.Clock.Now())
}

func (i *Issuer) signed(token *Token) bool {
	i.mu.RLock()
	defer i.mu.RUnlock()
	if token.signedBy(PublicKey{Key: i.key.Public()}) {
		return true
	}
	for _, k := range alive(i.retired, i.opt.Clock.Now()) {
		if key, ok := parseKey(k.JWK); ok && token.signedBy(key) {
			return true
		}
	}
	return false
}
