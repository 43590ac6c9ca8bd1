package judge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"example.org/ccde/reports"
)

// Options is what a record must know of the run.
type Options struct {
	// Levels gives the level, SHALL, SHOULD or MAY, of each requirement's id.
	Levels map[string]string
	// Dialect is the dialect that the judged system claims: "strict" or "test.fhir.org".
	Dialect string
	// Masker is the run's; nil makes one of its own.
	Masker *Masker
}

// Record keeps what one scenario did and found. It is safe for concurrent use.
type Record struct {
	opts Options

	mu        sync.Mutex
	findings  []finding
	exchanges []kept
	learnt    map[string]string // a secret of this scenario, and its label
	about     []int             // the exchanges that the next finding is about
	seen      []reports.Exchange
}

// finding is a reports.Finding whose exchanges are still internal numbers.
type finding struct {
	reports.Finding
	about []int
	seen  []reports.Exchange // what others exchanged: it comes into the record later, if at all
}

// NewRecord makes an empty record.
func NewRecord(opts Options) *Record {
	if opts.Masker == nil {
		opts.Masker = NewMasker()
	}
	return &Record{opts: opts, learnt: map[string]string{}}
}

type contextKey struct{}

// WithRecord puts r into a context, where From finds it.
func WithRecord(ctx context.Context, r *Record) context.Context {
	return context.WithValue(ctx, contextKey{}, r)
}

// From is the record of a scenario's context, nil if there is none.
func From(ctx context.Context) *Record {
	r, _ := ctx.Value(contextKey{}).(*Record)
	return r
}

// Failure is the error that ends a scenario: a requirement was not met.
type Failure struct{ ID, Expected, Found string }

func (f *Failure) Error() string {
	return fmt.Sprintf("%s: expected %s; found %s", f.ID, f.Expected, f.Found)
}

// ErrUnjudged is in the chain of what Unjudged returns: the rest of the
// scenario can't be judged. It says nothing against the system.
var ErrUnjudged = errors.New("unjudged")

// Level is the level of a requirement; one that the catalogue doesn't name is a SHALL.
func (r *Record) Level(id string) string {
	if level := r.opts.Levels[id]; level != "" {
		return level
	}
	return reports.SHALL
}

// Dialect is the dialect that the judged system claims.
func (r *Record) Dialect() string { return r.opts.Dialect }

// About names the exchanges, by what Do and Add returned, that the next finding is
// about; without it a finding is about the latest exchange of the harness.
func (r *Record) About(exchanges ...int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.about = slices.Clone(exchanges)
}

// AboutSeen names exchanges of others that the next finding is about, as a mock
// saw them: by method, URL and time they are found among those that Add will
// bring. Without any it is about no exchange, unless About names some.
func (r *Record) AboutSeen(exchanges ...reports.Exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append([]reports.Exchange{}, exchanges...) // not nil: no exchange is an answer too
}

// found is the exchange of others that is one that a mock saw: of the same
// method and URL, the one nearest in time. Both sides of one exchange are a
// moment apart, and each mock keeps its own.
func found(all []kept, e reports.Exchange) (number int) {
	var nearest time.Duration
	for _, k := range all {
		if k.own || k.Method != e.Method || k.URL != e.URL {
			continue
		}
		if apart := k.At.Sub(e.At).Abs(); number == 0 || apart < nearest {
			number, nearest = k.number, apart
		}
	}
	return number
}

// Pass records that a requirement was met. The note, which may be empty, says
// what was seen or what was left out.
func (r *Record) Pass(id, note string) { r.add(id, r.Level(id), reports.Passed, "", note) }

// Fail records that a requirement was not met. For a SHALL, or a MAY that is
// judged at all, it returns a *Failure, which the step returns to end the
// scenario; for a SHOULD it records a warning and returns nil.
func (r *Record) Fail(id, expected, found string) error {
	if r.Level(id) == reports.SHOULD {
		r.Warn(id, expected, found)
		return nil
	}
	r.add(id, r.Level(id), reports.Failed, expected, found)
	masked := r.masker()
	return &Failure{ID: id, Expected: masked.mask(expected), Found: masked.mask(found)}
}

// Warn records a finding that is no failure: a SHOULD, also one inside a SHALL,
// or a form that the dialect tables excuse.
func (r *Record) Warn(id, expected, found string) {
	r.add(id, reports.SHOULD, reports.Warning, expected, found)
}

// Unjudged records that a requirement could not be looked at, and why. The
// error has ErrUnjudged in its chain.
func (r *Record) Unjudged(id, reason string) error {
	r.add(id, r.Level(id), reports.Unjudged, "", reason)
	return fmt.Errorf("%w: %s: %s", ErrUnjudged, id, r.masker().mask(reason))
}

// Form judges what stands in a row of the dialect tables (protocol 2): ok says
// that the system does as the left column says. If not, it is a warning where
// the row excuses it, else as Fail.
func (r *Record) Form(id string, row Row, ok bool, expected, found string) error {
	if ok {
		return nil
	}
	if row.substance && r.opts.Dialect != TestFHIR {
		return r.Fail(id, expected, found)
	}
	r.Warn(id, expected, fmt.Sprintf("%s (as test.fhir.org does: %s)", found, row.name))
	return nil
}

// Judged says whether a requirement has a finding already.
func (r *Record) Judged(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.findings, func(f finding) bool { return f.ID == id })
}

// Findings are all findings so far, masked; their exchanges are the Seq of Exchanges.
func (r *Record) Findings() []reports.Finding {
	masked, seq, all := r.masker(), r.order(), r.inTime()
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]reports.Finding, 0, len(r.findings))
	for _, f := range r.findings {
		f.Expected, f.Found = masked.mask(f.Expected), masked.mask(f.Found)
		f.Exchanges = nil
		for _, n := range f.numbers(all) {
			if s := seq[n]; s > 0 && !slices.Contains(f.Exchanges, s) {
				f.Exchanges = append(f.Exchanges, s)
			}
		}
		slices.Sort(f.Exchanges)
		out = append(out, f.Finding)
	}
	return out
}

// numbers are those of all exchanges that the finding is about.
func (f *finding) numbers(all []kept) []int {
	out := slices.Clone(f.about)
	for _, e := range f.seen {
		out = append(out, found(all, e))
	}
	return out
}

func (r *Record) add(id, level, verdict, expected, found string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	about, seen := r.about, r.seen
	r.about, r.seen = nil, nil
	if about == nil && seen == nil {
		for i := len(r.exchanges) - 1; i >= 0 && about == nil; i-- {
			if r.exchanges[i].own {
				about = []int{r.exchanges[i].number}
			}
		}
	}
	r.findings = append(r.findings, finding{about: about, seen: seen, Finding: reports.Finding{
		ID: id, Level: level, Verdict: verdict, Expected: expected, Found: found}})
}

// LeaveOut records that a requirement can't be looked at in this way, and why.
// It counts where no other scenario judged the requirement either.
func (r *Record) LeaveOut(id, reason string) { r.add(id, r.Level(id), reports.Skipped, "", reason) }

// Error records that the harness could not judge a requirement: this says
// nothing of the system.
func (r *Record) Error(id, reason string) { r.add(id, r.Level(id), reports.Error, "", reason) }
