package judge

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// knowing is a record that has seen some secrets of each kind.
func knowing(secrets int) *Record {
	r := NewRecord(Options{})
	for i := range secrets {
		r.Secret("token", fmt.Sprintf("urn:oauth:~%d+token/of.a=%d", i*7919, i))
		r.Secret("jwt", secretJWT+base64.RawURLEncoding.EncodeToString([]byte(fmt.Sprint(i, "signature"))))
	}
	r.Secret("authorization", "7")
	return r
}

func BenchmarkMaskLong(b *testing.B) {
	for name, entry := range map[string]string{
		"plain":   `{"fullUrl":"http://127.0.0.1:8510/r3/Observation/17","resource":{"resourceType":"Observation","id":"17","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"72166-2"}]},"subject":{"reference":"Patient/4711"},"effectiveDateTime":"2017-03-04T10:00:00Z"}},`,
		"escapes": `{"fullUrl":"http:\/\/127.0.0.1:8510\/r3\/Observation\/17","resource":{"resourceType":"Observation","text":{"div":"<div xmlns=\"http:\/\/www.w3.org\/1999\/xhtml\">urn:oauth &amp; others<\/div>"},"subject":{"reference":"Patient\/4711"}}},`,
	} {
		b.Run(name, func(b *testing.B) {
			r, text := knowing(10), strings.Repeat(entry, 4000)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				r.Redact(text)
			}
		})
	}
}

func BenchmarkMaskShort(b *testing.B) {
	r := knowing(10)
	for b.Loop() {
		r.Redact("200 application/fhir+json: Patient/4711 and urn:oauth:~7919+token/of.a=1")
	}
}

// Writings of one character, as servers and browsers do it.
var writings = map[string]func(r rune) string{
	"itself":       func(r rune) string { return string(r) },
	"JSON":         func(r rune) string { return fmt.Sprintf(`\u%04x`, r) },
	"JSON, upper":  func(r rune) string { return fmt.Sprintf(`\u%04X`, r) },
	"percent":      func(r rune) string { return percent(r, "%%%02x") },
	"upper":        func(r rune) string { return percent(r, "%%%02X") },
	"decimal":      func(r rune) string { return fmt.Sprintf("&#%d;", r) },
	"hexadecimal":  func(r rune) string { return fmt.Sprintf("&#x%x;", r) },
	"upper entity": func(r rune) string { return fmt.Sprintf("&#X0%X;", r) },
	"twice":        func(r rune) string { return percent(r, "%%25%02x") },
	"URL in JSON":  func(r rune) string { return percent(r, `\u0025%02X`) },
	"page in JSON": func(r rune) string { return fmt.Sprintf(`\u0026#%d;`, r) },
	"page in XML":  func(r rune) string { return fmt.Sprintf(`&amp;#x%X;`, r) },
	"JSON in JSON": func(r rune) string { return fmt.Sprintf(`\\u%04x`, r) },
}

func percent(r rune, format string) string {
	out := ""
	for _, b := range []byte(string(r)) {
		out += fmt.Sprintf(format, b)
	}
	return out
}

