package oauth

import (
	"net/url"
	"strings"
)

// Query is the parameters of an authorization request, in order. A value is the
// bytes that came, whatever they are: a state comes back intact (SRC-71).
type Query []Parameter

// Parameter is one name and its value.
type Parameter struct{ Name, Value string }

// ParseQuery reads a query string, or a form-encoded body, as browsers do (the
// URL standard, application/x-www-form-urlencoded): nothing is an error, and a
// % that begins no escape stands for itself. net/url refuses such text, and
// parameters with a semicolon, which would lose a client's state.
func ParseQuery(text string) Query {
	var q Query
	for part := range strings.SplitSeq(text, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		q = append(q, Parameter{unescape(name), unescape(value)})
	}
	return q
}

func unescape(text string) string {
	if !strings.ContainsAny(text, "%+") {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '+':
			b.WriteByte(' ')
		case c == '%' && i+2 < len(text) && isHex(text[i+1]) && isHex(text[i+2]):
			b.WriteByte(unhex(text[i+1])<<4 | unhex(text[i+2]))
			i += 2
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}

// get is the value of a parameter; an empty one counts as missing (RFC 6749
// 3.1). twice says that it stands there more than once.
func (q Query) get(name string) (value string, twice bool) {
	n := 0
	for _, p := range q {
		if p.Name == name {
			if n == 0 {
				value = p.Value
			}
			n++
		}
	}
	return value, n > 1
}

// withParameters adds parameters to a redirect_uri, whose own query stays as
// it is (RFC 6749 3.1.2). A space becomes %20, which readers of forms and
// readers of URIs take alike.
func withParameters(uri string, more Query) string {
	var b strings.Builder
	b.WriteString(uri)
	separator := byte('?')
	if i := strings.IndexByte(uri, '?'); i >= 0 {
		separator = '&'
		if last := uri[len(uri)-1]; last == '?' || last == '&' {
			separator = 0
		}
	}
	for _, p := range more {
		if separator != 0 {
			b.WriteByte(separator)
		}
		separator = '&'
		b.WriteString(escape(p.Name))
		b.WriteByte('=')
		b.WriteString(escape(p.Value))
	}
	return b.String()
}

func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }
