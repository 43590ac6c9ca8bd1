package suite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cucumber/godog"

	"example.org/ccde/reports"
	"example.org/ccde/steps"
	"example.org/ccde/steps/judge"
)

// collector gathers results by godog's hooks. (A formatter would have to be
// registered globally, and is told nothing of a skip's reason.)
type collector struct {
	opt  Options
	plan *plan
	env  *steps.Env

	mu    sync.Mutex
	going map[string]*going // by scenario key
	order []string          // keys of going, by start
	done  map[string]*reports.Scenario
}

// going is a scenario on its way. Its steps run one after the other.
type going struct {
	result *reports.Scenario
	record *judge.Record
	cancel context.CancelFunc
	ids    map[string]int // index of a step by godog's id
	begun  time.Time      // of the step
}

type goingKey struct{}

func newCollector(opt Options, p *plan, env *steps.Env) *collector {
	return &collector{opt: opt, plan: p, env: env, going: map[string]*going{}, done: map[string]*reports.Scenario{}}
}

// first hooks in before all steps: it makes the record that they use.
func (c *collector) first(sc *godog.ScenarioContext) {
	sc.Before(func(ctx context.Context, p *godog.Scenario) (context.Context, error) {
		name := key(p.Uri, p.Name)
		planned := c.plan.scenarios[name]
		if planned == nil || ctx.Err() != nil {
			// Not selected, or not to be begun any more. A skip in Before ends it without a step.
			return context.WithValue(ctx, goingKey{}, (*going)(nil)), godog.ErrSkip
		}
		limit := c.opt.ScenarioTimeout
		if limit <= 0 {
			limit = c.env.ScenarioTime()
		}
		ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the scenario took longer than %s", limit))
		g := &going{
			result: planned, cancel: cancel, ids: map[string]int{},
			record: judge.NewRecord(judge.Options{Levels: c.env.Levels, Dialect: c.env.Dialect, Masker: c.env.Masker}),
		}
		for i, st := range p.Steps {
			g.ids[st.Id] = i
		}
		planned.Started = time.Now().UTC()
		c.begin(name, g)
		return context.WithValue(judge.WithRecord(ctx, g.record), goingKey{}, g), nil
	})
	sc.StepContext().Before(func(ctx context.Context, _ *godog.Step) (context.Context, error) {
		if g := goingOf(ctx); g != nil {
			g.begun = time.Now()
		}
		return ctx, nil
	})
}

// last hooks in after all steps, when their hooks have cleaned up.
func (c *collector) last(sc *godog.ScenarioContext) {
	sc.StepContext().After(func(ctx context.Context, st *godog.Step, status godog.StepResultStatus, err error) (context.Context, error) {
		if g := goingOf(ctx); g != nil {
			g.step(ctx, st, status, err)
		}
		return ctx, nil
	})
	sc.After(func(ctx context.Context, p *godog.Scenario, err error) (context.Context, error) {
		// By name, not by ctx: a step may have answered another context.
		c.end(ctx, key(p.Uri, p.Name), err)
		return ctx, nil
	})
}

func goingOf(ctx context.Context) *going {
	g, _ := ctx.Value(goingKey{}).(*going)
	return g
}

// step notes how a step came out.
func (g *going) step(ctx context.Context, st *godog.Step, status godog.StepResultStatus, err error) {
	i, ok := g.ids[st.Id]
	if !ok {
		return // a step that a step called
	}
	step := &g.result.Steps[i]
	step.DurationMS = millis(time.Since(g.begun))
	var failure *judge.Failure
	switch {
	case status == godog.StepPassed:
		step.Verdict = reports.Passed
	case errors.As(err, &failure):
		step.Verdict, step.Error = reports.Failed, failure.Error()
	case errors.Is(err, judge.ErrUnjudged), errors.Is(err, godog.ErrSkip):
		step.Verdict, step.Error = reports.Unjudged, reason(err)
	case status == godog.StepUndefined:
		step.Verdict, step.Error = reports.Error, snippet(st)
	case err == nil: // after another step ended the scenario
		step.Verdict, step.DurationMS = reports.Skipped, 0
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		step.Verdict, step.Error = reports.Error, fmt.Sprintf("%v, at last in %q: %v", context.Cause(ctx), st.Text, err)
	case ctx.Err() != nil:
		step.Verdict, step.Error = reports.Unjudged, "the run was cut short"
	default:
		// With the stack, if it was a panic.
		step.Verdict, step.Error = reports.Error, fmt.Sprintf("%+v", err)
	}
	step.Error = strings.TrimSpace(g.record.Redact(step.Error))
}

// reason is what a skip says beside that it is one.
func reason(err error) string {
	text := strings.TrimPrefix(err.Error(), godog.ErrSkip.Error())
	return strings.TrimPrefix(text, ": ")
}

func (c *collector) begin(name string, g *going) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.going[name] = g
	c.order = append(c.order, name)
	c.tell(Started, g.result)
}

func (c *collector) end(ctx context.Context, name string, err error) {
	c.mu.Lock()
	g := c.going[name]
	c.mu.Unlock()
	if g == nil {
		return
	}
	g.cancel()
	s := g.result
	s.DurationMS = millis(time.Since(s.Started))
	s.Findings, s.Exchanges, s.JWTs = g.record.Findings(), g.record.Exchanges(), g.record.JWTs()
	bad := false
	for _, step := range s.Steps {
		if step.Verdict == reports.Error && s.Error == "" {
			s.Error = step.Error
		}
		bad = bad || step.Verdict != reports.Passed
	}
	if i := slices.IndexFunc(s.Steps, func(st reports.Step) bool { return st.Verdict != reports.Passed }); i >= 0 && s.Steps[i].Verdict == reports.Skipped {
		s.Error = fmt.Sprintf("the outcome of step %q is lost: a step answered a context that is not made of its own", s.Steps[i].Text)
	}
	if err != nil && !bad {
		// The steps passed, so it is a hook of the harness that failed.
		s.Error = strings.TrimSpace(g.record.Redact(fmt.Sprintf("%+v", err)))
	}
	s.Judge(func(id string) string { return c.env.Levels[id] })

	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.going, name)
	for i, n := range c.order {
		if n == name {
			c.order = append(c.order[:i:i], c.order[i+1:]...)
			break
		}
	}
	c.done[name] = s
	c.tell(Finished, s)
}

// tell is called under the lock, so that news come one at a time and in order.
func (c *collector) tell(kind string, s *reports.Scenario) {
	e := Event{Kind: kind, Scenario: s, Done: len(c.done), Total: len(c.plan.order)}
	for _, name := range c.order {
		e.Running = append(e.Running, c.going[name].result.Name)
	}
	c.opt.Progress(e)
}

// results are the scenarios in the order of the files. One that godog passed
// over is an error, unless the run was cut short: then it is missing.
func (c *collector) results(interrupted bool) []reports.Scenario {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]reports.Scenario, 0, len(c.plan.order))
	for _, name := range c.plan.order {
		if s := c.done[name]; s != nil {
			out = append(out, *s)
		} else if !interrupted {
			s := *c.plan.scenarios[name]
			s.Error = "the scenario did not run to its end; this is a fault of the harness"
			out = append(out, s)
		}
	}
	return out
}
