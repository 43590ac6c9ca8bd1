package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	dockernet "github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/network"
)

// dockerNetwork is a private network of one cluster.
type dockerNetwork struct {
	d      *docker
	net    *testcontainers.DockerNetwork
	dialer net.Dialer
}

func (d *docker) Network(ctx context.Context) (Network, error) {
	if err := d.begin(); err != nil {
		return nil, err
	}
	defer d.end()
	n, err := network.New(context.WithoutCancel(ctx), network.WithLabels(d.base.me.labels()))
	if err != nil {
		if strings.Contains(err.Error(), "address pool") {
			err = fmt.Errorf("%w; remove networks that nobody needs: docker network prune", err)
		}
		return nil, fmt.Errorf("cluster: network: %w", err)
	}
	return &dockerNetwork{d: d, net: n}, nil
}

// Place gives a node the URL http://NAME.localhost:PORT: NAME.localhost is
// its alias on the network and, to browsers and curl, this machine, where
// the same port is published.
func (n *dockerNetwork) Place(name string, ports Ports) Place {
	ehr, ctl := strconv.Itoa(ports.EHR), strconv.Itoa(ports.Control)
	p := Place{Host: name + ".localhost:" + ehr, Addr: "127.0.0.1:" + ehr, Listen: ":" + ehr, ControlListen: ":" + ctl, Control: "127.0.0.1:" + ctl}
	if host := n.d.base.opt.Host; host != "" {
		p.Host = net.JoinHostPort(host, ehr)
	}
	return p
}

func (n *dockerNetwork) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return n.dialer.DialContext(ctx, network, addr)
}

func (n *dockerNetwork) Close(ctx context.Context) error {
	return n.d.removeNetwork(context.WithoutCancel(ctx), n.net.ID)
}

func (n *dockerNetwork) Start(ctx context.Context, job Job) (Instance, error) {
	image, err := n.d.nodeImage(ctx)
	if err != nil {
		return nil, err
	}
	request, err := n.request(image, job)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := n.d.begin(); err != nil {
		return nil, err
	}
	defer n.d.end()
	// A request to the engine that is broken off may still be carried out.
	run := context.WithoutCancel(ctx)
	c, err := n.d.provider.RunContainer(run, request)
	var i *dockerNode
	if c != nil {
		i = &dockerNode{d: n.d, id: c.GetContainerID(), name: job.Config.Name}
	}
	if err == nil && ctx.Err() == nil {
		return i, nil
	}
	err = errors.Join(err, ctx.Err())
	if i != nil {
		if logs := i.Logs(run); logs != "" {
			err = fmt.Errorf("%w\n%s", err, logs)
		}
		err = errors.Join(err, i.Close(run))
	}
	if isPortTaken(err) {
		err = fmt.Errorf("%w: %w", ErrPortTaken, err)
	}
	return nil, fmt.Errorf("cluster: node %s: %w", job.Config.Name, err)
}

// request describes the container of a node. No wait strategy: where the
// harness itself seems to run in a container, testcontainers looks for ports
// in the wrong place.
func (n *dockerNetwork) request(image string, job Job) (testcontainers.ContainerRequest, error) {
	cfg := job.Config
	if cfg.Dir == "" {
		cfg.Dir = containerData
	}
	config, err := json.Marshal(cfg)
	if err != nil {
		return testcontainers.ContainerRequest{}, err
	}
	loopback, outside := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.1")
	if n.d.base.opt.Host != "" {
		outside = netip.IPv4Unspecified()
	}
	var exposed []string
	bindings := dockernet.PortMap{}
	for _, b := range []struct {
		listen string
		ip     netip.Addr
	}{{cfg.Listen, outside}, {cfg.Control, loopback}} {
		_, text, err := net.SplitHostPort(b.listen)
		if err != nil {
			return testcontainers.ContainerRequest{}, err
		}
		port, err := dockernet.ParsePort(text + "/tcp")
		if err != nil {
			return testcontainers.ContainerRequest{}, err
		}
		exposed = append(exposed, port.String())
		bindings[port] = []dockernet.PortBinding{{HostIP: b.ip, HostPort: text}}
	}
	return testcontainers.ContainerRequest{
		Image:          image,
		Env:            map[string]string{"MOCKEHR_CONFIG": string(config)},
		Labels:         n.d.base.me.labels(),
		Networks:       []string{n.net.Name},
		NetworkAliases: map[string][]string{n.net.Name: {cfg.Name + ".localhost"}},
		ExposedPorts:   exposed,
		HostConfigModifier: func(h *container.HostConfig) {
			h.PortBindings = bindings
			h.CapDrop = []string{"ALL"}
		},
	}, nil
}

// dockerNode is a node in a container. Its data lives in the container's own
// layer, which a kill and a start leave alone.
type dockerNode struct {
	d    *docker
	id   string
	name string
}

func (i *dockerNode) Alive(ctx context.Context) error {
	r, err := i.d.engine.ContainerInspect(ctx, i.id, client.ContainerInspectOptions{})
	if err != nil {
		return err
	}
	if s := r.Container.State; s != nil && !s.Running {
		return errors.New(strings.TrimSpace(fmt.Sprintf("container is %s, exit status %d %s", s.Status, s.ExitCode, s.Error)))
	}
	return nil
}

// Logs are the container's last lines; empty if the engine gives none.
func (i *dockerNode) Logs(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	r, err := i.d.engine.ContainerLogs(ctx, i.id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: "200"})
	if err != nil {
		return ""
	}
	defer r.Close()
	var out bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, &out, r); err != nil {
		fmt.Fprintf(&out, "(logs end here: %v)\n", err)
	}
	return out.String()
}

func (i *dockerNode) Kill(ctx context.Context) error {
	_, err := i.d.engine.ContainerKill(ctx, i.id, client.ContainerKillOptions{Signal: "SIGKILL"})
	if err != nil && !errdefs.IsConflict(err) { // a conflict: it isn't running
		return i.wrap("kill", err)
	}
	// The engine answers before the process is gone and its port is free.
	return i.wrap("kill", i.d.until(ctx, func() (bool, error) {
		r, err := i.d.engine.ContainerInspect(ctx, i.id, client.ContainerInspectOptions{})
		return err == nil && r.Container.State != nil && !r.Container.State.Running, err
	}))
}

func (i *dockerNode) Restart(ctx context.Context) error {
	_, err := i.d.engine.ContainerStart(ctx, i.id, client.ContainerStartOptions{})
	return i.wrap("start", err)
}

func (i *dockerNode) Pause(ctx context.Context) error {
	_, err := i.d.engine.ContainerPause(ctx, i.id, client.ContainerPauseOptions{})
	return i.wrap("pause", err)
}

func (i *dockerNode) Resume(ctx context.Context) error {
	_, err := i.d.engine.ContainerUnpause(ctx, i.id, client.ContainerUnpauseOptions{})
	return i.wrap("unpause", err)
}

func (i *dockerNode) Close(ctx context.Context) error {
	return i.wrap("remove", i.d.removeContainer(context.WithoutCancel(ctx), i.id))
}

func (i *dockerNode) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("cluster: %s %s: %w", what, i.name, err)
}
