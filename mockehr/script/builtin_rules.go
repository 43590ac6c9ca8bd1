package script

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"go.starlark.net/starlark"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/control"
)

// onRequest, onAnswer, onSend and onReply install a rule whose action is a function of the script.
var (
	onRequest = installer(control.Received, control.OnRequest)
	onAnswer  = installer(control.Received, control.OnAnswer)
	onSend    = installer(control.Sent, control.OnRequest)
	onReply   = installer(control.Sent, control.OnAnswer)
)

func installer(side, phase string) builtin {
	takes := 1
	if phase == control.OnAnswer {
		takes = 2
	}
	return func(t *turn, thread *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		r := Rule{Side: side, Phase: phase}
		var fn starlark.Callable
		var query, header *starlark.Dict
		pairs := []any{"fn", &fn, "method?", &r.Match.Method, "path?", &r.Match.Path, "host?", &r.Match.Host, "query?", &query,
			"header?", &header, "contains?", &r.Match.Body, "skip?", &r.Skip, "every?", &r.Every, "times?", &r.Times}
		if phase == control.OnAnswer {
			pairs = append(pairs, "status?", &r.Match.Status)
		}
		err := starlark.UnpackArgs(name, args, kwargs, pairs...)
		if err != nil {
			return nil, err
		}
		if err = t.installs(); err == nil {
			err = calls(fn, takes)
		}
		if err == nil {
			r.Match.Query, err = globs("query", query)
		}
		if err == nil {
			r.Match.Header, err = globs("header", header)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		p := t.p
		r.ID = p.ruleID(thread.CallFrame(1).Pos.Line)
		r.Act = func(ctx context.Context, c *Call) error { return p.handle(ctx, c, fn, phase) }
		in, err := made(r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		p.pending = append(p.pending, in)
		return starlark.None, nil
	}
}

// installs says why nothing can be installed now.
func (t *turn) installs() error {
	switch {
	case t.p.loaded:
		return errors.New("it is called in a handler: call it at the top level, which runs once when the script is loaded")
	case len(t.p.pending) == maxRules:
		return fmt.Errorf("the script installs over %d rules: let one handler look at more", maxRules)
	}
	return nil
}

// calls says why a function can't be called with n arguments.
func calls(fn starlark.Callable, n int) error {
	f, ok := fn.(*starlark.Function)
	if !ok {
		return nil
	}
	with := "the request"
	if n == 2 {
		with = "the request and the answer"
	}
	return takes(f, n, with)
}

func takes(f *starlark.Function, n int, with string) error {
	needed := 0
	for i := range f.NumParams() - f.NumKwonlyParams() {
		if f.ParamDefault(i) == nil {
			needed++
		}
	}
	most := f.NumParams() - f.NumKwonlyParams()
	if f.HasVarargs() {
		needed, most = needed-1, n
	}
	if f.HasKwargs() {
		needed, most = needed-1, most-1
	}
	if needed > n || most < n && !f.HasVarargs() {
		return fmt.Errorf("fn: %s is called with %s: let it take %d arguments", f.Name(), with, n)
	}
	return nil
}

func globs(what string, dict *starlark.Dict) (map[string]string, error) {
	if dict == nil {
		return nil, nil
	}
	out := map[string]string{}
	for _, pair := range dict.Items() {
		name, ok1 := starlark.AsString(pair[0])
		value, ok2 := starlark.AsString(pair[1])
		if !ok1 || !ok2 {
			return nil, fmt.Errorf("%s: %s: %s: names and globs are texts, such as {\"patient\": \"*\"}", what, pair[0], pair[1])
		}
		out[name] = value
	}
	return out, nil
}

// handle calls a handler. What it did is taken over once it has returned: whole, or with an error not at
// all.
func (p *program) handle(ctx context.Context, c *Call, fn starlark.Callable, phase string) error {
	t := &turn{p: p, ctx: ctx, cleared: c.cleared, call: c, handler: true}
	t.req = newRequest(t, phase == control.OnAnswer)
	args := starlark.Tuple{t.req}
	var ans *answerValue
	if phase == control.OnAnswer {
		ans = newAnswer(c.Response, false)
		args = append(args, ans)
	}
	_, err := p.run(t, func(thread *starlark.Thread) (starlark.Value, error) {
		return starlark.Call(thread, fn, args, nil)
	}, func(starlark.Value) error {
		change, err := t.req.commit()
		if err == nil && ans != nil {
			change, err = ans.commit()
		}
		if err != nil {
			return fmt.Errorf("%s: in %s: %w", p.name, fn.Name(), err)
		}
		if change != nil {
			change(c)
		}
		for _, act := range t.acts {
			act(c)
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		p.failed(err)
	}
	return err
}

var checkID = regexp.MustCompile(`^[A-Z]{3}-[0-9]{2}$`)

// override lets a function decide a named check: of its inputs and of what the node decided. None leaves
// that.
func override(t *turn, thread *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var id string
	var fn, value starlark.Callable
	if err := starlark.UnpackArgs(name, args, kwargs, "id", &id, "fn?", &fn, "value?", &value); err != nil {
		return nil, err
	}
	if (fn == nil) == (value == nil) {
		return nil, fmt.Errorf("%s: give fn, or value, a function of the check's inputs and what the node decided", name)
	}
	known, there := check.Find(id)
	values := value != nil || !known.YesOrNo
	if there && values && known.Value == "" {
		return nil, fmt.Errorf("%s: value: %s is yes or no: give the function as fn", name, id)
	}
	if fn == nil {
		fn = value
	}
	if f, ok := fn.(*starlark.Function); ok {
		if err := takes(f, 2, "the check's inputs and what the node decided"); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return starlark.None, t.decides(thread, name, id, fn, values)
}

// skip lets a yes-or-no check say yes.
func skip(t *turn, thread *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var id string
	if err := starlark.UnpackArgs(name, args, kwargs, "id", &id); err != nil {
		return nil, err
	}
	return starlark.None, t.decides(thread, name, id, nil, false)
}

// yes is the override that lets a yes-or-no check pass; a value of the same requirement it leaves.
func (in *installed) yes(ctx context.Context, _ check.Inputs, v any) (any, bool) {
	if !yesOrNo(v) {
		return nil, false
	}
	if c, _ := ctx.Value(callKey{}).(*Call); c != nil {
		c.entry.acted(in.wire.ID)
	}
	return true, true
}

// decides installs an override, of a value or of what is yes or no; without fn one that says yes.
func (t *turn) decides(thread *starlark.Thread, name, id string, fn starlark.Callable, values bool) error {
	err := t.installs()
	switch known, there := check.Find(id); {
	case err != nil:
	case !checkID.MatchString(id):
		err = fmt.Errorf("id: %q is no requirement's id: use one such as \"SRC-14\"", id)
	case !there:
		err = fmt.Errorf("id: the node decides nothing under %s: change what it answers, by on_answer", id)
	case fn == nil && !known.YesOrNo:
		err = fmt.Errorf("id: %s is a value, which has no yes: use override", id)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	in := &installed{wire: control.Rule{ID: t.p.ruleID(thread.CallFrame(1).Pos.Line), Side: control.Received, Phase: control.OnRequest,
		Check: &control.Override{ID: id}}, keeps: true}
	in.rule = Rule{ID: in.wire.ID, Side: in.wire.Side, Phase: in.wire.Phase}
	if in.decide = in.yes; fn != nil {
		in.decide = t.p.decide(in, fn, values)
	}
	t.p.pending = append(t.p.pending, in)
	return nil
}

// decide is a function of the script as an override, of values or of what is yes or no.
func (p *program) decide(in *installed, fn starlark.Callable, values bool) check.Override {
	return func(ctx context.Context, inputs check.Inputs, v any) (any, bool) {
		if values == yesOrNo(v) {
			return nil, false
		}
		c, _ := ctx.Value(callKey{}).(*Call)
		t := &turn{p: p, ctx: ctx, call: c}
		if c != nil {
			t.cleared = c.cleared
			t.req = newRequest(t, true)
		}
		var result any
		_, err := p.run(t, func(thread *starlark.Thread) (starlark.Value, error) {
			names, own, err := decision(inputs, v)
			if err != nil {
				return nil, err
			}
			return starlark.Call(thread, fn, starlark.Tuple{names, own}, nil)
		}, func(said starlark.Value) (err error) {
			if result, err = p.verdict(in, v, said); err != nil {
				err = fmt.Errorf("%s: %s: %w", in.wire.ID, in.wire.Check.ID, err)
			}
			return err
		})
		switch {
		case err != nil && ctx.Err() == nil:
			p.failed(err)
			if c != nil {
				c.entry.fault(in.wire.ID, err)
			}
			return nil, false
		case err != nil, result == nil:
			return nil, false
		}
		if c != nil {
			c.entry.acted(in.wire.ID)
		}
		return result, true
	}
}

// decision is a check's inputs and what the node decided, for a script.
func decision(inputs check.Inputs, v any) (names *starlark.Dict, own starlark.Value, err error) {
	names = starlark.NewDict(len(inputs))
	for name, input := range inputs {
		value, err := toValue(input)
		if err != nil {
			return nil, nil, fmt.Errorf("the input %s: %w", name, err)
		}
		if err := names.SetKey(starlark.String(name), value); err != nil {
			return nil, nil, err
		}
	}
	own, err = toValue(v)
	return names, own, err
}

// verdict is what a script said, as an override's result; nil where that leaves the node's decision.
func (p *program) verdict(in *installed, v any, said starlark.Value) (any, error) {
	if said == starlark.None {
		return nil, nil
	}
	if _, refused := v.(error); yesOrNo(v) {
		switch said := said.(type) {
		case starlark.Bool:
			return bool(said), nil
		case starlark.String:
			if refused && string(said) == v.(error).Error() {
				return nil, nil // it gave back what it got
			}
			return string(said), nil
		}
		return nil, fmt.Errorf("a %s decides nothing: return True (yes), False or a text (no, and why), or None (as the node decided)", said.Type())
	}
	text, err := toJSON(said)
	if err != nil {
		return nil, err
	}
	return decided{text, func(err error) {
		p.failed(fmt.Errorf("%s: %s: %s does not fit: return what the node decided, changed; %w", in.wire.ID, in.wire.Check.ID, shown(text), err))
	}}, nil
}

// yesOrNo tells a decision from a value by what the node decided.
func yesOrNo(v any) bool {
	_, refused := v.(error)
	return v == nil || refused
}

func shown(text []byte) string {
	if len(text) > 100 {
		return string(wholeRunes(text[:100])) + "..."
	}
	return string(text)
}

// decided is a value that a script gave.
type decided struct {
	text   []byte // JSON
	misfit func(error)
}

func (d decided) MarshalJSON() ([]byte, error) { return d.text, nil }
func (d decided) Misfit(err error)             { d.misfit(err) }
