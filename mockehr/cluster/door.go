package cluster

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"example.org/ccde/mockehr/oauth"
)

// Door is the one listener through which outside systems reach nodes. With a
// door in its [Options] a runtime gives every node [advertise]/NAME (with a
// prefix: [advertise]PREFIX/NAME) as its root, and the door passes on what is
// asked below it. It also serves the harness's key set.
type Door struct {
	root    *url.URL // what outside systems are told, without a slash at its end
	addr    string   // where it listens, for those on this machine
	keys    json.RawMessage
	nodeKey *oauth.Key // of all nodes; nil = each has its own
	harness string
	proxy   *httputil.ReverseProxy
	serve   *http.Server
	other   string // the URL of a second listener: another origin

	mu    sync.Mutex
	nodes map[string][]string // "host:port" by path; the last one answers, when it goes the one before
	cut   map[string]bool     // paths that only the harness reaches
	watch []func(*http.Request)
}

// DoorOptions say where a door is.
type DoorOptions struct {
	Listen    string           // address, "host:port"
	Advertise string           // its URL for others
	TLS       *tls.Certificate // nil: plain HTTP
	Keys      json.RawMessage  // the JWK Set at [advertise]/jwks.json
	NodeKey   string           // Options.Key of the nodes: its set is served for names without a node too; "" = none
	Harness   string           // the harness's User-Agent: it passes where Cut keeps others out
	Log       *slog.Logger     // nil = none
}

// KeysPath is where a door serves the harness's key set, below its root.
const KeysPath = "/jwks.json"

// OpenDoor opens the listener. An error names the option and the fix.
func OpenDoor(opt DoorOptions) (*Door, error) {
	root, err := url.Parse(strings.TrimRight(opt.Advertise, "/"))
	if err != nil || root.Host == "" || root.Scheme != "http" && root.Scheme != "https" || root.RawQuery != "" {
		return nil, fmt.Errorf("advertise: %q is no absolute http(s) URL; give the one by which the system under test reaches the front door", opt.Advertise)
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	var nodeKey *oauth.Key
	if opt.NodeKey != "" {
		if nodeKey, err = oauth.ParseKey([]byte(opt.NodeKey)); err != nil {
			return nil, fmt.Errorf("the key of the nodes: %w", err)
		}
	}
	listener, err := net.Listen("tcp", opt.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen: %q can't be listened on: %w; give a free address such as :9000", opt.Listen, err)
	}
	if opt.TLS != nil {
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{*opt.TLS}, MinVersion: tls.VersionTLS12})
	}
	d := &Door{root: root, addr: reachable(listener.Addr().String()), keys: opt.Keys, nodeKey: nodeKey, harness: opt.Harness, nodes: map[string][]string{}, cut: map[string]bool{}}
	quiet := slog.NewLogLogger(opt.Log.Handler(), slog.LevelDebug)
	d.proxy = &httputil.ReverseProxy{
		// The node is asked as the door was: same path, same Host.
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", r.In.Context().Value(backendKey{}).(string), r.In.Host
			if r.In.TLS != nil {
				r.Out.Header.Set("X-Forwarded-Proto", "https")
			}
		},
		Transport:     &http.Transport{MaxIdleConnsPerHost: 16, DisableCompression: true, IdleConnTimeout: 30 * time.Second},
		FlushInterval: -1,
		ErrorLog:      quiet,
		// A node that is down refuses connections; the door can only end this one.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	d.serve = &http.Server{Handler: d, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, ErrorLog: quiet}
	if err := d.openOther(opt); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	go func() {
		if err := d.serve.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			opt.Log.Error("the front door's listener ended", "error", err.Error())
		}
	}()
	return d, nil
}

