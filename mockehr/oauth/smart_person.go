package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"example.org/ccde/mockehr/store"
)

// AnswerError is an answer of the person that can't be taken: the page is shown
// again with it.
type AnswerError struct {
	Status  int           // 403, 422 or 429
	Field   string        // name of the form's field that it is about
	Message string        // for the person
	Wait    time.Duration // with 429: how long, by the node's clock
}

// Error is the message.
func (e *AnswerError) Error() string { return e.Message }

// The guard against guessing: so many wrong passwords are free, then each one
// doubles the wait. It is by user, since an attacker has many addresses.
const (
	freeFailures = 3
	firstWait    = time.Second
	longestWait  = 5 * time.Minute
	failureLife  = time.Hour // without another one they are forgotten
)

// guard is what is remembered of wrong passwords, under the hash of the user's
// name, whether there is such a user or not: the answer tells no names.
type guard struct {
	Failures int       `json:"failures"`
	Until    time.Time `json:"until"` // no password is taken before
	Sweep    time.Time `json:"sweep"`
}

// failed counts a wrong password.
func (g *guard) failed(now time.Time) {
	g.Failures++
	g.Sweep = now.Add(failureLife)
	if over := g.Failures - freeFailures; over >= 0 {
		wait := longestWait
		if over < 20 { // more would overflow
			wait = min(firstWait<<over, longestWait)
		}
		g.Until = now.Add(wait)
	}
}

// SignIn takes a name and a password. A wrong one is an *AnswerError, as is one
// that comes before the wait is over, were it the right one. The visit that it
// returns has a new secret.
func (s *SignIn) SignIn(ctx context.Context, v Visit, user, password string) (Visit, error) {
	person, known := s.opt.Directory().person(user)
	// Hashes have one length: the time that this takes tells nothing.
	right := sameText(hash(person.Password), hash(password)) && known
	var refused error
	v, err := s.change(ctx, v, func(tx *store.Tx, v *Visit) error {
		now, key := s.opt.Clock.Now(), hash(user)
		var g guard
		err := tx.Record(guardKind, key, &g)
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return fmt.Errorf("the count of wrong passwords: %w", err)
		case !now.Before(g.Sweep):
			g = guard{}
		}
		switch {
		case now.Before(g.Until):
			refused = &AnswerError{Status: http.StatusTooManyRequests, Field: "user", Wait: g.Until.Sub(now),
				Message: fmt.Sprintf("There were too many wrong passwords. Wait %s, then try again.", waitText(g.Until.Sub(now)))}
			return nil
		case !right:
			refused = &AnswerError{Status: http.StatusForbidden, Field: "user", Message: "The user name or the password is wrong."}
			g.failed(now)
			return tx.PutRecord(guardKind, key, g)
		}
		if err := tx.DeleteRecord(guardKind, key); err != nil {
			return err
		}
		// With a new secret: who planted the one from before has nothing of it.
		v.User, v.Patient, v.Secret = user, "", secret()
		return put(tx, *v)
	})
	return v, errors.Join(err, refused)
}

// waitText is a wait for a person, rounded up.
func waitText(d time.Duration) string {
	n, unit := int64((d+time.Second-1)/time.Second), "second"
	if n > 90 {
		n, unit = (n+59)/60, "minute"
	}
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", n, unit)
}
