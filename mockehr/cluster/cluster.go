// Package cluster starts mock EHRs, addresses them, cuts the links between
// them, kills, stops and restarts them, and moves their clocks.
//
// A [Runtime] says where nodes run; a [Cluster] is some nodes that trust each
// other's keys; a [Pool] leases whole clusters. It is the only package that
// starts containers.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"example.org/ccde/mockehr"
	"example.org/ccde/mockehr/control"
)

// Cluster is a set of nodes. Its methods can be called side by side.
type Cluster struct {
	rt        Runtime
	core      *core
	net       Network
	book      *book
	transport *http.Transport

	manner

	life sync.Mutex // held by whatever starts, ends or stops nodes

	mu      sync.Mutex    // guards the rest
	later   []Spec        // nodes that start when they are first asked for
	passed  time.Duration // by Advance, which those that start later missed
	members []*member     // in the order they were named
	cuts    map[link]struct{}
	closed  bool
}

// member is a node and what the cluster knows of it.
type member struct {
	Node
	spec  Spec
	ports Ports
	place Place
	added bool // after the cluster's snapshot: Reset takes it away

	// guarded by Cluster.mu
	inst      Instance
	state     state
	kept      kept
	base      control.Settings // at the snapshot
	restarted bool             // since the last reset
	untold    bool             // others came while it was down
}

// state is what the harness did to a node.
type state int

const (
	running state = iota
	killed
	paused
)

// Start starts the nodes side by side and returns when all of them answer,
// hold their bundles and trust each other. After an error nothing is left.
func Start(ctx context.Context, rt Runtime, specs ...Spec) (*Cluster, error) {
	return start(ctx, rt, specs, manner{})
}

// manner is how a cluster is started.
type manner struct {
	adapt    adapter                                 // of nodes that start from a template; nil = none
	prepare  func(ctx context.Context, n Node) error // what the user does to each node that has started; nil = nothing
	passing  bool                                    // it is never reset, so that nothing is kept for that
	onDemand bool                                    // each node starts when it is first asked for
}

// adapter changes the configuration of a node before it starts, nil nothing;
// loaded says that the node needs no bundles then.
type adapter func(name string, cfg *mockehr.Config) (loaded bool)

func start(ctx context.Context, rt Runtime, specs []Spec, how manner) (c *Cluster, err error) {
	if err := checkSpecs(specs); err != nil {
		return nil, err
	}
	if err := rt.Prepare(ctx); err != nil {
		return nil, err
	}
	net, err := rt.Network(ctx)
	if err != nil {
		return nil, err
	}
	c = &Cluster{rt: rt, core: rt.core(), net: net, book: newBook(), cuts: map[link]struct{}{},
		manner: how}
	c.transport = newTransport(c.dial, c.core.pool)
	if door := c.core.opt.Door; door != nil {
		c.book.put(door.Host(), door.Addr())
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close(context.WithoutCancel(ctx)))
			c = nil
		}
	}()
	if how.onDemand {
		c.later = slices.Clone(specs)
		return c, nil
	}
	if err := c.launchAll(ctx, specs); err != nil {
		return c, err
	}
	return c, c.each(ctx, c.up(), c.takeSnapshot)
}

// dial reaches a node by the address book.
func (c *Cluster) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return c.net.Dial(ctx, network, c.book.find(addr))
}

// Transport reaches every node by its URL, also where this machine's
// resolver does not know the name. It is shared: do not close it.
func (c *Cluster) Transport() http.RoundTripper { return c.transport }

// Node is the node of that name. One of a lease [OnDemand] starts when it is
// first asked for; it is then as if it had been there all the time.
func (c *Cluster) Node(ctx context.Context, name string) (Node, error) {
	if err := c.wake(ctx, name); err != nil {
		return Node{}, err
	}
	m, err := c.member(name)
	if err != nil {
		return Node{}, err
	}
	return m.Node, nil
}

// Nodes are all nodes that have started, in that order.
func (c *Cluster) Nodes() []Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	nodes := make([]Node, 0, len(c.members))
	for _, m := range c.members {
		nodes = append(nodes, m.Node)
	}
	return nodes
}

// Logs are the last lines that a node wrote.
func (c *Cluster) Logs(ctx context.Context, name string) (string, error) {
	m, err := c.member(name)
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	inst := m.inst
	c.mu.Unlock()
	if inst == nil {
		return "", nil
	}
	return inst.Logs(ctx), nil
}

// Add starts one more node, which all others trust from then on. Reset takes
// it away again.
func (c *Cluster) Add(ctx context.Context, spec Spec) (Node, error) {
	c.life.Lock()
	defer c.life.Unlock()
	if err := spec.check(); err != nil {
		return Node{}, err
	}
	c.mu.Lock()
	taken := slices.ContainsFunc(c.members, func(m *member) bool { return m.Name == spec.Name }) ||
		slices.ContainsFunc(c.later, func(s Spec) bool { return s.Name == spec.Name })
	c.mu.Unlock()
	if taken {
		return Node{}, fmt.Errorf("cluster: name %q: a node has it already", spec.Name)
	}
	m, err := c.join(ctx, spec)
	if err != nil {
		return Node{}, err
	}
	m.added = true
	return m.Node, nil
}

// Close ends all nodes and removes the cluster's network.
func (c *Cluster) Close(ctx context.Context) error {
	c.life.Lock()
	defer c.life.Unlock()
	c.mu.Lock()
	was := c.closed
	c.closed = true
	members := slices.Clone(c.members)
	c.mu.Unlock()
	if was {
		return nil
	}
	c.transport.CloseIdleConnections()
	var g errgroup.Group
	for _, m := range members {
		g.Go(func() error { return c.drop(ctx, m) })
	}
	return errors.Join(g.Wait(), c.net.Close(ctx))
}

// drop ends a node and forgets it.
func (c *Cluster) drop(ctx context.Context, m *member) error {
	c.mu.Lock()
	inst := m.inst
	c.members = slices.DeleteFunc(c.members, func(o *member) bool { return o == m })
	c.mu.Unlock()
	c.forget(m)
	var err error
	if inst != nil {
		err = inst.Close(ctx)
	}
	c.core.ports.release(m.ports)
	return err
}
