package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"

	"example.org/ccde/mockehr"
)

var errClosed = errors.New("cluster: the runtime is closed")

// embedded runs nodes in this process, on real TCP listeners. A node that
// will be killed or paused is a child process instead.
type embedded struct {
	base  *core
	bins  *binaries
	spawn *spawner

	mu     sync.Mutex
	live   map[Instance]struct{}
	closed bool
}

// NewEmbedded is a runtime in this process; it needs nothing but, for nodes
// with Process set, Go or a built node.
func NewEmbedded(opt Options) (Runtime, error) {
	base, err := newCore(opt)
	if err != nil {
		return nil, err
	}
	return &embedded{base: base, bins: newBinaries(base), spawn: newSpawner(), live: map[Instance]struct{}{}}, nil
}

func (e *embedded) Name() string { return "embedded" }
func (e *embedded) Reuses() bool { return false }
func (e *embedded) core() *core  { return e.base }

// Prepare has nothing to do: the binary is made if a child process needs it.
func (e *embedded) Prepare(context.Context) error { return nil }

func (e *embedded) Network(context.Context) (Network, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, errClosed
	}
	return &embeddedNetwork{e: e}, nil
}

// Close ends nodes that are still there and removes the run's folder.
func (e *embedded) Close(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	var left []Instance
	for i := range e.live {
		left = append(left, i)
	}
	e.mu.Unlock()
	var errs []error
	for _, i := range left {
		errs = append(errs, i.Close(ctx))
	}
	e.spawn.close()
	return errors.Join(append(errs, e.base.work.Close())...)
}

// add keeps an instance for Close; it is refused once the runtime is closed.
func (e *embedded) add(i Instance) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.live[i] = struct{}{}
	}
	return !e.closed
}

func (e *embedded) remove(i Instance) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.live, i)
}

// embeddedNetwork is this machine's loopback.
type embeddedNetwork struct {
	e      *embedded
	dialer net.Dialer
}

func (n *embeddedNetwork) Place(_ string, ports Ports) Place {
	ehr, ctl := strconv.Itoa(ports.EHR), net.JoinHostPort("127.0.0.1", strconv.Itoa(ports.Control))
	p := Place{Host: "127.0.0.1:" + ehr, Addr: "127.0.0.1:" + ehr, Listen: "127.0.0.1:" + ehr, ControlListen: ctl, Control: ctl}
	if host := n.e.base.opt.Host; host != "" {
		p.Host, p.Listen = net.JoinHostPort(host, ehr), ":"+ehr
	}
	return p
}

func (n *embeddedNetwork) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return n.dialer.DialContext(ctx, network, addr)
}

func (n *embeddedNetwork) Close(context.Context) error { return nil }

func (n *embeddedNetwork) Start(ctx context.Context, job Job) (Instance, error) {
	start := n.startHere
	if job.Process {
		start = n.startChild
	}
	i, err := start(ctx, job)
	if err != nil {
		if isPortTaken(err) {
			err = fmt.Errorf("%w: %w", ErrPortTaken, err)
		}
		return nil, err
	}
	if !n.e.add(i) {
		return nil, errors.Join(errClosed, i.Close(ctx))
	}
	return i, nil
}

func (n *embeddedNetwork) startHere(ctx context.Context, job Job) (Instance, error) {
	temporary, err := n.ownDir(&job.Config)
	if err != nil {
		return nil, err
	}
	logs := newTail()
	log := slog.New(slog.NewJSONHandler(logs, nil))
	server, err := mockehr.New(job.Config, log)
	if err != nil {
		return nil, errors.Join(err, removeDir(temporary))
	}
	i := &inProcess{e: n.e, server: server, logs: logs, temporary: temporary}
	// The node lives longer than the context of its start.
	if err := server.Start(context.WithoutCancel(ctx)); err != nil {
		return nil, errors.Join(err, i.Close(ctx))
	}
	return i, nil
}

// ownDir gives a node that has none a data folder in the run's, which goes
// with the node: unlike one that the node makes for itself it can be found
// by a later run if we are killed.
func (n *embeddedNetwork) ownDir(cfg *mockehr.Config) (temporary string, err error) {
	if cfg.Dir == "" {
		temporary, err = n.e.base.work.sub("data-" + cfg.Name + "-")
		cfg.Dir, cfg.Unsynced = temporary, true
	}
	return temporary, err
}

// removeDir removes a node's temporary data folder; "" is none.
func removeDir(path string) error {
	if path == "" {
		return nil
	}
	return os.RemoveAll(path)
}

func (n *embeddedNetwork) startChild(ctx context.Context, job Job) (Instance, error) {
	bin, err := n.e.bins.path(ctx, platform{runtime.GOOS, runtime.GOARCH})
	if err != nil {
		return nil, err
	}
	temporary, err := n.ownDir(&job.Config)
	if err != nil {
		return nil, err
	}
	c := &child{e: n.e, bin: bin, cfg: job.Config, temporary: temporary, logs: newTail()}
	if err := c.start(); err != nil {
		return nil, errors.Join(err, c.Close(ctx))
	}
	return c, nil
}

// inProcess is a node in this process.
type inProcess struct {
	e      *embedded
	server *mockehr.Server
	logs   *tail

	temporary string // folder that goes with it
}

func (i *inProcess) Alive(context.Context) error   { return nil }
func (i *inProcess) Logs(context.Context) string   { return i.logs.String() }
func (i *inProcess) Kill(context.Context) error    { return ErrInProcess }
func (i *inProcess) Restart(context.Context) error { return ErrInProcess }
func (i *inProcess) Pause(context.Context) error   { return ErrInProcess }
func (i *inProcess) Resume(context.Context) error  { return ErrInProcess }

// drainWithin bounds what requests under way may take when a node is closed:
// nobody waits for their answers any more.
const drainWithin = time.Second

func (i *inProcess) Close(ctx context.Context) error {
	i.e.remove(i)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWithin)
	defer cancel()
	return errors.Join(i.server.Close(ctx), removeDir(i.temporary))
}
