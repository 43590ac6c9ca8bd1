package suite

import (
	"context"
	"errors"
	"sync"

	"example.org/ccde/reports"
)

// playAll plays the passes: those of different roles side by side, as most of
// their time is spent waiting; of one role the second after the first. Those
// that are alone follow one another, and when all others are done come those
// that kill what may play more than one role.
func (st *stage) playAll(ctx context.Context, opt Options, passes []*pass, total int) ([]reports.Scenario, error) {
	results := make([][]reports.Scenario, len(passes))
	errs := make([]error, len(passes))
	news := &news{tell: opt.Progress, total: total, of: map[*pass]Event{}}
	one := func(i int) {
		found, err := st.playPass(ctx, opt, passes[i], news)
		results[i], errs[i] = passes[i].settle(found, opt.Skip), err
	}
	byRole := map[string][]int{}
	var last []int
	for i, p := range passes {
		if p.kills {
			last = append(last, i)
		} else {
			byRole[p.role] = append(byRole[p.role], i)
		}
	}
	var going sync.WaitGroup
	var names sync.RWMutex // of the mocks at the front door: a source asks our CAVS there at any time
	for _, own := range byRole {
		going.Go(func() {
			for _, i := range own {
				func() {
					switch {
					case passes[i].alone:
						names.Lock()
						defer names.Unlock()
					case passes[i].role != "target":
						names.RLock()
						defer names.RUnlock()
					}
					one(i)
				}()
			}
		})
	}
	going.Wait()
	for _, i := range last {
		one(i)
	}
	var all []reports.Scenario
	for _, found := range results {
		all = append(all, found...)
	}
	return all, errors.Join(errs...)
}

// news makes of what several passes tell one account of the run.
type news struct {
	tell  func(Event)
	total int

	mu sync.Mutex
	of map[*pass]Event // the last of each
}

func (n *news) from(p *pass) func(Event) {
	return func(e Event) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.of[p] = e
		e.Done, e.Total, e.Running = 0, n.total, nil
		for _, other := range n.of {
			e.Done += other.Done
			e.Running = append(e.Running, other.Running...)
		}
		n.tell(e)
	}
}
