package cluster

import (
	"context"
	"errors"
	"fmt"
)

// Reset puts the cluster back to how it was when Start returned: nodes that
// were added are gone, killed and paused ones run, links are whole, clocks
// real, and every node holds what its snapshot does.
func (c *Cluster) Reset(ctx context.Context) error {
	c.mu.Lock()
	members := append([]*member(nil), c.members...)
	clear(c.cuts)
	c.passed = 0
	c.mu.Unlock()
	var errs []error
	for _, m := range members {
		_, was, _ := c.look(m)
		switch {
		case m.added:
			errs = append(errs, c.takeAway(ctx, m))
		case was == killed:
			errs = append(errs, c.Restart(ctx, m.Name))
		case was == paused:
			errs = append(errs, c.Resume(ctx, m.Name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cluster: reset: %w", err)
	}
	for _, m := range c.up() {
		// A node that ended by itself would make the reset look like a network fault.
		if inst, _, _ := c.look(m); m.Control.Health(ctx) != nil && inst.Alive(ctx) != nil {
			return fmt.Errorf("cluster: reset: node %s has ended: %w\n%s", m.Name, inst.Alive(ctx), inst.Logs(ctx))
		}
	}
	return c.each(ctx, c.up(), c.resetNode)
}

// resetNode puts one node back. A process that was killed since forgot which
// settings went with its snapshot, and is told.
func (c *Cluster) resetNode(ctx context.Context, m *member) error {
	if err := m.Control.Reset(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	base, tell := m.base, m.restarted
	m.restarted = false
	c.mu.Unlock()
	if !tell {
		return nil
	}
	return m.Control.SetSettings(ctx, base)
}

func (c *Cluster) takeAway(ctx context.Context, m *member) error {
	c.life.Lock()
	defer c.life.Unlock()
	return c.drop(ctx, m)
}
