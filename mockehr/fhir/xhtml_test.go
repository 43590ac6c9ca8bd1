package fhir

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCanonicalDiv(t *testing.T) {
	const ns = ` xmlns="http://www.w3.org/1999/xhtml"`
	for _, c := range []struct{ name, text, want string }{
		{"empty", `<div` + ns + `/>`, `<div` + ns + `></div>`},
		{"around it", "\n<!-- a --> <div" + ns + ">x</div> <!-- b -->", `<div` + ns + `>x</div>`},
		{"prefix", `<h:div xmlns:h="http://www.w3.org/1999/xhtml"><h:b>x</h:b></h:div>`, `<div` + ns + `><b>x</b></div>`},
		{"namespace again", `<div` + ns + `><p` + ns + `>x</p></div>`, `<div` + ns + `><p>x</p></div>`},
		{"attributes", `<div class='b' id="a"` + ns + `><a title='"&gt;' href="?a=1&amp;b"/></div>`,
			`<div` + ns + ` class="b" id="a"><a href="?a=1&amp;b" title="&quot;&gt;"></a></div>`},
		{"language", `<div xml:lang="de" lang="de"` + ns + `/>`, `<div` + ns + ` lang="de" xml:lang="de"></div>`},
		{"elements that HTML knows to be empty", `<div` + ns + `><br></br><hr/><img src="x"></img><td/></div>`, `<div` + ns + `><br/><hr/><img src="x"/><td></td></div>`},
		{"an empty element that is none", `<div` + ns + `><br>x</br><br><br/></br><br><!--<br--></br></div>`, `<div` + ns + `><br>x</br><br><br/></br><br><!--<br--></br></div>`},
		{"an empty text in it", `<div` + ns + `><br><![CDATA[]]></br></div>`, `<div` + ns + `><br/></div>`},
		{"text", `<div` + ns + ">a\r\n\t<![CDATA[<b>&amp;]]>&#13;]]&gt;\"'é</div>", `<div` + ns + ">a\n\t&lt;b&gt;&amp;amp;&#xD;]]&gt;\"'é</div>"},
		{"white space in an attribute", `<div title="a&#10;b&#9;c&#13;"` + ns + `/>`, `<div` + ns + ` title="a&#xA;b&#x9;c&#xD;"></div>`},
		{"comments and instructions", `<div` + ns + "><!-- a\r\nb --><?c d?></div>", `<div` + ns + "><!-- a\nb --><?c d?></div>"},
		{"as deep as may be", `<div` + ns + `>` + strings.Repeat("<b>", maxDivDepth-1) + strings.Repeat("</b>", maxDivDepth-1) + `</div>`,
			`<div` + ns + `>` + strings.Repeat("<b>", maxDivDepth-1) + strings.Repeat("</b>", maxDivDepth-1) + `</div>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := canonicalDiv(c.text)
			require.NoError(t, err)
			assert.Equal(t, c.want, string(got))
			again, err := canonicalDiv(string(got))
			require.NoError(t, err)
			assert.Equal(t, string(got), string(again), "it is canonical")
		})
	}
}

func TestCanonicalDivErrors(t *testing.T) {
	const ns = ` xmlns="http://www.w3.org/1999/xhtml"`
	for _, c := range []struct{ name, text, msg string }{
		{"nothing", ``, "no element"},
		{"text", `x`, "text is not allowed"},
		{"no namespace", `<div>x</div>`, "namespace"},
		{"another element", `<p` + ns + `>x</p>`, "not <p>"},
		{"two", `<div` + ns + `/><div` + ns + `/>`, "something follows"},
		{"text behind", `<div` + ns + `/>x`, "text is not allowed"},
		{"too early", `<div` + ns + `><p>`, "ends within <p>"},
		{"HTML", `<div` + ns + `><br></div>`, "does not fit"},
		{"HTML's entities", `<div` + ns + `>&nbsp;</div>`, "not a reference"},
		{"document type", `<!DOCTYPE html><div` + ns + `/>`, "document type"},
		{"another namespace", `<div` + ns + `><svg xmlns="urn:svg"/></div>`, "namespace"},
		{"attribute in a namespace", `<div` + ns + ` xmlns:a="u" a:b="c"/>`, "HTML's attributes only"},
		{"too deep", `<div` + ns + `>` + strings.Repeat("<b>", maxDivDepth), "too deep"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := canonicalDiv(c.text)
			syntax := syntaxErrorOf(t, err)
			assert.Contains(t, syntax.Msg, c.msg)
			assert.Zero(t, syntax.Line, "the text is a part of something larger")
		})
	}
}
