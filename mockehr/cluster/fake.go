package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"
)

// Fake is a runtime without EHRs, containers or sockets: its nodes have a
// control port with clock, settings, links and snapshot, and whatever handler
// a test gives them. It lets harness code be tested for what it asks of nodes.
type Fake struct {
	base *core
	// Kept makes a Pool keep clusters, as Docker does.
	Kept bool
	// OnStart, if not nil, is called before a node starts; its error is the start's.
	OnStart func(Job) error

	mu       sync.Mutex
	networks []*fakeNetwork
	closed   bool
}

// NewFake is a fake runtime.
func NewFake(opt Options) (*Fake, error) {
	base, err := newCore(opt)
	if err != nil {
		return nil, err
	}
	return &Fake{base: base}, nil
}

// Name is "fake".
func (f *Fake) Name() string { return "fake" }

// Reuses is what Kept says.
func (f *Fake) Reuses() bool { return f.Kept }
func (f *Fake) core() *core  { return f.base }

// Prepare does nothing.
func (f *Fake) Prepare(context.Context) error { return nil }

// Network opens an empty network in memory.
func (f *Fake) Network(context.Context) (Network, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, errClosed
	}
	n := &fakeNetwork{f: f, listeners: map[string]*memoryListener{}, nodes: map[string]*FakeNode{}}
	f.networks = append(f.networks, n)
	return n, nil
}

// Close ends all nodes.
func (f *Fake) Close(ctx context.Context) error {
	f.mu.Lock()
	f.closed = true
	networks := f.networks
	f.mu.Unlock()
	var errs []error
	for _, n := range networks {
		for _, node := range n.all() {
			errs = append(errs, node.Close(ctx))
		}
	}
	return errors.Join(append(errs, f.base.work.Close())...)
}

// Node is the node of that name in a cluster of this runtime, nil if there is none.
func (f *Fake) Node(c *Cluster, name string) *FakeNode {
	n, ok := c.net.(*fakeNetwork)
	if !ok {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.nodes[name]
}

// Open is how many nodes and networks are there now.
func (f *Fake) Open() (nodes, networks int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.networks {
		n.mu.Lock()
		nodes += len(n.nodes)
		if !n.closed {
			networks++
		}
		n.mu.Unlock()
	}
	return nodes, networks
}

// fakeNetwork connects fake nodes in memory.
type fakeNetwork struct {
	f *Fake

	mu        sync.Mutex
	closed    bool
	listeners map[string]*memoryListener
	nodes     map[string]*FakeNode
}

func (n *fakeNetwork) Place(name string, ports Ports) Place {
	ehr, ctl := strconv.Itoa(ports.EHR), strconv.Itoa(ports.Control)
	return Place{Host: name + ".fake:" + ehr, Addr: "memory:" + ehr, Listen: "memory:" + ehr, ControlListen: "memory:" + ctl, Control: "memory:" + ctl}
}

func (n *fakeNetwork) Start(_ context.Context, job Job) (Instance, error) {
	if n.f.OnStart != nil {
		if err := n.f.OnStart(job); err != nil {
			return nil, err
		}
	}
	node := newFakeNode(n, job.Config)
	if err := node.listen(); err != nil {
		return nil, err
	}
	n.mu.Lock()
	n.nodes[job.Config.Name] = node
	n.mu.Unlock()
	return node, nil
}

func (n *fakeNetwork) all() []*FakeNode {
	n.mu.Lock()
	defer n.mu.Unlock()
	var nodes []*FakeNode
	for _, node := range n.nodes {
		nodes = append(nodes, node)
	}
	return nodes
}

func (n *fakeNetwork) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[addr]
	n.mu.Unlock()
	if l == nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: memoryAddr(addr), Err: syscall.ECONNREFUSED}
	}
	return l.dial(ctx)
}

func (n *fakeNetwork) Close(context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	if len(n.nodes) > 0 {
		return fmt.Errorf("cluster: network closed with %d nodes on it", len(n.nodes))
	}
	return nil
}

// open makes a listener at an address of the network.
func (n *fakeNetwork) open(addr string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[addr] != nil {
		return nil, fmt.Errorf("%w: %s", ErrPortTaken, addr)
	}
	l := &memoryListener{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
	l.gone = func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.listeners, addr)
	}
	n.listeners[addr] = l
	return l, nil
}

// memoryListener is a net.Listener of pipes.
type memoryListener struct {
	addr  string
	conns chan net.Conn
	done  chan struct{}
	gone  func()
	once  sync.Once
}

func (l *memoryListener) dial(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.done:
		return nil, &net.OpError{Op: "dial", Net: "memory", Addr: l.Addr(), Err: syscall.ECONNREFUSED}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.gone()
	})
	return nil
}

func (l *memoryListener) Addr() net.Addr { return memoryAddr(l.addr) }

type memoryAddr string

func (memoryAddr) Network() string  { return "memory" }
func (a memoryAddr) String() string { return string(a) }
