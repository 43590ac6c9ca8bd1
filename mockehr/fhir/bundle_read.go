package fhir

import (
	"bufio"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

const notBundle = "this is not a Bundle"

// ReadBundleJSON reads a Bundle of any size in JSON, calling each for every item
// of its entry, in order; only one is in memory at a time. It returns the Bundle
// without its entries. It ends at the first error: of r, of each, or a
// *[SyntaxError], which may come when each was called for what stands before it.
func ReadBundleJSON(r io.Reader, each func(entry *Object) error) (*Object, error) {
	var dec *jsontext.Decoder
	lines := newLineReader(withoutBOM(r), func() int64 { return dec.InputOffset() })
	dec = jsontext.NewDecoder(lines)
	reader := newJSONReader(dec, lines.position)
	bundle := &Object{}
	err := reader.eachMember(1, func(name string) error {
		if name == "entry" && dec.PeekKind() == '[' {
			return reader.eachItem(func() error {
				entry, err := reader.object(2)
				if err != nil {
					return err
				}
				return each(entry)
			})
		}
		v, err := reader.value(1)
		switch {
		case err != nil:
			return err
		case v == nil:
			return reader.null()
		case name == "resourceType" && v != "Bundle":
			return reader.fail(0, notBundle)
		case name == "resourceType":
			reader.typ = "Bundle"
		}
		bundle.members = append(bundle.members, Member{name, v})
		return nil
	})
	if err == nil {
		err = reader.end()
	}
	if err == nil && bundle.Type() == "" {
		err = reader.fail(0, notBundle)
	}
	if err != nil {
		return nil, err
	}
	return bundle, nil
}

// ReadBundleXML does for XML what [ReadBundleJSON] does for JSON.
func ReadBundleXML(r io.Reader, each func(entry *Object) error) (*Object, error) {
	reader := &xmlReader{xmlScanner: scanXMLStream(withoutBOM(r))}
	start, err := reader.rootStart()
	if err != nil {
		return nil, err
	}
	if start.name != "Bundle" {
		return nil, reader.fail(notBundle)
	}
	bundle, err := reader.resource(start, 1, newScratch(), func(name string, v *Object) (bool, error) {
		if name != "entry" {
			return false, nil
		}
		return true, each(v)
	})
	if err == nil {
		err = reader.end()
	}
	if err != nil {
		return nil, err
	}
	return bundle, nil
}

// withoutBOM skips the byte order mark that a stream may begin with.
func withoutBOM(r io.Reader) io.Reader {
	b := bufio.NewReaderSize(r, 64<<10)
	if head, err := b.Peek(3); err == nil && len(trimBOM(head)) == 0 {
		_, _ = b.Discard(3)
	}
	return b
}
