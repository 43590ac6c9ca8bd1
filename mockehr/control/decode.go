package control

import (
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Decode reads one JSON value strictly: no unknown members, none twice, nothing after it. An error
// names the member by its path. Numbers in untyped places keep their text (encoding/json.Number).
func Decode(r io.Reader, into any) error {
	err := json.UnmarshalRead(r, into, json.RejectUnknownMembers(true), json.WithUnmarshalers(numbers))
	if err == nil {
		return nil
	}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		at := member(semantic.JSONPointer)
		switch {
		case errors.Is(err, json.ErrUnknownName):
			return fmt.Errorf("%s: is unknown here; there is %s", at, strings.Join(members(semantic.GoType), ", "))
		case semantic.Err != nil:
			return fmt.Errorf("%s: %w", at, semantic.Err)
		case semantic.GoType != nil:
			return fmt.Errorf("%s: a JSON %s does not fit here", at, kindName(semantic.JSONKind))
		}
		return fmt.Errorf("%s: %w", at, err)
	}
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		return fmt.Errorf("%s: no JSON from byte %d on: %w", member(syntactic.JSONPointer), syntactic.ByteOffset, syntactic.Err)
	}
	return err
}

// numbers keeps the text of numbers that are read into an `any`.
var numbers = json.UnmarshalFromFunc(func(dec *jsontext.Decoder, v *any) error {
	if dec.PeekKind() != '0' {
		return errors.ErrUnsupported
	}
	value, err := dec.ReadValue()
	if err != nil {
		return err
	}
	*v = stdjson.Number(value)
	return nil
})

func kindName(kind jsontext.Kind) string {
	switch kind {
	case '{':
		return "object"
	case '[':
		return "array"
	default:
		return kind.String() // "string", "number", ..
	}
}

// members are those that a value of a type can have.
func members(t reflect.Type) (names []string) {
	if t == nil || t.Kind() != reflect.Struct {
		return []string{"nothing of that kind"}
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.IsExported() && name != "-" && name != "" {
			names = append(names, name)
		}
	}
	return names
}

// member is a JSON pointer in the form that people write: trust[0].url.
func member(p jsontext.Pointer) string {
	var b strings.Builder
	for token := range p.Tokens() {
		if token != "" && strings.Trim(token, "0123456789") == "" {
			fmt.Fprintf(&b, "[%s]", token)
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(shorten(token))
	}
	if b.Len() == 0 {
		return "the body"
	}
	return b.String()
}
