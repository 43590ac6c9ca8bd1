package suite

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"runtime"
	"slices"
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
	env         *steps.Env
	runtime     string
	why         string
	concurrency int

	rt   cluster.Runtime
	pool *cluster.Pool
}

// openStage makes the harness's key, the runtime and the pool for a total of
// scenarios. What it has made when something fails is ended again.
func openStage(ctx context.Context, opt *Options, levels map[string]string, total int) (st *stage, err error) {
	st = &stage{
		env:         &steps.Env{Dialect: opt.JudgeDialect, Levels: levels, Masker: judge.NewMasker(), Roles: opt.Roles},
		runtime:     "none",
		concurrency: max(opt.Concurrency, 1),
	}
	if opt.bare {
		opt.Progress(Event{Kind: RuntimeChosen, Message: "no runtime", Total: total})
		return st, nil
	}
	harness, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("the harness's key: %w", err)
	}
	st.env.HarnessKey, st.env.HarnessISS = harness, "urn:uuid:"+uuid.NewString()
	st.rt, st.why, err = opt.Open(ctx, opt.Runtime, cluster.Options{
		Host: opt.Host, NodeBinary: opt.NodeBinary, Log: opt.Log,
		Trust: []control.KeySource{{Keys: steps.JWKS(&harness.PublicKey), Issuer: st.env.HarnessISS}},
	})
	if err != nil {
		return nil, err
	}
	st.runtime = st.rt.Name()
	opt.Progress(Event{Kind: RuntimeChosen, Message: st.why, Total: total})
	defer func() {
		if err != nil {
			err = errors.Join(err, st.close(context.WithoutCancel(ctx)))
		}
	}()
	if opt.Concurrency == 0 {
		st.concurrency = usualConcurrency(st.rt)
	}
	specs, err := nodes(opt.Dialect)
	if err != nil {
		return nil, err
	}
	if err := st.rt.Prepare(ctx); err != nil {
		return nil, err
	}
	st.pool, err = cluster.NewPool(ctx, st.rt, st.concurrency, specs...)
	if err != nil {
		return nil, err
	}
	st.env.Pool, st.env.Runtime = st.lease(specs), st.rt.Name()
	st.env.Consumer, st.env.Admin = cluster.Bearers(st.rt)
	if opt.Adjust != nil {
		opt.Adjust(st.env)
	}
	return st, nil
}

// usualConcurrency is what keeps the processors busy while scenarios wait for
// answers. A cluster of containers costs more memory than one in this process.
func usualConcurrency(rt cluster.Runtime) int {
	if rt.Reuses() {
		return min(max(runtime.NumCPU(), 2), 6)
	}
	return min(2*runtime.NumCPU(), 16)
}

// nodes are those that every cluster has.
func nodes(dialect string) ([]cluster.Spec, error) {
	bundles, err := fixtures.Bundles()
	if err != nil {
		return nil, err
	}
	settings := control.Settings{Dialect: dialect}
	return []cluster.Spec{
		{Name: "source", Settings: settings, Load: bundles},
		{Name: "target", Settings: settings},
		{Name: "cavs", Settings: settings},
	}, nil
}

// lease answers Env.Pool: a cluster of the pool, with the nodes added that the
// scenario names beside the usual ones. "source-2" is as "source".
func (st *stage) lease(specs []cluster.Spec) func(context.Context, steps.Need) (*cluster.Cluster, func(), error) {
	return func(ctx context.Context, need steps.Need) (*cluster.Cluster, func(), error) {
		if goingOf(ctx) == nil {
			// godog calls every Before hook, whatever the first one said.
			return nil, nil, godog.ErrSkip
		}
		c, release, err := st.pool.Lease(ctx, cluster.Killable(need.Process...))
		if err != nil {
			return nil, nil, err
		}
		for _, name := range need.Nodes {
			i := slices.IndexFunc(specs, func(s cluster.Spec) bool { return s.Name == base(name) })
			if i < 0 {
				i = 0 // any other name is an EHR with everything
			}
			spec := specs[i]
			spec.Name, spec.Process = name, slices.Contains(need.Process, name)
			if _, err := c.Add(ctx, spec); err != nil {
				release()
				return nil, nil, err
			}
		}
		return c, release, nil
	}
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
	if st.pool != nil {
		errs = append(errs, st.pool.Close(ctx))
	}
	if st.rt != nil {
		errs = append(errs, st.rt.Close(ctx))
	}
	return errors.Join(errs...)
}
