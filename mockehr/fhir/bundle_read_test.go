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

// bundleReaders are the two, and how each form spells the same.
var bundleReaders = map[string]struct {
	read                func(io.Reader, func(*Object) error) (*Object, error)
	start, entry, close string
	bad                 string // for an entry
}{
	"JSON": {ReadBundleJSON, "{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"entry\":[{\"fullUrl\":\"u\"}", ",\n{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"%d\"}}", "],\"total\":3}", ",\n{]"},
	"XML": {ReadBundleXML, "<Bundle xmlns=\"http://hl7.org/fhir\"><type value=\"collection\"/><total value=\"3\"/><entry><fullUrl value=\"u\"/></entry>",
		"\n<entry><resource><Patient><id value=\"%d\"/></Patient></resource></entry>", "</Bundle>", "\n<entry ?"},
}

func TestReadBundle(t *testing.T) {
	for name, form := range bundleReaders {
		t.Run(name, func(t *testing.T) {
			const n = 2000
			text := "\xef\xbb\xbf" + form.start
			for i := range n {
				text += fmt.Sprintf(form.entry, i)
			}
			text += form.close + "\n"
			for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
				var ids []string
				bundle, err := form.read(r, func(entry *Object) error {
					ids = append(ids, entry.Child("resource").ID())
					return nil
				})
				require.NoError(t, err)
				require.Len(t, ids, n+1)
				assert.Equal(t, []string{"", "0", "1"}, ids[:3])
				assert.Equal(t, fmt.Sprint(n-1), ids[n])
				assertEqual(t, NewObject(Member{"resourceType", "Bundle"}, Member{"type", "collection"}, Member{"total", 3}), bundle, "the rest")
			}
		})
	}
}

func TestReadBundleErrors(t *testing.T) {
	stop := errors.New("enough")
	broken := errors.New("the line is cut")
	for name, form := range bundleReaders {
		t.Run(name, func(t *testing.T) {
			one := form.start + fmt.Sprintf(form.entry, 1)
			n := 0
			count := func(*Object) error { n++; return nil }

			_, err := form.read(strings.NewReader(one+form.close), func(*Object) error { return stop })
			assert.ErrorIs(t, err, stop)

			_, err = form.read(io.MultiReader(strings.NewReader(one), iotest.ErrReader(broken)), count)
			assert.ErrorIs(t, err, broken)
			assert.Equal(t, 2, n)

			n = 0
			_, err = form.read(strings.NewReader(one+form.bad), count)
			syntax := syntaxErrorOf(t, err)
			assert.Equal(t, 3, syntax.Line, "%v", err)
			assert.Equal(t, 2, n)

			_, err = form.read(strings.NewReader(one), count)
			assert.Contains(t, syntaxErrorOf(t, err).Path, "Bundle")

			_, err = form.read(strings.NewReader(one+form.close+form.start+form.close), count)
			assert.Contains(t, syntaxErrorOf(t, err).Msg, "something follows")

			n = 0
			_, err = form.read(strings.NewReader(strings.ReplaceAll(one+form.close, "Bundle", "Patient")), count)
			assert.Contains(t, syntaxErrorOf(t, err).Msg, "not a Bundle")
			assert.Zero(t, n, "nothing is handed on")

			_, err = form.read(strings.NewReader(""), count)
			syntaxErrorOf(t, err)
		})
	}
}

// An error within an entry says in which, and where.
func TestReadBundleErrorPath(t *testing.T) {
	none := func(*Object) error { return nil }
	_, err := ReadBundleJSON(strings.NewReader("{\"resourceType\":\"Bundle\",\"entry\":[{},\n{},{\"resource\":{\"name\":[{\"text\":null}]}}]}"), none)
	assert.Equal(t, &SyntaxError{2, 33, "Bundle.entry[2].resource.name[0].text", "null stands in arrays only; leave the member out"}, syntaxErrorOf(t, err))
	_, err = ReadBundleXML(strings.NewReader("<Bundle xmlns='http://hl7.org/fhir'><entry/>\n<entry/><entry><resource><Patient><name><nick/></name></Patient></resource></entry></Bundle>"), none)
	assert.Equal(t, &SyntaxError{2, 41, "Bundle.entry[2].resource.name[0]", `HumanName has no element "nick"`}, syntaxErrorOf(t, err))
	_, err = ReadBundleJSON(strings.NewReader(`{"entry":[]}`), none)
	assert.Contains(t, syntaxErrorOf(t, err).Msg, "not a Bundle")
	_, err = ReadBundleJSON(strings.NewReader(`{"resourceType":"Bundle","type":null}`), none)
	assert.Equal(t, "Bundle.type", syntaxErrorOf(t, err).Path)
	_, err = ReadBundleJSON(strings.NewReader(`{"resourceType":"Bundle","entry":["x"]}`), none)
	assert.Equal(t, "Bundle.entry[0]", syntaxErrorOf(t, err).Path)
}
