package fhir

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// The benchmarks work through all official examples; beside each way of reading
// stands that of Go's own token reader, which builds nothing.

func BenchmarkParseJSON(b *testing.B) {
	texts := benchTexts(b, func(e example) []byte { return e.json })
	b.Run("fhir", func(b *testing.B) {
		benchEach(b, texts, func(text []byte) error {
			_, err := ParseJSON(text)
			return err
		})
	})
	b.Run("encoding-json-tokens", func(b *testing.B) {
		benchEach(b, texts, func(text []byte) error {
			dec := json.NewDecoder(bytes.NewReader(text))
			dec.UseNumber()
			return untilEOF(func() error { _, err := dec.Token(); return err })
		})
	})
}

func BenchmarkParseXML(b *testing.B) {
	texts := benchTexts(b, func(e example) []byte { return e.xml })
	b.Run("fhir", func(b *testing.B) {
		benchEach(b, texts, func(text []byte) error {
			_, err := ParseXML(text)
			return err
		})
	})
	b.Run("encoding-xml-tokens", func(b *testing.B) {
		benchEach(b, texts, func(text []byte) error {
			dec := xml.NewDecoder(bytes.NewReader(text))
			return untilEOF(func() error { _, err := dec.Token(); return err })
		})
	})
}

func BenchmarkPrint(b *testing.B) {
	var all []*Object
	for _, e := range examples(b) {
		o, err := ParseJSON(e.json)
		require.NoError(b, err)
		all = append(all, o)
	}
	print := func(b *testing.B, appendTo func(dst []byte, o *Object) ([]byte, error)) {
		var dst []byte
		b.ReportAllocs()
		for b.Loop() {
			size := int64(0)
			for _, o := range all {
				var err error
				dst, err = appendTo(dst[:0], o)
				require.NoError(b, err)
				size += int64(len(dst))
			}
			b.SetBytes(size)
		}
	}
	b.Run("json", func(b *testing.B) {
		print(b, func(dst []byte, o *Object) ([]byte, error) { return AppendJSON(dst, o), nil })
	})
	b.Run("xml", func(b *testing.B) { print(b, AppendXML) })
}

func BenchmarkValidate(b *testing.B) {
	texts := benchTexts(b, func(e example) []byte { return e.json })
	var all []*Object
	for _, text := range texts {
		o, err := ParseJSON(text)
		require.NoError(b, err)
		all = append(all, o)
	}
	b.SetBytes(totalSize(texts))
	b.ReportAllocs()
	for b.Loop() {
		for _, o := range all {
			Validate(o)
		}
	}
}

func benchTexts(b *testing.B, form func(example) []byte) [][]byte {
	var texts [][]byte
	for _, e := range examples(b) {
		texts = append(texts, form(e))
	}
	return texts
}

func benchEach(b *testing.B, texts [][]byte, read func([]byte) error) {
	b.SetBytes(totalSize(texts))
	b.ReportAllocs()
	for b.Loop() {
		for _, text := range texts {
			if err := read(text); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func totalSize(texts [][]byte) int64 {
	size := int64(0)
	for _, text := range texts {
		size += int64(len(text))
	}
	return size
}

func untilEOF(next func() error) error {
	for {
		switch err := next(); err {
		case nil:
		case io.EOF:
			return nil
		default:
			return err
		}
	}
}
