package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"example.org/ccde/mockehr/clock"
)

// Source is a key set that the node's configuration names (protocol 1.1).
type Source struct {
	URL    string          // of a JWK Set, or of a lone JWK
	Keys   json.RawMessage // the set itself, in place of a URL
	Issuer string          // the one iss that it is trusted for, "" = any
}

// Trust is the list of key sets that a node trusts. Sets are fetched from their
// URLs when first needed, again when they age, and again when a JWT's kid is
// unknown or no key fits: at once, though at most once in 5 seconds of the
// node's time for each set. Nothing that only a JWT names is ever fetched.
type Trust struct {
	clock *clock.Clock
	http  *http.Client
	log   *slog.Logger

	mu   sync.Mutex
	sets []*keySet
}

// NewTrust returns an empty list, which trusts nobody. client carries the
// node's transport; its redirects are not followed to another origin. log may
// be nil.
func NewTrust(client *http.Client, clk *clock.Clock, log *slog.Logger) *Trust {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	own := http.Client{}
	if client != nil {
		own = *client
	}
	own.CheckRedirect = sameOrigin
	return &Trust{clock: clk, http: &own, log: log}
}

// SetSources replaces the list. What is wrong with a source is said by its
// place in the list, and leaves the old list as it was. A source that was there
// before keeps what was read of it.
func (t *Trust) SetSources(sources []Source) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var errs []error
	sets := make([]*keySet, 0, len(sources))
	for i, s := range sources {
		set, err := t.newSet(s)
		if err != nil {
			errs = append(errs, fmt.Errorf("trust[%d]: %w", i, err))
			continue
		}
		sets = append(sets, set)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	t.sets = sets
	return nil
}

// Forget drops all that was read from URLs, so that it is read anew when it is
// needed next; for a node that was put back to its snapshot.
func (t *Trust) Forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, s := range t.sets {
		if s.url != "" {
			t.sets[i] = &keySet{issuer: s.issuer, url: s.url, clock: t.clock, http: t.http, log: t.log}
		}
	}
}

func (t *Trust) newSet(s Source) (*keySet, error) {
	set := &keySet{issuer: s.Issuer, url: s.URL, clock: t.clock, http: t.http, log: t.log}
	switch {
	case s.URL != "" && len(s.Keys) > 0:
		return nil, errors.New("it has both a URL and keys; give one of them")
	case len(s.Keys) > 0:
		keys, err := ParseKeys(s.Keys)
		if err != nil {
			return nil, err
		}
		if len(keys) == 0 {
			return nil, errors.New("none of its keys can verify a signature; give RSA keys of 2048 bits or more, or EC keys")
		}
		set.keys = keys
		return set, nil
	}
	if u, err := url.Parse(s.URL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("%q is no absolute http(s) URL", clip(s.URL))
	}
	for _, old := range t.sets {
		if old.url == s.URL && old.issuer == s.Issuer {
			return old, nil
		}
	}
	return set, nil
}

// Verify reads a packed JWT and verifies all of it: algorithm, key and
// signature by the list, then iss, sub, exp, nbf and iat by the node's clock.
// The error is a *TokenError; with it the token comes too if it could be read.
func (t *Trust) Verify(ctx context.Context, packed string) (*Token, error) {
	token, err := Read(packed)
	if err != nil {
		return nil, err
	}
	if err := token.CheckAlgorithm(); err != nil {
		return token, err
	}
	if err := t.VerifySignature(ctx, token); err != nil {
		return token, err
	}
	return token, token.CheckClaims(t.clock.Now())
}

// VerifySignature finds the key of a JWT in the list and verifies the signature
// with it. The error is a *TokenError: BadSignature, UnknownKey, KeysUnreachable
// or BadAlgorithm. It takes at most 4 seconds of real time.
func (t *Trust) VerifySignature(ctx context.Context, token *Token) error {
	if err := token.CheckAlgorithm(); err != nil {
		return err
	}
	t.mu.Lock()
	var sets []*keySet
	for _, s := range t.sets {
		if s.issuer == "" || s.issuer == token.Issuer {
			sets = append(sets, s)
		}
	}
	t.mu.Unlock()

	var s search
	now := t.clock.Now()
	for _, set := range sets {
		if keys, fresh := set.current(now); fresh && s.try(token, set, keys) {
			return nil
		}
	}
	if t.reread(ctx, token, sets, &s) {
		return nil
	}
	return s.problem(token, len(sets))
}

// reread fetches, side by side, those sets that may be read again now, until one
// has the key.
func (t *Trust) reread(ctx context.Context, token *Token, sets []*keySet, s *search) bool {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	type result struct {
		set  *keySet
		keys []PublicKey
		err  error
	}
	results := make(chan result, len(sets)) // room for all, so that none hangs
	waiting := 0
	for _, set := range sets {
		if set.url == "" {
			continue
		}
		waiting++
		go func() {
			keys, err := set.refresh(ctx)
			results <- result{set, keys, err}
		}()
	}
	for range waiting {
		r := <-results
		if s.try(token, r.set, r.keys) {
			return true
		}
		if r.err != nil {
			s.unreachable = append(s.unreachable, r.set)
		}
	}
	return false
}

// search is what was seen on the way to a JWT's key.
type search struct {
	fitted      bool // a key was there that fits, and did not sign it
	unreachable []*keySet
}

func (s *search) try(token *Token, set *keySet, keys []PublicKey) bool {
	for _, key := range keys {
		if !set.fits(token.KeyID, key, len(keys)) {
			continue
		}
		if token.signedBy(key) {
			return true
		}
		s.fitted = true
	}
	return false
}

func (s *search) problem(token *Token, sets int) error {
	if s.fitted {
		return badToken(BadSignature, "the trusted key with kid %q did not sign it", clip(token.KeyID))
	}
	for _, set := range s.unreachable {
		if set.mayHave(token.KeyID) {
			return badToken(KeysUnreachable, "its key may be in the key set %s, which can't be read", set.url)
		}
	}
	if sets == 0 {
		return badToken(UnknownKey, "no key set is trusted for iss %q", clip(token.Issuer))
	}
	return badToken(UnknownKey, "no key set that is trusted for iss %q has a key with kid %q", clip(token.Issuer), clip(token.KeyID))
}

func origin(u *url.URL) string { return strings.ToLower(u.Scheme + "://" + u.Host) }

func sameOrigin(r *http.Request, via []*http.Request) error {
	if len(via) > 5 {
		return errors.New("more than 5 redirects")
	}
	if origin(r.URL) != origin(via[0].URL) {
		return errors.New("a redirect to another origin is not followed")
	}
	return nil
}

// age is how long a set counts as it was read; stale is how much longer its keys
// are used while it can't be read again.
const (
	age          = 5 * time.Minute
	stale        = 24 * time.Hour
	rereadAfter  = 5 * time.Second
	fetchTimeout = 4 * time.Second // real time
	maxSetBytes  = 1 << 20
)
