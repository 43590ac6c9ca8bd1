package suite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"example.org/ccde/features"
	"example.org/ccde/fixtures"
	"example.org/ccde/mockehr/cluster"
	"example.org/ccde/mockehr/control"
	"example.org/ccde/reports"
	"example.org/ccde/steps"
)

// mainFlow is the scenario that every defect meets beside those of its own
// requirement, by its key.
const mainFlow = "exchange/exchange: A record moves from the source EHR to the target EHR"

// KillOptions say which defects the judge is tried with, and how.
type KillOptions struct {
	// Defects are tried; nil = the project's own.
	Defects []fixtures.Defect
	// Full plays all scenarios against each defect, not just those of its
	// requirement and the main flow.
	Full bool
	// Dialect is what the mocks speak; "" = strict.
	Dialect string
	// Concurrency is how many defects are tried at once; 0 = what suits the machine.
	Concurrency int
	// NodeBinary is as in cluster.Options.
	NodeBinary string
	// Progress is told how it goes, one call at a time; nil = nobody.
	Progress func(KillEvent)
	Log      *slog.Logger // nil = none
}

// KillEvent is one piece of news: of the clean node (Defect nil), or of a
// defect that was tried.
type KillEvent struct {
	Message     string
	Defect      *reports.KilledDefect
	Done, Total int // defects
}

// killTime ends a scenario that a defect makes hang. On clean nodes one may take
// longer: the first that kills a node waits until its binary is built.
const killTime = 40 * time.Second

// Kill tries the judge: it plays the scenarios against nodes that break one
// requirement each, embedded and side by side. A defect is killed when the
// verdict on its requirement is worse than on a clean node. The error is of
// type *UsageError if the caller can mend it; a survivor is no error.
func Kill(ctx context.Context, opt KillOptions) (matrix *reports.KillMatrix, err error) {
	k, err := newKiller(opt)
	if err != nil {
		return nil, &UsageError{err}
	}
	started := time.Now().UTC()
	k.stage, err = openStage(ctx, &k.opt, k.levels, len(k.defects))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, k.stage.close(context.WithoutCancel(ctx))) }()

	clean := k.plan.of(k.wanted)
	k.tell(KillEvent{Message: fmt.Sprintf("%d defects; first %d scenarios on clean nodes", len(k.defects), len(clean.order))})
	played, err := k.play(ctx, clean, nil, k.stage.concurrency)
	if err != nil {
		return nil, err
	}
	k.clean = map[string]*reports.Scenario{}
	for i := range played {
		s := &played[i]
		if s.Verdict != reports.Passed && s.Verdict != reports.Warning && s.Verdict != reports.Skipped {
			return nil, fmt.Errorf("clean nodes don't pass %q (%s): a defect could not be told from it; see \"ccde certify\"", s.Name, s.Verdict)
		}
		k.clean[s.ID] = s
	}
	k.opt.ScenarioTimeout = killTime
	results := k.tryAll(ctx)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("cut short: %w", context.Cause(ctx))
	}
	matrix = &reports.KillMatrix{Schema: reports.KillSchema, Started: started, Dialect: k.opt.Dialect, Full: k.kill.Full,
		Defects: results, Scenarios: len(clean.order), DurationMS: millis(time.Since(started))}
	matrix.RollUp(k.catalogue)
	if k.kill.Full {
		matrix.Idle = k.idle(results, clean)
	}
	return matrix, nil
}

// killer tries one defect after the other.
type killer struct {
	kill      KillOptions
	opt       Options // of the runs
	defects   []fixtures.Defect
	plan      *plan
	levels    map[string]string
	catalogue []reports.Requirement
	stage     *stage
	clean     map[string]*reports.Scenario // what clean nodes did, by the scenario's id

	mu   sync.Mutex
	done int
}

func newKiller(opt KillOptions) (*killer, error) {
	k := &killer{kill: opt, levels: map[string]string{}, opt: Options{Runtime: cluster.ChooseEmbedded, Dialect: opt.Dialect,
		NodeBinary: opt.NodeBinary, Log: opt.Log}}
	if err := k.opt.defaults(); err != nil {
		return nil, err
	}
	if opt.Progress == nil {
		k.kill.Progress = func(KillEvent) {}
	}
	all, err := features.Catalogue()
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, r := range all {
		known[r.ID], k.levels[r.ID] = true, r.Level
		k.catalogue = append(k.catalogue, reports.Requirement{ID: r.ID, Role: r.Role, Level: r.Level, Text: r.Text})
	}
	if k.defects = opt.Defects; k.defects == nil {
		if k.defects, err = fixtures.Defects(); err != nil {
			return nil, err
		}
	}
	if len(k.defects) == 0 {
		return nil, errors.New("no defect selected")
	}
	for _, d := range k.defects {
		if !known[d.Breaks] {
			return nil, fmt.Errorf("defect %s: breaks: %q is no requirement", d.Name, d.Breaks)
		}
	}
	anything, err := parseTags("")
	if err != nil {
		return nil, err
	}
	if k.plan, err = readPlan(anything, known, k.opt.Features); err != nil {
		return nil, err
	}
	if k.plan.scenarios[mainFlow] == nil {
		return nil, fmt.Errorf("the scenario of the main flow is missing: %s", mainFlow)
	}
	return k, nil
}

