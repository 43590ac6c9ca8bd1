package suite

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/cucumber/godog"
	"github.com/google/uuid"

	"example.org/ccde/fixtures"
	"example.org/ccde/mockehr/cluster"
	"example.org/ccde/mockehr/control"
	"example.org/ccde/steps"
	"example.org/ccde/steps/judge"
)

// stage is where scenarios happen: the runtime, its pool of clusters, and what
// all scenarios share.
type stage struct {
	runtime     string
	why         string
	concurrency int
	levels      map[string]string
	masker      *judge.Masker

	key *rsa.PrivateKey // the harness's
	iss string

	rt    cluster.Runtime
	specs []cluster.Spec
	pool  *cluster.Pool

	transport *http.Transport // to outside systems

	standing *cluster.Cluster // the mocks at the front door while no scenario has its own there
	free     func()           // gives them back

	mu    sync.Mutex
	notes []string
}

// openStage makes the harness's key, the runtime and the pools for a total of
// scenarios. What it has made when something fails is ended again.
func openStage(ctx context.Context, opt *Options, levels map[string]string, total int) (st *stage, err error) {
	st = &stage{levels: levels, masker: judge.NewMasker(), runtime: "none", concurrency: max(opt.Concurrency, 1)}
	if opt.bare {
		opt.Progress(Event{Kind: RuntimeChosen, Message: "no runtime", Total: total})
		return st, nil
	}
	if st.key, st.iss = opt.Key, opt.Issuer; st.key == nil {
		if st.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return nil, fmt.Errorf("the harness's key: %w", err)
		}
		st.iss = "urn:uuid:" + uuid.NewString()
	}
	st.rt, st.why, err = opt.Open(ctx, opt.Runtime, cluster.Options{
		Host: opt.Host, NodeBinary: opt.NodeBinary, Log: opt.Log, Door: opt.Door, CA: opt.CA, Key: opt.NodeKey, Authority: opt.TLS,
		Trust: []control.KeySource{{Keys: steps.JWKS(&st.key.PublicKey, keySetURL(opt.Door)), Issuer: st.iss}},
	})
	if err != nil {
		return nil, err
	}
	st.runtime = st.rt.Name()
	if opt.Door != nil {
		st.why = "runtime " + st.runtime + ": mocks run in this process, behind the front door " + opt.Door.Root()
	}
	opt.Progress(Event{Kind: RuntimeChosen, Message: st.why, Total: total})
	defer func() {
		if err != nil {
			err = errors.Join(err, st.close(context.WithoutCancel(ctx)))
		}
	}()
	if opt.Concurrency == 0 {
		if st.concurrency = usualConcurrency(st.rt); len(opt.Roles) > 0 {
			// Real time passes for an outside system, so that most is waiting.
			st.concurrency = max(2*st.concurrency, maxLanes)
		}
	}
	if st.transport, err = cluster.Transport(opt.Door, opt.CA); err != nil {
		return st, err
	}
	if st.specs, err = nodes(opt.Dialect, opt.TLS != nil); err != nil {
		return st, err
	}
	st.trustTarget(ctx, opt)
	if err := st.rt.Prepare(ctx); err != nil {
		return st, err
	}
	if st.pool, err = cluster.NewPool(ctx, st.rt, st.concurrency, st.specs...); err != nil || opt.Door == nil {
		return st, err
	}
	// An outside system asks our CAVS, and reads our keys, also for a scenario
	// that needs no mock: so the names at the door are never without a node.
	st.standing, st.free, err = st.pool.Lease(ctx)
	return st, err
}

// trustTarget lets mocks trust the key sets of an outside target. One whose
// keys can't be found gives no JWT that is of use, which is judged.
func (st *stage) trustTarget(ctx context.Context, opt *Options) {
	target, outside := opt.Roles["target"]
	if !outside {
		return
	}
	source := "http://source.example/r3"
	if opt.Door != nil {
		source = opt.Door.Root() + "/source/r3"
	}
	places, err := steps.KeySets(ctx, &http.Client{Transport: st.transport, Timeout: 10 * time.Second}, target, source)
	if err != nil {
		opt.Log.Warn("the target's key set was not found", "error", err.Error())
	}
	for i := range st.specs {
		for _, place := range places {
			st.specs[i].Settings.Trust = append(slices.Clone(st.specs[i].Settings.Trust), control.KeySource{URL: place})
		}
	}
}

// keySetURL is where others find the harness's keys, "" where there is no door.
func keySetURL(door *cluster.Door) string {
	if door == nil {
		return ""
	}
	return door.Root() + cluster.KeysPath
}

