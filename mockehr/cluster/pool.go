package cluster

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
)

// Pool leases whole clusters of the same nodes, each to one user at a time.
// Where clusters are costly to start they are kept and put back to their
// snapshot, else each lease gets a fresh one.
type Pool struct {
	rt    Runtime
	specs []Spec
	made  *template // for fresh clusters

	ctx    context.Context // of what goes on behind; ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup // what goes on behind

	slots chan slot // kept clusters that are free, or what became of them

	mu     sync.Mutex
	closed bool
	leased map[*Cluster]struct{}
	errs   []error // of what went on behind
}

// slot is a place in the pool: a free cluster, or why there is none.
type slot struct {
	cluster *Cluster
	err     error
}

// defaultSlots is how many clusters a pool keeps unless told otherwise.
const defaultSlots = 2

// ErrPoolClosed says that a cluster was asked of a closed pool.
var ErrPoolClosed = errors.New("cluster: the pool is closed")

// NewPool makes a pool of clusters of these nodes. size is how many are kept
// where they are kept at all, 0 = 2; they start at once, side by side, behind
// the caller's back. Close must be called.
func NewPool(ctx context.Context, rt Runtime, size int, specs ...Spec) (*Pool, error) {
	if err := checkSpecs(specs); err != nil {
		return nil, err
	}
	if size <= 0 {
		size = defaultSlots
	}
	p := &Pool{rt: rt, specs: slices.Clone(specs), slots: make(chan slot, size), leased: map[*Cluster]struct{}{}}
	p.ctx, p.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if !rt.Reuses() {
		p.made = &template{rt: rt, specs: p.specs}
		return p, nil
	}
	for range size {
		p.work.Go(func() { p.slots <- p.fill() })
	}
	return p, nil
}

func (p *Pool) fill() slot {
	c, err := Start(p.ctx, p.rt, p.specs...)
	return slot{c, err}
}

// LeaseOption is a wish for one lease.
type LeaseOption func(*lease)

type lease struct {
	process  map[string]bool
	prefix   string
	onDemand bool
	prepare  func(ctx context.Context, n Node) error
}

// Killable asks for nodes that can be killed and paused; they are those of
// these names. Where every node is a process anyway it changes nothing.
func Killable(names ...string) LeaseOption {
	return func(l *lease) {
		for _, name := range names {
			l.process[name] = true
		}
	}
}

// Under puts a fresh cluster's nodes below a path of the front door, such as
// "/2": [advertise]/2/source. Where clusters are kept it changes nothing.
func Under(prefix string) LeaseOption {
	return func(l *lease) { l.prefix = prefix }
}

// OnDemand lets each node of a fresh cluster start when [Cluster.Node] first
// asks for it. Where clusters are kept it changes nothing.
func OnDemand() LeaseOption {
	return func(l *lease) { l.onDemand = true }
}

// Prepared calls f with each node of the lease, also with one that starts later:
// when it has started and before anybody else can ask for it.
func Prepared(f func(ctx context.Context, n Node) error) LeaseOption {
	return func(l *lease) { l.prepare = f }
}

// Lease waits for a cluster that nobody uses, as fresh as when it was
// started. release gives it back; it returns at once and may be called twice.
func (p *Pool) Lease(ctx context.Context, options ...LeaseOption) (c *Cluster, release func(), err error) {
	l := lease{process: map[string]bool{}}
	for _, o := range options {
		o(&l)
	}
	if p.made != nil {
		c, err = p.fresh(ctx, l)
	} else {
		c, err = p.kept(ctx)
	}
	if err != nil {
		return nil, nil, err
	}
	p.mu.Lock()
	if p.closed {
		defer p.mu.Unlock()
		return nil, nil, errors.Join(ErrPoolClosed, c.Close(context.WithoutCancel(ctx)))
	}
	p.leased[c] = struct{}{}
	p.mu.Unlock()
	release = sync.OnceFunc(func() { p.release(c) })
	if p.made == nil {
		if err := c.prepared(ctx, l.prepare); err != nil {
			release()
			return nil, nil, err
		}
	}
	return c, release, nil
}

func (p *Pool) fresh(ctx context.Context, l lease) (*Cluster, error) {
	if p.isClosed() {
		return nil, ErrPoolClosed
	}
	adapt, err := p.made.get(ctx)
	if err != nil {
		return nil, err
	}
	specs := slices.Clone(p.specs)
	for i := range specs {
		specs[i].Process = specs[i].Process || l.process[specs[i].Name]
		specs[i].Prefix = cmp.Or(l.prefix, specs[i].Prefix)
	}
	return start(ctx, p.rt, specs, manner{adapt: adapt, passing: true, onDemand: l.onDemand, prepare: l.prepare})
}

func (p *Pool) kept(ctx context.Context) (*Cluster, error) {
	select {
	case s := <-p.slots:
		if s.err == nil {
			return s.cluster, nil
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.closed {
			return nil, ErrPoolClosed
		}
		// The next one to ask gets another try, rather than waiting for good.
		p.work.Go(func() { p.slots <- p.fill() })
		return nil, s.err
	case <-p.ctx.Done():
		return nil, ErrPoolClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// release puts a cluster back, behind the caller's back.
func (p *Pool) release(c *Cluster) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.leased, c)
	if p.closed {
		return // Close ended it
	}
	p.work.Go(func() {
		if p.made != nil {
			p.note(c.Close(context.WithoutCancel(p.ctx)))
			return
		}
		s := slot{cluster: c}
		c.prepare = nil
		if err := c.Reset(p.ctx); err != nil {
			// What can't be put back is replaced.
			p.rt.core().opt.Log.Warn("a cluster could not be reset and is replaced", "error", err.Error())
			p.note(c.Close(context.WithoutCancel(p.ctx)))
			s = p.fill()
		}
		p.slots <- s
	})
}

func (p *Pool) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

func (p *Pool) note(err error) {
	if err == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errs = append(p.errs, err)
}

// Close ends all clusters of the pool, leased ones too, and returns what
// failed behind the callers' backs.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	was := p.closed
	p.closed = true
	p.mu.Unlock()
	if was {
		return nil
	}
	p.cancel()
	p.work.Wait()
	p.mu.Lock()
	var left []*Cluster
	for c := range p.leased {
		left = append(left, c)
	}
	errs := p.errs
	p.mu.Unlock()
	for len(p.slots) > 0 {
		if s := <-p.slots; s.cluster != nil {
			left = append(left, s.cluster)
		}
	}
	var wg sync.WaitGroup
	closed := make([]error, len(left))
	for i, c := range left {
		wg.Go(func() { closed[i] = c.Close(ctx) })
	}
	wg.Wait()
	errs = append(errs, closed...)
	if p.made != nil {
		errs = append(errs, p.made.close())
	}
	return errors.Join(errs...)
}
