package acme

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"unicode/utf8"
)

const fhirNS, xhtmlNS = "http://hl7.org/fhir", "http://www.w3.org/1999/xhtml"

const maxDepth = 60

var errDepth = errors.New("it is nested too deeply")

// parseJSON reads one object; numbers keep their text.
func parseJSON(text []byte) (map[string]any, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("it is no UTF-8")
	}
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return nil, errDepth
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var o map[string]any
	if err := d.Decode(&o); err != nil || o == nil {
		return nil, fmt.Errorf("it is no JSON object")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something stands behind the JSON object")
	}
	return o, nil
}

// printJSON prints a resource; what it holds came from JSON or was made here.
func printJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // maps, lists, texts and numbers
	return bytes.TrimRight(b.Bytes(), "\n")
}

type tag struct {
	name     string
	attrs    map[string]string
	children []*tag
	raw      string // of a narrative's div
}

// parseXML reads a resource in XML.
func (d *definitions) parseXML(text []byte) (map[string]any, error) {
	root, err := parseTags(text)
	if err != nil {
		return nil, err
	}
	return d.resource(root)
}

func parseTags(text []byte) (*tag, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("it is no UTF-8")
	}
	in := xml.NewDecoder(bytes.NewReader(text))
	var stack []*tag
	var root *tag
	for {
		start := in.InputOffset()
		token, err := in.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, errors.New("it is no well-formed XML")
		}
		switch t := token.(type) {
		case xml.Directive:
			return nil, errors.New("a document type is not taken")
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return nil, errors.New("text stands where none may be")
			}
		case xml.StartElement:
			if len(stack) == maxDepth {
				return nil, errDepth
			}
			if root != nil && len(stack) == 0 {
				return nil, errors.New("there are two roots")
			}
			n := &tag{name: t.Name.Local, attrs: map[string]string{}}
			if len(stack) > 0 {
				stack[len(stack)-1].children = append(stack[len(stack)-1].children, n)
			} else {
				root = n
			}
			if t.Name.Space == xhtmlNS {
				if err := in.Skip(); err != nil {
					return nil, errors.New("it is no well-formed XML")
				}
				n.raw = string(text[start:in.InputOffset()])
				continue
			}
			if t.Name.Space != fhirNS {
				return nil, fmt.Errorf("the namespace of %s is not FHIR's", t.Name.Local)
			}
			for _, a := range t.Attr {
				if a.Name.Space == "" && a.Name.Local != "xmlns" {
					n.attrs[a.Name.Local] = a.Value
				}
			}
			stack = append(stack, n)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		}
	}
	if root == nil {
		return nil, errors.New("it is no XML")
	}
	return root, nil
}

func (d *definitions) resource(n *tag) (map[string]any, error) {
	if d.kind[n.name] != "resource" {
		return nil, fmt.Errorf("%q is no resource type", n.name)
	}
	o, err := d.object(n, n.name, n.name)
	if err == nil {
		o["resourceType"] = n.name
	}
	return o, err
}

func (d *definitions) object(n *tag, at, path string) (map[string]any, error) {
	o := map[string]any{}
	children := d.children(path)
	for name, text := range n.attrs {
		if e, _, ok := find(children, name); !ok || !e.attribute {
			return nil, fmt.Errorf("%s has no attribute %s", at, name)
		}
		o[name] = text
	}
	for _, c := range n.children {
		e, typ, ok := find(children, c.name)
		if !ok {
			return nil, fmt.Errorf("%s has no element %s", at, c.name)
		}
		v, shadow, err := d.value(c, at+"."+c.name, e, typ)
		if err != nil {
			return nil, err
		}
		if !e.many {
			if _, twice := o[c.name]; twice {
				return nil, fmt.Errorf("%s.%s stands there twice", at, c.name)
			}
			if v != nil {
				o[c.name] = v
			}
			if shadow != nil {
				o["_"+c.name] = shadow
			}
			continue
		}
		list, _ := o[c.name].([]any)
		o[c.name] = append(list, v)
		if shadow != nil {
			beside, _ := o["_"+c.name].([]any)
			for len(beside) < len(list) {
				beside = append(beside, nil)
			}
			o["_"+c.name] = append(beside, shadow)
		}
	}
	return o, nil
}

