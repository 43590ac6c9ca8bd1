package script

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.starlark.net/lib/math"
	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// builtin is a function of scripts: of the turn that calls it, and its arguments.
type builtin func(t *turn, thread *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error)

func (f builtin) as(name string) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		t := turnOf(thread)
		if t == nil {
			return nil, errors.New("it is called outside of a script")
		}
		return f(t, thread, name, args, kwargs)
	})
}

// builtins are all that a script finds there beside Starlark's own. README.md documents each.
func (p *program) builtins() starlark.StringDict {
	all := starlark.StringDict{
		"math":   math.Module,
		"time":   startime.Module,
		"json":   module("json", map[string]builtin{"decode": jsonDecode, "encode": jsonEncode}),
		"base64": module("base64", map[string]builtin{"encode": base64Encode, "decode": base64Decode}),
		"jwt":    module("jwt", map[string]builtin{"decode": jwtDecode, "sign": jwtSign}),
		"fhir":   module("fhir", map[string]builtin{"read": fhirRead, "search": fhirSearch}),
		"http":   module("http", map[string]builtin{"get": httpAsk("GET"), "post": httpAsk("POST"), "put": httpAsk("PUT"), "delete": httpAsk("DELETE")}),
		"node":   p.node(),
	}
	for name, f := range map[string]builtin{
		"on_request": onRequest, "on_answer": onAnswer, "on_send": onSend, "on_reply": onReply,
		"override": override, "skip": skip,
		"answer": answerAct, "redirect": redirectAct, "drop": dropAct, "cut": cutAct, "throttle": throttleAct, "wait": waitAct,
		"request": requestAtHand, "count": countBuiltin, "log": logBuiltin, "sha256": sha256Builtin,
		"*": multiply, "+": add, "+=": addend,
	} {
		all[name] = f.as(name)
	}
	return all
}

func module(name string, members map[string]builtin) *starlarkstruct.Module {
	m := &starlarkstruct.Module{Name: name, Members: starlark.StringDict{}}
	for member, f := range members {
		m.Members[member] = f.as(name + "." + member)
	}
	return m
}

// node tells of the node itself.
func (p *program) node() starlark.Value {
	e := p.engine
	m := &starlarkstruct.Module{Name: "node", Members: starlark.StringDict{
		"root": starlark.String(strings.TrimRight(e.opt.Root, "/")),
		"fhir": starlark.String(strings.TrimRight(e.opt.Root, "/") + "/r3"),
		"dialect": builtin(func(_ *turn, _ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			return starlark.String(e.opt.Checks.Dialect()), starlark.UnpackArgs(name, args, kwargs)
		}).as("node.dialect"),
	}}
	if e.opt.Issuer != nil {
		m.Members["issuer"] = starlark.String(e.opt.Issuer().Name())
	}
	return m
}

func jsonDecode(_ *turn, _ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var text string
	if err := starlark.UnpackArgs(name, args, kwargs, "text", &text); err != nil {
		return nil, err
	}
	v, err := fromJSON([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return v, nil
}

func jsonEncode(_ *turn, _ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var v starlark.Value
	if err := starlark.UnpackArgs(name, args, kwargs, "value", &v); err != nil {
		return nil, err
	}
	text, err := toJSON(v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return starlark.String(text), nil
}

// base64Encode and base64Decode speak unpadded base64url, as JWTs do, or with std=True the padded
// standard form.
func base64Encode(_ *turn, _ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var v starlark.Value
	std := false
	if err := starlark.UnpackArgs(name, args, kwargs, "data", &v, "std?", &std); err != nil {
		return nil, err
	}
	data, err := bytesOf(v)
	if err != nil {
		return nil, fmt.Errorf("%s: data: %w", name, err)
	}
	return starlark.String(encoding(std).EncodeToString(data)), nil
}

func base64Decode(_ *turn, _ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var text string
	std := false
	if err := starlark.UnpackArgs(name, args, kwargs, "text", &text, "std?", &std); err != nil {
		return nil, err
	}
	data, err := encoding(std).DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%s: text: %w", name, err)
	}
	return starlark.String(data), nil
}

func encoding(std bool) *base64.Encoding {
	if std {
		return base64.StdEncoding
	}
	return base64.RawURLEncoding
}

func bytesOf(v starlark.Value) ([]byte, error) {
	switch v := v.(type) {
	case starlark.String:
		return []byte(v), nil
	case starlark.Bytes:
		return []byte(v), nil
	}
	return nil, fmt.Errorf("a %s: give a text or bytes", v.Type())
}

func sha256Builtin(_ *turn, _ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var v starlark.Value
	if err := starlark.UnpackArgs(name, args, kwargs, "data", &v); err != nil {
		return nil, err
	}
	data, err := bytesOf(v)
	if err != nil {
		return nil, fmt.Errorf("%s: data: %w", name, err)
	}
	sum := sha256.Sum256(data)
	return starlark.String(hex.EncodeToString(sum[:])), nil
}

// countBuiltin counts one more of a name, and tells how many that makes.
func countBuiltin(t *turn, _ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	what := ""
	if err := starlark.UnpackArgs(name, args, kwargs, "name?", &what); err != nil {
		return nil, err
	}
	n, err := t.p.count(what)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return starlark.MakeInt(n), nil
}

func logBuiltin(t *turn, _ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(kwargs) > 0 {
		return nil, fmt.Errorf("%s: it takes no arguments by name", name)
	}
	texts := make([]string, len(args))
	for i, arg := range args {
		if text, ok := starlark.AsString(arg); ok {
			texts[i] = text
		} else {
			texts[i] = arg.String()
		}
	}
	t.p.log(strings.Join(texts, " "))
	return starlark.None, nil
}

// durationOf is a duration: a text such as "1m30s", a number of seconds, or one of Starlark's time.
func durationOf(v starlark.Value) (time.Duration, error) {
	switch v := v.(type) {
	case startime.Duration:
		return time.Duration(v), nil
	case starlark.String:
		d, err := time.ParseDuration(string(v))
		if err != nil {
			return 0, fmt.Errorf("%q is no duration: use one such as \"1m30s\"", string(v))
		}
		return d, nil
	}
	seconds, ok := starlark.AsFloat(v)
	if !ok || seconds > 1e9 || seconds < -1e9 {
		return 0, fmt.Errorf("%s is no duration: use one such as \"1m30s\", or a number of seconds", v)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// Names are those of all functions that scripts find, such as answer and fhir.read; for the page that
// documents them.
func (e *Engine) Names() []string {
	var names []string
	for name, v := range (&program{engine: e}).builtins() {
		m, ok := v.(*starlarkstruct.Module)
		switch {
		case strings.Trim(name, "+*=") == "": // operators
		case !ok:
			names = append(names, name)
		case name == "math" || name == "time": // documented elsewhere
			names = append(names, name)
		default:
			for member := range m.Members {
				names = append(names, name+"."+member)
			}
		}
	}
	slices.Sort(names)
	return names
}
