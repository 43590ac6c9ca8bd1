package cluster

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"

	"example.org/ccde/mockehr/control"
)

// Spec says what a node is to be when it starts.
type Spec struct {
	Name     string           // a host label: lower-case letters, digits, '-'; unique in its cluster
	Prefix   string           // path before /r3 and /auth, such as "/source"; "" = none
	Settings control.Settings // without trust in the cluster's own nodes, which Start adds
	Load     [][]byte         // FHIR Bundles, JSON, stored as they are before the node's snapshot is taken
	TLS      bool             // serves TLS with a certificate of [Options.Authority]; its URLs are https
	Process  bool             // will be killed or paused: a process of its own, in every runtime
}

// Node is a started node, as the harness sees it.
type Node struct {
	Name       string
	Root       string // one URL for everyone: harness, other nodes, a browser, a pasted curl
	FHIR       string // Root + "/r3"
	Control    *control.Client
	ControlURL string
	Secret     string // bearer of the control port
}

// Options are what all nodes of a runtime have in common. The zero value is
// good for a local run.
type Options struct {
	// Host makes http://HOST:PORT the URL of every node and opens the EHR
	// ports to all interfaces; "" keeps everything on loopback.
	Host string
	// NodeBinary is a file to run as node where a node is a process; "" = build it.
	NodeBinary string
	// Trust are key sets that every node trusts beside those of its cluster.
	Trust []control.KeySource
	// Consumer and Admin are the bearers of the person's app and of the
	// administrator (protocol 1.9); "" = random, see [Bearers].
	Consumer, Admin string
	// Door makes [advertise]/NAME the URL of every node and passes on what comes
	// there; nodes stay on loopback behind it. Only the embedded runtime has it;
	// the caller opens and closes it. nil = none.
	Door *Door
	// CA are certificates, PEM, that nodes and harness trust beside the
	// system's own; nil = none.
	CA []byte
	// Authority issues the certificates of nodes that serve TLS; nodes and
	// harness trust it. nil = one that lasts as long as the runtime.
	Authority *Authority
	// Key signs the JWTs of every node, PEM; "" = each name has a fresh one.
	Key string
	// StartTimeout is how long a node may take to answer; 0 = 30 s.
	StartTimeout time.Duration
	Log          *slog.Logger // nil = none
}

// withDefaults checks the options and fills what was left open.
func (o Options) withDefaults() (Options, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.StartTimeout <= 0 {
		o.StartTimeout = 30 * time.Second
	}
	if o.Host != "" {
		u, err := url.Parse("http://" + net.JoinHostPort(strings.Trim(o.Host, "[]"), "1"))
		if err != nil || u.Hostname() == "" || strings.ContainsAny(o.Host, "/@ ") {
			return o, fmt.Errorf("cluster: host %q is no host name or address; give one without scheme and port", o.Host)
		}
		o.Host = strings.Trim(o.Host, "[]")
	}
	if o.Door != nil && o.Host != "" {
		return o, errors.New("cluster: host and door together; a door has its own host")
	}
	for i, t := range o.Trust {
		if (t.URL == "") == (len(t.Keys) == 0) {
			return o, fmt.Errorf("cluster: trust[%d]: give either a URL or inline keys", i)
		}
	}
	for _, bearer := range []*string{&o.Consumer, &o.Admin} {
		if *bearer == "" {
			*bearer = randomText()
		}
	}
	if o.Consumer == o.Admin {
		return o, errors.New("cluster: consumer and admin have the same bearer; they must differ")
	}
	return o, nil
}

// randomText is a fresh secret of 128 bits.
func randomText() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails, says its documentation
	return hex.EncodeToString(b)
}

var (
	nameForm   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)
	prefixForm = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)*$`)
)

// check says what is wrong with a spec, by field.
func (s Spec) check() error {
	if !nameForm.MatchString(s.Name) {
		return fmt.Errorf("cluster: name %q: a node's name is 1 to 40 lower-case letters, digits or '-'", s.Name)
	}
	if !prefixForm.MatchString(s.Prefix) {
		return fmt.Errorf("cluster: node %s: prefix %q: must be empty or start with '/' and not end with it", s.Name, s.Prefix)
	}
	return nil
}

// checkSpecs checks each spec, and that names differ.
func checkSpecs(specs []Spec) error {
	if len(specs) == 0 {
		return errors.New("cluster: no nodes; give at least one")
	}
	seen := map[string]bool{}
	for _, s := range specs {
		if err := s.check(); err != nil {
			return err
		}
		if seen[s.Name] {
			return fmt.Errorf("cluster: name %q: two nodes have it; names must differ", s.Name)
		}
		seen[s.Name] = true
	}
	return nil
}