// openOther opens a second listener on a port of its own, with the same behind it.
func (d *Door) openOther(opt DoorOptions) error {
	host, _, err := net.SplitHostPort(opt.Listen)
	if err != nil {
		return fmt.Errorf("listen: %q: %w", opt.Listen, err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return fmt.Errorf("listen: no second port beside %q: %w", opt.Listen, err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if opt.TLS != nil {
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{*opt.TLS}, MinVersion: tls.VersionTLS12})
	}
	elsewhere := *d.root
	elsewhere.Host = net.JoinHostPort(d.root.Hostname(), port)
	d.other = elsewhere.String()
	go func() { _ = d.serve.Serve(listener) }() // ends with the door
	return nil
}

// Elsewhere is a URL at the door as it is at another origin: where a system
// must not take a secret along to. Others reach it if they reach all ports of
// this machine; one that does not reach it can't take anything there.
func (d *Door) Elsewhere(place string) string {
	if below, ok := strings.CutPrefix(place, d.root.String()); ok {
		return d.other + below
	}
	return place
}

type backendKey struct{}

// reachable is an address at which this machine reaches a listener.
func reachable(listening string) string {
	host, port, err := net.SplitHostPort(listening)
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return listening
}

// Root is the door's URL for others, without a slash at its end.
func (d *Door) Root() string { return d.root.String() }

// Host is the "host:port" in that URL, Addr what is dialed for it here.
func (d *Door) Host() string {
	if d.root.Port() != "" {
		return d.root.Host
	}
	return net.JoinHostPort(d.root.Hostname(), map[string]string{"http": "80", "https": "443"}[d.root.Scheme])
}

// Addr is the "host:port" at which this machine reaches the door.
func (d *Door) Addr() string { return d.addr }

// Watch calls f with every request that comes from now on, before it is
// answered; the function that it returns ends that.
func (d *Door) Watch(f func(*http.Request)) (end func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := len(d.watch)
	d.watch = append(d.watch, f)
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.watch[i] = nil
	}
}

// Cut closes the door of one node (its path below the root, such as "/cavs")
// to everybody but the harness, or opens it again.
func (d *Door) Cut(path string, cut bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut[path] = cut
}

func (d *Door) put(path, addr string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.nodes[path] = append(d.nodes[path], addr)
}

func (d *Door) remove(path, addr string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	left := slices.DeleteFunc(d.nodes[path], func(a string) bool { return a == addr })
	if d.nodes[path] = left; len(left) == 0 {
		delete(d.nodes, path)
	}
	delete(d.cut, path)
}

// ServeHTTP passes a request on to the node below whose path it is.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, below := strings.CutPrefix(r.URL.Path, d.root.Path)
	d.mu.Lock()
	for _, f := range d.watch {
		if f != nil {
			f(r)
		}
	}
	node, addr, names := "", "", []string{}
	for p, a := range d.nodes {
		names = append(names, d.root.String()+p)
		if below && len(p) > len(node) && (path == p || strings.HasPrefix(path, p+"/")) {
			node, addr = p, a[len(a)-1]
		}
	}
	cut := d.cut[node] && node != ""
	d.mu.Unlock()
	switch {
	case below && path == KeysPath:
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(d.keys) // who asked is gone
	case cut && r.UserAgent() != d.harness:
		panic(http.ErrAbortHandler)
	case addr == "" && d.nodeKey != nil && below && strings.HasSuffix(path, nodeKeysPath):
		d.serveNodeKeys(w, strings.TrimSuffix(path, nodeKeysPath))
	case addr != "":
		d.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), backendKey{}, addr)))
	default:
		slices.Sort(names)
		http.Error(w, "This is the front door of a ccde harness. There is now: "+strings.Join(append(names, d.root.String()+KeysPath), " "), http.StatusNotFound)
	}
}

// nodeKeysPath is where a node publishes its keys, below its own root (protocol 1.1).
const nodeKeysPath = "/auth/auth_key"

// serveNodeKeys serves the key set of a node that is not there now: a system
// that comes for it before judging begins may not come again for a minute.
func (d *Door) serveNodeKeys(w http.ResponseWriter, path string) {
	set, err := oauth.KeySetOf(d.nodeKey, d.root.String()+path)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(set) // who asked is gone
}

// Close ends the listener and what is under way.
func (d *Door) Close() error {
	if t, ok := d.proxy.Transport.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
	return d.serve.Close()
}
