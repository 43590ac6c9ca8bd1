// Package script is what a scenario can make a node do: one engine of ordered rules for what the node
// receives and for what it sends, and the history of both.
//
// A [Rule] is a Go value whose action is a function; rules of the control port ([control.Rule]) become
// such values, and so do the handlers of scripts in Starlark ([control.Script]; README.md says how to
// write one).
package script

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/clock"
	"example.org/ccde/mockehr/control"
	"example.org/ccde/mockehr/oauth"
	"example.org/ccde/mockehr/store"
)

// Options are what an [Engine] works with.
type Options struct {
	Checks *check.Checks
	Clock  *clock.Clock
	Root   string // the node's root URL; paths of what it receives are matched below it

	// What scripts reach of the node. Each may be nil: what needs it is an error in the script.
	Store  func() *store.Store  // its records
	Issuer func() *oauth.Issuer // its name and key
	Base   http.RoundTripper    // sends scripts' own requests
	Log    *slog.Logger         // takes what scripts log
}

// Engine holds a node's rules and its history. Its methods may be called from any goroutine.
type Engine struct {
	opt     Options
	prefix  string // path of Root, no slash at its end
	history history

	mu      sync.Mutex
	last    int           // number of the last rule that was given an id
	cleared chan struct{} // closed by Clear: waits of rules end
	rules   atomic.Pointer[[]*installed]
	scripts []*program

	keyMu sync.Mutex
	key   *oauth.Key // that scripts sign with when they want one that nobody knows
}

// New returns an engine without rules.
func New(opt Options) *Engine {
	if opt.Checks == nil {
		opt.Checks = check.New("")
	}
	if opt.Clock == nil {
		opt.Clock = clock.New()
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	e := &Engine{opt: opt, prefix: pathOf(opt.Root), cleared: make(chan struct{})}
	e.history.clock = opt.Clock
	e.rules.Store(&[]*installed{})
	return e
}

// Add installs a rule of the control port after those there are, and returns it with its id and
// defaults. The error names each field that is wrong, and the fix.
func (e *Engine) Add(wire control.Rule) (control.Rule, error) {
	if err := wire.Validate(); err != nil {
		return wire, err
	}
	if wire.Side == "" {
		wire.Side = control.Received
	}
	wire.Phase = wire.When()
	in := &installed{wire: wire, rule: ruleOf(wire)}
	if wire.Check != nil {
		in.decide = in.override(*wire.Check)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.install(in); err != nil {
		return wire, err
	}
	return in.wire, nil
}

// Install installs a rule after those there are, and returns its id.
func (e *Engine) Install(r Rule) (string, error) {
	in, err := made(r)
	if err != nil {
		return "", err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	err = e.install(in)
	return in.wire.ID, err
}

// made is a rule that was made as a Go value, with its defaults. The error names each field that is
// wrong, and the fix.
func made(r Rule) (*installed, error) {
	if r.Act == nil {
		return nil, fmt.Errorf("rule %q has no action: set Act", r.ID)
	}
	wire := control.Rule{ID: r.ID, Side: r.Side, Phase: r.Phase, Match: r.Match, Skip: r.Skip, Every: r.Every, Times: r.Times}
	wire.Drop = true // any action will do for the check of the rest
	if err := wire.Validate(); err != nil {
		return nil, err
	}
	wire.Drop = false
	if wire.Side == "" {
		wire.Side = control.Received
	}
	wire.Phase = wire.When()
	r.Side, r.Phase = wire.Side, wire.Phase
	return &installed{wire: wire, rule: r}, nil
}

// install installs a rule; e.mu is held.
func (e *Engine) install(in *installed) error {
	prefix := e.prefix
	if in.rule.Side == control.Sent {
		prefix = ""
	}
	in.match = compile(in.rule.Match, prefix)
	rules := *e.rules.Load()
	taken := func(id string) bool {
		return slices.ContainsFunc(rules, func(o *installed) bool { return o.wire.ID == id })
	}
	if taken(in.wire.ID) {
		return fmt.Errorf("id: %q is another rule's: remove that one, or use another id", in.wire.ID)
	}
	for in.wire.ID == "" || taken(in.wire.ID) {
		e.last++
		in.wire.ID = "rule-" + strconv.Itoa(e.last)
	}
	in.rule.ID = in.wire.ID
	if o := in.wire.Check; o != nil {
		in.remove = e.opt.Checks.Override(o.ID, in.decide)
	}
	e.store(append(slices.Clone(rules), in))
	return nil
}

// Rules are the rules, in order. Of one that was installed as a Go value the action is not shown.
func (e *Engine) Rules() []control.Rule {
	rules := *e.rules.Load()
	list := make([]control.Rule, len(rules))
	for i, in := range rules {
		list[i] = in.wire
	}
	return list
}

// Remove takes one rule away, and tells whether it was there.
func (e *Engine) Remove(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	rules := slices.Clone(*e.rules.Load())
	i := slices.IndexFunc(rules, func(in *installed) bool { return in.wire.ID == id })
	if i < 0 {
		return false
	}
	rules[i].gone()
	e.store(slices.Delete(rules, i, i+1))
	return true
}

// Clear takes all rules and scripts away, overrides of checks too. What waits because of a rule goes on at once.
func (e *Engine) Clear() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, in := range *e.rules.Load() {
		in.gone()
	}
	e.store([]*installed{})
	e.scripts = nil
	close(e.cleared)
	e.cleared = make(chan struct{})
}

func (e *Engine) store(rules []*installed) { e.rules.Store(&rules) }

// begin is what a new exchange has to do with rules: those of its side, and what ends their waits.
// Where there are no rules this is all that it costs.
func (e *Engine) begin(side string) (rules []*installed, cleared <-chan struct{}) {
	if len(*e.rules.Load()) == 0 {
		return nil, nil
	}
	e.mu.Lock()
	all, cleared := *e.rules.Load(), e.cleared // both of one moment: a Clear ends the waits of these rules
	e.mu.Unlock()
	for _, in := range all {
		if in.rule.Side == side {
			rules = append(rules, in)
		}
	}
	return rules, cleared
}

func pathOf(root string) string {
	u, err := url.Parse(root)
	if err != nil {
		return ""
	}
	return strings.TrimRight(u.Path, "/")
}
