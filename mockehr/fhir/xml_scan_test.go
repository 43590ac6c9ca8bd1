package fhir

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tokensOf spells out the tokens of an XML text.
func tokensOf(s *xmlScanner) (string, error) {
	var b strings.Builder
	for {
		kind, err := s.next()
		if err != nil {
			return b.String(), err
		}
		switch kind {
		case xmlEOF:
			return b.String(), nil
		case xmlStart:
			fmt.Fprintf(&b, "<%s|%s", s.tag.space, s.tag.name)
			for _, a := range s.tag.attrs {
				fmt.Fprintf(&b, " %s|%s=%q", a.space, a.name, a.value)
			}
			b.WriteString(">")
		case xmlEnd:
			b.WriteString("</>")
		case xmlText:
			fmt.Fprintf(&b, "%q", s.chars)
		case xmlComment:
			fmt.Fprintf(&b, "<!--%s-->", s.chars)
		case xmlInstruction:
			fmt.Fprintf(&b, "<?%s?>", s.chars)
		}
	}
}

// scanners reads the text in one piece and as a stream, byte by byte.
func scanners(text string) map[string]*xmlScanner {
	return map[string]*xmlScanner{
		"whole":  scanXML([]byte(text)),
		"stream": scanXMLStream(iotest.OneByteReader(strings.NewReader(text))),
	}
}

func TestXMLScanner(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{``, ``},
		{`<a/>`, `<|a></>`},
		{`<a></a >`, `<|a></>`},
		{"<a\n b = 'c' \td=\"e'\"/>", `<|a |b="c" |d="e'"></>`},
		{`<a b=">"/>`, `<|a |b=">"></>`},
		{`<a xmlns="u" b="c"><d xmlns=""/><e/></a>`, `<u|a |b="c"><|d></><u|e></></>`},
		{`<p:a xmlns:p="u" p:b="c" b="d"><p:a xmlns:p="v"/><p:a/></p:a>`, `<u|a u|b="c" |b="d"><v|a></><u|a></></>`},
		{`<a xml:lang="de"/>`, `<|a http://www.w3.org/XML/1998/namespace|lang="de"></>`},
		{"<a>x\r\ny\rz\n</a>", `<|a>"x\ny\nz\n"</>`},
		{"<a b='x\r\ny\rz\t\n'/>", `<|a |b="x y z  "></>`},
		{`<a b="&#13;&#xA;&#x9;">&#13;</a>`, `<|a |b="\r\n\t">"\r"</>`},
		{`<a>&lt;b&gt;&amp;amp;&apos;&quot;</a>`, `<|a>"<b>&amp;'\""</>`},
		{"<a><![CDATA[<b>&amp;]]\r\n]]></a>", `<|a>"<b>&amp;]]\n"</>`},
		{`<a><![CDATA[]]>]]&gt;</a>`, `<|a>"""]]>"</>`},
		{"<!-- a - b\r\n--><a/><!---->", "<!-- a - b\n--><|a></><!---->"},
		{`<?xml version="1.0"?><?b c?d?><a><?e?></a>`, `<?xml version="1.0"?><?b c?d?><|a><?e?></>`},
		{`<é.b-c_1/>`, `<|é.b-c_1></>`},
	} {
		for name, s := range scanners(c.text) {
			got, err := tokensOf(s)
			require.NoError(t, err, "%s, %s", c.text, name)
			assert.Equal(t, c.want, got, "%s, %s", c.text, name)
		}
	}
}

