package mockehr

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"example.org/ccde/mockehr/fhir"
)

// Whatever is sent as parameters is read, or refused with an error of its own
// that can be told in both formats.
func FuzzReadParameters(f *testing.F) {
	for _, seed := range []string{
		"source=http://x/r3&consent=c1&expires_in=5", "a=%zz", "a=%ff", "=", "&&&", "a;b", strings.Repeat("a=b&", 100),
		`{"resourceType":"Parameters","parameter":[{"name":"source","valueUri":"x"}]}`, `{"resourceType":"Parameters","parameter":[{"name":1}]}`, `{}`,
		`<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="a"/><valueInteger value="1"/></parameter></Parameters>`, "<",
	} {
		for _, contentType := range []string{typeForm, typeJSON, typeXML, "text/plain", "a/b; c"} {
			f.Add(contentType, seed)
		}
	}
	f.Fuzz(func(t *testing.T, contentType, body string) {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		values, err := readParameters(httptest.NewRecorder(), r)
		if err == nil {
			for name, texts := range values {
				assert.True(t, utf8.ValidString(name+strings.Join(texts, "")))
			}
			return
		}
		var refused *httpError
		var syntax *fhir.SyntaxError
		assert.True(t, errors.As(err, &refused) || errors.As(err, &syntax), "%v", err)
		text := printable(err.Error())
		_, err = fhir.AppendXML(nil, fhir.Outcome(fhir.Issue{Severity: "error", Code: "structure", Diagnostics: text}))
		assert.NoError(t, err)
	})
}
