package clock

import (
	"container/heap"
	"context"
	"time"
)

// Activity is a piece of work in hand, from [Clock.Begin] to [Activity.End]: a request that is
// answered, a connection that copies. It belongs to one goroutine at a time; who hands work on hands
// its activity on too, so that there is no moment at which nobody seems to have it.
type Activity struct {
	c     *Clock
	ended bool // guarded by c.mu
}

// Begin takes work in hand.
func (c *Clock) Begin() *Activity {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy++
	return &Activity{c: c}
}

// End puts the work away. Ending it again does nothing.
func (a *Activity) End() {
	a.c.mu.Lock()
	defer a.c.mu.Unlock()
	if a.ended {
		return
	}
	a.ended = true
	a.c.rest()
}

// Sleep waits until the clock has moved on by d, idle meanwhile. It returns ctx's error if that ends
// before, also if the clock moves on before the sleeper has noticed. A d of 0 or less returns at once.
func (a *Activity) Sleep(ctx context.Context, d time.Duration) error {
	return a.sleep(ctx, func(now time.Time) time.Time { return now.Add(d) })
}

// SleepUntil waits until the clock shows t or later, as [Activity.Sleep] does.
func (a *Activity) SleepUntil(ctx context.Context, t time.Time) error {
	return a.sleep(ctx, func(time.Time) time.Time { return t })
}

func (a *Activity) sleep(ctx context.Context, until func(now time.Time) time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := a.c
	woken := make(chan struct{})
	c.mu.Lock()
	now := c.now()
	t := &timer{at: until(now).Round(0).UTC(), ctx: ctx}
	if a.ended || !t.at.After(now) {
		c.mu.Unlock()
		return nil
	}
	var before error // what ctx said when t came
	t.fire = func() {
		c.busy++
		before = ctx.Err()
		close(woken)
	}
	c.push(t)
	c.rest()
	c.settle()
	c.mu.Unlock()

	select {
	case <-woken:
		return before
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.remove(t) { // it has fired already, and the activity is busy again
		return before
	}
	c.busy++
	c.settle()
	return ctx.Err()
}

// timer is one thing to fire; fire is called with the clock's lock held.
type timer struct {
	at    time.Time
	seq   uint64 // order of setting, for timers of the same time
	index int    // in the heap; -1 once it is out
	fire  func()
	ctx   context.Context // a sleeper's
}

// over tells whether the timer's sleeper is waking because its context has ended.
func (t *timer) over() bool { return t.ctx != nil && t.ctx.Err() != nil }

func (c *Clock) push(t *timer) {
	c.seq++
	t.seq = c.seq
	heap.Push(&c.timers, t)
}

// remove takes t out, and tells whether it was still in.
func (c *Clock) remove(t *timer) bool {
	if t.index < 0 {
		return false
	}
	heap.Remove(&c.timers, t.index)
	t.index = -1
	return true
}

// timers is a heap by due time.
type timers []*timer

func (h timers) Len() int { return len(h) }

func (h timers) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].seq < h[j].seq
	}
	return h[i].at.Before(h[j].at)
}

func (h timers) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *timers) Push(x any) {
	t := x.(*timer)
	t.index = len(*h)
	*h = append(*h, t)
}

func (h *timers) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return t
}
