package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"
)

// docker runs each node in a container of its own, each cluster on a private
// network.
type docker struct {
	base     *core
	provider *testcontainers.DockerProvider
	engine   client.APIClient
	version  string // the engine's
	platform platform
	bins     *binaries

	prepare sync.Mutex
	image   string // tag, once prepared

	mu     sync.Mutex
	closed bool
	making sync.WaitGroup // what is being made in the engine right now
}

// ryukDisabled is the only switch of testcontainers for its reaper, a
// container of its own that would be pulled. It is read once in a process.
const ryukDisabled = "TESTCONTAINERS_RYUK_DISABLED"

// NewDocker is a runtime in the engine that testcontainers finds. It sets
// TESTCONTAINERS_RYUK_DISABLED for this process, and removes what dead runs
// of this machine left in the engine. Close must be called, whatever comes.
func NewDocker(ctx context.Context, opt Options) (Runtime, error) {
	base, err := newCore(opt)
	if err != nil {
		return nil, err
	}
	if opt.Door != nil {
		return nil, errors.New("cluster: nodes in containers have no front door; take the embedded runtime")
	}
	if ip := net.ParseIP(base.opt.Host); base.opt.Host == "localhost" || (ip != nil && ip.IsLoopback()) {
		return nil, fmt.Errorf("cluster: host %q means the container itself to a node in Docker; give this machine's name or address in its network, or use the embedded runtime", base.opt.Host)
	}
	d := &docker{base: base, bins: newBinaries(base)}
	if err := d.connect(ctx); err != nil {
		return nil, err
	}
	// However long it takes, and whatever can't be removed: a later run tries again.
	_ = d.sweep(context.WithoutCancel(ctx), false)
	return d, nil
}

// connect finds the engine. testcontainers takes no context for that and may
// panic on a strange environment, so it runs aside.
func (d *docker) connect(ctx context.Context) error {
	if err := os.Setenv(ryukDisabled, "true"); err != nil {
		return err
	}
	tclog.SetDefault(tclog.NewNoopLogger())
	type found struct {
		provider testcontainers.GenericProvider
		err      error
	}
	done := make(chan found, 1)
	go func() {
		var f found
		defer func() {
			if p := recover(); p != nil {
				f.err = fmt.Errorf("%v", p)
			}
			done <- f
		}()
		f.provider, f.err = testcontainers.ProviderDefault.GetProvider(testcontainers.WithLogger(tclog.NewNoopLogger()))
	}()
	var f found
	select {
	case f = <-done:
	case <-ctx.Done():
		return fmt.Errorf("no Docker engine answered in time: %w", context.Cause(ctx))
	}
	if f.err != nil {
		return fmt.Errorf("no Docker engine answers: %w", f.err)
	}
	provider, ok := f.provider.(*testcontainers.DockerProvider)
	if !ok {
		return fmt.Errorf("testcontainers gave a %T instead of a Docker provider", f.provider)
	}
	if !provider.Config().RyukDisabled {
		return fmt.Errorf("this process used testcontainers before with its reaper on; set %s=true in the environment", ryukDisabled)
	}
	d.provider, d.engine = provider, provider.Client()
	return d.inspectEngine(ctx)
}

// inspectEngine refuses an engine whose published ports are not ours to
// reach, or that runs no Linux containers.
func (d *docker) inspectEngine(ctx context.Context) error {
	host := d.engine.DaemonHost()
	if u, err := url.Parse(host); err == nil && (u.Scheme == "tcp" || u.Scheme == "http" || u.Scheme == "https" || u.Scheme == "ssh") {
		if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return fmt.Errorf("the Docker engine at %s is on another machine, where nodes can't be reached from here", host)
		}
	}
	v, err := d.engine.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return fmt.Errorf("no Docker engine answers at %s: %w", host, err)
	}
	if v.Os != "linux" {
		return fmt.Errorf("the Docker engine at %s runs %s containers; nodes need linux", host, v.Os)
	}
	d.version, d.platform = v.Version, platform{v.Os, v.Arch}
	return nil
}

func (d *docker) Name() string { return "docker" }
func (d *docker) Reuses() bool { return true }
func (d *docker) core() *core  { return d.base }

// Close removes every container, network and image of this run, found by
// label: so also what an interrupted start left.
func (d *docker) Close(ctx context.Context) error {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.making.Wait() // so that nothing appears after the sweep
	// Who closes because ctx was cancelled wants all of it gone even so.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	err := d.sweep(ctx, true)
	return errors.Join(err, d.provider.Close(), d.base.work.Close())
}

// begin says that something is going to be made in the engine, until end.
func (d *docker) begin() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return errClosed
	}
	d.making.Add(1)
	return nil
}

func (d *docker) end() { d.making.Done() }
