package exchange

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/clock"
	"example.org/ccde/mockehr/store"
)

// worker works on one connection, in one goroutine. Only disconnect and refresh are called from others.
type worker struct {
	*Engine
	act    *clock.Activity
	cancel context.CancelFunc // ends the work
	done   chan struct{}      // closed when it has ended

	current atomic.Pointer[state] // as the store holds it; a state is never changed, only replaced
	defiant atomic.Bool           // goes on although it is over (TGT-41 overridden)

	mu        sync.Mutex         // held while the state is replaced
	interrupt context.CancelFunc // wakes it while it waits; nil at other times

	// Of the goroutine alone.
	seen     map[string]bool // secrets there have been
	problems problems        // of this round
	caps     capability      // what the source's metadata says
	endpoint string          // the token endpoint that it names
	dated    time.Time       // the source's Date when it was asked for its metadata; zero: it didn't say
	datedAt  time.Time       // the same moment by the node's own clock
	misses   int             // requests in a row that got no answer
	away     *retries        // of the source as a whole, once several in a row got none
	suspect  bool            // the source answered 401 to a token that is good
	denied   map[key]bool    // referenced resources that it refused in this round
}

func newWorker(e *Engine, st *state) *worker {
	w := &worker{
		Engine: e, done: make(chan struct{}), denied: map[key]bool{},
		seen: map[string]bool{st.JWT: true, st.Authorization: true, st.Token.Value: true},
	}
	w.current.Store(st)
	return w
}

func (w *worker) state() *state { return w.current.Load() }

// change is the one way in which a connection comes further: fn changes a copy of the state, and the
// store beside it, in one transaction. errOver if the connection has been stopped meanwhile.
func (w *worker) change(ctx context.Context, fn func(*store.Tx, *state) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := w.state()
	if was.Status.Over() && !w.defiant.Load() {
		return errOver
	}
	next := was.clone()
	err := w.Store.Update(ctx, func(tx *store.Tx) error {
		if err := fn(tx, next); err != nil {
			return err
		}
		if w.defiant.Load() {
			next.Status = was.Status
		}
		return next.write(tx)
	})
	if err == nil {
		w.current.Store(next)
	}
	return err
}

// storePause is how long a connection waits when the node's own store fails.
const storePause = 10 * time.Second

// run works until the connection is over or ctx ends.
func (w *worker) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := w.step(ctx)
		f := asFailure(err)
		switch {
		case err == nil, ctx.Err() != nil:
		case errors.Is(err, errOver), errors.Is(err, store.ErrClosed):
			return
		case errors.Is(err, errExpired):
			if w.finish(ctx, Expired, w.state().Message) == nil {
				return
			}
		case f != nil:
			if w.finish(ctx, Failed, w.clean(ctx, f.text)) == nil {
				return
			}
		default:
			w.Log.ErrorContext(ctx, "copying is held up by the node itself", "connection", w.state().ID, "error", err)
			_ = w.act.Sleep(ctx, storePause)
		}
	}
}

// step does one round, or waits for it.
func (w *worker) step(ctx context.Context) error {
	if err := w.alive(ctx); err != nil {
		return err
	}
	st := w.state()
	if st.Active || st.Status == Queued || !w.Clock.Now().Before(st.NextCheck) {
		return w.round(ctx)
	}
	return w.rest(ctx)
}

// alive tells whether the source may still be asked (TGT-28).
func (w *worker) alive(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	st := w.state()
	if st.Status.Over() && !w.defiant.Load() {
		return errOver
	}
	now := w.Clock.Now()
	var verdict error
	if !now.Before(st.Expires) {
		verdict = errExpired
	}
	in := check.Inputs{"connection": st.ID, "now": now.Format(time.RFC3339Nano), "expires": st.Expires.Format(time.RFC3339Nano)}
	if w.Checks.Do(ctx, "TGT-28", in, verdict) != nil {
		return errExpired
	}
	return nil
}

