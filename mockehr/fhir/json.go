package fhir

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// ParseJSON reads one resource of FHIR JSON.
func ParseJSON(data []byte) (*Object, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(data))
	if dec.PeekKind() != '{' {
		return nil, &SyntaxError{Line: 1, Column: 1, Msg: "a resource is a JSON object"}
	}
	v, err := readValue(dec, 0)
	if err != nil {
		return nil, &SyntaxError{Line: 1, Column: int(dec.InputOffset()), Path: string(dec.StackPointer()), Msg: err.Error()}
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, &SyntaxError{Line: 1, Column: int(dec.InputOffset()), Msg: "there is more behind the resource"}
	}
	return v.(*Object), nil
}

func readValue(dec *jsontext.Decoder, depth int) (any, error) {
	if depth > 100 {
		return nil, errors.New("nested too deep")
	}
	tok, err := dec.ReadToken()
	if err != nil {
		return nil, err
	}
	switch tok.Kind() {
	case 'n':
		return nil, nil
	case 't', 'f':
		return tok.Bool(), nil
	case '"':
		return tok.String(), nil
	case '0':
		return Number(tok.String()), nil
	case '[':
		var list []any
		for dec.PeekKind() != ']' {
			v, err := readValue(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = dec.ReadToken()
		return list, err
	case '{':
		o := &Object{}
		for dec.PeekKind() != '}' {
			name, err := dec.ReadToken()
			if err != nil {
				return nil, err
			}
			text := name.String()
			v, err := readValue(dec, depth+1)
			if err != nil {
				return nil, err
			}
			o.members = append(o.members, Member{text, v})
		}
		_, err = dec.ReadToken()
		return o, err
	}
	return nil, fmt.Errorf("unexpected %v", tok.Kind())
}

// AppendJSON prints compact JSON.
func AppendJSON(dst []byte, o *Object) []byte { return appendValue(dst, o) }

func appendValue(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		if v {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case string:
		out, err := jsontext.AppendQuote(dst, v)
		if err != nil {
			return append(dst, `""`...)
		}
		return out
	case Number:
		return append(dst, v...)
	case []any:
		dst = append(dst, '[')
		for i, x := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, x)
		}
		return append(dst, ']')
	case *Object:
		dst = append(dst, '{')
		for i, m := range v.members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, m.Name)
			dst = append(dst, ':')
			dst = appendValue(dst, m.Value)
		}
		return append(dst, '}')
	}
	return dst
}

// AppendJSONIndent prints JSON for people.
func AppendJSONIndent(dst []byte, o *Object) []byte {
	v := jsontext.Value(AppendJSON(nil, o))
	_ = v.Indent()
	return append(dst, v...)
}

// Outcome makes an OperationOutcome.
func Outcome(issues ...Issue) *Object {
	var list []any
	for _, i := range issues {
		o := NewObject(Member{"severity", i.Severity}, Member{"code", i.Code}, Member{"diagnostics", i.Diagnostics})
		if len(i.Expression) > 0 {
			var e []any
			for _, x := range i.Expression {
				e = append(e, x)
			}
			o.Set("expression", e)
		}
		list = append(list, o)
	}
	return NewObject(Member{"resourceType", "OperationOutcome"}, Member{"issue", list})
}

// Issue is one issue of an OperationOutcome.
type Issue struct {
	Severity, Code, Diagnostics string
	Expression                  []string
}

// SyntaxError says where a text is no resource.
type SyntaxError struct {
	Line, Column int
	Path, Msg    string
}

func (e *SyntaxError) Error() string { return e.Msg }