// value is an element's value; shadow holds a primitive's id and extensions.
func (d *definitions) value(c *tag, at string, e element, typ string) (v, shadow any, err error) {
	if c.raw != "" {
		return c.raw, nil, nil
	}
	if typ == "Resource" {
		if len(c.children) != 1 {
			return nil, nil, fmt.Errorf("%s: one resource is needed", at)
		}
		v, err = d.resource(c.children[0])
		return v, nil, err
	}
	if path := d.inside(e, typ); path != "" {
		v, err = d.object(c, at, path)
		return v, nil, err
	}
	text, given := c.attrs["value"]
	delete(c.attrs, "value")
	if len(c.attrs)+len(c.children) > 0 {
		if shadow, err = d.object(c, at, "Element"); err != nil {
			return nil, nil, err
		}
	}
	switch {
	case !given:
	case d.json[typ] == "boolean":
		if text != "true" && text != "false" {
			return nil, nil, fmt.Errorf("%s: true or false is needed", at)
		}
		v = text == "true"
	case d.json[typ] == "number":
		if !json.Valid([]byte(text)) {
			return nil, nil, fmt.Errorf("%s: a number is needed", at)
		}
		v = json.Number(text)
	default:
		v = text
	}
	return v, shadow, nil
}

// printXML prints a resource in XML.
func (d *definitions) printXML(o map[string]any) []byte {
	b := bytes.NewBufferString(xml.Header)
	d.printResource(b, o, true)
	return b.Bytes()
}

func (d *definitions) printResource(b *bytes.Buffer, o map[string]any, root bool) {
	typ, _ := o["resourceType"].(string)
	b.WriteString("<" + typ)
	if root {
		b.WriteString(` xmlns="` + fhirNS + `"`)
	}
	b.WriteString(">")
	d.printChildren(b, typ, o)
	b.WriteString("</" + typ + ">")
}

func (d *definitions) printChildren(b *bytes.Buffer, path string, o map[string]any) {
	names := make([]string, 0, len(o))
	for name := range o {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, e := range d.children(path) {
		if e.attribute {
			continue
		}
		done := map[string]bool{}
		for _, name := range names {
			name = strings.TrimPrefix(name, "_")
			if one, typ, ok := find([]element{e}, name); ok && !done[name] {
				done[name] = true
				d.printElement(b, name, one, typ, o[name], o["_"+name])
			}
		}
	}
}

func (d *definitions) printElement(b *bytes.Buffer, name string, e element, typ string, v, shadow any) {
	values, isList := v.([]any)
	shadows, _ := shadow.([]any)
	if !isList && shadows == nil {
		values, shadows = []any{v}, []any{shadow}
	}
	for i := range max(len(values), len(shadows)) {
		var one, beside any
		if i < len(values) {
			one = values[i]
		}
		if i < len(shadows) {
			beside = shadows[i]
		}
		if typ == "xhtml" {
			b.WriteString(fmt.Sprint(one))
			continue
		}
		b.WriteString("<" + name)
		inner, _ := one.(map[string]any)
		path := d.inside(e, typ)
		if path == "" && typ != "Resource" {
			inner, _ = beside.(map[string]any)
			path = "Element"
		}
		for _, c := range d.children(path) {
			if text, ok := inner[c.name].(string); ok && c.attribute && typ != "Resource" {
				attribute(b, c.name, text)
			}
		}
		if d.inside(e, typ) == "" && typ != "Resource" && one != nil {
			attribute(b, "value", fmt.Sprint(one))
		}
		b.WriteString(">")
		if typ == "Resource" {
			d.printResource(b, inner, false)
		} else if inner != nil {
			d.printChildren(b, path, inner)
		}
		b.WriteString("</" + name + ">")
	}
}

func attribute(b *bytes.Buffer, name, text string) {
	b.WriteString(" " + name + `="`)
	_ = xml.EscapeText(b, []byte(text)) // a buffer takes everything
	b.WriteString(`"`)
}
