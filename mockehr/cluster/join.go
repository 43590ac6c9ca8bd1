package cluster

import (
	"context"
	"errors"
	"slices"
)

// join starts a node beside those that run, which trust it from then on. Its
// clock shows what the others' do. life is held.
func (c *Cluster) join(ctx context.Context, spec Spec) (*member, error) {
	m, err := c.newMember(spec)
	if err != nil {
		return nil, err
	}
	if err = c.launch(ctx, m, c.trust()); err == nil {
		err = c.retrust(ctx)
	}
	if err == nil {
		err = c.catchUp(ctx, m)
	}
	if err == nil {
		err = c.takeSnapshot(ctx, m)
	}
	if err != nil {
		return nil, errors.Join(err, c.drop(context.WithoutCancel(ctx), m))
	}
	return m, nil
}

// catchUp moves the clock of a node that has just started by what Advance moved the others.
func (c *Cluster) catchUp(ctx context.Context, m *member) error {
	c.mu.Lock()
	passed := c.passed
	c.mu.Unlock()
	if passed == 0 {
		return nil
	}
	_, err := m.Control.AddClock(ctx, passed)
	return err
}

// wake starts a node whose start was put off, if it is one.
func (c *Cluster) wake(ctx context.Context, name string) error {
	c.mu.Lock()
	asleep := c.isLater(name) >= 0
	c.mu.Unlock()
	if !asleep {
		return nil
	}
	c.life.Lock()
	defer c.life.Unlock()
	c.mu.Lock()
	i := c.isLater(name)
	if i < 0 { // somebody else was faster
		c.mu.Unlock()
		return nil
	}
	spec := c.later[i]
	c.mu.Unlock()
	if _, err := c.join(ctx, spec); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.later = slices.Delete(c.later, i, i+1)
	return nil
}

// WakeAll starts the nodes whose start was put off.
func (c *Cluster) WakeAll(ctx context.Context) error {
	c.mu.Lock()
	later := slices.Clone(c.later)
	c.mu.Unlock()
	for _, s := range later {
		if err := c.wake(ctx, s.Name); err != nil {
			return err
		}
	}
	return nil
}

// isLater is the place of a node among those whose start was put off, -1 if it
// is none of them. mu is held.
func (c *Cluster) isLater(name string) int {
	return slices.IndexFunc(c.later, func(s Spec) bool { return s.Name == name })
}

// prepared lets f prepare all nodes, and each that starts from now on.
func (c *Cluster) prepared(ctx context.Context, f func(ctx context.Context, n Node) error) error {
	c.prepare = f
	if f == nil {
		return nil
	}
	for _, n := range c.Nodes() {
		if err := f(ctx, n); err != nil {
			return err
		}
	}
	return nil
}
