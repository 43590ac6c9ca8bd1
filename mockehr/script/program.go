package script

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"example.org/ccde/mockehr/control"
)

// What is kept of a script's doings.
const (
	maxErrors = 50
	maxLines  = 200
	maxLine   = 2000 // bytes of one line
	maxCounts = 1000
	maxRules  = 200
)

// program is a script that is loaded. Its code runs in one goroutine at a time: values that it keeps at
// its top level are its state, and need no other guard.
type program struct {
	engine *Engine
	name   string

	turns   sync.Mutex   // held by who runs its code; given up while that waits, asks, or reads the store
	pending []*installed // what its top level installs, until all of it ran; nil afterwards
	loaded  bool

	mu     sync.Mutex
	rules  []string
	errs   []string
	lines  []string
	counts map[string]int
}

// dialect is Starlark as scripts may use it. Recursion stays forbidden, so that a call ends.
var dialect = &syntax.FileOptions{Set: true, While: true, TopLevelControl: true, GlobalReassign: true}

// Load runs a script's top level and installs the rules that it asks for, after those there are: all of
// them, or, with an error, none. The error of a text that is wrong names file, line and column.
func (e *Engine) Load(ctx context.Context, s control.Script) (control.ScriptState, error) {
	if err := s.Validate(); err != nil {
		return control.ScriptState{}, err
	}
	p := &program{engine: e, name: s.Name, counts: map[string]int{}}
	if err := p.load(ctx, s.Text); err != nil {
		return control.ScriptState{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if slices.ContainsFunc(e.scripts, func(o *program) bool { return o.name == p.name }) {
		return control.ScriptState{}, fmt.Errorf("name: %q is another script's: remove that one, or use another name", p.name)
	}
	before := *e.rules.Load()
	for _, in := range p.pending {
		if err := e.install(in); err != nil {
			e.uninstall(p.rules)
			e.store(before)
			return control.ScriptState{}, err
		}
		p.rules = append(p.rules, in.wire.ID)
	}
	p.pending = nil
	e.scripts = append(slices.Clone(e.scripts), p)
	return p.state(), nil
}

// load compiles the text and runs its top level.
func (p *program) load(ctx context.Context, text string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: Starlark gave up: %v", p.name, r)
		}
	}()
	known := p.builtins()
	file, err := dialect.Parse(p.name, text, 0)
	if err != nil {
		return p.wrong(err)
	}
	guard(file)
	compiled, err := starlark.FileProgram(file, known.Has)
	if err != nil {
		return p.wrong(err)
	}
	_, err = p.run(&turn{p: p, ctx: ctx}, func(thread *starlark.Thread) (starlark.Value, error) {
		_, err := compiled.Init(thread, known)
		return starlark.None, err
	}, nil)
	p.loaded = true // before any of its rules is there
	return err
}

// uninstall takes rules away; e.mu is held.
func (e *Engine) uninstall(ids []string) {
	e.store(slices.DeleteFunc(slices.Clone(*e.rules.Load()), func(in *installed) bool {
		gone := slices.Contains(ids, in.wire.ID)
		if gone {
			in.gone()
		}
		return gone
	}))
}

// Scripts are those that are loaded, in order, with what has become of them.
func (e *Engine) Scripts() []control.ScriptState {
	e.mu.Lock()
	scripts := e.scripts
	e.mu.Unlock()
	list := make([]control.ScriptState, len(scripts))
	for i, p := range scripts {
		list[i] = p.state()
	}
	return list
}

// RemoveScript takes one script away with its rules, and tells whether it was there.
func (e *Engine) RemoveScript(name string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, p := range e.scripts {
		if p.name == name {
			e.uninstall(p.rules)
			e.scripts = slices.Delete(slices.Clone(e.scripts), i, i+1)
			return true
		}
	}
	return false
}

// ClearScripts takes all scripts away with their rules; other rules stay.
func (e *Engine) ClearScripts() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.scripts {
		e.uninstall(p.rules)
	}
	e.scripts = nil
}

func (p *program) state() control.ScriptState {
	p.mu.Lock()
	defer p.mu.Unlock()
	return control.ScriptState{Name: p.name, Rules: append([]string{}, p.rules...), Errors: slices.Clone(p.errs),
		Log: slices.Clone(p.lines), Counts: maps.Clone(p.counts)}
}

// failed keeps an error of the running script.
func (p *program) failed(err error) {
	p.engine.opt.Log.Warn("a script failed", "error", err.Error())
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.errs) < maxErrors {
		p.errs = append(p.errs, err.Error())
	}
}

// log keeps a line of a script.
func (p *program) log(line string) {
	if len(line) > maxLine {
		line = string(wholeRunes([]byte(line[:maxLine]))) + "..."
	}
	p.engine.opt.Log.Info("script", "script", p.name, "says", line)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.lines) < maxLines {
		p.lines = append(p.lines, line)
	}
}

// count counts one more of a name.
func (p *program) count(name string) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, there := p.counts[name]; !there && len(p.counts) == maxCounts {
		return 0, fmt.Errorf("there are %d counters already: count by fewer names", maxCounts)
	}
	p.counts[name]++
	return p.counts[name], nil
}

// ruleID is the id of a rule that is installed at a line.
func (p *program) ruleID(line int32) string {
	id := p.name + ":" + strconv.Itoa(int(line))
	taken := func(id string) bool {
		return slices.ContainsFunc(p.pending, func(in *installed) bool { return in.wire.ID == id })
	}
	for n, first := 2, id; taken(id); n++ {
		id = first + "-" + strconv.Itoa(n)
	}
	return id
}

// wrong is an error of a script with the place where it happened in front.
func (p *program) wrong(err error) error {
	var syntaxErr syntax.Error
	var unresolved resolve.ErrorList
	var eval *starlark.EvalError
	switch {
	case errors.As(err, &syntaxErr):
		return fmt.Errorf("%s: %s", place(syntaxErr.Pos), syntaxErr.Msg)
	case errors.As(err, &unresolved) && len(unresolved) > 0:
		var errs []error
		for _, one := range unresolved[:min(len(unresolved), 5)] {
			errs = append(errs, fmt.Errorf("%s: %s", place(one.Pos), one.Msg))
		}
		return errors.Join(errs...)
	case errors.As(err, &eval):
		stack := eval.CallStack
		for i := len(stack) - 1; i >= 0; i-- {
			if at := stack[i].Pos; at.Filename() == p.name {
				return fmt.Errorf("%s: %w", place(at), eval)
			}
		}
	}
	return fmt.Errorf("%s: %w", p.name, err)
}

func place(at syntax.Position) string {
	return fmt.Sprintf("%s:%d:%d", at.Filename(), at.Line, at.Col)
}
