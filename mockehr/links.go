package mockehr

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// links is the node's way out: every connection that it opens goes through
// here, so that the harness can cut the link to another node.
type links struct {
	dialer net.Dialer

	mu   sync.Mutex
	cut  map[string]bool        // "host:port" that can't be reached now
	open map[*linkConn]struct{} // connections that a cut must end
}

func newLinks() *links {
	return &links{dialer: net.Dialer{Timeout: 5 * time.Second}, cut: map[string]bool{}, open: map[*linkConn]struct{}{}}
}

// linkConn is a connection that ends when its link is cut.
type linkConn struct {
	net.Conn
	address string
	links   *links
}

func (c *linkConn) Close() error {
	c.links.mu.Lock()
	delete(c.links.open, c)
	c.links.mu.Unlock()
	return c.Conn.Close()
}

func (l *links) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if l.isCut(address) {
		return nil, fmt.Errorf("dial %s: the link is cut", address)
	}
	conn, err := l.dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &linkConn{Conn: conn, address: address, links: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut[address] { // cut while it was being opened
		_ = conn.Close()
		return nil, fmt.Errorf("dial %s: the link is cut", address)
	}
	l.open[c] = struct{}{}
	return c, nil
}

func (l *links) isCut(address string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut[address]
}

// set replaces the cut addresses and ends what is open to them.
func (l *links) set(addresses []string) {
	l.mu.Lock()
	var ended []net.Conn
	l.cut = make(map[string]bool, len(addresses))
	for _, a := range addresses {
		l.cut[a] = true
	}
	for c := range l.open {
		if l.cut[c.address] {
			ended = append(ended, c.Conn)
		}
	}
	l.mu.Unlock()
	for _, c := range ended {
		_ = c.Close()
	}
}

// transport is the HTTP transport on these links. It follows no proxy of the
// environment: a node talks to whom the scenario names.
func (l *links) transport() *http.Transport {
	return &http.Transport{
		DialContext:           l.dial,
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       30 * time.Second,
		TLSHandshakeTimeout:   5 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}
