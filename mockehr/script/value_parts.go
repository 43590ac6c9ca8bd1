package script

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"go.starlark.net/starlark"
)

// fields are headers, a query or a form as a dict: a text for what is there once, a list of texts for
// what is there more than once.
type fields struct {
	dict  *starlark.Dict
	was   []byte // JSON of the dict as it was
	force bool   // another dict was put in its place
}

func newFields(values map[string][]string, fixed bool) *fields {
	f := &fields{dict: starlark.NewDict(len(values))}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		var v starlark.Value
		if texts := values[name]; len(texts) == 1 {
			v = starlark.String(texts[0])
		} else {
			items := make([]starlark.Value, len(texts))
			for i, text := range texts {
				items[i] = starlark.String(text)
			}
			v = starlark.NewList(items)
		}
		_ = f.dict.SetKey(starlark.String(name), v) // a text is a key, and nobody else has the dict yet
	}
	f.was = fmt.Append(nil, f.dict)
	if fixed {
		f.dict.Freeze()
	}
	return f
}

// changed are the values now, if they are not those of before. A None takes one away. canon makes one of
// names that mean the same, of which the one that was set last counts; nil where each is its own.
func (f *fields) changed(canon func(string) string) (values map[string][]string, is bool, err error) {
	if f == nil || (!f.force && bytes.Equal(fmt.Append(nil, f.dict), f.was)) {
		return nil, false, nil
	}
	values = map[string][]string{}
	for _, pair := range f.dict.Items() {
		name, ok := starlark.AsString(pair[0])
		if !ok {
			return nil, false, fmt.Errorf("the name %s is no text", pair[0])
		}
		if canon != nil {
			name = canon(name)
		}
		if pair[1] == starlark.None {
			delete(values, name)
			continue
		}
		if values[name], err = textsOf(pair[1]); err != nil {
			return nil, false, fmt.Errorf("%s: %w", name, err)
		}
	}
	return values, true, nil
}

// textsOf are the texts of a field's value: a text, a number, or a list of these.
func textsOf(v starlark.Value) ([]string, error) {
	switch v := v.(type) {
	case starlark.String:
		return []string{string(v)}, nil
	case starlark.Int, starlark.Float, decimal:
		return []string{v.String()}, nil
	case *starlark.List:
		var texts []string
		for i := range v.Len() {
			more, err := textsOf(v.Index(i))
			if err != nil {
				return nil, err
			}
			texts = append(texts, more...)
		}
		return texts, nil
	}
	return nil, fmt.Errorf("a %s: give a text, or a list of texts", v.Type())
}

// replaceHeader makes a header these values, of canonical names; HTTP's own lengths stay.
func replaceHeader(h http.Header, values map[string][]string) {
	for name := range h {
		if !httpsOwn(name) {
			delete(h, name)
		}
	}
	for name, texts := range values {
		if !httpsOwn(name) {
			h[name] = texts
		}
	}
}

func httpsOwn(name string) bool {
	return name == "Content-Length" || name == "Transfer-Encoding" || name == "Trailer"
}

// headerBuiltin is the method header(name): the first value, whatever the case of the name; None
// without.
func headerBuiltin(of func() http.Header) *starlark.Builtin {
	return starlark.NewBuiltin("header", func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		var name string
		if err := starlark.UnpackArgs(b.Name(), args, kwargs, "name", &name); err != nil {
			return nil, err
		}
		if values := of().Values(name); len(values) > 0 {
			return starlark.String(values[0]), nil
		}
		return starlark.None, nil
	})
}

// bodyValue is a body as text, bytes and JSON.
type bodyValue struct {
	read  func() ([]byte, error)
	fixed bool
	data  []byte // once it was read, or set
	have  bool
	isSet bool           // data was set by the script
	json  starlark.Value // once it was asked for, or set
	was   []byte         // JSON of json as it was; nil if it was set
}

func (b *bodyValue) bytes() ([]byte, error) {
	if !b.have {
		data, err := b.read()
		if err != nil {
			return nil, err
		}
		b.data, b.have = data, true
	}
	return b.data, nil
}

func (b *bodyValue) attr(name string) (starlark.Value, error) {
	switch name {
	case "text", "body", "json":
	default:
		return nil, nil
	}
	if b.json != nil && name == "json" {
		return b.json, nil
	}
	if b.json != nil { // it may have been changed meanwhile
		data, is, err := b.changed()
		if err != nil {
			return nil, err
		}
		if is {
			b.data, b.have = data, true
		}
	}
	data, err := b.bytes()
	if err != nil {
		return nil, err
	}
	switch name {
	case "text":
		return starlark.String(data), nil
	case "body":
		return starlark.Bytes(data), nil
	}
	v, err := fromJSON(data)
	if err != nil {
		return starlark.None, nil // it is no JSON
	}
	if b.was, err = toJSON(v); err != nil {
		return nil, err
	}
	if b.fixed {
		v.Freeze()
	}
	b.json = v
	return v, nil
}

func (b *bodyValue) setField(name string, v starlark.Value) error {
	if b.fixed {
		return errors.New("the body can't be changed here")
	}
	switch name {
	case "json":
		b.json, b.was = v, nil
		return nil
	case "text", "body":
		switch v := v.(type) {
		case starlark.String:
			b.data = []byte(v)
		case starlark.Bytes:
			b.data = []byte(v)
		default:
			return fmt.Errorf("%s: a %s: give a text or bytes", name, v.Type())
		}
		b.have, b.isSet, b.json = true, true, nil
		return nil
	}
	return starlark.NoSuchAttrError(fmt.Sprintf("there is no %s that could be set", name))
}

// changed is the body now, if it is not the one of before.
func (b *bodyValue) changed() (data []byte, is bool, err error) {
	if b.json == nil {
		return b.data, b.isSet, nil
	}
	text, err := toJSON(b.json)
	if err != nil {
		return nil, false, fmt.Errorf("json: %w", err)
	}
	if b.was != nil && bytes.Equal(text, b.was) {
		return b.data, b.isSet, nil
	}
	return text, true, nil
}
