package cluster

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"example.org/ccde/mockehr/control"
)

// stuckAfter bounds the looks at a timer that is due and does not fire, which
// would hold Advance forever.
const stuckAfter = 100

// Advance lets d pass in the whole cluster. All clocks are held; then, as
// long as a timer of any node comes due, all clocks move on to it together,
// and its work is waited for; so an hour with a schedule of 5 minutes sees it
// 12 times. Clocks may disagree: they move by the same amount, not to the
// same time. In the end each clock runs or is held as before. A node that is
// down is told what it missed when it comes back.
func (c *Cluster) Advance(ctx context.Context, d time.Duration) (err error) {
	if d < 0 {
		return fmt.Errorf("cluster: time can't be moved back by %s; set a node's clock instead", -d)
	}
	members := c.up()
	held, err := c.hold(ctx, members)
	defer func() {
		// Also after an error, or when ctx ended: a held clock would spoil all that follows.
		if e := c.unhold(context.WithoutCancel(ctx), members, held); err == nil {
			err = e
		}
	}()
	if err != nil {
		return err
	}
	still := 0
	for left := d; ; {
		states, err := c.idle(ctx, members)
		if err != nil || left == 0 {
			return err
		}
		step, due := earliest(states)
		if !due || step > left {
			step = left
		}
		if step > 0 {
			still = 0
		} else if still++; still > stuckAfter {
			return fmt.Errorf("cluster: a timer has come due and does not fire, after %d looks", stuckAfter)
		}
		if step > time.Nanosecond && due {
			// First to just before it: no node is to act while another's clock still shows the past.
			if err := c.move(ctx, members, step-time.Nanosecond); err != nil {
				return err
			}
			left -= step - time.Nanosecond
			step = time.Nanosecond
		}
		if err := c.move(ctx, members, step); err != nil {
			return err
		}
		left -= step
	}
}

// earliest is how long it is until the next timer of any node, by that
// node's own clock; never negative.
func earliest(states []control.ClockState) (time.Duration, bool) {
	var first time.Duration
	found := false
	for _, s := range states {
		if s.Due == nil {
			continue
		}
		if in := max(s.Due.Sub(s.Now), 0); !found || in < first {
			first, found = in, true
		}
	}
	return first, found
}

// hold holds all clocks and returns which were held before.
func (c *Cluster) hold(ctx context.Context, members []*member) (map[*member]bool, error) {
	var mu sync.Mutex
	held := map[*member]bool{}
	err := c.each(ctx, members, func(ctx context.Context, m *member) error {
		before, err := m.Control.Clock(ctx)
		if err != nil {
			return err
		}
		mu.Lock()
		held[m] = before.Held
		mu.Unlock()
		_, err = m.Control.HoldClock(ctx)
		return err
	})
	return held, err
}

func (c *Cluster) unhold(ctx context.Context, members []*member, held map[*member]bool) error {
	ran := slices.DeleteFunc(slices.Clone(members), func(m *member) bool { return held[m] || !c.isUp(m) })
	return c.each(ctx, ran, func(ctx context.Context, m *member) error {
		_, err := m.Control.RunClock(ctx)
		return err
	})
}

// move adds d to all clocks, and to what nodes that are down missed.
func (c *Cluster) move(ctx context.Context, members []*member, d time.Duration) error {
	c.mu.Lock()
	c.passed += d
	for _, m := range c.members {
		if m.state != running {
			m.kept.missed += d
		}
	}
	c.mu.Unlock()
	return c.each(ctx, members, func(ctx context.Context, m *member) error {
		if !c.isUp(m) {
			return nil
		}
		_, err := m.Control.AddClock(ctx, d)
		return err
	})
}

// Idle waits until no node has work in hand. Work that sleeps until a later
// time of the node's clock is not in hand.
func (c *Cluster) Idle(ctx context.Context) error {
	_, err := c.idle(ctx, c.up())
	return err
}

// idle asks all nodes until two rounds tell the same: a node that was idle
// when it was asked may have got work since, from one that was asked later.
func (c *Cluster) idle(ctx context.Context, members []*member) ([]control.ClockState, error) {
	last, err := c.idleOnce(ctx, members)
	if err != nil || len(members) < 2 {
		return last, err
	}
	for {
		again, err := c.idleOnce(ctx, members)
		if err != nil || slices.EqualFunc(last, again, sameWork) {
			return again, err
		}
		last = again
	}
}

func (c *Cluster) idleOnce(ctx context.Context, members []*member) ([]control.ClockState, error) {
	states := make([]control.ClockState, len(members))
	index := map[*member]int{}
	for i, m := range members {
		index[m] = i
	}
	err := c.each(ctx, members, func(ctx context.Context, m *member) error {
		if !c.isUp(m) {
			return nil
		}
		s, err := m.Control.Idle(ctx)
		states[index[m]] = s
		return err
	})
	return states, err
}

// sameWork says that nothing began between two looks at a node's clock.
func sameWork(a, b control.ClockState) bool {
	return (a.Due == nil) == (b.Due == nil) && (a.Due == nil || a.Due.Equal(*b.Due))
}
