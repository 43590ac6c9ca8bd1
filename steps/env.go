package steps

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"sync"
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
	// KeySet is the URL of that key set; "" where nobody can fetch it.
	KeySet string
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
	// TellsConnection says that the target is known to tell how copying goes
	// (TGT-40), so that less is waited for.
	TellsConnection bool
	Timeouts        Timeouts
	// Roles are the outside systems, by role: source, target, cavs. A role that
	// is not there is played by a mock.
	Roles map[string]Role
	// Judges says whether a requirement is judged in this run; nil = all are.
	Judges func(id string) bool
	// Transport reaches outside systems, and mocks by their URL; nil = the
	// cluster's, or Go's own.
	Transport http.RoundTripper
	// CutDoor keeps outside systems from a mock (by its cluster and name), or
	// lets them in again; nil where mocks have no front door.
	CutDoor func(c *cluster.Cluster, name string, cut bool) error
	// Elsewhere is a mock's URL at another origin than all mocks at the front door
	// have in common; nil where each has its own.
	Elsewhere func(url string) string
	// NoHistory leaves what the mocks saw and sent out of the exchanges that are
	// kept: for a run that nobody reads the evidence of.
	NoHistory bool
	// Note is told what a run could not clean up at an outside system; nil = nobody.
	Note func(text string)

	// spent are the secrets of scenarios that are over: an outside system that
	// still uses one does so for them.
	spent sync.Map
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

// Secret gives a secret of an outside system's config. refused is the one that
// was refused, "" for the one at hand: a secret that a command gives is made
// anew then. nil: the config gives none.
type Secret func(ctx context.Context, refused string) (string, error)

// Role is an outside system: where it is and what it takes to be let in. Nobody
// controls it, so its clock is the real one and its misdeeds are its own.
type Role struct {
	FHIR     string // the FHIR base
	Token    string // the token endpoint; "" = as its metadata says
	CAVS     string // the URL of its /cavs
	Keys     string // the key set of its JWTs; "" = as they lead to it
	Consumer Secret // the bearer of the person's app
	Admin    Secret // the administrator's bearer; at a CAVS, the registry's
	Readback Secret // the bearer that reads copies; nil = Admin
	// Registry is the FHIR base of a CAVS's registry; "" = FHIR.
	Registry string
	// AsksCAVS says whom a source asks at $authorize: ours, theirs, none, or ""
	// where the config does not say.
	AsksCAVS string
	// Trusts says that it takes JWTs that the harness's keys signed. Where it
	// doesn't, JWT makes one for an application.
	Trusts bool
	JWT    func(ctx context.Context, application string) (string, error)
	// Known are JWTs that a CAVS knows, by the status that it gives them:
	// approved, unsuitable, unknown.
	Known map[string]Secret
	// Expired is a JWT that this target issued and that is over (TGT-17).
	Expired Secret
	// Process starts and kills it; nil where nobody can.
	Process Process
	// Loaded says that it holds the fixture patients to the letter.
	Loaded bool
	// SMART is what sign-in needs; nil where the config does not say.
	SMART *SMART
}

// SMART is what the config says of SMART sign-in at an outside source (protocol 1.8).
type SMART struct {
	Redirect string // the registered redirect_uri of all three
	// Web has a secret, and so has Other; Phone has none. One whose ID is "" is
	// not registered.
	Web, Other, Phone SMARTClient
	// Person does in the source's pages what a person would: "approve", "deny" or
	// "revoke" what the authorize URL asks for. It returns the URL it ended at.
	// nil: nobody can.
	Person func(ctx context.Context, link, what string) (string, error)
}

// SMARTClient is a registered application.
type SMARTClient struct {
	ID     string
	Secret Secret // nil: it has none
}

// Process is an outside system that the harness started.
type Process interface {
	Kill(ctx context.Context) error  // its whole process group, by SIGKILL
	Start(ctx context.Context) error // starts it again, and waits until it answers
}

func (e *Env) patient() string      { return orElse(e.Patient, "example") }
func (e *Env) otherPatient() string { return orElse(e.OtherPatient, "other") }

func (e *Env) updateEvery() time.Duration { return orElse(e.UpdateEvery, 5*time.Minute) }

// ScenarioTime is what a scenario may take in real time before it counts as
// hanging. With an outside system it is more than its steps may wait for in all,
// so that a wait that runs out ends in what it found.
func (e *Env) ScenarioTime() time.Duration {
	const slack = 2 * time.Minute // for answers, and for mocks, which need no more than that
	if len(e.Roles) == 0 {
		return slack
	}
	// The longest wait for a copy to come to rest, twice for an update with what
	// it brings, and for a connection to end.
	return 4*e.Timeouts.copy() + 4*e.UpdateEvery + slack
}

func (t Timeouts) request() time.Duration { return orElse(t.Request, 15*time.Second) }
func (t Timeouts) copy() time.Duration    { return orElse(t.Copy, 2*time.Minute) }

func orElse[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// keyID is the kid of the harness's JWTs.
func (e *Env) keyID() string { return KeyID(&e.HarnessKey.PublicKey, e.KeySet) }

// KeyID is the kid of the harness's key: the same for the same key (RFC 7638).
// set is the URL of the key set; "" where there is none to be fetched.
func KeyID(pub *rsa.PublicKey, set string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, `{"e":"%s","kty":"RSA","n":"%s"}`, exponent(pub), modulus(pub)))
	return orElse(set, "https://harness.ccde.example/jwks.json") + "#" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// JWKS is the JWK Set by which others verify what the harness signs; set is its URL.
func JWKS(pub *rsa.PublicKey, set string) json.RawMessage {
	return fmt.Appendf(nil, `{"keys":[%s]}`, jwk(pub, KeyID(pub, set)))
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
