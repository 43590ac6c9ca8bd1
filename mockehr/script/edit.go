package script

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"example.org/ccde/mockehr/control"
)

// editJSON sets values in a JSON text, by path; those that are nil are taken away, after the others are
// set and from the last path to the first, so that indexes hold. All else stays to the letter, the
// order of members too.
func editJSON(text []byte, set map[string]any) ([]byte, error) {
	paths := slices.Sorted(maps.Keys(set))
	var gone []string
	for _, path := range paths {
		if set[path] == nil {
			gone = append(gone, path)
			continue
		}
		value, err := json.Marshal(set[path])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if text, err = editAt(text, path, value); err != nil {
			return nil, err
		}
	}
	for _, path := range slices.Backward(gone) {
		var err error
		if text, err = editAt(text, path, nil); err != nil {
			return nil, err
		}
	}
	return text, nil
}

func editAt(text []byte, path string, value []byte) ([]byte, error) {
	steps, err := control.ParsePath(path)
	if err != nil {
		return nil, err
	}
	if !json.Valid(text) {
		return nil, fmt.Errorf("%s: the body is no JSON", path)
	}
	out, err := edit(text, steps, value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}

// edit puts value at the end of the steps; nil takes away what is there. text is valid JSON, or empty
// where nothing is yet.
func edit(text []byte, steps []control.Step, value []byte) ([]byte, error) {
	if len(steps) == 0 {
		return value, nil
	}
	if steps[0].Name != "" {
		return editMember(text, steps, value)
	}
	return editItem(text, steps, value)
}

type memberText struct {
	name string
	text json.RawMessage
}

func editMember(text []byte, steps []control.Step, value []byte) ([]byte, error) {
	members, err := membersOf(text)
	if err != nil {
		return nil, err
	}
	name, last := steps[0].Name, len(steps) == 1
	i := slices.IndexFunc(members, func(m memberText) bool { return m.name == name })
	switch {
	case value == nil && i < 0:
		return text, nil // it is away already
	case value == nil && last:
		members = slices.Delete(members, i, i+1)
	default:
		if i < 0 {
			i, members = len(members), append(members, memberText{name: name})
		}
		if members[i].text, err = edit(members[i].text, steps[1:], value); err != nil {
			return nil, err
		}
	}
	out := []byte{'{'}
	for i, m := range members {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = jsontext.AppendQuote(out, m.name); err != nil {
			return nil, err
		}
		out = append(append(out, ':'), m.text...)
	}
	return append(out, '}'), nil
}

// membersOf reads the members of an object in order, values as text. Nothing is an empty object.
func membersOf(text []byte) ([]memberText, error) {
	if len(text) == 0 {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("there is no object where a member is named")
	}
	var members []memberText
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		m := memberText{name: name.(string)} // all that a decoder gives for a name
		if err := dec.Decode(&m.text); err != nil {
			return nil, err
		}
		members = append(members, m)
	}
	return members, nil
}

func editItem(text []byte, steps []control.Step, value []byte) ([]byte, error) {
	var items []json.RawMessage
	if len(text) > 0 {
		if err := json.Unmarshal(text, &items); err != nil || items == nil {
			return nil, fmt.Errorf("there is no array where an item is named")
		}
	}
	from, to := 0, len(items)
	if !steps[0].Each {
		if from = steps[0].Index; from < 0 {
			from += len(items)
		}
		if to = from + 1; from < 0 || to > len(items)+1 || to > len(items) && value == nil {
			return nil, fmt.Errorf("there are %d items, no [%d]", len(items), steps[0].Index)
		}
		if to > len(items) {
			items = append(items, nil)
		}
	}
	if value == nil && len(steps) == 1 {
		items = slices.Delete(items, from, to)
		from, to = 0, 0
	}
	var err error
	for i := from; i < to; i++ {
		if items[i], err = edit(items[i], steps[1:], value); err != nil {
			return nil, err
		}
	}
	out := []byte{'['}
	for i, item := range items {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, item...)
	}
	return append(out, ']'), nil
}