// sleep waits for d, or until the connection expires, or the clock is set back to before it began.
func (w *worker) sleep(ctx context.Context, d time.Duration) error {
	began := w.Clock.Now()
	for until := began.Add(d); ; {
		err := w.nap(ctx, func(now time.Time) time.Time {
			if now.Before(began) {
				return now
			}
			return until
		})
		if err != nil {
			return err
		}
		now, end := w.Clock.Now(), w.state().Expires
		if !now.Before(until) || now.Before(began) || began.Before(end) && !now.Before(end) {
			return w.alive(ctx)
		}
	}
}

// nap waits until the time that until works out, or until the connection expires. refresh cuts it short:
// whoever moves the clock and calls that either does so before until is asked, or ends the wait.
func (w *worker) nap(ctx context.Context, until func(now time.Time) time.Time) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	w.mu.Lock()
	w.interrupt = cancel
	w.mu.Unlock()
	now := w.Clock.Now()
	t := until(now)
	if end := w.state().Expires; end.Before(t) && now.Before(end) {
		t = end
	}
	_ = w.act.SleepUntil(inner, t) // its error is that of inner, which a refresh ends too
	w.mu.Lock()
	w.interrupt = nil
	w.mu.Unlock()
	return ctx.Err()
}

// rest waits for the next round. When a refresh cuts it short, the time of that round is worked out anew.
func (w *worker) rest(ctx context.Context) error {
	err := w.nap(ctx, func(now time.Time) time.Time {
		st := w.state()
		if w.nextCheck(st, now).Before(st.NextCheck) {
			return now
		}
		return st.NextCheck
	})
	if err != nil {
		return err
	}
	st, now := w.state(), w.Clock.Now()
	next := w.nextCheck(st, now)
	if !now.Before(st.NextCheck) || next.Equal(st.NextCheck) {
		return nil
	}
	return w.change(ctx, func(_ *store.Tx, st *state) error {
		st.NextCheck = next
		return nil
	})
}

// nextCheck is when the round after the last one comes due, which can have been longer than the time
// between two. A clock that was set back puts it off once, by that time, not with each look again.
func (w *worker) nextCheck(st *state, now time.Time) time.Time {
	every := w.settings().UpdateEvery
	if now.Before(st.LastCheck) {
		if next := now.Add(every); st.Active || next.Before(st.NextCheck) {
			return next
		}
		return st.NextCheck
	}
	next := st.LastCheck.Add(every)
	if late := now.Sub(next); late >= 0 {
		next = next.Add((late/every + 1) * every)
	}
	return next
}

func (w *worker) refresh() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.interrupt != nil {
		w.interrupt()
	}
}

// finish gives the connection its last status.
func (w *worker) finish(ctx context.Context, s Status, message string) error {
	err := w.change(ctx, func(_ *store.Tx, st *state) error {
		st.end(s, message)
		return nil
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil && !errors.Is(err, errOver) {
		w.Log.ErrorContext(ctx, "the end of a connection could not be stored", "connection", w.state().ID, "error", err)
		if serr := w.act.Sleep(ctx, storePause); serr == nil {
			return err // try again
		}
	}
	w.Log.InfoContext(ctx, "connection is over", "connection", w.state().ID, "status", string(s), "message", message)
	return nil
}

// disconnect stops the connection from outside; it returns when nothing more will be asked.
func (w *worker) disconnect(ctx context.Context) error {
	st := w.state()
	if !check.Value(ctx, w.Checks, "TGT-41", check.Inputs{"connection": st.ID, "status": string(st.Status)}, true) {
		return w.defy(ctx)
	}
	w.cancel()
	err := w.change(ctx, func(_ *store.Tx, st *state) error {
		st.end(Stopped, "")
		return nil
	})
	if err != nil && !errors.Is(err, errOver) {
		return err
	}
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// defy says that the connection is stopped, and goes on: what an override of TGT-41 makes of it.
func (w *worker) defy(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state().Status.Over() {
		return nil
	}
	next := w.state().clone()
	next.Status, next.Message = Stopped, ""
	if err := w.Store.Update(ctx, next.write); err != nil {
		return err
	}
	w.defiant.Store(true)
	w.current.Store(next)
	return nil
}