func TestSecretsHoweverWritten(t *testing.T) {
	const secret = "a~b+c/d.e=f&g%2Bh<i"
	r := NewRecord(Options{})
	r.Secret("token", secret)
	for name, text := range map[string]string{
		"JSON with a slash":   `a~b+c\/d.e=f&g%2Bh<i`,
		"Go's JSON":           `a~b+c/d.e=f\u0026g%2Bh\u003ci`,
		"a query":             `a~b%2Bc%2fd.e%3df%26g%252Bh%3Ci`,
		"a query in JSON":     `a~b%2Bc\u00252fd.e%3Df%26g%252Bh%3ci`,
		"XML":                 `a~b+c/d.e=f&amp;g%2Bh&lt;i`,
		"names":               `a~b&plus;c&sol;d&period;e&equals;f&amp;g&percnt;2Bh&lt;i`,
		"a page in JSON":      `a~b+c\/d.e=f&amp;g%2Bh&lt;i`,
		"JSON in JSON":        `a~b+c\\\/d.e=f\\u0026g%2Bh\\u003ci`,
		"JSON in a form":      `a~b%2Bc%5C%2fd.e=f%26g%252Bh%3Ci`,
		"base64":              base64.StdEncoding.EncodeToString([]byte("user:" + secret)),
		"base64 in a query":   strings.ReplaceAll(base64.StdEncoding.EncodeToString([]byte("user:"+secret)), "+", "%2B"),
		"a quote of Go's":     `a~b\x2bc/d.e=f&g%2Bh<i`,
		"just behind another": `a~b+c/a~b+c\/d.e=f&g%2Bh<i`,
	} {
		t.Run(name, func(t *testing.T) {
			assert.True(t, Shows(`{"x":"`+text+`"}`, secret))
			masked := r.Redact(`{"x":"` + text + `"}`)
			assert.Contains(t, masked, "sha256:", masked)
		})
	}
	for name, write := range writings {
		t.Run(name, func(t *testing.T) {
			text := written(secret, func(int) func(rune) string { return write })
			assert.True(t, Shows(text, secret), text)
			assert.Regexp(t, `^<token-1 sha256:[0-9a-f]{12}>$`, r.Redact("<"+text+">"))
		})
	}
	for _, other := range []string{`a~b+c\/d.e=f&g%2Bh`, `a~b c/d.e=f&g%2Bh<i`, `a~b%2Gc/d.e=f&g%2Bh<i`, "a~b%2", `a~b\`, `a~b\u00`, "a~b&#", `a~b\ud800\u`} {
		assert.False(t, Shows(other, secret), other)
		assert.Equal(t, other, r.Redact(other), "what is no secret stays as it is written")
	}
}

func TestShortSecretsHoweverWritten(t *testing.T) {
	r := NewRecord(Options{})
	r.Secret("authorization", "7/")
	label := r.opts.Masker.label("authorization", "7/")
	for text, want := range map[string]string{
		`{"id":"7\/"}`:      `{"id":"` + label + `"}`,
		`{\"id\":\"7\/\"}`:  `{\"id\":\"` + label + `\"}`,
		`scope=7%2f`:        "scope=" + label,
		`scope=7%2F&amp;a=`: "scope=" + label + "&amp;a=",
		`page 7/8 of 17/ `:  `page 7/8 of 17/ `,
	} {
		assert.Equal(t, want, r.RedactURL(text))
	}
	assert.True(t, Shows("no authorization 7&#47; here", "7/"))
	assert.False(t, Shows("at 12:17", "7"))
	assert.False(t, Shows("anything", ""))
}

func written(secret string, how func(i int) func(rune) string) string {
	out := ""
	for i, r := range []rune(secret) {
		out += how(i)(r)
	}
	return out
}

// FuzzSpelling writes each character of a secret in a way of its own.
func FuzzSpelling(f *testing.F) {
	f.Add("urn:oauth:~a+b/c.d=e&f", []byte{0, 1, 2, 3})
	f.Add(`%25\u0041&amp;\\\\%%%%&&&`, []byte{0})
	f.Add("höchst geheim 😀", []byte{1, 3, 5, 7})
	f.Add(`\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\`, []byte{0, 12})
	names := slices.Sorted(maps.Keys(writings))
	f.Fuzz(func(t *testing.T, secret string, how []byte) {
		secret = strings.TrimSpace(strings.ToValidUTF8(secret, "?"))
		if len(secret) < minPlain || len(how) == 0 || strings.ContainsRune(secret, 0) || len(secret) > 60 {
			t.Skip()
		}
		write := func(i int) func(rune) string {
			one := writings[names[int(how[i%len(how)])%len(names)]]
			return func(r rune) string {
				if r > 0xFFFF || r >= 0x7f && r < 0xa0 || r < ' ' { // two units in JSON; and what entities can't say
					return string(r)
				}
				return one(r)
			}
		}
		text := written(secret, write)
		r := NewRecord(Options{})
		r.Secret("token", secret)
		require.True(t, Shows("x"+text+"y", secret), text)
		require.Contains(t, r.Redact("x"+text+"y"), "token-1 sha256:", text)
	})
}
