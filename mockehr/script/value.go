package script

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"reflect"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Bounds of values.
const (
	maxText  = 8 << 20 // bytes of a body that a script reads, and of JSON that it makes
	maxDepth = 500     // of JSON
)

// decimal is a JSON number that is no integer. It keeps its text, so that what a script passes on stays
// as it came; in arithmetic it is a float.
type decimal struct{ text string }

func (d decimal) String() string        { return d.text }
func (d decimal) Type() string          { return "decimal" }
func (d decimal) Freeze()               {}
func (d decimal) Truth() starlark.Bool  { return d.float() != 0 }
func (d decimal) Hash() (uint32, error) { return starlark.String(d.text).Hash() }

func (d decimal) float() float64 {
	f, err := strconv.ParseFloat(d.text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return math.NaN()
	}
	return f
}

// CompareSameType compares by value; equal are only those of the same text.
func (d decimal) CompareSameType(op syntax.Token, y starlark.Value, _ int) (bool, error) {
	other := y.(decimal)
	switch op {
	case syntax.EQL:
		return d.text == other.text, nil
	case syntax.NEQ:
		return d.text != other.text, nil
	}
	return starlark.Compare(op, starlark.Float(d.float()), starlark.Float(other.float()))
}

// Binary calculates with the value as a float.
func (d decimal) Binary(op syntax.Token, y starlark.Value, side starlark.Side) (starlark.Value, error) {
	switch y := y.(type) {
	case starlark.Int, starlark.Float:
		return ordered(op, starlark.Float(d.float()), y, side)
	case decimal:
		return ordered(op, starlark.Float(d.float()), starlark.Float(y.float()), side)
	}
	return nil, nil
}

func ordered(op syntax.Token, x, y starlark.Value, side starlark.Side) (starlark.Value, error) {
	if side == starlark.Right {
		x, y = y, x
	}
	return starlark.Binary(op, x, y)
}

// fromJSON reads a JSON text: objects as dicts in their order, arrays as lists, integers as ints, other
// numbers as decimals.
func fromJSON(text []byte) (starlark.Value, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("the JSON has %d bytes; a script reads %d at most", len(text), maxText)
	}
	dec := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	v, err := readJSON(dec, 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.ReadToken(); err != io.EOF {
		return nil, errors.New("there is more than one JSON value")
	}
	return v, nil
}

func readJSON(dec *jsontext.Decoder, depth int) (starlark.Value, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("the JSON is nested more than %d deep", maxDepth)
	}
	token, err := dec.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case 'n':
		return starlark.None, nil
	case 't', 'f':
		return starlark.Bool(token.Bool()), nil
	case '"':
		return starlark.String(token.String()), nil
	case '0':
		return number(token.String()), nil
	case '[':
		var items []starlark.Value
		for dec.PeekKind() != ']' {
			item, err := readJSON(dec, depth+1)
			if err != nil {
				return nil, err
			}
			items = append(items, item)
		}
		_, err := dec.ReadToken()
		return starlark.NewList(items), err
	default:
		object := starlark.NewDict(4)
		for dec.PeekKind() != '}' {
			name, err := dec.ReadToken()
			if err != nil {
				return nil, err
			}
			key := starlark.String(name.String())
			item, err := readJSON(dec, depth+1)
			if err != nil {
				return nil, err
			}
			if err := object.SetKey(key, item); err != nil {
				return nil, err
			}
		}
		_, err := dec.ReadToken()
		return object, err
	}
}

func number(text string) starlark.Value {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && text != "-0" {
		return starlark.MakeInt64(n)
	}
	if n, ok := new(big.Int).SetString(text, 10); ok && text != "-0" && len(text) < 1000 {
		return starlark.MakeBigInt(n)
	}
	return decimal{text}
}

// toJSON is the JSON text of a value, members in their order.
func toJSON(v starlark.Value) ([]byte, error) { return appendJSON(nil, v, 0) }

func appendJSON(out []byte, v starlark.Value, depth int) (_ []byte, err error) {
	switch {
	case depth > maxDepth:
		return nil, fmt.Errorf("the value is nested more than %d deep, or holds itself", maxDepth)
	case len(out) > maxText:
		return nil, fmt.Errorf("the value has more than %d bytes of JSON", maxText)
	}
	switch v := v.(type) {
	case starlark.NoneType:
		return append(out, "null"...), nil
	case starlark.Bool:
		return strconv.AppendBool(out, bool(v)), nil
	case starlark.Int:
		return append(out, v.String()...), nil
	case starlark.Float:
		text, err := json.Marshal(float64(v))
		if err != nil {
			return nil, fmt.Errorf("the number %v has no JSON", v)
		}
		return append(out, text...), nil
	case decimal:
		return append(out, v.text...), nil
	case starlark.String:
		if out, err = jsontext.AppendQuote(out, string(v)); err != nil {
			return nil, errors.New("a text is no UTF-8, so it has no JSON")
		}
		return out, nil
	case starlark.IterableMapping:
		return appendObject(out, v, depth)
	case starlark.Sequence:
		out = append(out, '[')
		items := v.Iterate()
		defer items.Done()
		var item starlark.Value
		for n := 0; items.Next(&item); n++ {
			if n > 0 {
				out = append(out, ',')
			}
			if out, err = appendJSON(out, item, depth+1); err != nil {
				return nil, err
			}
		}
		return append(out, ']'), nil
	}
	return nil, fmt.Errorf("a %s has no JSON: use None, True, numbers, texts, lists and dicts", v.Type())
}

func appendObject(out []byte, v starlark.IterableMapping, depth int) (_ []byte, err error) {
	out = append(out, '{')
	for n, pair := range v.Items() {
		name, ok := pair[0].(starlark.String)
		if !ok {
			return nil, fmt.Errorf("a dict with the key %s has no JSON: keys must be texts", pair[0])
		}
		if n > 0 {
			out = append(out, ',')
		}
		if out, err = appendJSON(out, name, depth); err != nil {
			return nil, err
		}
		out = append(out, ':')
		if out, err = appendJSON(out, pair[1], depth+1); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

// toValue is a Go value for a script: what JSON makes of it, an error as its text. A func() any is
// called for what it stands for.
func toValue(v any) (starlark.Value, error) {
	switch v := v.(type) {
	case nil:
		return starlark.None, nil
	case bool:
		return starlark.Bool(v), nil
	case string:
		return starlark.String(v), nil
	case int:
		return starlark.MakeInt(v), nil
	case int64:
		return starlark.MakeInt64(v), nil
	case float64:
		return starlark.Float(v), nil
	case error:
		return starlark.String(v.Error()), nil
	case func() any:
		return toValue(v())
	}
	if of := reflect.ValueOf(v); of.Kind() == reflect.Slice && of.IsNil() && of.Type() != reflect.TypeFor[json.RawMessage]() {
		return starlark.NewList(nil), nil // Go's nil is a list without items
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return fromJSON(text)
}

// toGo is a value as encoding/json reads it, numbers as json.Number.
func toGo(v starlark.Value) (any, error) {
	text, err := toJSON(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var out any
	return out, dec.Decode(&out)
}
