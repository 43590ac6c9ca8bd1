// Package clock is a node's time.
//
// A [Clock] runs at real speed from the time it was set to, or is held. Whatever a node does on its
// own or for a caller is an [Activity]; a node is idle when every activity has ended or sleeps on the
// clock. So a harness can move the clocks of a cluster from timer to timer: ask for the earliest
// [Clock.Due], set all clocks to it, wait until all are [Clock.Idle], and again. Nothing sleeps in
// real time meanwhile.
package clock

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// Clock is a virtual clock with timers. Its methods may be called from any goroutine.
type Clock struct {
	mu     sync.Mutex
	held   bool
	at     time.Time // node time while held; while running, what the clock showed at real time since
	since  time.Time // zero while the clock shows real time
	timers timers
	seq    uint64
	busy   int           // activities in hand that don't sleep
	change chan struct{} // closed when the clock may have become idle; nil while nobody waits
	wake   *time.Timer   // fires the earliest timer of a running clock; nil when there is none
}

// New returns a clock that shows real time and runs.
func New() *Clock { return &Clock{} }

// Now is the node's time, in UTC, without a monotonic part: two readings differ by what the clock
// shows, also after it has been set back.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() time.Time {
	if c.held {
		return c.at
	}
	now := wall()
	if c.since.IsZero() {
		return now
	}
	// Not an offset of at from real time: that can be more than a Duration holds.
	return c.at.Add(now.Sub(c.since))
}

// wall is real time, in UTC, without a monotonic part.
func wall() time.Time { return time.Now().Round(0).UTC() }

// Held tells whether the clock stands still.
func (c *Clock) Held() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held
}

// Hold stops the clock where it is. No timer fires until it is moved or runs again.
func (c *Clock) Hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.held {
		c.at, c.held = c.now(), true
	}
	c.settle()
}

// Run lets the clock go on at real speed from the time it shows.
func (c *Clock) Run() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held {
		c.since, c.held = wall(), false
	}
	c.settle()
}

// Reset puts the clock back to real time, running. Timers stay, and fire if they are due by then.
func (c *Clock) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since, c.held = time.Time{}, false
	c.settle()
}

// Set moves the clock to t, held or running, and fires what is due by then, earliest first; whatever
// it wakes sees t as the time. A jump back is allowed: timers keep their due time and fire when it
// comes (again).
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(t)
}

// Add moves the clock by d, as [Clock.Set] does; a negative d moves it back.
func (c *Clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(c.now().Add(d))
}

func (c *Clock) set(t time.Time) {
	c.at = t.Round(0).UTC()
	if !c.held {
		c.since = wall()
	}
	c.settle()
}

// Due is the time of the earliest timer, and false if none is set. On a running clock it may just
// have passed.
func (c *Clock) Due() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var (
		at    time.Time
		found bool
	)
	for _, t := range c.timers {
		if !t.over() && (!found || t.at.Before(at)) {
			at, found = t.at, true
		}
	}
	return at, found
}

// AfterFunc calls f in a goroutine of its own once the clock has moved on by d; while f runs the
// clock isn't idle. stop tells whether it kept f from being called.
func (c *Clock) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &timer{at: c.now().Add(d)}
	t.fire = func() {
		c.busy++ // in the critical section that fires it: Idle must not slip in before f starts
		go func() {
			defer c.done()
			f()
		}()
	}
	c.push(t)
	c.settle()
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.remove(t) {
			return false
		}
		c.settle()
		return true
	}
}

// Idle returns nil once nothing is in hand: each activity has ended or sleeps on the clock, and none
// is about to be woken by the end of its context. It returns ctx's error if that ends before.
func (c *Clock) Idle(ctx context.Context) error {
	for {
		c.mu.Lock()
		if c.idle() {
			c.mu.Unlock()
			return nil
		}
		if c.change == nil {
			c.change = make(chan struct{})
		}
		change := c.change
		c.mu.Unlock()
		select {
		case <-change:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// IsIdle tells whether [Clock.Idle] would return at once.
func (c *Clock) IsIdle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.idle()
}

func (c *Clock) idle() bool {
	if c.busy > 0 {
		return false
	}
	for _, t := range c.timers {
		if t.over() {
			return false
		}
	}
	return true
}

// done takes one activity out of hand.
func (c *Clock) done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rest()
}

func (c *Clock) rest() {
	c.busy--
	if c.busy == 0 && c.change != nil {
		close(c.change)
		c.change = nil
	}
}

// settle fires what is due and arms the one real timer of a running clock for what comes next.
func (c *Clock) settle() {
	now := c.now()
	for len(c.timers) > 0 && !c.timers[0].at.After(now) {
		t := heap.Pop(&c.timers).(*timer)
		t.index = -1
		t.fire()
	}
	if c.wake != nil {
		c.wake.Stop()
		c.wake = nil
	}
	if !c.held && len(c.timers) > 0 {
		c.wake = time.AfterFunc(c.timers[0].at.Sub(now), c.tick)
	}
}

func (c *Clock) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle() // a stale tick finds nothing due, and arms the next one again
}
