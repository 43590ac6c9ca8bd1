package cluster

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"example.org/ccde/mockehr/oauth"
)

// core is what every runtime has: its options, the ports it drew, the keys
// of its nodes, and a folder for what it makes on the way.
type core struct {
	opt   Options
	me    owner
	ports *portRange
	keys  *keyring
	work  *workdir
	pool  *x509.CertPool
}

func newCore(opt Options) (*core, error) {
	opt, err := opt.withDefaults()
	if err != nil {
		return nil, err
	}
	me, err := self()
	if err != nil {
		return nil, err
	}
	if opt.Authority == nil {
		if opt.Authority, err = NewAuthority(); err != nil {
			return nil, err
		}
	}
	pool, err := certPool(slices.Concat(opt.CA, opt.Authority.PEM()))
	if err != nil {
		return nil, err
	}
	work := &workdir{me: me, base: os.TempDir()}
	work.sweep(processStart)
	return &core{opt: opt, me: me, ports: newPortRange(), keys: newKeyring(opt.Key), work: work, pool: pool}, nil
}

// certPool is the system's certificates and more, nil for none beside them.
func certPool(more []byte) (*x509.CertPool, error) {
	if len(more) == 0 {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(more) {
		return nil, errors.New("cluster: ca: holds no certificate in PEM")
	}
	return pool, nil
}

// Bearers are those of the person's app and of the administrator on all
// nodes of a runtime (protocol 1.9).
func Bearers(rt Runtime) (consumer, admin string) {
	opt := rt.core().opt
	return opt.Consumer, opt.Admin
}

// Transport reaches outside systems, and nodes behind a front door, which may
// be nil. ca are certificates, PEM, that count beside the system's own. The
// caller closes its idle connections.
func Transport(door *Door, ca []byte) (*http.Transport, error) {
	pool, err := certPool(ca)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: 10 * time.Second}
	return newTransport(func(ctx context.Context, network, addr string) (net.Conn, error) {
		if door != nil && strings.EqualFold(addr, door.Host()) {
			addr = door.Addr()
		}
		return dialer.DialContext(ctx, network, addr)
	}, pool), nil
}

// keyring makes one signing key for each node name, once: an RSA key costs
// more than all the rest of a node's start.
type keyring struct {
	one  string // the key of all, PEM; "" = each name has its own
	mu   sync.Mutex
	keys map[string]func() (string, error)
}

func newKeyring(one string) *keyring {
	return &keyring{one: one, keys: map[string]func() (string, error){}}
}

// pem is the key of the nodes of that name.
func (k *keyring) pem(name string) (string, error) {
	if k.one != "" {
		return k.one, nil
	}
	k.mu.Lock()
	once, ok := k.keys[name]
	if !ok {
		once = sync.OnceValues(func() (string, error) {
			key, err := oauth.NewKey()
			if err != nil {
				return "", err
			}
			return string(key.PEM()), nil
		})
		k.keys[name] = once
	}
	k.mu.Unlock()
	return once()
}

// workdir is a temporary folder of a run, made when first needed. Its name
// tells its owner, so that a later run removes what a dead one left.
type workdir struct {
	me   owner
	base string

	mu   sync.Mutex
	path string
}

const workdirPrefix = "ccde-run-"

// sub makes a fresh folder in it.
func (w *workdir) sub(pattern string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.path == "" {
		name := fmt.Sprintf("%s%s-%d-%s-*", workdirPrefix, hostDigest(w.me.Host), w.me.PID, w.me.Start)
		path, err := os.MkdirTemp(w.base, name)
		if err != nil {
			return "", fmt.Errorf("cluster: %w", err)
		}
		w.path = path
	}
	path, err := os.MkdirTemp(w.path, pattern)
	if err != nil {
		return "", fmt.Errorf("cluster: %w", err)
	}
	return path, nil
}

func (w *workdir) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.path == "" {
		return nil
	}
	err := os.RemoveAll(w.path)
	w.path = ""
	return err
}

// sweep removes the folders of dead owners. What can't be removed, such as
// another user's, stays.
func (w *workdir) sweep(startOf func(pid int) (string, bool)) {
	paths, _ := filepath.Glob(filepath.Join(w.base, workdirPrefix+"*")) // the pattern is well-formed
	for _, path := range paths {
		parts := strings.Split(strings.TrimPrefix(filepath.Base(path), workdirPrefix), "-")
		if len(parts) != 4 {
			continue
		}
		pid, err := strconv.Atoi(parts[1])
		if err != nil {
			continue
		}
		if (owner{Run: parts[3], Host: parts[0], PID: pid, Start: parts[2]}).dead(w.me, startOf) {
			_ = os.RemoveAll(path)
		}
	}
}
