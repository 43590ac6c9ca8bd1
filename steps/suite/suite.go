package suite

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
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
	// TLS lets all mocks serve TLS with certificates of this authority; nil =
	// plain HTTP, but where a scenario is about TLS.
	TLS *cluster.Authority
	// Dialect is what the mocks speak: strict or test.fhir.org; "" = strict.
	Dialect string
	// JudgeDialect is the dialect that the judge is told the systems claim; "" = Dialect.
	JudgeDialect string
	// Concurrency is how many scenarios run at once; 0 = what suits the runtime.
	Concurrency int
	// Shuffle is the seed of an order in which scenarios are played; 0 = that of the
	// files. The report has theirs.
	Shuffle uint64
	// ScenarioTimeout ends a scenario that hangs, in real time; 0 = 2 minutes, or
	// what suits the timeouts of an outside system.
	ScenarioTimeout time.Duration
	// Requirements selects scenarios by the ids that they judge, Only by their own
	// ids in a report; nil = all. What is selected must be so by all of the three.
	Requirements, Only []string
	// Roles are the outside systems by role: source, target, cavs. Each is judged
	// on its own, while mocks play the others; nil = mocks play all.
	Roles map[string]steps.Role
	// Judged are the roles to judge out of Roles; nil = all. One that is not
	// judged is there for another's sake: a source that asks its own CAVS.
	Judged []string
	// Door is where outside systems reach mocks, by the embedded runtime; nil = they don't.
	Door *cluster.Door
	// CA and NodeKey are as CA and Key in cluster.Options.
	CA      []byte
	NodeKey string
	// Key is the harness's lasting key, Issuer the iss that goes with it; nil = fresh ones.
	Key    *rsa.PrivateKey
	Issuer string
	// Skip gives the reason for each id that is not judged: a MAY that the system
	// doesn't claim, or what its config leaves out.
	Skip map[string]string
	// Waivers let a failed requirement not count.
	Waivers []Waiver
	// Notes stand in the report beside what the run adds of its own.
	Notes []string
	// Adjust changes what the scenarios share, before the first one; nil = nothing.
	Adjust func(*steps.Env)
	// System, SystemVersion and Vendor name what is judged, Version the suite; they
	// stand in the report.
	System, SystemVersion, Vendor, Version string
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
	r, err := prepare(&opt)
	if err != nil {
		return nil, &UsageError{err}
	}
	run = &reports.Run{Version: opt.Version, System: opt.System, SystemVersion: opt.SystemVersion, Vendor: opt.Vendor, Dialect: opt.Dialect,
		Selection: opt.selection(), Judged: judgedRoles(&opt, underTest(r.passes)), Started: time.Now().UTC(), Notes: opt.Notes}
	if run.Files, err = digests(opt.Features, opt.ExtraFeatures); err != nil {
		return nil, &UsageError{err}
	}
	if opt.JudgeDialect != opt.Dialect {
		run.JudgeDialect = opt.JudgeDialect
	}
	st, err := openStage(ctx, &opt, r.levels, r.total)
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("cut short before the first scenario: %w", context.Cause(ctx))
		}
		return nil, err
	}
	run.Runtime, run.Why = st.runtime, st.why
	run.Scenarios, err = st.playAll(ctx, opt, r.passes, r.total)
	if closing := st.close(context.WithoutCancel(ctx)); closing != nil {
		// What was judged stands; what could not be cleaned up must be known.
		opt.Log.Error("the cluster could not be cleaned up", "error", closing.Error())
		run.Why += "; not cleaned up: " + closing.Error()
	}
	if err != nil {
		return nil, err
	}
	run.Interrupted = ctx.Err() != nil
	run.Scenarios = inOrder(run.Scenarios, r.plan)
	run.Notes = append(run.Notes, st.noted()...)
	promote(run.Scenarios, opt.Skip)
	run.DurationMS = millis(time.Since(run.Started))
	finish(run, &opt, underTest(r.passes), r.catalogue, r.levels)
	return run, nil
}

// playPass plays one pass.
func (st *stage) playPass(ctx context.Context, opt Options, one *pass, n *news) ([]reports.Scenario, error) {
	if len(one.plan.order) == 0 {
		return nil, nil
	}
	opt.Progress = n.from(one)
	env := st.envOf(&opt, one)
	c := newCollector(opt, one.plan, env)
	concurrency := st.concurrency
	if one.alone {
		concurrency = 1
	}
	if err := play(ctx, opt, one.plan, env, concurrency, c); err != nil {
		return nil, err
	}
	return c.results(ctx.Err() != nil), nil
}

// play hands the files to godog. Its own verdict doesn't count: it knows
// nothing of warnings, of errors that are nobody's failure, and of selection.
func play(ctx context.Context, opt Options, p *plan, env *steps.Env, concurrency int, c *collector) (err error) {
	contents := make([]godog.Feature, len(p.files))
	for i, f := range p.files {
		contents[i] = godog.Feature{Name: f.uri, Contents: f.text}
	}
	if opt.Shuffle != 0 {
		r := rand.New(rand.NewPCG(opt.Shuffle, 0))
		r.Shuffle(len(contents), func(i, j int) { contents[i], contents[j] = contents[j], contents[i] })
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
				steps.Register(sc, env)
			}
			for _, extra := range opt.ExtraSteps {
				extra(sc)
			}
			c.last(sc)
		},
		Options: &godog.Options{
			Format: "progress", Output: io.Discard, NoColors: true, Strict: true,
			Concurrency: concurrency, DefaultContext: ctx, FeatureContents: contents,
			Randomize: int64(opt.Shuffle), // within a file
		},
	}.Run()
	if code > 1 { // 1 is a failed scenario, which we know better
		return errors.New("godog could not run the features; they were read before, so this is a fault of the harness")
	}
	return nil
}

// finish lists the requirements that were judged, by the catalogue's order,
// and rolls up. Where a whole role was judged, all of its requirements are
// listed.
func finish(run *reports.Run, opt *Options, roles []string, catalogue []features.Requirement, levels map[string]string) {
	asked := map[string]bool{}
	for i := range run.Scenarios {
		s := &run.Scenarios[i]
		for j := range s.Findings {
			if f := &s.Findings[j]; f.Level == "" {
				f.Level = levels[f.ID]
			}
		}
		s.Judge(func(id string) string { return levels[id] })
		for _, f := range s.Findings {
			// Also what nobody asked for, but was seen.
			if slices.Contains(s.Requirements, f.ID) && (opt.Requirements == nil || slices.Contains(opt.Requirements, f.ID)) || f.Verdict == reports.Failed || f.Verdict == reports.Warning || f.Verdict == reports.Skipped {
				asked[f.ID] = true
			}
		}
	}
	whole := len(roles) > 0 && opt.selection() == ""
	for _, r := range catalogue {
		if !asked[r.ID] && !(whole && opt.Skip[r.ID] == "" && slices.ContainsFunc(roles, func(role string) bool { return binds(role, r.ID) })) {
			continue
		}
		run.Requirements = append(run.Requirements, reports.Requirement{
			ID: r.ID, Role: r.Role, Level: r.Level, Text: r.Text, Source: join(r.Source),
			Claimed: r.Level == reports.MAY && opt.Skip[r.ID] == "",
		})
	}
	run.RollUp()
	waive(run, opt.Waivers, time.Now())
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
