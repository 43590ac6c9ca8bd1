package exchange

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"sort"
	"time"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/store"

	"github.com/google/uuid"
)

// Connect stores a connection and starts copying. The same source and authorization again give the
// connection that there is, whatever its status (TGT-34). When it returns, the connection survives a
// crash.
func (e *Engine) Connect(ctx context.Context, r Request) (Connection, error) {
	now := e.Clock.Now()
	st := &state{
		ID: uuid.NewString(), Source: r.Source, Base: normalBase(r.Source), Consent: r.Consent, Patient: r.Patient, Owner: r.Owner,
		Status: Queued, Started: now, Expires: now.Add(time.Duration(r.ExpiresIn) * time.Second),
		JWT: r.JWT, Authorization: r.Authorization, Copied: map[string]int{},
	}
	index := authorizationKey(st.Base, r.Authorization)
	fresh := true
	// Under e.mu, so that nobody can stop the connection before it is worked on.
	e.mu.Lock()
	defer e.mu.Unlock()
	err := e.Store.Update(ctx, func(tx *store.Tx) error {
		var id string
		if err := tx.Record(kindAuthorization, index, &id); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		id = check.Value(ctx, e.Checks, "TGT-34", check.Inputs{"source": st.Base, "consent": r.Consent, "patient": r.Patient}, id)
		if id != "" {
			known, err := readState(tx, id)
			if err == nil {
				st, fresh = known, false
				return nil
			}
			if !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		if err := tx.PutRecord(kindAuthorization, index, st.ID); err != nil {
			return err
		}
		return st.write(tx)
	})
	if err != nil {
		return Connection{}, err
	}
	if fresh {
		e.Log.InfoContext(ctx, "connection accepted", "connection", st.ID, "source", st.Base)
		e.work(st)
	}
	return st.view(), nil
}

// Get returns a connection; one that isn't there is a *check.Refusal with status 404.
func (e *Engine) Get(ctx context.Context, id string) (Connection, error) {
	var c Connection
	err := e.Store.View(ctx, func(tx *store.Tx) error {
		st, err := readState(tx, id)
		if err == nil {
			c = st.view()
		}
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		err = unknownConnection()
	}
	return c, err
}

// List returns all connections, the oldest first. Whose they are is for the caller to sort out.
func (e *Engine) List(ctx context.Context) ([]Connection, error) {
	var all []Connection
	err := e.Store.View(ctx, func(tx *store.Tx) error {
		return eachState(tx, func(st *state) { all = append(all, st.view()) })
	})
	sort.Slice(all, func(i, j int) bool {
		if !all[i].Started.Equal(all[j].Started) {
			return all[i].Started.Before(all[j].Started)
		}
		return all[i].ID < all[j].ID
	})
	return all, err
}

// Disconnect stops a connection for good (TGT-41): a request in flight is given up, and when it
// returns nothing more is asked, also after a crash. One that is over stays what it is. One that isn't
// there is a *check.Refusal with status 404.
func (e *Engine) Disconnect(ctx context.Context, id string) error {
	e.mu.Lock()
	if w := e.workers[id]; w != nil {
		e.mu.Unlock()
		return w.disconnect(ctx)
	}
	defer e.mu.Unlock() // so that Start doesn't take it up meanwhile
	err := e.Store.Update(ctx, func(tx *store.Tx) error {
		st, err := readState(tx, id)
		if err != nil || st.Status.Over() {
			return err
		}
		st.end(Stopped, "")
		return st.write(tx)
	})
	if errors.Is(err, store.ErrNotFound) {
		return unknownConnection()
	}
	return err
}

func unknownConnection() error {
	return check.Refuse("TGT-40", http.StatusNotFound, "not-found", "id", "the parameter id names no connection that is here")
}

// authorizationKey finds a connection by source and authorization without keeping the authorization.
func authorizationKey(base, authorization string) string {
	sum := sha256.Sum256([]byte(base + "\n" + authorization))
	return hex.EncodeToString(sum[:])
}
