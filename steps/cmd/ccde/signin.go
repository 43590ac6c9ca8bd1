package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-isatty"

	"example.org/ccde/steps/suite"
)

// signInTime is how long a scenario may take in which a person signs in.
const signInTime = 15 * time.Minute

// person is whoever sits at the terminal. They do in the source's pages what
// smart.sign-in.command would.
type person struct {
	progress *progress
	patient  string
	redirect string // the registered redirect_uri
	lines    func() <-chan string

	mu sync.Mutex // one sign-in at a time
}

// personFor lets a person at the terminal sign in, where the file has clients for
// it and no command, and there is a terminal.
func personFor(s streams, p *progress, system *suite.System, opt *suite.Options) {
	file := system.File
	in, isFile := s.in.(*os.File)
	if file.SMART == nil || file.SMART.SignIn.Command != "" || file.SMART.Redirect == "" || !file.Claims("SRC-73") || file.Source == nil ||
		!isFile || !isatty.IsTerminal(in.Fd()) || !p.terminal {
		return
	}
	one := &person{progress: p, patient: file.Source.Patient, redirect: file.SMART.Redirect, lines: sync.OnceValue(func() <-chan string { return linesOf(in) })}
	system.Person = one.act
	opt.ScenarioTimeout = signInTime
}

// linesOf reads lines for as long as the process lives.
func linesOf(in io.Reader) <-chan string {
	out := make(chan string)
	go func() {
		defer close(out)
		for scanner := bufio.NewScanner(in); scanner.Scan(); {
			out <- strings.TrimSpace(scanner.Text())
		}
	}()
	return out
}

// act shows a link, and waits until the browser comes back to the redirect_uri, or
// somebody says where it ended. It answers that URL: the link's own where it
// ended on a page that leads nowhere.
func (p *person) act(ctx context.Context, link, what string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	resume := p.progress.hold()
	defer resume()
	if what == "revoke" {
		p.progress.always("", "Take back, in the source's pages, what was granted by", "  "+link, "and press Enter then.")
		_, err := p.line(ctx, nil)
		return link, err
	}
	back, stop := p.listen()
	defer stop()
	p.progress.always("", fmt.Sprintf("Open this link, sign in, choose Patient/%s, and %s:", p.patient, strings.ToUpper(what)), "  "+link)
	if back != nil {
		p.progress.always("This goes on when the browser comes back. If it ends on another page, press Enter.")
	} else {
		p.progress.always("Then paste the URL that the browser ended at, and press Enter; nothing, if it is another page of the source.")
	}
	at, err := p.line(ctx, back)
	if at == "" {
		at = link
	}
	return at, err
}

// line is what comes first: a line of the terminal, or the browser.
func (p *person) line(ctx context.Context, back <-chan string) (string, error) {
	select {
	case text, open := <-p.lines():
		if !open {
			return "", errors.New("the terminal was closed before somebody signed in")
		}
		return text, nil
	case at := <-back:
		return at, nil
	case <-ctx.Done():
		return "", fmt.Errorf("nobody signed in: %w", context.Cause(ctx))
	}
}

// listen waits at the redirect_uri, where that is on this machine and free; nil
// where it is not.
func (p *person) listen() (<-chan string, func()) {
	u, err := url.Parse(p.redirect)
	if err != nil || u.Scheme != "http" || u.Port() == "" || !loopback(u.Hostname()) {
		return nil, func() {}
	}
	listener, err := net.Listen("tcp", u.Host)
	if err != nil {
		return nil, func() {}
	}
	back := make(chan string, 1)
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != u.Path { // a browser asks for an icon too
			http.NotFound(w, r)
			return
		}
		select {
		case back <- "http://" + u.Host + r.URL.RequestURI():
		default:
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, "ccde has what it needs. This window can be closed.")
	})}
	go func() { _ = server.Serve(listener) }() // ends with stop
	return back, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = server.Shutdown(ctx) // the answer to the browser is all that waits
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
