package cluster

import (
	"context"
	"errors"
	"net"

	"example.org/ccde/mockehr"
)

// Runtime is where nodes run: in this process ([NewEmbedded]), each in a
// container of its own ([NewDocker]), or nowhere ([NewFake]). Close ends and
// removes all that it started, also what a failed or interrupted start left.
type Runtime interface {
	// Name is "embedded", "docker" or "fake".
	Name() string
	// Reuses says that a cluster is costly to start, so that a [Pool] keeps
	// it and puts it back to its snapshot.
	Reuses() bool
	// Prepare makes what nodes are started from, once: the image, the binary.
	// Without it the first start does.
	Prepare(ctx context.Context) error
	// Network opens the surroundings of one cluster.
	Network(ctx context.Context) (Network, error)
	Close(ctx context.Context) error

	core() *core
}

// Network is the surroundings of one cluster: it starts its nodes and knows
// how the harness reaches them.
type Network interface {
	// Place says where a node of that name with these two ports listens and
	// what its URL's host is.
	Place(name string, ports Ports) Place
	// Start starts a node; it may answer before the node does. An error that
	// wraps [ErrPortTaken] can be tried again with other ports.
	Start(ctx context.Context, job Job) (Instance, error)
	// Dial connects the harness to an address of a [Place], or to any other.
	Dial(ctx context.Context, network, addr string) (net.Conn, error)
	// Close removes the surroundings; the nodes are closed before.
	Close(ctx context.Context) error
}

// Job is one node to start.
type Job struct {
	Config  mockehr.Config
	Process bool // in a process of its own, whatever the runtime
}

// Ports are a node's two ports, the same from start to end.
type Ports struct{ EHR, Control int }

// Place is where a node listens and how it is reached.
type Place struct {
	Host          string // "host:port" of the node's URL
	Addr          string // "host:port" at which the harness finds that host
	Listen        string // address its EHR listens on, in its own network
	ControlListen string // address its control port listens on, likewise
	Control       string // "host:port" at which the harness finds the control port
}

// Instance is a node that was started. Kill is a SIGKILL; Restart brings the
// same node back with its data, ports and key.
type Instance interface {
	// Alive is nil while the node runs, else it says how it ended.
	Alive(ctx context.Context) error
	// Logs are the last lines that the node wrote.
	Logs(ctx context.Context) string
	Kill(ctx context.Context) error
	Restart(ctx context.Context) error
	Pause(ctx context.Context) error
	Resume(ctx context.Context) error
	// Close ends the node and removes what it had.
	Close(ctx context.Context) error
}

var (
	// ErrPortTaken says that another program got the port of a node first.
	ErrPortTaken = errors.New("port is taken")
	// ErrInProcess says that a node of this process can't be killed or paused alone.
	ErrInProcess = errors.New("node runs inside this process, where it can't be killed or paused alone; set Process in its spec")
)
