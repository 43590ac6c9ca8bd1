package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"example.org/ccde/mockehr"
	"example.org/ccde/mockehr/control"
)

// launchAll draws the ports of all nodes first, because each is told the
// URLs of the others at its start.
func (c *Cluster) launchAll(ctx context.Context, specs []Spec) error {
	members := make([]*member, 0, len(specs))
	for _, s := range specs {
		m, err := c.newMember(s)
		if err != nil {
			return err
		}
		members = append(members, m)
	}
	planned := make([]string, len(members))
	for i, m := range members {
		planned[i] = m.Root
	}
	trust := c.trust()
	g, gctx := errgroup.WithContext(ctx)
	for _, m := range members {
		g.Go(func() error { return c.launch(gctx, m, trust) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, m := range members {
		if m.Root != planned[i] { // a port was taken, another was drawn
			return c.retrust(ctx)
		}
	}
	return nil
}

// newMember draws ports for a node and enters it in the address book.
func (c *Cluster) newMember(s Spec) (*member, error) {
	m := &member{spec: s, Node: Node{Name: s.Name, Secret: randomText()}}
	if err := c.settle(m); err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.members = append(c.members, m)
	c.mu.Unlock()
	return m, nil
}

// settle draws a member's ports, again if it had some.
func (c *Cluster) settle(m *member) error {
	host := "127.0.0.1"
	if c.core.opt.Host != "" {
		host = ""
	}
	if m.ports != (Ports{}) {
		c.forget(m)
		c.core.ports.release(m.ports)
		m.ports = Ports{}
	}
	ports, err := c.core.ports.drawPair(host)
	if err != nil {
		return err
	}
	m.ports = ports
	m.place = c.net.Place(m.Name, ports)
	c.book.put(m.place.Host, m.place.Addr)
	scheme := "http://"
	if m.spec.TLS {
		scheme = "https://"
	}
	m.Root = scheme + m.place.Host + m.spec.Prefix
	if door := c.core.opt.Door; door != nil {
		if m.spec.TLS {
			return fmt.Errorf("cluster: node %s: tls behind a front door; give the door a certificate instead", m.Name)
		}
		m.Root = door.Root() + m.doorPath()
		door.put(m.doorPath(), m.place.Addr)
	}
	m.FHIR = m.Root + "/r3"
	m.ControlURL = "http://" + m.place.Control
	m.Control = control.New(m.ControlURL, m.Secret, &http.Client{Transport: c.transport})
	return nil
}

// doorPath is where a node is at the front door.
func (m *member) doorPath() string { return m.spec.Prefix + "/" + m.Name }

// forget takes a node out of the address book and away from the front door.
func (c *Cluster) forget(m *member) {
	c.book.remove(m.place.Host)
	if door := c.core.opt.Door; door != nil {
		door.remove(m.doorPath(), m.place.Addr)
	}
}

const launchTries = 5

// launch starts a node until it gets its ports, waits until it answers, loads
// its bundles and lets the user prepare it.
func (c *Cluster) launch(ctx context.Context, m *member, trust []control.KeySource) error {
	key, err := c.core.keys.pem(m.Name)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		loaded, err := c.launchOnce(ctx, m, key, trust)
		if err == nil && !loaded {
			err = c.load(ctx, m)
		}
		if err == nil && c.prepare != nil {
			err = c.prepare(ctx, m.Node)
		}
		if err == nil || !isPortTaken(err) || try == launchTries || ctx.Err() != nil {
			return err
		}
		c.core.opt.Log.Debug("a port was taken, drawing others", "node", m.Name, "error", err.Error())
		if err := c.settle(m); err != nil {
			return err
		}
	}
}

func (c *Cluster) launchOnce(ctx context.Context, m *member, key string, trust []control.KeySource) (loaded bool, err error) {
	cfg := mockehr.Config{
		Name: m.Name, Root: m.Root, Listen: m.place.Listen, Control: m.place.ControlListen, Secret: m.Secret, Key: key,
		Consumer: c.core.opt.Consumer, Admin: c.core.opt.Admin, Settings: m.spec.Settings,
	}
	if door := c.core.opt.Door; door != nil {
		cfg.Hosts = map[string]string{door.Host(): door.Addr()}
	}
	cfg.CA = string(c.core.opt.CA)
	if c.hasTLS() {
		cfg.CA += string(c.core.opt.Authority.PEM())
	}
	if m.spec.TLS {
		if cfg.TLS, err = c.core.opt.Authority.issue(m.place.Host); err != nil {
			return false, err
		}
	}
	cfg.Settings.Trust = slices.Concat(m.spec.Settings.Trust, trust)
	if c.adapt != nil {
		loaded = c.adapt(m.Name, &cfg)
	}
	inst, err := c.net.Start(ctx, Job{Config: cfg, Process: m.spec.Process})
	if err != nil {
		return false, err
	}
	if err := c.ready(ctx, m, inst); err != nil {
		return false, errors.Join(err, inst.Close(context.WithoutCancel(ctx)))
	}
	c.mu.Lock()
	m.inst, m.state = inst, running
	c.mu.Unlock()
	return loaded, nil
}

// hasTLS says whether a node of the cluster serves TLS, so that the others must trust it.
func (c *Cluster) hasTLS() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.members, func(m *member) bool { return m.spec.TLS })
}

// ready waits until a node answers on its control port. An error holds the
// node's last lines.
func (c *Cluster) ready(ctx context.Context, m *member, inst Instance) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.core.opt.StartTimeout, fmt.Errorf("no answer within %s", c.core.opt.StartTimeout))
	defer cancel()
	wait, looked := time.Millisecond, time.Now()
	for {
		err := m.Control.Health(ctx)
		if err == nil {
			return nil
		}
		// Asking the engine costs more than asking the node.
		if ctx.Err() == nil && time.Since(looked) > 200*time.Millisecond {
			looked = time.Now()
			if ended := inst.Alive(ctx); ended != nil && ctx.Err() == nil {
				return fmt.Errorf("cluster: node %s did not start: %w\n%s", m.Name, ended, inst.Logs(ctx))
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cluster: node %s did not start: %w (%w)\n%s", m.Name, context.Cause(ctx), err, inst.Logs(context.WithoutCancel(ctx)))
		case <-time.After(wait):
			wait = min(2*wait, 50*time.Millisecond)
		}
	}
}

func (c *Cluster) load(ctx context.Context, m *member) error {
	for i, bundle := range m.spec.Load {
		if err := m.Control.Load(ctx, bundle); err != nil {
			return fmt.Errorf("cluster: node %s: bundle %d: %w", m.Name, i, err)
		}
	}
	return nil
}

// takeSnapshot lets a node keep what it holds now, for Reset.
func (c *Cluster) takeSnapshot(ctx context.Context, m *member) error {
	if c.passing {
		return nil
	}
	base, err := m.Control.Settings(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	m.base = base
	c.mu.Unlock()
	return m.Control.Snapshot(ctx)
}
