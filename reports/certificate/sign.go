package certificate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"example.org/ccde/reports"
)

// Type is the typ of a certificate's header.
const Type = "ccde-certificate+jws"

// maxSize bounds what Verify reads, in bytes.
const maxSize = 16 << 20

// Sign makes a certificate of a run that was rolled up. extra gives what a run
// doesn't know: Config, Evidence, and Issued where it is not now; its other
// fields come from the run. The key is RSA (RS256), ECDSA (ES256, ES384, ES512
// by its curve) or Ed25519 (EdDSA), as ReadSigner reads it.
func Sign(run *reports.Run, extra Statement, key crypto.Signer) ([]byte, error) {
	if run == nil || run.ExitCode == reports.ExitUsage || len(run.Scenarios) == 0 {
		return nil, errors.New("nothing was judged, so there is nothing to certify; select at least one scenario")
	}
	method, err := methodOf(key.Public())
	if err != nil {
		return nil, err
	}
	s := Statement{Config: extra.Config, Evidence: extra.Evidence, Issued: extra.Issued}
	if s.Issued.IsZero() {
		s.Issued = time.Now()
	}
	s.Issued = s.Issued.UTC().Truncate(time.Second)
	s.of(run)
	token := jwt.NewWithClaims(method, &claims{Statement: s})
	token.Header["typ"] = Type
	if token.Header["kid"], err = Fingerprint(key.Public()); err != nil {
		return nil, err
	}
	text, err := token.SignedString(key)
	if err != nil {
		return nil, fmt.Errorf("the certificate could not be signed: %w", err)
	}
	return append([]byte(text), '\n'), nil
}

// Verify reads a certificate and checks its signature by one of the keys. It
// needs nothing else: no network, no clock. The error says what is wrong with
// the text, or which key it wants.
func Verify(text []byte, keys ...crypto.PublicKey) (*Statement, error) {
	if len(text) > maxSize {
		return nil, fmt.Errorf("this is no certificate: it has %d bytes, over the %d that one can have", len(text), maxSize)
	}
	compact := strings.TrimSpace(string(text))
	kid, alg, err := headerOf(compact)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("no public key was given; the certificate was signed by the key %s", kid)
	}
	var tried []string
	for _, key := range keys {
		method, err := methodOf(key)
		if err != nil {
			return nil, err
		}
		print, err := Fingerprint(key)
		if err != nil {
			return nil, err
		}
		if method.Alg() != alg {
			tried = append(tried, fmt.Sprintf("%s is for %s, not %s", print, method.Alg(), alg))
			continue
		}
		s, err := verified(compact, method, key)
		if err == nil {
			return s, nil
		}
		if !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
			return nil, err
		}
		tried = append(tried, print+" did not make this signature")
	}
	return nil, fmt.Errorf("the signature does not hold: %s; the certificate says that the key %s signed it: either it was changed, or this is another one's key", strings.Join(tried, ", "), kid)
}

func verified(compact string, method jwt.SigningMethod, key crypto.PublicKey) (*Statement, error) {
	c := &claims{}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{method.Alg()}), jwt.WithoutClaimsValidation(), jwt.WithStrictDecoding())
	if _, err := parser.ParseWithClaims(compact, c, func(*jwt.Token) (any, error) { return key, nil }); err != nil {
		if errors.Is(err, jwt.ErrTokenSignatureInvalid) {
			return nil, err
		}
		return nil, fmt.Errorf("this is no certificate: %w", err)
	}
	if err := c.fault(); err != nil {
		return nil, err
	}
	return &c.Statement, nil
}

