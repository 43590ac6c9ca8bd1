package script

import (
	"context"
	"encoding/json"
	"sync"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/control"
)

// Rule is one rule: what it looks at, and what it does. The fields but Act are those of [control.Rule].
type Rule struct {
	ID                 string
	Side, Phase        string
	Match              control.Match
	Skip, Every, Times int
	// Act does something to the exchange. An error goes to the history as a fault of the rule, and the
	// exchange goes on as if the rule weren't there.
	Act func(ctx context.Context, c *Call) error
}

// installed is a rule at work.
type installed struct {
	wire   control.Rule
	rule   Rule
	match  matcher
	decide check.Override // with wire.Check: what decides it
	remove func()         // takes an override back; nil for other rules
	keeps  bool           // its override may look at the request's body

	mu          sync.Mutex
	seen, acted int
}

// turn counts something that matches, and tells whether the rule acts on it.
func (in *installed) turn() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	r := in.rule
	in.seen++
	n := in.seen - r.Skip
	if n <= 0 || (r.Every > 1 && n%r.Every != 0) || (r.Times > 0 && in.acted >= r.Times) {
		return false
	}
	in.acted++
	return true
}

// spent tells whether the rule will never act again.
func (in *installed) spent() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.rule.Times > 0 && in.acted >= in.rule.Times
}

func (in *installed) gone() {
	if in.remove != nil {
		in.remove()
	}
}

// run lets the rules of a phase act on a call, in order, until one ends the phase. It returns ctx's
// error if that ended meanwhile.
func run(ctx context.Context, rules []*installed, phase string, c *Call) error {
	c.over = false
	for _, in := range rules {
		if in.rule.Phase != phase || in.rule.Act == nil || !in.match.call(c) || !in.turn() {
			continue
		}
		c.entry.acted(in.rule.ID)
		if err := in.rule.Act(ctx, c); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			c.entry.fault(in.rule.ID, err)
		}
		if c.over {
			break
		}
	}
	return ctx.Err()
}

// override is a rule that decides a check. What a rule matches can only be told while a request is
// handled; a rule that matches anything also decides what the node does on its own.
func (in *installed) override(o control.Override) check.Override {
	var value any
	if len(o.Value) > 0 && json.Unmarshal(o.Value, &value) != nil {
		value = string(o.Value)
	}
	return func(ctx context.Context, _ check.Inputs, _ any) (any, bool) {
		c, _ := ctx.Value(callKey{}).(*Call)
		if !in.match.all && (c == nil || !in.match.head(c)) {
			return nil, false
		}
		if !in.turn() {
			return nil, false
		}
		if c != nil {
			c.entry.acted(in.rule.ID)
		}
		switch {
		case o.Verdict == control.Pass:
			return true, true
		case o.Verdict == control.Fail && o.Message != "":
			return o.Message, true
		case o.Verdict == control.Fail:
			return false, true
		}
		return value, true
	}
}

// callKey is the context key of the call in whose course a check is made.
type callKey struct{}
