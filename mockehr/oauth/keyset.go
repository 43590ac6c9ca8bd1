package oauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"example.org/ccde/mockehr/clock"
)

// keySet is one source of the trust list and what was read of it.
type keySet struct {
	issuer, url string
	clock       *clock.Clock
	http        *http.Client
	log         *slog.Logger

	mu     sync.Mutex
	keys   []PublicKey
	read   time.Time // when keys were read, by the node's clock
	tried  time.Time // when that was last tried
	failed error     // of that last try
	flight *flight   // a fetch that is under way
}

// flight is one fetch, for all who wait for it.
type flight struct {
	done chan struct{}
	keys []PublicKey
	err  error
}

// current is the keys as they are known, and whether they have not aged. What
// was given in the configuration never ages.
func (s *keySet) current(now time.Time) (keys []PublicKey, fresh bool) {
	if s.url == "" {
		return s.keys, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys, within(s.read, now, age)
}

// within tells whether now lies no more than d after t. A clock that was set
// back makes what was read later count as old.
func within(t, now time.Time, d time.Duration) bool {
	return !t.IsZero() && !now.Before(t) && now.Sub(t) < d
}

// refresh reads the set again, unless that was tried within the last 5 seconds
// of the node's time; callers at the same time share one fetch. When it fails the
// keys of before come with the error, while they are not too old.
func (s *keySet) refresh(ctx context.Context) ([]PublicKey, error) {
	s.mu.Lock()
	now := s.clock.Now()
	f := s.flight
	if f == nil {
		if within(s.tried, now, rereadAfter) {
			defer s.mu.Unlock()
			return s.usable(now), s.failed
		}
		f = &flight{done: make(chan struct{})}
		s.flight, s.tried = f, now
		// The fetch outlives a caller who gives up: others may wait for it.
		go s.fly(context.WithoutCancel(ctx), f, now)
	}
	s.mu.Unlock()
	select {
	case <-f.done:
		return f.keys, f.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *keySet) fly(ctx context.Context, f *flight, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	keys, err := s.fetch(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.keys, s.read = keys, now
	} else {
		s.log.Warn("a trusted key set can't be read", slog.String("url", s.url), slog.String("error", err.Error()))
	}
	s.failed, s.flight = err, nil
	f.keys, f.err = s.usable(now), err
	close(f.done)
}

// usable is the keys while they are not too old to be used without a new read;
// a clock that was set back makes them no older.
func (s *keySet) usable(now time.Time) []PublicKey {
	if now.Sub(s.read) < age+stale {
		return s.keys
	}
	return nil
}

func (s *keySet) fetch(ctx context.Context) ([]PublicKey, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/jwk+json, application/json")
	response, err := s.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answered %s", response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxSetBytes+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxSetBytes {
		return nil, errors.New("it is larger than 1 MiB")
	}
	return ParseKeys(body)
}

// fits tells whether a key of the set is one that a kid leads to: the same kid to
// the letter, a JWK or a JWT without one, or the URL of the set itself when it
// has one key.
func (s *keySet) fits(kid string, key PublicKey, inSet int) bool {
	return kid == "" || key.ID == "" || key.ID == kid || (inSet == 1 && s.url != "" && kid == s.url)
}

// mayHave tells whether a set that can't be read may have the key: not if kid is
// the URL of another origin.
func (s *keySet) mayHave(kid string) bool {
	k, err := url.Parse(kid)
	if err != nil || k.Host == "" {
		return true
	}
	u, err := url.Parse(s.url)
	return err == nil && (origin(u) == origin(k) || strings.HasPrefix(kid, s.url))
}
