package oauth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/store"
)

// Visit is one person's way through the pages: of an authorization request, or
// of the page with their grants. It belongs to the browser that has its secret
// in a cookie.
type Visit struct {
	ID      string
	Secret  string   // of the cookie
	Request *Request // nil on the page with the grants
	Client  Client   // of the request
	User    string   // "" before they signed in
	Patient string   // "" before they chose one
	Expires time.Time
}

// visitRecord is what the store holds of a visit.
type visitRecord struct {
	Secret  string    `json:"secret"` // its hash
	Request *Request  `json:"request,omitempty"`
	User    string    `json:"user,omitempty"`
	Patient string    `json:"patient,omitempty"`
	Sweep   time.Time `json:"sweep"`
}

// errVisit is a page that belongs to no visit of this browser.
func errVisit() error {
	return &check.Refusal{Status: http.StatusBadRequest, Code: "invalid",
		Message: "This sign-in is over, or was begun in another browser. Go back to the application and begin again; the browser must take cookies."}
}

// Begin opens a visit, for an authorization request or, without one, for the
// page with the grants. Visit.Secret is for a cookie.
func (s *SignIn) Begin(ctx context.Context, r *Request) (Visit, error) {
	if err := s.sweep(ctx); err != nil {
		return Visit{}, err
	}
	v := Visit{ID: publicID(), Secret: secret(), Request: r, Expires: s.opt.Clock.Now().Add(visitLife)}
	err := s.opt.Store.Update(ctx, func(tx *store.Tx) error { return put(tx, v) })
	if err != nil {
		return Visit{}, fmt.Errorf("keeping the sign-in: %w", err)
	}
	return s.withClient(v), nil
}

func put(tx *store.Tx, v Visit) error {
	return tx.PutRecord(visitKind, v.ID, visitRecord{Secret: hash(v.Secret), Request: v.Request, User: v.User, Patient: v.Patient, Sweep: v.Expires})
}

func (s *SignIn) withClient(v Visit) Visit {
	if v.Request != nil {
		v.Client, _ = s.opt.Directory().client(v.Request.Client)
	}
	return v
}

// Visit is the visit of that id, if the cookie's secret is its own and it is
// not over; else a *check.Refusal.
func (s *SignIn) Visit(ctx context.Context, id, cookie string) (v Visit, err error) {
	err = s.opt.Store.View(ctx, func(tx *store.Tx) error {
		v, err = s.visit(tx, id, cookie)
		return err
	})
	return s.withClient(v), err
}

func (s *SignIn) visit(tx *store.Tx, id, cookie string) (Visit, error) {
	var r visitRecord
	err := tx.Record(visitKind, id, &r)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Visit{}, errVisit()
	case err != nil:
		return Visit{}, fmt.Errorf("the sign-in: %w", err)
	case !sameText(r.Secret, hash(cookie)), !s.opt.Clock.Now().Before(r.Sweep):
		return Visit{}, errVisit()
	}
	return Visit{ID: id, Secret: cookie, Request: r.Request, User: r.User, Patient: r.Patient, Expires: r.Sweep}, nil
}

// FormToken is the text that the forms of a visit carry: a page of another site
// doesn't know it. It says nothing of the secret.
func (v Visit) FormToken() string {
	mac := hmac.New(sha256.New, []byte(v.Secret))
	mac.Write([]byte("form " + v.ID))
	return hex.EncodeToString(mac.Sum(nil))
}

// CheckForm refuses a form that is none of the visit's pages.
func (v Visit) CheckForm(token string) error {
	if sameText(v.FormToken(), token) {
		return nil
	}
	return &check.Refusal{Status: http.StatusForbidden, Code: "forbidden",
		Message: "This form did not come from this sign-in's own page, or the page is older than the sign-in. Go back to the application and begin again."}
}

// Leave ends a visit without an answer.
func (s *SignIn) Leave(ctx context.Context, v Visit) error {
	return s.opt.Store.Update(ctx, func(tx *store.Tx) error { return tx.DeleteRecord(visitKind, v.ID) })
}

// change looks a visit up again and lets fn change it, all in one transaction:
// an answer that was given twice at the same time counts once.
func (s *SignIn) change(ctx context.Context, v Visit, fn func(*store.Tx, *Visit) error) (Visit, error) {
	var now Visit
	err := s.opt.Store.Update(ctx, func(tx *store.Tx) (err error) {
		if now, err = s.visit(tx, v.ID, v.Secret); err != nil {
			return err
		}
		now = s.withClient(now)
		return fn(tx, &now)
	})
	return now, err
}

func sameText(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
