package steps

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"time"

	"example.org/ccde/mockehr/cluster"
	"example.org/ccde/steps/judge"
)

// Env is all that scenarios share in a run. It is read only once they start.
type Env struct {
	// Pool leases a cluster of mocks to one scenario: the nodes source, target and
	// cavs, and what Need asks for beside them. The function that it returns gives
	// the cluster back. nil: every role is an outside system.
	Pool func(context.Context, Need) (*cluster.Cluster, func(), error)
	// Dialect is the dialect that the judged systems claim: "strict" or "test.fhir.org".
	Dialect string
	// Runtime is where mocks run, for texts: "docker", "embedded".
	Runtime string
	// HarnessKey signs the harness's own JWTs, HarnessISS is their issuer. JWKS is
	// the key set that mocks and outside systems must trust for it.
	HarnessKey *rsa.PrivateKey
	HarnessISS string
	// Levels gives the level of each requirement's id.
	Levels map[string]string
	// Masker is the run's; Register tells it the standing secrets.
	Masker *judge.Masker
	// Consumer and Admin are the bearers of all mocks (protocol 1.9).
	Consumer, Admin string
	// Patient is the person's id at the source, OtherPatient another one's;
	// "" = "example" and "other".
	Patient, OtherPatient string
	// UpdateEvery is the target's schedule; 0 = 5 minutes, that of the mocks.
	UpdateEvery time.Duration
	Timeouts    Timeouts
	// Roles are the outside systems, by role: source, target, cavs. A role that
	// is not there is played by a mock.
	Roles map[string]Role
}

// Timeouts bound what is waited for in real time; 0 takes the default.
type Timeouts struct {
	Request time.Duration // one answer; 15 s
	Copy    time.Duration // a copy by an outside target, and any time that must really pass; 2 min
}

// Need is what a scenario needs of its cluster beyond source, target and cavs.
type Need struct {
	Nodes   []string // more nodes, such as "source-2"
	Process []string // nodes that will be killed
}

// Role is an outside system: where it is and what it takes to be let in. Nobody
// controls it, so its clock is the real one and its misdeeds are its own.
type Role struct {
	FHIR     string // the FHIR base
	Token    string // the token endpoint; "" = as its metadata says
	CAVS     string // the URL of its /cavs
	Keys     string // the key set of its JWTs; "" = as they lead to it
	Consumer string // the bearer of the person's app
	Admin    string // the administrator's bearer
	Readback string // the bearer that reads copies; "" = Admin
}

func (e *Env) patient() string      { return orElse(e.Patient, "example") }
func (e *Env) otherPatient() string { return orElse(e.OtherPatient, "other") }

func (e *Env) updateEvery() time.Duration { return orElse(e.UpdateEvery, 5*time.Minute) }

func (t Timeouts) request() time.Duration { return orElse(t.Request, 15*time.Second) }
func (t Timeouts) copy() time.Duration    { return orElse(t.Copy, 2*time.Minute) }

func orElse[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// KeyID is the kid of the harness's key: the same for the same key (RFC 7638).
func KeyID(pub *rsa.PublicKey) string {
	sum := sha256.Sum256(fmt.Appendf(nil, `{"e":"%s","kty":"RSA","n":"%s"}`, exponent(pub), modulus(pub)))
	return "https://harness.ccde.example/jwks.json#" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// JWKS is the JWK Set by which others verify what the harness signs.
func JWKS(pub *rsa.PublicKey) json.RawMessage {
	return fmt.Appendf(nil, `{"keys":[%s]}`, jwk(pub, KeyID(pub)))
}

func jwk(pub *rsa.PublicKey, kid string) json.RawMessage {
	text, _ := json.Marshal(map[string]string{ // a map of strings has no way to fail
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": modulus(pub), "e": exponent(pub)})
	return text
}

func modulus(pub *rsa.PublicKey) string { return base64.RawURLEncoding.EncodeToString(pub.N.Bytes()) }
func exponent(pub *rsa.PublicKey) string {
	return base64.RawURLEncoding.EncodeToString(big.NewInt(int64(pub.E)).Bytes())
}
