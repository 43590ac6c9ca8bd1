package cluster

import (
	"context"
	"fmt"
	"time"

	"example.org/ccde/mockehr/control"
)

// kept is what a killed or paused node would forget or miss, and is given
// back to it: neither its clock's setting nor its settings are the node's
// data, so they die with the process.
type kept struct {
	known    bool // else the node had ended by itself, and nothing could be read
	clock    control.ClockState
	at       time.Time // real time at which clock was read
	settings control.Settings
	missed   time.Duration // by which Advance moved the others
}

// Kill ends a node by SIGKILL. Its data stays.
func (c *Cluster) Kill(ctx context.Context, name string) error {
	c.life.Lock()
	defer c.life.Unlock()
	m, err := c.member(name)
	if err != nil {
		return err
	}
	inst, was, k := c.look(m)
	if was == killed {
		return nil
	}
	if was == running {
		if k, err = keep(ctx, m); err != nil && inst.Alive(ctx) == nil {
			return fmt.Errorf("cluster: node %s: %w", name, err)
		}
	}
	// Set before the kill, so that nobody takes the node's silence for a fault.
	c.setState(m, killed, k)
	if err := inst.Kill(ctx); err != nil {
		c.setState(m, was, k)
		return err
	}
	c.transport.CloseIdleConnections()
	return nil
}

// Restart brings a killed node back with its data, ports and key; its clock
// goes on as if it had never stopped, its links stay cut. A node that runs is
// killed first.
func (c *Cluster) Restart(ctx context.Context, name string) error {
	m, err := c.member(name)
	if err != nil {
		return err
	}
	if err := c.Kill(ctx, name); err != nil {
		return err
	}
	c.life.Lock()
	defer c.life.Unlock()
	inst, now, k := c.look(m)
	if now != killed {
		return nil // somebody else was faster
	}
	if err := inst.Restart(ctx); err != nil {
		return err
	}
	if err := c.ready(ctx, m, inst); err != nil {
		return err
	}
	if err := c.pushLinks(ctx, m); err != nil {
		return fmt.Errorf("cluster: node %s: links: %w", name, err)
	}
	if err := k.giveBack(ctx, m); err != nil {
		return fmt.Errorf("cluster: node %s: clock and settings: %w", name, err)
	}
	if err := c.tellNews(ctx, m); err != nil {
		return err
	}
	c.setState(m, running, kept{})
	c.mu.Lock()
	m.restarted = true
	c.mu.Unlock()
	return nil
}

// Pause stops a node where it stands (SIGSTOP): its connections stay open
// and nothing answers.
func (c *Cluster) Pause(ctx context.Context, name string) error {
	c.life.Lock()
	defer c.life.Unlock()
	m, err := c.member(name)
	if err != nil {
		return err
	}
	inst, was, _ := c.look(m)
	switch was {
	case killed:
		return fmt.Errorf("cluster: node %s was killed; restart it before it is paused", name)
	case paused:
		return nil
	}
	k, err := keep(ctx, m) // in case it is killed while paused
	if err != nil {
		return fmt.Errorf("cluster: node %s: %w", name, err)
	}
	c.setState(m, paused, k)
	if err := inst.Pause(ctx); err != nil {
		c.setState(m, running, kept{})
		return err
	}
	return nil
}

// Resume lets a paused node go on.
func (c *Cluster) Resume(ctx context.Context, name string) error {
	c.life.Lock()
	defer c.life.Unlock()
	m, err := c.member(name)
	if err != nil {
		return err
	}
	inst, was, k := c.look(m)
	if was != paused {
		return nil
	}
	if err := inst.Resume(ctx); err != nil {
		return err
	}
	if k.missed > 0 {
		if _, err := m.Control.AddClock(ctx, k.missed); err != nil {
			return fmt.Errorf("cluster: node %s: clock: %w", name, err)
		}
	}
	if err := c.tellNews(ctx, m); err != nil {
		return err
	}
	c.setState(m, running, kept{})
	return nil
}

func (c *Cluster) look(m *member) (Instance, state, kept) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return m.inst, m.state, m.kept
}

func (c *Cluster) setState(m *member, s state, k kept) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m.state, m.kept = s, k
}

// keep reads what a node would forget.
func keep(ctx context.Context, m *member) (k kept, err error) {
	if k.settings, err = m.Control.Settings(ctx); err != nil {
		return k, err
	}
	if k.clock, err = m.Control.Clock(ctx); err != nil {
		return k, err
	}
	k.at, k.known = time.Now(), true
	return k, nil
}

// giveBack sets a node that starts anew as it was: its clock held where it
// was held, else as far from real time.
func (k kept) giveBack(ctx context.Context, m *member) error {
	if !k.known {
		return nil
	}
	if err := m.Control.SetSettings(ctx, k.settings); err != nil {
		return err
	}
	now := k.clock.Now.Add(k.missed)
	if k.clock.Held {
		if _, err := m.Control.HoldClock(ctx); err != nil {
			return err
		}
	} else {
		now = now.Add(time.Since(k.at))
	}
	_, err := m.Control.SetClock(ctx, now)
	return err
}
