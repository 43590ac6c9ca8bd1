package oauth

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/clock"
	"example.org/ccde/mockehr/store"
)

// Client is an application that is registered for SMART sign-in (protocol 1.8).
type Client struct {
	ID        string
	Secret    string // "" = a public client, for which PKCE is mandatory
	Name      string // what the person reads
	Redirects []string
	JWT       string // the packed JWT that the CAVS knows it by, "" if there is none
}

// Public tells whether the client has no secret.
func (c Client) Public() bool { return c.Secret == "" }

// Person is someone who can sign in.
type Person struct {
	User     string
	Password string
	Patients []string // ids that they may choose from; none = every patient here
}

// Directory is who may sign in here, and at which applications.
type Directory struct {
	Clients []Client
	People  []Person
}

// client is the registered client of that id.
func (d Directory) client(id string) (Client, bool) {
	i := slices.IndexFunc(d.Clients, func(c Client) bool { return c.ID == id })
	if i < 0 {
		return Client{ID: id, Name: id}, false
	}
	return d.Clients[i], true
}

func (d Directory) person(user string) (Person, bool) {
	i := slices.IndexFunc(d.People, func(p Person) bool { return p.User == user })
	if i < 0 {
		return Person{User: user}, false
	}
	return d.People[i], true
}

// SignInOptions is what a SignIn works with.
type SignInOptions struct {
	Store     *store.Store
	Clock     *clock.Clock
	Checks    *check.Checks
	Base      string           // the node's FHIR base, without a slash at its end
	Directory func() Directory // as it is now
	// CAVS gives the CAVS to ask now, nil where none is set; it may be nil itself.
	CAVS func() Validator
	// TokenLife is how long an access token lives; 0 = one hour.
	TokenLife time.Duration
}

// SignIn is SMART sign-in (protocol 1.8): from the authorization request over
// the person's answers to code, grant and tokens. All of its state is in the
// store, under the hash of what is secret. Its methods may be called at the same
// time.
type SignIn struct {
	opt SignInOptions

	mu    sync.Mutex
	swept time.Time // when records that are over were last looked for
}

// NewSignIn returns the service.
func NewSignIn(opt SignInOptions) *SignIn {
	if opt.TokenLife <= 0 {
		opt.TokenLife = time.Hour
	}
	return &SignIn{opt: opt}
}

// How long things live, by the node's clock.
const (
	visitLife = 15 * time.Minute // from the request to the person's answer
	codeLife  = time.Minute      // from the answer to the token
	// keepLife is how long what is over is remembered, so that its use is
	// known for what it is: a code used twice, a grant revoked.
	keepLife = 24 * time.Hour
)

// The kinds of records. Each has the member "sweep": when it can go, if ever.
const (
	visitKind   = "smart-visit"
	guardKind   = "smart-guard"
	codeKind    = "smart-code"
	grantKind   = "smart-grant"
	refreshKind = "smart-refresh"
)

// sweepEvery is the node time between two looks for what is over.
const sweepEvery = time.Minute

// sweep deletes the records that are over.
func (s *SignIn) sweep(ctx context.Context) error {
	now := s.opt.Clock.Now()
	s.mu.Lock()
	due := now.Sub(s.swept) >= sweepEvery || now.Before(s.swept)
	if due {
		s.swept = now
	}
	s.mu.Unlock()
	if !due {
		return nil
	}
	return s.opt.Store.Update(ctx, func(tx *store.Tx) error {
		for _, kind := range []string{visitKind, guardKind, codeKind, grantKind, refreshKind} {
			err := tx.Records(kind, "", func(key string, raw json.RawMessage) error {
				var r struct {
					Sweep time.Time `json:"sweep"`
				}
				if err := json.Unmarshal(raw, &r); err != nil {
					return fmt.Errorf("record %s: %w", kind, err)
				}
				if r.Sweep.IsZero() || now.Before(r.Sweep) {
					return nil
				}
				return tx.DeleteRecord(kind, key)
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// secret is a fresh text of 256 bits that can't be guessed.
func secret() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails, says its documentation
	return base64.RawURLEncoding.EncodeToString(b)
}

// publicID is a fresh id of 128 bits that is no secret.
func publicID() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// TokenLife is how long an access token lives.
func (s *SignIn) TokenLife() time.Duration { return s.opt.TokenLife }

func (s *SignIn) loose() bool { return s.opt.Checks.Dialect() == check.TestFHIR }