func TestXMLScannerErrors(t *testing.T) {
	for _, c := range []struct{ text, msg string }{
		{`<`, "within a tag"},
		{`<a`, "within a tag"},
		{`<a b="c>`, "within a tag"},
		{`<a>`, "within <a>"},
		{`< a/>`, "must begin a tag"},
		{`<1/>`, "must begin a tag"},
		{`<a></b>`, "does not fit"},
		{`<p:a xmlns:p="u" xmlns:q="u"></q:a>`, "does not fit"},
		{`</a>`, "does not fit"},
		{`<a></a x="y">`, "does not fit"},
		{`<a b/>`, "has no value"},
		{`<a b=c/>`, "not in quotes"},
		{`<a b="c"d="e"/>`, "after white space"},
		{`<a /b/>`, "attribute is expected"},
		{`<a b="<"/>`, "&lt;"},
		{`<a b="c" b="d"/>`, "twice"},
		{`<a xmlns:p="u" xmlns:q="u" p:b="c" q:b="d"/>`, "twice"},
		{`<a xmlns="u" xmlns="u"/>`, "twice"},
		{`<a xmlns:p="u" xmlns:p="v"/>`, "twice"},
		{`<a xmlns:p=""/>`, "empty namespace"},
		{`<a xmlns:xml="u"/>`, "cannot be declared"},
		{`<a xmlns:xmlns="u"/>`, "cannot be declared"},
		{`<a xmlns:p:q="u"/>`, "cannot be declared"},
		{`<p:a/>`, "not declared"},
		{`<a p:b="c"/>`, "not declared"},
		{`<:a/>`, "not well-formed"},
		{`<p:/>`, "not well-formed"},
		{`<p:1 xmlns:p="u"/>`, "not well-formed"},
		{`<p:a:b xmlns:p="u"/>`, "not well-formed"},
		{`<a>]]></a>`, "]]&gt;"},
		{`<a>&</a>`, "not a reference"},
		{`<a>&;</a>`, "not a reference"},
		{`<a>&b;</a>`, "not a reference"},
		{`<a>&#;</a>`, "not a reference"},
		{`<a>&#x;</a>`, "not a reference"},
		{`<a>&#+65;</a>`, "not a reference"},
		{`<a>&#0;</a>`, "not a reference"},
		{`<a>&#xD800;</a>`, "not a reference"},
		{`<a>&#xFFFE;</a>`, "not a reference"},
		{`<a>&#x110000;</a>`, "not a reference"},
		{`<a b="&#1;"/>`, "not a reference"},
		{"<a>\x00</a>", "does not allow"},
		{"<a>\xff</a>", "UTF-8"},
		{"<a>\ufffe</a>", "does not allow"},
		{"<a b='\x01'/>", "does not allow"},
		{"<!--\x01-->", "does not allow"},
		{"<a><![CDATA[\xff]]></a>", "UTF-8"},
		{`<!-- -- --><a/>`, "in a comment"},
		{`<!--- ---><a/>`, "in a comment"},
		{`<!--`, "-->"},
		{`<a><![CDATA[x]]</a>`, "]]>"},
		{`<![CDATA[x]]>`, "not allowed here"},
		{`<?a`, "?>"},
		{`<? a?>`, "has no name"},
		{`<?a+b?>`, "ends with white space"},
		{` <?xml version="1.0"?>`, "very beginning"},
		{`<a/><?xml version="1.0"?>`, "very beginning"},
		{`<?XML version="1.0"?>`, "very beginning"},
		{`<?xml?>`, "XML 1.0"},
		{`<?xml version="1.1"?>`, "XML 1.0"},
		{`<?xml version="1.0" encoding="UTF-16"?>`, "must be UTF-8"},
		{`<!DOCTYPE a>`, "document type"},
		{`<!ELEMENT a ANY>`, "document type"},
	} {
		for name, s := range scanners(c.text) {
			_, err := tokensOf(s)
			var wrong xmlError
			require.True(t, errors.As(err, &wrong), "%s, %s: %v", c.text, name, err)
			assert.Contains(t, err.Error(), c.msg, "%s, %s", c.text, name)
		}
	}
}

// A stream is read with little memory, and its errors are passed on.
func TestXMLScannerStream(t *testing.T) {
	const n = 50_000
	item := "<item name='x'>some text &amp; more</item>\n"
	s := scanXMLStream(io.MultiReader(strings.NewReader("<a>\n"), strings.NewReader(strings.Repeat(item, n)), strings.NewReader("<b></a>")))
	count := 0
	for {
		kind, err := s.next()
		if err != nil {
			assert.Contains(t, err.Error(), "does not fit")
			break
		}
		require.NotEqual(t, xmlEOF, kind)
		if kind == xmlStart && s.tag.name == "item" {
			count++
		}
	}
	assert.Equal(t, n, count)
	assert.Less(t, cap(s.buf), 256<<10)
	line, column := s.position()
	assert.Equal(t, [2]int{n + 2, 4}, [2]int{line, column})

	broken := errors.New("the line is cut")
	_, err := tokensOf(scanXMLStream(io.MultiReader(strings.NewReader("<a><b c='"), iotest.ErrReader(broken))))
	assert.ErrorIs(t, err, broken)
	_, err = tokensOf(scanXMLStream(idleReader{}))
	assert.ErrorIs(t, err, io.ErrNoProgress)
}

// idleReader never returns anything.
type idleReader struct{}

func (idleReader) Read([]byte) (int, error) { return 0, nil }
