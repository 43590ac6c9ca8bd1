// Package check holds the decisions of the protocol, by requirement id.
//
// Wherever a node decides something that a requirement speaks of, the decision passes through
// [Checks.Do] (yes or no) or [Value] (a decided value) under that requirement's id. A rule or a
// script of a scenario can so put its own verdict in place of the node's.
package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Inputs are what a decision was made from, by name: JSON-like values that a script can read
// ("jwt", "consent", "scope", ...). A func() any stands for what takes work to make: it is called when
// somebody asks.
type Inputs map[string]any

// Override decides in place of the node. v is what the node decided: for [Checks.Do] nil or the
// error, for [Value] the value. ok false leaves the decision to the next override, or to the node.
// The result of a yes-or-no check: nil or true passes; an error or a text refuses; false refuses with
// the node's own error, or a plain one if it had none.
type Override func(ctx context.Context, in Inputs, v any) (result any, ok bool)

// Checks are the decisions of one node: its dialect, and what a scenario has overridden. A nil *Checks
// is strict and leaves each decision as it is; it can't be overridden or given another dialect.
type Checks struct {
	mu        sync.RWMutex
	dialect   Dialect
	overrides map[string][]*Override
}

// New returns the checks of a node that speaks dialect d; "" is [Strict].
func New(d Dialect) *Checks {
	return &Checks{dialect: orStrict(d), overrides: map[string][]*Override{}}
}

// Dialect is the dialect that the node speaks now.
func (c *Checks) Dialect() Dialect {
	if c == nil {
		return Strict
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.dialect
}

// SetDialect changes the dialect; "" is [Strict].
func (c *Checks) SetDialect(d Dialect) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dialect = orStrict(d)
}

// Do passes the verdict of the check id: nil, or why the node refuses, unless an override decides
// otherwise.
func (c *Checks) Do(ctx context.Context, id string, in Inputs, verdict error) error {
	var v any
	if verdict != nil {
		v = verdict
	}
	result, ok := c.ask(ctx, id, in, v)
	if !ok {
		return verdict
	}
	switch r := result.(type) {
	case nil:
		return nil
	case bool:
		if r {
			return nil
		}
		return refused(id, "", verdict)
	case error:
		return r
	case string:
		return refused(id, r, verdict)
	default:
		return refused(id, fmt.Sprint(r), verdict)
	}
}

// Value passes v, which the node decided under the check id, unless an override gives another. That
// one is converted through JSON if it is of another type: nil, as JSON's null, is T's zero value. What
// doesn't fit T leaves v.
func Value[T any](ctx context.Context, c *Checks, id string, in Inputs, v T) T {
	result, ok := c.ask(ctx, id, in, v)
	if !ok {
		return v
	}
	if t, ok := result.(T); ok {
		return t
	}
	raw, err := json.Marshal(result)
	if err != nil {
		return v
	}
	var t T
	if err := json.Unmarshal(raw, &t); err != nil {
		if m, ok := result.(Misfit); ok {
			m.Misfit(err)
		}
		return v
	}
	return t
}

// Misfit is a result of an override that wants to know why it could not be taken for the value.
type Misfit interface{ Misfit(err error) }

// Override lets f decide the check id until it is removed. Of several for one id the latest is asked
// first.
func (c *Checks) Override(id string, f Override) (remove func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := &f
	c.overrides[id] = append(slices.Clip(c.overrides[id]), p)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		// A new slice: a decision that is being made still reads the old one.
		left := slices.DeleteFunc(slices.Clone(c.overrides[id]), func(q *Override) bool { return q == p })
		if len(left) == 0 {
			delete(c.overrides, id)
			return
		}
		c.overrides[id] = left
	}
}

// Clear removes all overrides.
func (c *Checks) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.overrides)
}

// ask asks the overrides of id, latest first. They run without the lock: one may override in turn.
func (c *Checks) ask(ctx context.Context, id string, in Inputs, v any) (result any, ok bool) {
	if c == nil {
		return nil, false
	}
	c.mu.RLock()
	list := c.overrides[id]
	c.mu.RUnlock()
	for _, f := range slices.Backward(list) {
		if result, ok = (*f)(ctx, in, v); ok {
			return result, true
		}
	}
	return nil, false
}

// refused is the error of an override that says no: with the form of the node's own refusal if it had
// one, so that status and code stay those of the check.
func refused(id, message string, verdict error) error {
	if message == "" && verdict != nil {
		return verdict
	}
	if message == "" {
		message = "refused by an override of " + id
	}
	r := Refusal{ID: id, Status: 400, Code: "processing"}
	var own *Refusal
	if errors.As(verdict, &own) {
		r = *own
	}
	r.Message = message
	return &r
}
