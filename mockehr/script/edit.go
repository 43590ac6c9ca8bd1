package script

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"example.org/ccde/mockehr/control"
)

// edit is one value to set, at a path.
type edit struct {
	path  string
	steps []control.Step
	value []byte // JSON; nil: to be taken away
}

// editJSON sets values in a JSON text, by path (see [control.Change]); those that are nil are taken
// away after the others are set, and all at once, so that indexes hold. All else stays to the letter
// but for space between tokens, the order of members too. The error names the path.
func editJSON(text []byte, set map[string]any) ([]byte, error) {
	edits := make([]edit, 0, len(set))
	for path, value := range set {
		e := edit{path: path}
		var err error
		if e.steps, err = control.ParsePath(path); err != nil {
			return nil, err
		}
		if e.value, err = jsonOf(value); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		edits = append(edits, e)
	}
	slices.SortFunc(edits, order)
	valid := json.Valid(text)
	root := &tree{text: text}
	for _, e := range edits {
		err := errors.New("the body is no JSON")
		if valid {
			err = root.apply(e.steps, e.value)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.path, err)
		}
	}
	return root.append(nil), nil
}

// jsonOf is the text of a value, nil for null.
func jsonOf(value any) ([]byte, error) {
	if value == nil {
		return nil, nil
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(value)
	return bytes.TrimSpace(out.Bytes()), err
}

// order is that in which edits are made: what is set before what is taken away, an outer value before
// what is in it, all items before single ones, a low index before a high one (which it may make room
// for).
func order(a, b edit) int {
	if c := cmp.Compare(boolean(a.value == nil), boolean(b.value == nil)); c != 0 {
		return c
	}
	return slices.CompareFunc(a.steps, b.steps, func(x, y control.Step) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(boolean(y.Each), boolean(x.Each)), cmp.Compare(x.Index, y.Index))
	})
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// tree is a JSON value that is opened as far as edits reach.
type tree struct {
	text  []byte        // as it came; empty for what isn't there
	kind  jsontext.Kind // '{' or '[' once it is open, and text no longer counts
	parts []part
	gone  bool // it is taken away; it keeps its place until all is done
}

// part is a member of an object, or an item of an array.
type part struct {
	name []byte // of a member: as it came, with quotes
	*tree
}

// apply sets value at the end of the steps; nil takes away what is there.
func (t *tree) apply(steps []control.Step, value []byte) error {
	switch {
	case len(steps) == 0 && value == nil:
		t.gone = true
		return nil
	case len(steps) == 0:
		*t = tree{text: value}
		return nil
	case steps[0].Name != "":
		return t.applyMember(steps, value)
	default:
		return t.applyItem(steps, value)
	}
}

func (t *tree) applyMember(steps []control.Step, value []byte) error {
	if value == nil && t.empty() {
		return nil // it is away already
	}
	if err := t.open('{'); err != nil {
		return err
	}
	name := steps[0].Name
	for _, p := range t.parts {
		if own, err := jsontext.AppendUnquote(nil, p.name); err == nil && string(own) == name {
			return p.apply(steps[1:], value)
		}
	}
	if value == nil {
		return nil
	}
	quoted, err := jsontext.AppendQuote(nil, name)
	if err != nil {
		return err
	}
	made := &tree{}
	if err := made.apply(steps[1:], value); err != nil {
		return err
	}
	if !made.empty() { // each of no items is nothing
		t.parts = append(t.parts, part{quoted, made})
	}
	return nil
}

func (t *tree) applyItem(steps []control.Step, value []byte) error {
	if t.empty() && (value == nil || steps[0].Each) {
		return nil
	}
	if err := t.open('['); err != nil {
		return err
	}
	items := t.parts
	if !steps[0].Each {
		i := steps[0].Index
		if i < 0 {
			i += len(items)
		}
		switch {
		case i >= 0 && i < len(items):
			items = items[i : i+1]
		case i == len(items) && value != nil:
			made := &tree{}
			if err := made.apply(steps[1:], value); err != nil {
				return err
			}
			if !made.empty() {
				t.parts = append(t.parts, part{nil, made})
			}
			return nil
		default:
			return fmt.Errorf("there are %d items, no [%d]", len(items), steps[0].Index)
		}
	}
	for _, item := range items {
		if err := item.apply(steps[1:], value); err != nil {
			return err
		}
	}
	return nil
}

// empty tells whether there is nothing: no value, nor one in the making.
func (t *tree) empty() bool { return len(t.text) == 0 && len(t.parts) == 0 }

// open opens a value of this kind, '{' or '['; what isn't there becomes one.
func (t *tree) open(kind jsontext.Kind) error {
	if t.empty() {
		t.kind = kind
	}
	if t.kind == kind {
		return nil
	}
	// The text is valid; what a strict reader would refuse, a scenario may want to pass on.
	dec := jsontext.NewDecoder(bytes.NewReader(t.text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if t.kind != 0 || dec.PeekKind() != kind {
		if kind == '[' {
			return errors.New("there is no array where an item is named")
		}
		return errors.New("there is no object where a member is named")
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != closing[kind] {
		var name []byte
		var err error
		if kind == '{' {
			if name, err = dec.ReadValue(); err != nil {
				return err
			}
			name = slices.Clone(name) // the decoder uses its memory again
		}
		value, err := dec.ReadValue()
		if err != nil {
			return err
		}
		t.parts = append(t.parts, part{name, &tree{text: slices.Clone(value)}})
	}
	t.kind = kind
	return nil
}

var closing = map[jsontext.Kind]jsontext.Kind{'{': '}', '[': ']'}

// append appends the value's text.
func (t *tree) append(to []byte) []byte {
	if t.kind == 0 {
		return append(to, t.text...)
	}
	to = append(to, byte(t.kind))
	first := true
	for _, p := range t.parts {
		if p.gone {
			continue
		}
		if !first {
			to = append(to, ',')
		}
		first = false
		if t.kind == '{' {
			to = append(append(to, p.name...), ':')
		}
		to = p.append(to)
	}
	return append(to, byte(closing[t.kind]))
}
