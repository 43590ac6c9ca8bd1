// Package exchange is the target's side of the exchange (protocol 1.6): it keeps connections to
// source EHRs and copies what they give.
//
// A connection is worked on by one goroutine, in rounds: the source's metadata, an access token, the
// first-connection set, what those resources refer to; later the same for what is new. What a page
// brought, the map from the source's resources to their copies, and how far the round has come are
// written in one store transaction, so that a crash at any moment loses nothing and copies nothing
// twice: [Engine.Start] goes on where the store says that it stood.
//
// All time is the node's; only the deadline of an HTTP request is real. Whatever a requirement speaks
// of is decided through package check under its TGT id.
package exchange

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/clock"
	"example.org/ccde/mockehr/store"
)

// Settings are what may change while the node runs; they are asked for each time.
type Settings struct {
	UpdateEvery    time.Duration // from the begin of a round to the begin of the next; 0: 5 minutes
	RequestTimeout time.Duration // of one request to a source, in real time; 0: 10 seconds
}

// Deps are what the engine works with.
type Deps struct {
	Store    *store.Store
	Clock    *clock.Clock
	Checks   *check.Checks   // nil: nothing is overridden
	HTTP     *http.Client    // its transport is used; redirects and cookies are the engine's own affair
	Log      *slog.Logger    // nil: none
	Settings func() Settings // nil: the defaults
	OwnBase  string          // the node's FHIR base
}

// Status is where a connection stands (protocol 1.6).
type Status string

// The statuses; the last three are over.
const (
	Queued  Status = "queued"  // nothing was asked yet
	Copying Status = "copying" // a round is under way
	Waiting Status = "waiting" // for the next round
	Stopped Status = "stopped" // told to stop
	Expired Status = "expired" // expires_in has passed
	Failed  Status = "failed"  // it can't go on; the message says why
)

// Over tells whether nothing more will happen.
func (s Status) Over() bool { return s == Stopped || s == Expired || s == Failed }

// Request is what $connect asks for. Its values have been checked.
type Request struct {
	Source, Consent string
	Patient         string // the patient's id at the source; "": the one that the token names
	JWT             string
	Authorization   string
	ExpiresIn       int64 // seconds
	Owner           string
}

// Connection is what may be shown of a connection: no secret (TGT-42).
type Connection struct {
	ID, Source, Consent, Patient string
	Owner                        string // who started it, as given to Connect
	Status                       Status
	Started, Expires             time.Time
	LastCheck, NextCheck         time.Time // when the last round began, and when the next will; zero: none
	Message                      string    // what went wrong in this or the last round; "" if nothing did
	Copied                       map[string]int
	Round                        int // rounds begun
	Work                         []Work
}

// Work is where one query of a connection stands.
type Work struct {
	Query string    // below the source's base
	Done  bool      // to the end, in this or the last round
	Pages int       // of this or the last round
	Since time.Time // what is older was asked for in earlier rounds; zero: nothing was
}

// Engine keeps the connections of a node and works on them. Its methods may be called from any
// goroutine.
type Engine struct {
	Deps
	client *http.Client

	mu      sync.Mutex
	ctx     context.Context // of the workers; nil while the engine stands still
	stop    context.CancelFunc
	workers map[string]*worker
	wg      sync.WaitGroup
}

// New returns an engine that stands still: connections are kept, but worked on only after
// [Engine.Start].
func New(d Deps) *Engine {
	if d.HTTP == nil {
		d.HTTP = &http.Client{}
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Settings == nil {
		d.Settings = func() Settings { return Settings{} }
	}
	d.OwnBase = normalBase(d.OwnBase)
	// Redirects are followed by hand: what may be sent along is decided for each (TGT-23).
	client := &http.Client{Transport: d.HTTP.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &Engine{Deps: d, client: client, workers: make(map[string]*worker)}
}

// Start goes on with every connection that isn't over (TGT-31), until Close. ctx bounds the reading of
// the store alone.
func (e *Engine) Start(ctx context.Context) error {
	var open []*state
	err := e.Store.View(ctx, func(tx *store.Tx) error {
		return eachState(tx, func(st *state) {
			if !st.Status.Over() {
				open = append(open, st)
			}
		})
	})
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ctx != nil {
		return errors.New("the exchange has been started already")
	}
	e.ctx, e.stop = context.WithCancel(context.Background())
	for _, st := range open {
		in := check.Inputs{"connection": st.ID, "source": st.Source, "status": string(st.Status), "queries": st.texts()}
		if check.Value(ctx, e.Checks, "TGT-31", in, true) {
			e.work(st)
		}
	}
	return nil
}

// Close ends all work at once, requests in flight too, and returns when nothing runs any more. What
// was under way goes on with the next Start.
func (e *Engine) Close() {
	e.mu.Lock()
	stop := e.stop
	e.ctx, e.stop = nil, nil
	e.mu.Unlock()
	if stop != nil {
		stop()
	}
	e.wg.Wait()
}

// Refresh lets waiting connections look at settings and clock again: after UpdateEvery has changed, or
// the clock was set back.
func (e *Engine) Refresh() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range e.workers {
		w.refresh()
	}
}

// work starts the goroutine of a connection, unless the engine stands still; e.mu is held.
func (e *Engine) work(st *state) {
	if e.ctx == nil || e.workers[st.ID] != nil {
		return
	}
	w := newWorker(e, st)
	ctx, cancel := context.WithCancel(e.ctx)
	w.cancel = cancel
	e.workers[st.ID] = w
	e.wg.Add(1)
	// In hand from here on, so that the node is at no moment idle between the answer to $connect and
	// the first request.
	w.act = e.Clock.Begin()
	go func() {
		defer e.wg.Done()
		defer close(w.done)
		defer w.act.End()
		defer func() {
			e.mu.Lock()
			delete(e.workers, st.ID)
			e.mu.Unlock()
			cancel()
		}()
		w.run(ctx)
	}()
}

// settings are the current ones, with their defaults.
func (e *Engine) settings() Settings {
	s := e.Settings()
	if s.UpdateEvery <= 0 {
		s.UpdateEvery = 5 * time.Minute
	}
	if s.RequestTimeout <= 0 {
		s.RequestTimeout = 10 * time.Second
	}
	return s
}

// normalBase is a FHIR base in the form in which bases are compared: without a slash at the end,
// scheme and host in lower case, a default port left out.
func normalBase(base string) string {
	trimmed := strings.TrimRight(base, "/")
	u, err := url.Parse(trimmed)
	if err != nil || u.Host == "" {
		return trimmed
	}
	u.Scheme = strings.ToLower(u.Scheme)
	u.Host = strings.ToLower(u.Host)
	if p := u.Port(); (u.Scheme == "http" && p == "80") || (u.Scheme == "https" && p == "443") {
		u.Host = strings.TrimSuffix(u.Host, ":"+p)
	}
	return u.String()
}
