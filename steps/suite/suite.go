package suite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"github.com/cucumber/godog"

	"example.org/ccde/features"
	"example.org/ccde/mockehr/cluster"
	"example.org/ccde/reports"
	"example.org/ccde/steps"
)

// Options say what is run, where, and what the judge is told.
type Options struct {
	// Features are the feature files; nil = the project's own.
	Features fs.FS
	// ExtraFeatures are more of them, and ExtraSteps what those say beside the
	// project's steps. They are called once, before the first scenario.
	ExtraFeatures fs.FS
	ExtraSteps    []func(*godog.ScenarioContext)
	// Tags selects scenarios: "@SRC-14", "@SRC-14 or @SRC-15", "@token and not @slow"; "" = all.
	Tags string
	// Runtime is where the mocks run: auto, docker or embedded; "" = auto.
	Runtime string
	// Open makes the runtime; nil = cluster.Auto. The suite closes what it made.
	Open func(ctx context.Context, choice string, opt cluster.Options) (rt cluster.Runtime, why string, err error)
	// Host and NodeBinary are as in cluster.Options.
	Host, NodeBinary string
	// Dialect is what the mocks speak: strict or test.fhir.org; "" = strict.
	Dialect string
	// JudgeDialect is the dialect that the judge is told the systems claim; "" = Dialect.
	JudgeDialect string
	// Concurrency is how many scenarios run at once; 0 = what suits the runtime.
	Concurrency int
	// ScenarioTimeout ends a scenario that hangs, in real time; 0 = 2 minutes.
	ScenarioTimeout time.Duration
	// Roles are the outside systems by role; a role that is not there is played by a mock.
	Roles map[string]steps.Role
	// Adjust changes what the scenarios share, before the first one; nil = nothing.
	Adjust func(*steps.Env)
	// System and Version stand in the report.
	System, Version string
	// Progress is told how the run goes, one call at a time; nil = nobody.
	Progress func(Event)
	Log      *slog.Logger // nil = none

	// bare leaves out the project's steps and the cluster: for tests of the suite itself.
	bare bool
}

// Event is one piece of news of a run.
type Event struct {
	// Kind is runtime (once: Message says which and why), started or finished (a scenario).
	Kind     string
	Message  string
	Scenario *reports.Scenario // what is known of it: with a verdict only when it is finished
	// Done of Total scenarios are finished; Running are the names of those on the way.
	Done, Total int
	Running     []string
}

// The kinds of an Event.
const (
	RuntimeChosen = "runtime"
	Started       = "started"
	Finished      = "finished"
)

func (o *Options) defaults() error {
	if o.Features == nil {
		o.Features = features.FS
	}
	if o.Open == nil {
		o.Open = cluster.Auto
	}
	if o.Dialect == "" {
		o.Dialect = dialects[0]
	}
	if o.JudgeDialect == "" {
		o.JudgeDialect = o.Dialect
	}
	for _, d := range []string{o.Dialect, o.JudgeDialect} {
		if !slices.Contains(dialects, d) {
			return fmt.Errorf("dialect %q is unknown; give strict or test.fhir.org", d)
		}
	}
	if o.Concurrency < 0 {
		return fmt.Errorf("concurrency %d: give 1 or more, or 0 for what suits the runtime", o.Concurrency)
	}
	if o.ScenarioTimeout <= 0 {
		o.ScenarioTimeout = 2 * time.Minute
	}
	if o.Progress == nil {
		o.Progress = func(Event) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

var dialects = []string{"strict", "test.fhir.org"}

// UsageError is what is wrong with the options or the features, found before
// anything was started.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Run runs the selected scenarios, several at once, each on a cluster of its
// own, and rolls up what they found. It returns an error, of type *UsageError
// if the caller can mend it, when there is nothing to judge or nowhere to do
// so; a run that was cut short by its context comes back with no error.
// Whatever it started is ended when it returns.
func Run(ctx context.Context, opt Options) (run *reports.Run, err error) {
	if err := opt.defaults(); err != nil {
		return nil, &UsageError{err}
	}
	catalogue, err := features.Catalogue()
	if err != nil {
		return nil, &UsageError{err}
	}
	known := map[string]bool{}
	levels := map[string]string{}
	for _, r := range catalogue {
		known[r.ID], levels[r.ID] = true, r.Level
	}
	selected, err := parseTags(opt.Tags)
	if err != nil {
		return nil, &UsageError{err}
	}
	p, err := readPlan(selected, known, opt.Features, opt.ExtraFeatures)
	if err != nil {
		return nil, &UsageError{err}
	}

	run = &reports.Run{Version: opt.Version, System: opt.System, Dialect: opt.Dialect, Tags: opt.Tags, Started: time.Now().UTC()}
	if opt.JudgeDialect != opt.Dialect {
		run.JudgeDialect = opt.JudgeDialect
	}
	st, err := openStage(ctx, &opt, levels, len(p.order))
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("cut short before the first scenario: %w", context.Cause(ctx))
		}
		return nil, err
	}
	run.Runtime, run.Why = st.runtime, st.why
	c := newCollector(opt, p, st.env)
	err = play(ctx, opt, p, st, c)
	if closing := st.close(context.WithoutCancel(ctx)); closing != nil {
		// What was judged stands; what could not be cleaned up must be known.
		opt.Log.Error("the cluster could not be cleaned up", "error", closing.Error())
		run.Why += "; not cleaned up: " + closing.Error()
	}
	if err != nil {
		return nil, err
	}
	run.Interrupted = ctx.Err() != nil
	run.Scenarios = c.results(run.Interrupted)
	run.DurationMS = millis(time.Since(run.Started))
	finish(run, catalogue, levels)
	return run, nil
}