// envOf is what the scenarios of a pass share.
func (st *stage) envOf(opt *Options, p *pass) *steps.Env {
	env := &steps.Env{Dialect: opt.JudgeDialect, Levels: st.levels, Masker: st.masker, Roles: p.roles, Judges: p.judges(opt.Skip),
		Runtime: st.runtime, HarnessKey: st.key, HarnessISS: st.iss, KeySet: keySetURL(opt.Door), Note: st.note}
	if opt.bare {
		return env
	}
	env.Consumer, env.Admin = cluster.Bearers(st.rt)
	env.Pool = st.lease
	if opt.Door != nil {
		lease := st.leaseAtDoor(p.role == "target")
		env.Pool = func(ctx context.Context, need steps.Need) (*cluster.Cluster, func(), error) {
			// An outside system is nobody's to start as a node.
			need.Process = slices.DeleteFunc(slices.Clone(need.Process), func(name string) bool { _, outside := p.roles[name]; return outside })
			return lease(ctx, need)
		}
		env.Transport = st.transport
		env.Elsewhere = opt.Door.Elsewhere
		env.CutDoor = func(c *cluster.Cluster, name string, cut bool) error { return c.CutOutside(name, cut) }
	}
	if opt.Adjust != nil {
		opt.Adjust(env)
	}
	return env
}

// note keeps what a scenario could not clean up.
func (st *stage) note(text string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if !slices.Contains(st.notes, text) {
		st.notes = append(st.notes, text)
	}
}

func (st *stage) noted() []string {
	st.mu.Lock()
	defer st.mu.Unlock()
	return slices.Clone(st.notes)
}

// usualConcurrency is what keeps the processors busy while scenarios wait for
// answers. A cluster of containers costs more memory than one in this process.
func usualConcurrency(rt cluster.Runtime) int {
	if rt.Reuses() {
		return min(max(runtime.NumCPU(), 2), 6)
	}
	return min(3*runtime.NumCPU(), 16)
}

// nodes are those that every cluster has.
func nodes(dialect string, secure bool) ([]cluster.Spec, error) {
	bundles, err := fixtures.Bundles()
	if err != nil {
		return nil, err
	}
	settings := control.Settings{Dialect: dialect}
	return []cluster.Spec{
		{Name: "source", Settings: settings, TLS: secure, Load: bundles},
		{Name: "target", Settings: settings, TLS: secure},
		{Name: "cavs", Settings: settings, TLS: secure},
	}, nil
}

// lease answers Env.Pool: a cluster of the pool, with the nodes added that the
// scenario names beside the usual ones. "source-2" is as "source".
func (st *stage) lease(ctx context.Context, need steps.Need) (*cluster.Cluster, func(), error) {
	return st.leaseUnder(ctx, "", need)
}

func (st *stage) leaseUnder(ctx context.Context, prefix string, need steps.Need, options ...cluster.LeaseOption) (*cluster.Cluster, func(), error) {
	if goingOf(ctx) == nil {
		// godog calls every Before hook, whatever the first one said.
		return nil, nil, godog.ErrSkip
	}
	c, release, err := st.pool.Lease(ctx, append(options, cluster.OnDemand(), cluster.Killable(need.Process...), cluster.Under(prefix))...)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range need.Nodes {
		i := slices.IndexFunc(st.specs, func(s cluster.Spec) bool { return s.Name == base(name) })
		if i < 0 {
			i = 0 // any other name is an EHR with everything
		}
		spec := st.specs[i]
		spec.Name, spec.Prefix, spec.Process = name, prefix, slices.Contains(need.Process, name)
		if _, err := c.Add(ctx, spec); err != nil {
			release()
			return nil, nil, err
		}
	}
	return c, release, nil
}

// base is a node's name without its number.
func base(name string) string {
	for i := len(name) - 1; i > 0; i-- {
		if name[i] == '-' {
			return name[:i]
		}
		if name[i] < '0' || name[i] > '9' {
			break
		}
	}
	return name
}

// close ends all that was started; it takes a minute at most.
func (st *stage) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var errs []error
	if st.transport != nil {
		st.transport.CloseIdleConnections()
	}
	if st.standing != nil {
		errs = append(errs, st.standing.Close(ctx))
		st.free()
	}
	if st.pool != nil {
		errs = append(errs, st.pool.Close(ctx))
	}
	if st.rt != nil {
		errs = append(errs, st.rt.Close(ctx))
	}
	return errors.Join(errs...)
}
