package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// book is a cluster's address book: from the "host:port" of a node's URL to
// an address that can be dialed from here. Go's resolver knows no
// *.localhost, though browsers and curl do.
type book struct {
	mu    sync.RWMutex
	addrs map[string]string
}

func newBook() *book { return &book{addrs: map[string]string{}} }

func (b *book) put(host, addr string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addrs[strings.ToLower(host)] = addr
}

func (b *book) remove(host string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.addrs, strings.ToLower(host))
}

// find is where host is dialed. A name that is not in the book is dialed as
// it is, but *.localhost is always this machine (RFC 6761, 6.3).
func (b *book) find(host string) string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if addr, ok := b.addrs[strings.ToLower(host)]; ok {
		return addr
	}
	name, port, err := net.SplitHostPort(host)
	if err == nil && strings.HasSuffix(strings.ToLower(strings.TrimSuffix(name, ".")), ".localhost") {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return host
}

// newTransport is an HTTP transport of its own that reaches nodes by dial.
// It goes through no proxy: nodes are here.
func newTransport(dial func(ctx context.Context, network, addr string) (net.Conn, error), roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		DialContext:         dial,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     30 * time.Second,
	}
}
