package cluster

import (
	"context"
	"errors"
	"slices"
)

// link is a connection between two nodes, in both directions: the names, in order.
type link [2]string

func linkOf(a, b string) link { return link{min(a, b), max(a, b)} }

// Cut cuts the link between two nodes, both ways, in their own dialers:
// connections that stand are broken, new ones fail. The harness still
// reaches both.
func (c *Cluster) Cut(ctx context.Context, a, b string) error { return c.setLink(ctx, a, b, true) }

// Mend restores a link that was cut.
func (c *Cluster) Mend(ctx context.Context, a, b string) error { return c.setLink(ctx, a, b, false) }

func (c *Cluster) setLink(ctx context.Context, a, b string, cut bool) error {
	ends := make([]*member, 0, 2)
	for _, name := range []string{a, b} {
		m, err := c.member(name)
		if err != nil {
			return err
		}
		ends = append(ends, m)
	}
	c.mu.Lock()
	if cut {
		c.cuts[linkOf(a, b)] = struct{}{}
	} else {
		delete(c.cuts, linkOf(a, b))
	}
	// A node that is down learns of it when it comes back.
	ends = slices.DeleteFunc(ends, func(m *member) bool { return m.inst == nil || m.state != running })
	c.mu.Unlock()
	return c.each(ctx, ends, c.pushLinks)
}

// hostOf is the host in a node's URL. At a front door all nodes have the same
// one, so that a node that is cut off from one of them is cut off from all.
func (c *Cluster) hostOf(m *member) string {
	if door := c.core.opt.Door; door != nil {
		return door.Host()
	}
	return m.place.Host
}

// CutOutside cuts a node off from whoever comes by the front door, the
// harness aside, or lets them in again.
func (c *Cluster) CutOutside(name string, cut bool) error {
	m, err := c.member(name)
	if err != nil {
		return err
	}
	if c.core.opt.Door == nil {
		return errors.New("cluster: there is no front door to be closed")
	}
	c.core.opt.Door.Cut(m.doorPath(), cut)
	return nil
}

// pushLinks tells a node all hosts that it is cut off from.
func (c *Cluster) pushLinks(ctx context.Context, m *member) error {
	hosts := []string{}
	c.mu.Lock()
	for _, other := range c.members {
		if _, cut := c.cuts[linkOf(m.Name, other.Name)]; cut {
			hosts = append(hosts, c.hostOf(other))
		}
	}
	c.mu.Unlock()
	return m.Control.Cut(ctx, hosts)
}
