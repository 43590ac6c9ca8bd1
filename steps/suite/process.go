package suite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"example.org/ccde/mockehr/cluster"
	"example.org/ccde/steps/config"
)

func timeOf(d config.Duration) time.Duration { return time.Duration(d) }

// process is a system under test that the harness starts by its command, in a
// process group of its own, so that a kill reaches all of it.
type process struct {
	command, dir string
	answers      string // the URL that answers once it is up
	within       time.Duration
	client       *http.Client
	output       io.Writer // takes what it prints; nil = nobody
	said         lastWords

	mu    sync.Mutex
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process is gone
}

// newProcess is the system's process, not yet started.
func (s *System) newProcess() (*process, error) {
	transport, err := cluster.Transport(s.door, s.ca)
	if err != nil {
		return nil, err
	}
	p := &process{command: s.File.Command.Start, dir: s.File.Dir(), within: timeOf(s.File.Timeouts.Copy),
		output: s.Output, client: &http.Client{Transport: transport, Timeout: timeOf(s.File.Timeouts.Request)}}
	switch {
	case s.File.Source != nil:
		p.answers = s.File.Source.FHIR + "/metadata"
	case s.File.Target != nil:
		p.answers = s.File.Target.FHIR + "/metadata"
	default:
		p.answers = s.File.CAVS.URL
	}
	return p, nil
}

// Start starts the process, and waits until it answers.
func (p *process) Start(ctx context.Context) error {
	p.mu.Lock()
	cmd := exec.Command("/bin/sh", "-c", p.command)
	var to io.Writer = &p.said
	if p.output != nil {
		to = io.MultiWriter(&p.said, p.output)
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, to, to
	groupOfItsOwn(cmd)
	if err := cmd.Start(); err != nil {
		p.mu.Unlock()
		return fmt.Errorf("%q: %w", p.command, err)
	}
	ended := make(chan struct{})
	p.cmd, p.ended = cmd, ended
	p.mu.Unlock()
	go func() {
		_ = cmd.Wait() // how it ended is seen by what it answers
		close(ended)
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, p.within, fmt.Errorf("no answer from %s within %s (timeouts.copy)", p.answers, p.within))
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if p.up(ctx) {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("%q ended before it answered: %s%s", p.command, cmd.ProcessState, p.said.lines())
		case <-ctx.Done():
			return fmt.Errorf("%w%s", context.Cause(ctx), p.said.lines())
		case <-tick.C:
		}
	}
}

func (p *process) up(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.answers, nil)
	if err != nil {
		return false
	}
	res, err := p.client.Do(req)
	if err != nil {
		return false
	}
	return res.Body.Close() == nil && res.StatusCode < 500
}

// upNow is up for a short look.
func (p *process) upNow(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return p.up(ctx)
}

// Kill sends SIGKILL to the process and all that it started, and waits until it
// is gone. It is an error if the system still answers then.
func (p *process) Kill(ctx context.Context) error {
	p.mu.Lock()
	cmd, ended := p.cmd, p.ended
	p.mu.Unlock()
	if cmd == nil {
		return nil
	}
	if err := killGroup(cmd); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("the system under test could not be killed: %w", err)
	}
	p.client.CloseIdleConnections()
	select {
	case <-ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	if p.upNow(ctx) {
		return fmt.Errorf("%s still answers after the process group of command.start was killed; let the command start the system in the foreground, in its own process group, and start no other one", p.answers)
	}
	return nil
}

// lastWords keeps the end of what a process prints.
type lastWords struct {
	mu   sync.Mutex
	text []byte
}

func (l *lastWords) Write(text []byte) (int, error) {
	const most = 2000
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text = append(l.text, text...); len(l.text) > most {
		l.text = append([]byte(nil), l.text[len(l.text)-most:]...)
	}
	return len(text), nil
}

// lines are the last whole ones, for an error's text; "" if it printed nothing.
func (l *lastWords) lines() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := strings.Split(strings.TrimSpace(string(l.text)), "\n")
	if len(all) > 10 {
		all = all[len(all)-10:]
	}
	if all[0] == "" {
		return ""
	}
	return "; it said:\n  " + strings.Join(all, "\n  ")
}
