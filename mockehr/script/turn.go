package script

import (
	"context"
	"errors"
	"fmt"
	"runtime/metrics"
	"sync"
	"time"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
)

// Bounds of one turn. They keep a script that went astray from taking the node with it.
const (
	maxSteps = 2_000_000
	maxRun   = 5 * time.Second      // of its own work, waits and requests aside
	maxWait  = 10 * time.Minute     // of one wait
	maxHeap  = 256 << 20            // bytes by which the process may grow meanwhile
	look     = 5 * time.Millisecond // how often time and memory are looked at
	maxAsks  = 50                   // requests and look-ups
)

// turn is one call into a script: its top level, a handler, or an override.
type turn struct {
	p       *program
	ctx     context.Context
	cleared <-chan struct{} // ends waits; nil never does
	call    *Call           // the exchange at hand; nil if there is none
	acts    []func(*Call)   // what a handler does to the exchange, once it has returned
	handler bool            // it may act on the exchange
	asks    int

	req *requestValue // of call, once it was asked for

	mu    sync.Mutex
	since time.Time     // it runs since then; zero while it is aside
	spent time.Duration // it ran before
}

const turnKey = "turn"

func turnOf(thread *starlark.Thread) *turn {
	t, _ := thread.Local(turnKey).(*turn)
	return t
}

// run runs code of the script under its lock and within its bounds; then, still so, what is to be done
// with the result. The error names the place.
func (p *program) run(t *turn, code func(*starlark.Thread) (starlark.Value, error), then func(starlark.Value) error) (v starlark.Value, err error) {
	thread := &starlark.Thread{Name: p.name, Print: func(_ *starlark.Thread, text string) { p.log(text) },
		Load: func(*starlark.Thread, string) (starlark.StringDict, error) {
			return nil, errors.New("load is not there: a script is one file; put all of it into this one")
		}}
	thread.SetLocal(turnKey, t)
	thread.SetMaxExecutionSteps(maxSteps)
	thread.OnMaxSteps = func(thread *starlark.Thread) {
		thread.Cancel(fmt.Sprintf("it took over %d steps: let its loops do less", maxSteps))
	}
	startime.SetNow(thread, func() (time.Time, error) { return p.engine.opt.Clock.Now().UTC(), nil })
	p.turns.Lock()
	defer p.turns.Unlock()
	t.resume()
	stop := t.watch(thread)
	defer stop()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: Starlark gave up: %v", p.name, r)
		}
	}()
	if v, err = code(thread); err != nil {
		return nil, p.wrong(err)
	}
	if then == nil {
		return v, nil
	}
	return v, then(v)
}

func (t *turn) resume() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.since = time.Now()
}

func (t *turn) pause() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spent += time.Since(t.since)
	t.since = time.Time{}
}

func (t *turn) ran() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.since.IsZero() {
		return t.spent
	}
	return t.spent + time.Since(t.since)
}

// aside does something that takes time, or another's lock, while the script is free for others.
func (t *turn) aside(do func() error) error {
	t.pause()
	t.p.turns.Unlock()
	defer func() {
		t.p.turns.Lock()
		t.resume()
	}()
	return do()
}

// watch ends the thread where it takes too long, or too much memory, until stop is called.
func (t *turn) watch(thread *starlark.Thread) (stop func()) {
	var mu sync.Mutex
	var timer *time.Timer
	done, from := false, heap()
	check := func() {
		mu.Lock()
		defer mu.Unlock()
		if done {
			return
		}
		now := heap()
		switch {
		case now > from+maxHeap:
			thread.Cancel(fmt.Sprintf("it takes over %d MiB of memory: let it keep less", maxHeap>>20))
		case t.ran() > maxRun:
			thread.Cancel(fmt.Sprintf("it ran for over %v: let it do less, or wait by wait()", maxRun))
		}
		timer.Reset(look)
	}
	mu.Lock()
	timer = time.AfterFunc(look, check)
	mu.Unlock()
	return func() {
		mu.Lock()
		defer mu.Unlock()
		done = true
		timer.Stop()
	}
}

// heap is what the process holds, in bytes.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}

// wait waits in real time, until the turn's context ends or all rules are cleared.
func (t *turn) wait(d time.Duration) error {
	return t.aside(func() error { return waitFor(t.ctx, t.cleared, d) })
}

// asked counts a request or a look-up.
func (t *turn) asked() error {
	if t.asks++; t.asks > maxAsks {
		return fmt.Errorf("it asks more than %d times in one call: ask less, or keep what was answered", maxAsks)
	}
	return nil
}
