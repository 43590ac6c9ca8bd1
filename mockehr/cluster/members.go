package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"example.org/ccde/mockehr/control"
)

// member finds a node by its name; the error lists the names there are.
func (c *Cluster) member(name string) (*member, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for _, m := range c.members {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return nil, fmt.Errorf("cluster: there is no node %q, only %s", name, strings.Join(names, ", "))
}

// up are the nodes that can answer.
func (c *Cluster) up() []*member {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.members), func(m *member) bool { return m.inst == nil || m.state != running })
}

// isUp says that a node can answer, as far as the harness let it.
func (c *Cluster) isUp(m *member) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return m.inst != nil && m.state == running
}

// each calls f for members side by side. What fails because a node was
// killed or paused meanwhile is no error.
func (c *Cluster) each(ctx context.Context, members []*member, f func(context.Context, *member) error) error {
	g, gctx := errgroup.WithContext(ctx)
	for _, m := range members {
		g.Go(func() error {
			if err := f(gctx, m); err != nil && c.isUp(m) {
				return fmt.Errorf("cluster: node %s: %w", m.Name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// trust are the key sets of all nodes and those of the options, for every
// issuer: what each node trusts.
func (c *Cluster) trust() []control.KeySource {
	c.mu.Lock()
	defer c.mu.Unlock()
	sources := make([]control.KeySource, 0, len(c.members)+len(c.core.opt.Trust))
	for _, m := range c.members {
		sources = append(sources, control.KeySource{URL: m.keySet()})
	}
	return append(sources, c.core.opt.Trust...)
}

// keySet is where a node publishes its keys (protocol 1.1).
func (m *member) keySet() string { return m.Root + "/auth/auth_key" }

// retrust tells all nodes whom to trust, those that are down when they come back.
func (c *Cluster) retrust(ctx context.Context) error {
	c.mu.Lock()
	for _, m := range c.members {
		m.untold = m.state != running
	}
	c.mu.Unlock()
	return c.each(ctx, c.up(), c.tellTrust)
}

// tellTrust tells a node whom to trust, and leaves its other settings alone.
func (c *Cluster) tellTrust(ctx context.Context, m *member) error {
	s, err := m.Control.Settings(ctx)
	if err != nil {
		return err
	}
	s.Trust = slices.Concat(m.spec.Settings.Trust, c.trust())
	return m.Control.SetSettings(ctx, s)
}

// tellNews tells a node that comes back whom to trust, if others came while it was down.
func (c *Cluster) tellNews(ctx context.Context, m *member) error {
	c.mu.Lock()
	untold := m.untold
	m.untold = false
	c.mu.Unlock()
	if !untold {
		return nil
	}
	if err := c.tellTrust(ctx, m); err != nil {
		return fmt.Errorf("cluster: node %s: trust: %w", m.Name, err)
	}
	return nil
}