// headerOf reads what the header claims. Nothing is trusted by it: it chooses
// the words of an error.
func headerOf(compact string) (kid, alg string, err error) {
	part, _, found := strings.Cut(compact, ".")
	if !found || strings.Count(compact, ".") != 2 {
		return "", "", errors.New("this is no certificate: want a compact JWS, three parts with a dot between; give the file that \"ccde certify --sign\" wrote")
	}
	raw, err := jwt.NewParser().DecodeSegment(part)
	if err != nil {
		return "", "", fmt.Errorf("this is no certificate: its header is no base64url: %w", err)
	}
	var h struct {
		Type string `json:"typ"`
		Alg  string `json:"alg"`
		Kid  string `json:"kid"`
	}
	if err := json.Unmarshal(raw, &h); err != nil {
		return "", "", fmt.Errorf("this is no certificate: its header is no JSON: %w", err)
	}
	if h.Type != Type {
		return "", "", fmt.Errorf("this is a signed text, but no certificate: typ is %q, want %q", h.Type, Type)
	}
	return h.Kid, h.Alg, nil
}

// fault says what is wrong with a statement whose signature holds: a program
// that signs other than Sign does is not to be believed.
func (s *Statement) fault() error {
	if s.Format != Format {
		return fmt.Errorf("the certificate's format is %q, this program knows %q; use the version of ccde that wrote it", s.Format, Format)
	}
	counts := reports.Counts{}
	seen := map[string]bool{}
	for _, q := range s.Requirements {
		if seen[q.ID] {
			return fmt.Errorf("the certificate contradicts itself: requirements: %s stands there twice", q.ID)
		}
		seen[q.ID] = true
		counts[q.Verdict]++
	}
	var wrong string
	switch failed := counts[reports.Failed]; {
	case failed > 0 && s.ExitCode != reports.ExitNotConformant:
		wrong = fmt.Sprintf("%d requirements failed", failed)
	case s.ExitCode == reports.ExitConformant || s.ExitCode == reports.ExitStaleWaiver:
		if open := append(s.counting(reports.Error), s.counting(reports.Unjudged)...); len(open) > 0 {
			wrong = "not judged: " + list(open)
		}
	}
	switch {
	case wrong != "":
		return fmt.Errorf("the certificate contradicts itself: exitCode is %d (%s), but %s", s.ExitCode, outcome(s.ExitCode), wrong)
	case s.Coverage != Whole && s.Coverage != Partial, s.Coverage == Whole && len(s.Partial) > 0:
		return fmt.Errorf("the certificate contradicts itself: coverage is %q, partial has %d reasons", s.Coverage, len(s.Partial))
	}
	return nil
}

// claims lets golang-jwt carry a statement; the times that a JWT can have are
// none of a certificate's.
type claims struct{ Statement }

func (claims) GetExpirationTime() (*jwt.NumericDate, error) { return nil, nil }
func (claims) GetIssuedAt() (*jwt.NumericDate, error)       { return nil, nil }
func (claims) GetNotBefore() (*jwt.NumericDate, error)      { return nil, nil }
func (claims) GetIssuer() (string, error)                   { return "", nil }
func (claims) GetSubject() (string, error)                  { return "", nil }
func (claims) GetAudience() (jwt.ClaimStrings, error)       { return nil, nil }

// methodOf is the signature that goes with a key: the key's type says it, never
// the text that is to be checked.
func methodOf(key crypto.PublicKey) (jwt.SigningMethod, error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N == nil || k.N.BitLen() < 2048 {
			return nil, errors.New("the RSA key is too short to be trusted; make one of 2048 bits or more: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out key.pem")
		}
		return jwt.SigningMethodRS256, nil
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return jwt.SigningMethodES256, nil
		case elliptic.P384():
			return jwt.SigningMethodES384, nil
		case elliptic.P521():
			return jwt.SigningMethodES512, nil
		}
		return nil, errors.New("the key's curve has no JWS algorithm; use P-256: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem")
	case ed25519.PublicKey:
		return jwt.SigningMethodEdDSA, nil
	}
	return nil, fmt.Errorf("a key of type %T signs no certificate; use RSA, P-256 or Ed25519: openssl genpkey -algorithm ED25519 -out key.pem", key)
}

// Fingerprint names a public key: "sha256:" and the hex digest of its PKIX form.
func Fingerprint(key crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", fmt.Errorf("public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}
