package fhir

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// ParseJSON reads a resource, or a part of one, from FHIR's JSON form. The text
// must be one JSON object in UTF-8 in which no name occurs twice; null occurs in
// arrays only, and no array is right within another. Members that FHIR does not
// know are kept: to report them is the task of [Validate].
//
// The error is a *[SyntaxError].
func ParseJSON(data []byte) (*Object, error) {
	data = trimBOM(data)
	// A bytes.Buffer is what the decoder reads in place, without a copy.
	r := newJSONReader(jsontext.NewDecoder(bytes.NewBuffer(data)), func(offset int64) (int, int) {
		return place{}.after(data[:offset]).position()
	})
	r.text = string(data)
	o, err := r.object(1)
	if err != nil {
		return nil, err
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	return o, nil
}

// jsonReader builds objects from JSON tokens.
type jsonReader struct {
	dec      *jsontext.Decoder
	text     string            // all of the input, whose parts the strings read can be; "" for a stream
	names    map[string]string // of a stream: the names read so far, so that each is copied once
	typ      string            // of the resource, when it was read: the root of paths
	position func(offset int64) (line, column int)
	// Members and items of what is being read, so that each slice is made once, in its size.
	members []Member
	items   []any
}

func newJSONReader(dec *jsontext.Decoder, position func(int64) (int, int)) *jsonReader {
	return &jsonReader{dec: dec, position: position}
}

// object reads an object of which nothing is read yet.
func (r *jsonReader) object(depth int) (*Object, error) {
	from := len(r.members)
	err := r.eachMember(depth, func(name string) error {
		v, err := r.value(depth)
		if err != nil {
			return err
		}
		if v == nil {
			return r.null()
		}
		if typ, ok := v.(string); ok && depth == 1 && name == "resourceType" {
			r.typ = typ
		}
		r.members = append(r.members, Member{name, v})
		return nil
	})
	if err != nil {
		return nil, err
	}
	o := &Object{members: slices.Clone(r.members[from:])}
	r.members = r.members[:from]
	return o, nil
}

// eachMember reads an object, calling member to read the value of each name.
func (r *jsonReader) eachMember(depth int, member func(name string) error) error {
	kind := r.dec.PeekKind()
	length, err := r.begin()
	switch {
	case err != nil:
		return r.wrap(err)
	case kind != '{':
		return r.fail(length, "a JSON object is expected here")
	case depth > maxDepth:
		return r.fail(1, "nested too deep")
	}
	for r.dec.PeekKind() == '"' {
		name, err := r.name()
		if err != nil {
			return err
		}
		if err := member(name); err != nil {
			return err
		}
	}
	_, err = r.dec.ReadToken()
	return r.wrap(err)
}

// begin reads the bracket that a value begins with, or a value without one; it
// returns the length of what it read.
func (r *jsonReader) begin() (int, error) {
	switch r.dec.PeekKind() {
	case '{', '[':
		_, err := r.dec.ReadToken()
		return 1, err
	}
	raw, err := r.dec.ReadValue()
	return len(raw), err
}

// maxNames bounds the names that a reader of a stream keeps.
const maxNames = 4096

func (r *jsonReader) name() (string, error) {
	raw, err := r.dec.ReadValue()
	if err != nil {
		return "", r.wrap(err)
	}
	if r.text != "" {
		return r.unquote(raw), nil
	}
	if name, ok := r.names[string(raw)]; ok {
		return name, nil
	}
	name := r.unquote(raw)
	if r.names == nil {
		r.names = map[string]string{}
	}
	if len(r.names) < maxNames {
		r.names[string(raw)] = name
	}
	return name, nil
}

// value reads what belongs to an object at that depth.
func (r *jsonReader) value(depth int) (any, error) {
	switch kind := r.dec.PeekKind(); kind {
	case '{':
		return r.object(depth + 1)
	case '[':
		return r.list(depth)
	default:
		raw, err := r.dec.ReadValue()
		if err != nil {
			return nil, r.wrap(err)
		}
		switch kind {
		case '"':
			return r.unquote(raw), nil
		case '0':
			return Number(r.string(raw)), nil
		case 't', 'f':
			return kind == 't', nil
		}
		return nil, nil
	}
}

func (r *jsonReader) list(depth int) (any, error) {
	from := len(r.items)
	err := r.eachItem(func() error {
		if r.dec.PeekKind() == '[' {
			length, err := r.begin()
			if err != nil {
				return r.wrap(err)
			}
			return r.fail(length, "an array cannot be an item of an array")
		}
		v, err := r.value(depth)
		r.items = append(r.items, v)
		return err
	})
	if err != nil {
		return nil, err
	}
	list := append(make([]any, 0, len(r.items)-from), r.items[from:]...)
	r.items = r.items[:from]
	return list, nil
}

// eachItem reads an array, calling item to read each of its items.
func (r *jsonReader) eachItem(item func() error) error {
	if _, err := r.begin(); err != nil {
		return r.wrap(err)
	}
	for {
		switch r.dec.PeekKind() {
		case ']', 0: // 0: the error comes with the token
			_, err := r.dec.ReadToken()
			return r.wrap(err)
		}
		if err := item(); err != nil {
			return err
		}
	}
}

// end makes sure that nothing follows.
func (r *jsonReader) end() error {
	if length, err := r.begin(); err == nil {
		return r.fail(length, "something follows the resource")
	} else if !errors.Is(err, io.EOF) {
		return r.wrap(err)
	}
	return nil
}

// null is the error of a null, which was read last, outside of an array.
func (r *jsonReader) null() error {
	return r.fail(len("null"), "null stands in arrays only; leave the member out")
}

// fail makes an error at what was read last, which has this length.
func (r *jsonReader) fail(length int, msg string) error {
	return r.failAt(r.dec.InputOffset()-int64(length), r.dec.StackPointer(), msg)
}

func (r *jsonReader) failAt(offset int64, at jsontext.Pointer, msg string) error {
	line, column := r.position(offset)
	return &SyntaxError{Line: line, Column: column, Path: pointerPath(r.typ, at), Msg: msg}
}

// wrap turns a decoder's error into a SyntaxError; errors of the reader stay what they are.
func (r *jsonReader) wrap(err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax):
		msg := strings.TrimPrefix(syntax.Err.Error(), "jsontext: ")
		switch {
		case errors.Is(err, jsontext.ErrDuplicateName):
			msg = "the member occurs twice"
		case errors.Is(err, io.ErrUnexpectedEOF):
			msg = "the JSON text ends too early"
		}
		return r.failAt(syntax.ByteOffset, syntax.JSONPointer, "not JSON: "+msg)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return r.fail(0, "not JSON: the JSON text ends too early")
	}
	return err
}

// pointerPath turns /name/0/given into name[0].given, below the root if that is known.
func pointerPath(root string, p jsontext.Pointer) string {
	var b strings.Builder
	b.WriteString(pathName(root))
	for token := range p.Tokens() {
		switch {
		case token != "" && strings.Trim(token, "0123456789") == "":
			b.WriteString("[" + token + "]")
		case b.Len() > 0:
			b.WriteString("." + pathName(token))
		default:
			b.WriteString(pathName(token))
		}
	}
	return b.String()
}

// unquote reads a JSON string that the decoder found valid and read last.
func (r *jsonReader) unquote(raw jsontext.Value) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		s := r.string(raw)
		return s[1 : len(s)-1]
	}
	s, _ := jsontext.AppendUnquote(nil, raw)
	return string(s)
}

// string is the text of the value read last: a part of the input, if that is at hand.
func (r *jsonReader) string(raw jsontext.Value) string {
	if r.text == "" {
		return string(raw)
	}
	end := r.dec.InputOffset()
	return r.text[end-int64(len(raw)) : end]
}
