package mockehr

import (
	"context"
	"crypto/tls"
	"crypto/x509"
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
	hosts  map[string]string // where some "host:port" are dialed
	roots  *x509.CertPool    // nil = the system's

	mu   sync.Mutex
	cut  map[string]bool        // "host:port" that can't be reached now
	open map[*linkConn]struct{} // connections that a cut must end
}

// newLinks are the links of a node of that configuration, which must be sound.
func newLinks(cfg Config) *links {
	l := &links{dialer: net.Dialer{Timeout: 5 * time.Second}, hosts: cfg.Hosts, cut: map[string]bool{}, open: map[*linkConn]struct{}{}}
	if cfg.CA != "" {
		if l.roots, _ = x509.SystemCertPool(); l.roots == nil { // some images have none
			l.roots = x509.NewCertPool()
		}
		l.roots.AppendCertsFromPEM([]byte(cfg.CA))
	}
	return l
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
	place := address
	if at, known := l.hosts[address]; known {
		place = at
	}
	conn, err := l.dialer.DialContext(ctx, network, place)
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
		TLSClientConfig:       &tls.Config{RootCAs: l.roots, MinVersion: tls.VersionTLS12},
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       30 * time.Second,
		TLSHandshakeTimeout:   5 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}
