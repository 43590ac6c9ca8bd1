package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"sync"

	"example.org/ccde/mockehr"
)

// child is a node in a process of its own on this machine. It ends when its
// standard input does, so it outlives nobody.
type child struct {
	e         *embedded
	bin       string
	cfg       mockehr.Config
	temporary string // folder that goes with it
	logs      *tail

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process is gone
	how    error         // then, how it ended
	paused bool
}

// start starts the process, the first time or again.
func (c *child) start() error {
	config, err := json.Marshal(c.cfg)
	if err != nil {
		return err
	}
	cmd := exec.Command(c.bin, "--until-eof")
	cmd.Env = append(cmd.Environ(), "MOCKEHR_CONFIG="+string(config))
	cmd.Stderr = c.logs
	// Held open until the process has ended.
	if _, err := cmd.StdinPipe(); err != nil {
		return err
	}
	if err := c.e.spawn.start(cmd); err != nil {
		return fmt.Errorf("cluster: node %s: %w", c.cfg.Name, err)
	}
	exited := make(chan struct{})
	c.mu.Lock()
	c.cmd, c.exited, c.how, c.paused = cmd, exited, nil, false
	c.mu.Unlock()
	go func() {
		err := cmd.Wait()
		c.mu.Lock()
		if c.how = err; err == nil {
			c.how = fmt.Errorf("exit status 0")
		}
		c.mu.Unlock()
		close(exited)
	}()
	return nil
}

func (c *child) Alive(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.how
}

func (c *child) Logs(context.Context) string { return c.logs.String() }

func (c *child) process() (p *os.Process, exited chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd == nil {
		return nil, nil
	}
	return c.cmd.Process, c.exited
}

// Kill sends SIGKILL and waits until the process is gone.
func (c *child) Kill(ctx context.Context) error {
	p, exited := c.process()
	if p == nil {
		return nil
	}
	select {
	case <-exited:
		return nil
	default:
	}
	if err := p.Kill(); err != nil {
		select {
		case <-exited: // it ended by itself meanwhile
		default:
			return fmt.Errorf("cluster: kill %s: %w", c.cfg.Name, err)
		}
	}
	select {
	case <-exited:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *child) Restart(ctx context.Context) error {
	if err := c.Kill(ctx); err != nil {
		return err
	}
	return c.start()
}

func (c *child) Pause(context.Context) error  { return c.signal(true) }
func (c *child) Resume(context.Context) error { return c.signal(false) }

func (c *child) signal(pause bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.how != nil {
		return fmt.Errorf("cluster: node %s has ended: %w", c.cfg.Name, c.how)
	}
	if c.paused == pause {
		return nil
	}
	send := unsuspend
	if pause {
		send = suspend
	}
	if err := send(c.cmd.Process); err != nil {
		return fmt.Errorf("cluster: node %s: %w", c.cfg.Name, err)
	}
	c.paused = pause
	return nil
}

func (c *child) Close(ctx context.Context) error {
	c.e.remove(c)
	err := c.Kill(ctx)
	if err != nil {
		return err
	}
	return removeDir(c.temporary)
}
