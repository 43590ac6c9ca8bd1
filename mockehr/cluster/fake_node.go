package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"

	"example.org/ccde/mockehr"
	"example.org/ccde/mockehr/clock"
	"example.org/ccde/mockehr/control"
)

// FakeNode is a node of a [Fake].
type FakeNode struct {
	Config mockehr.Config
	net    *fakeNetwork

	mu       sync.Mutex
	clock    *clock.Clock
	settings control.Settings
	cut      []string
	loaded   []string
	snapshot fakeSnapshot
	calls    []string
	handler  http.Handler
	servers  []*http.Server
	down     bool
	wakeup   chan struct{} // closed when a pause ends; nil if not paused
}

type fakeSnapshot struct {
	settings control.Settings
	loaded   []string
}

func newFakeNode(n *fakeNetwork, cfg mockehr.Config) *FakeNode {
	return &FakeNode{Config: cfg, net: n, clock: clock.New(), settings: cfg.Settings}
}

// Clock is the node's clock; what is begun on it counts as work in hand.
func (n *FakeNode) Clock() *clock.Clock {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.clock
}

// Handle sets what the EHR port answers with.
func (n *FakeNode) Handle(h http.Handler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.handler = h
}

// Calls are the requests to the control port that change something, in
// order: "POST /reset".
func (n *FakeNode) Calls() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.calls)
}

// Loaded are the bundles that the node holds.
func (n *FakeNode) Loaded() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.loaded)
}

// Cuts are the addresses that the node is cut off from.
func (n *FakeNode) Cuts() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.cut)
}

// Settings are the node's settings now.
func (n *FakeNode) Settings() control.Settings {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.settings
}

func (n *FakeNode) listen() error {
	ehr := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.mu.Lock()
		h := n.handler
		n.mu.Unlock()
		if h == nil {
			h = http.NotFoundHandler()
		}
		h.ServeHTTP(w, r)
	})
	var servers []*http.Server
	var listeners []net.Listener
	for _, s := range []struct {
		addr    string
		handler http.Handler
	}{{n.Config.Listen, ehr}, {n.Config.Control, n.controlHandler()}} {
		l, err := n.net.open(s.addr)
		if err != nil {
			for _, l := range listeners {
				_ = l.Close()
			}
			return err
		}
		listeners = append(listeners, l)
		servers = append(servers, &http.Server{Handler: n.gate(s.handler)})
	}
	n.mu.Lock()
	n.servers, n.down = servers, false
	n.mu.Unlock()
	for i, s := range servers {
		go func() { _ = s.Serve(listeners[i]) }()
	}
	return nil
}

// gate holds requests while the node is paused.
func (n *FakeNode) gate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.mu.Lock()
		wait := n.wakeup
		n.mu.Unlock()
		if wait != nil {
			select {
			case <-wait:
			case <-r.Context().Done():
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// Crash ends the node by itself, as a fault in it would.
func (n *FakeNode) Crash() { n.stop() }

func (n *FakeNode) stop() {
	n.mu.Lock()
	servers := n.servers
	n.servers, n.down = nil, true
	if n.wakeup != nil {
		close(n.wakeup)
		n.wakeup = nil
	}
	n.mu.Unlock()
	for _, s := range servers {
		_ = s.Close()
	}
}

// Alive is an error once the node was killed or crashed.
func (n *FakeNode) Alive(context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		return errors.New("the fake node is down")
	}
	return nil
}

// Logs names the node.
func (n *FakeNode) Logs(context.Context) string { return "logs of " + n.Config.Name + "\n" }

// Kill ends the node; it forgets clock, settings, links, and the settings of
// its snapshot.
func (n *FakeNode) Kill(context.Context) error {
	n.stop()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.clock, n.settings, n.cut = clock.New(), n.Config.Settings, nil
	n.snapshot.settings = control.Settings{}
	return nil
}

// Restart listens again.
func (n *FakeNode) Restart(context.Context) error {
	n.stop()
	return n.listen()
}

// Pause lets requests wait.
func (n *FakeNode) Pause(context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.wakeup != nil {
		return fmt.Errorf("node %s is paused already", n.Config.Name)
	}
	n.wakeup = make(chan struct{})
	return nil
}

// Resume lets them go on.
func (n *FakeNode) Resume(context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.wakeup == nil {
		return fmt.Errorf("node %s is not paused", n.Config.Name)
	}
	close(n.wakeup)
	n.wakeup = nil
	return nil
}

// Close ends the node for good.
func (n *FakeNode) Close(context.Context) error {
	n.stop()
	n.net.mu.Lock()
	defer n.net.mu.Unlock()
	if n.net.nodes[n.Config.Name] == n {
		delete(n.net.nodes, n.Config.Name)
	}
	return nil
}