// wanted says whether any defect meets a scenario.
func (k *killer) wanted(s *reports.Scenario) bool {
	return slices.ContainsFunc(k.defects, func(d fixtures.Defect) bool { return k.meets(d, s) })
}

// meets says whether a defect is tried with a scenario.
func (k *killer) meets(d fixtures.Defect, s *reports.Scenario) bool {
	return k.kill.Full || slices.Contains(s.Requirements, d.Breaks) || s.ID == mainFlow
}

// play plays a plan against nodes that a defect was loaded into; nil: clean ones.
func (k *killer) play(ctx context.Context, p *plan, d *fixtures.Defect, concurrency int) ([]reports.Scenario, error) {
	env := k.stage.envOf(&k.opt, &pass{plan: p})
	env.NoHistory = true
	if d != nil {
		env.Pool = func(ctx context.Context, need steps.Need) (*cluster.Cluster, func(), error) {
			return k.stage.leaseUnder(ctx, "", need, cluster.Prepared(func(ctx context.Context, n cluster.Node) error {
				if !slices.Contains(d.Nodes, base(n.Name)) {
					return nil
				}
				_, err := n.Control.AddScript(ctx, control.Script{Name: d.Name + ".star", Text: d.Text})
				return err
			}))
		}
	}
	c := newCollector(k.opt, p, env)
	if err := play(ctx, k.opt, p, env, concurrency, c); err != nil {
		return nil, err
	}
	return c.results(ctx.Err() != nil), nil
}

// tryAll tries all defects, several at once, and answers in their order.
func (k *killer) tryAll(ctx context.Context) []reports.KilledDefect {
	out := make([]reports.KilledDefect, len(k.defects))
	at := k.kill.Concurrency
	if at <= 0 {
		at = k.stage.concurrency
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, at)
	for i, d := range k.defects {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if ctx.Err() == nil {
				out[i] = k.try(ctx, d)
			}
		})
	}
	wg.Wait()
	return out
}

// try tries one defect.
func (k *killer) try(ctx context.Context, d fixtures.Defect) reports.KilledDefect {
	started := time.Now()
	out := reports.KilledDefect{Name: d.Name, Title: d.Title, Breaks: d.Breaks, Nodes: d.Nodes}
	played, err := k.play(ctx, k.plan.of(func(s *reports.Scenario) bool { return k.meets(d, s) }), &d, 1)
	if err != nil {
		out.Error = err.Error()
	}
	k.compare(&out, played)
	out.DurationMS = millis(time.Since(started))
	k.tell(KillEvent{Defect: &out})
	return out
}

// compare says of each scenario which requirements it judged worse than on
// clean nodes.
func (k *killer) compare(out *reports.KilledDefect, played []reports.Scenario) {
	for i := range played {
		s := &played[i]
		if s.Error != "" && out.Error == "" && strings.Contains(s.Error, out.Name+".star") {
			out.Error = s.Name + ": " + s.Error // the defect's own script is wrong
		}
		for _, id := range worse(k.clean[s.ID], s) {
			switch {
			case id == out.Breaks:
				out.By = append(out.By, s.Name)
			case !slices.Contains(out.Others, id):
				out.Others = append(out.Others, id)
				fallthrough
			default:
				if !slices.Contains(out.AlsoBy, s.Name) {
					out.AlsoBy = append(out.AlsoBy, s.Name)
				}
			}
		}
	}
	slices.Sort(out.Others)
	out.Killed = len(out.By) > 0 && out.Error == ""
}

// gravity orders the verdicts that say something of a system. What could not be
// judged says nothing.
var gravity = map[reports.Verdict]int{reports.Warning: 1, reports.Failed: 2}

// worse lists the requirements that a scenario judged worse than another time.
func worse(clean, now *reports.Scenario) (ids []string) {
	was := map[string]int{}
	if clean != nil {
		for _, f := range clean.Findings {
			was[f.ID] = max(was[f.ID], gravity[f.Verdict])
		}
	}
	for _, f := range now.Findings {
		if gravity[f.Verdict] > was[f.ID] && !slices.Contains(ids, f.ID) {
			ids = append(ids, f.ID)
		}
	}
	return ids
}

// idle lists the scenarios that no defect makes any worse: they prove nothing yet.
func (k *killer) idle(results []reports.KilledDefect, p *plan) []string {
	var out []string
	for _, name := range p.order {
		s := p.scenarios[name]
		if !slices.ContainsFunc(results, func(d reports.KilledDefect) bool {
			return slices.Contains(d.By, s.Name) || slices.Contains(d.AlsoBy, s.Name)
		}) {
			out = append(out, s.Name)
		}
	}
	return out
}

func (k *killer) tell(e KillEvent) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e.Defect != nil {
		k.done++
	}
	e.Done, e.Total = k.done, len(k.defects)
	k.kill.Progress(e)
}