// play hands the files to godog. Its own verdict doesn't count: it knows
// nothing of warnings, of errors that are nobody's failure, and of selection.
func play(ctx context.Context, opt Options, p *plan, st *stage, c *collector) (err error) {
	contents := make([]godog.Feature, len(p.files))
	for i, f := range p.files {
		contents[i] = godog.Feature{Name: f.uri, Contents: f.text}
	}
	defer func() {
		// A step that can't be registered panics.
		if r := recover(); r != nil {
			err = &UsageError{fmt.Errorf("a step or hook is not as godog wants it: %v", r)}
		}
	}()
	code := godog.TestSuite{
		Name: "ccde",
		// Not ScenarioInitializer, which would register all steps again for each scenario.
		TestSuiteInitializer: func(ts *godog.TestSuiteContext) {
			sc := ts.ScenarioContext()
			c.first(sc)
			if !opt.bare {
				steps.Register(sc, st.env)
			}
			for _, extra := range opt.ExtraSteps {
				extra(sc)
			}
			c.last(sc)
		},
		Options: &godog.Options{
			Format: "progress", Output: io.Discard, NoColors: true, Strict: true,
			Concurrency: st.concurrency, DefaultContext: ctx, FeatureContents: contents,
		},
	}.Run()
	if code > 1 { // 1 is a failed scenario, which we know better
		return errors.New("godog could not run the features; they were read before, so this is a fault of the harness")
	}
	return nil
}

// finish lists the requirements that were judged, by the catalogue's order,
// and rolls up.
func finish(run *reports.Run, catalogue []features.Requirement, levels map[string]string) {
	asked := map[string]bool{}
	for i := range run.Scenarios {
		s := &run.Scenarios[i]
		s.Judge(func(id string) string { return levels[id] })
		for _, id := range s.Requirements {
			asked[id] = true
		}
		for _, f := range s.Findings {
			// Nobody asked for it, but it was seen.
			if f.Verdict == reports.Failed || f.Verdict == reports.Warning {
				asked[f.ID] = true
			}
		}
	}
	for _, r := range catalogue {
		if asked[r.ID] {
			run.Requirements = append(run.Requirements, reports.Requirement{
				ID: r.ID, Role: r.Role, Level: r.Level, Text: r.Text, Source: join(r.Source),
				Claimed: r.Level == reports.MAY, // our mocks have what they are asked for
			})
		}
	}
	run.RollUp()
}

func join(letters []string) string {
	out := ""
	for i, l := range letters {
		if i > 0 {
			out += ", "
		}
		out += l
	}
	return out
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
