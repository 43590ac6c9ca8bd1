package fhir

import (
	_ "embed" // the tables
	"iter"
	"slices"
	"strings"
	"sync"
)

// The tables are tab-separated: a header line, no quoting; empty means none.
// Rows are read on first use, and their fields are substrings of the embedded text.
var (
	//go:embed tables/types.tsv
	typesText string
	//go:embed tables/elements.tsv
	elementsText string
	//go:embed tables/primitives.tsv
	primitivesText string
	//go:embed tables/codes.tsv
	codesText string
	//go:embed tables/searchparams.tsv
	searchParamsText string
	//go:embed tables/compartment-patient.tsv
	compartmentText string
)

// typeRow is a line of types.tsv.
type typeRow struct {
	Name     string
	Kind     string // primitive, complex or resource
	Base     string // "" for Element and Resource
	Abstract bool
}

// elementRow is a line of elements.tsv: an element as its type defines it.
type elementRow struct {
	Path     string   // Patient.contact.name, Observation.value[x]
	Required bool     // min is 1 or more
	Many     bool     // max is not 1: an array in JSON
	Types    []string // Reference, string, BackboneElement, #Bundle.link, ...
	ValueSet string   // of a required binding, "" if there is none
	XML      string   // attr, xhtml, or ""
	Targets  []string // types that a Reference may point to; Resource: any
}

// primitiveRow is a line of primitives.tsv.
type primitiveRow struct {
	Name     string
	JSONKind string // string, number or boolean
	Regex    string // not anchored; "" if the specification gives none
}

// codeRow is a line of codes.tsv: a code of a value set with a required binding.
type codeRow struct {
	ValueSet, System, Code string
	Abstract               bool // not for data
}

// searchParamRow is a line of searchparams.tsv. Its resource may also be Resource
// or DomainResource: the parameter then holds for all.
type searchParamRow struct {
	Resource, Code, Type, Expression string
	Targets                          []string
	Usage                            string
}

// compartmentRow is a line of compartment-patient.tsv.
type compartmentRow struct {
	Resource, Param, Type, Expression string
	Targets                           []string
}

// The accessors. What they return is shared: it is for reading only.
var (
	typeRows = sync.OnceValue(func() []typeRow {
		return readTable(typesText, func(f []string) typeRow {
			return typeRow{f[0], f[1], f[2], f[3] == "Y"}
		})
	})
	searchParamRows = sync.OnceValue(func() []searchParamRow {
		return readTable(searchParamsText, func(f []string) searchParamRow {
			return searchParamRow{f[0], f[1], f[2], f[3], splitList(f[4]), f[6]}
		})
	})
	compartmentRows = sync.OnceValue(func() []compartmentRow {
		return readTable(compartmentText, func(f []string) compartmentRow {
			return compartmentRow{f[0], f[1], f[2], f[3], splitList(f[4])}
		})
	})
)

// What the others read is kept elsewhere, in another shape.

// elementRows are those of a named type, with all that is within its elements.
func elementRows(typ string) []elementRow {
	return readTable(linesFrom(elementsText, typ+"."), func(f []string) elementRow {
		return elementRow{
			Path: f[0], Required: f[1] != "0", Many: f[2] != "1", Types: splitList(f[3]),
			ValueSet: f[5], XML: f[7], Targets: splitList(f[9]),
		}
	})
}

func primitiveRows() []primitiveRow {
	return readTable(primitivesText, func(f []string) primitiveRow {
		return primitiveRow{f[0], f[1], f[2]}
	})
}

// codeRows are those of a value set.
func codeRows(url string) []codeRow {
	return readTable(linesFrom(codesText, url+"\t"), func(f []string) codeRow {
		return codeRow{f[0], f[1], f[2], f[3] == "Y"}
	})
}

// linesFrom is the part of a table whose lines have that start; they stand
// together. It begins with the end of the line before, as after a header.
func linesFrom(text, start string) string {
	from := strings.Index(text, "\n"+start)
	if from < 0 {
		return ""
	}
	end := from + 1
	for strings.HasPrefix(text[end:], start) {
		end += strings.IndexByte(text[end:], '\n') + 1
	}
	return text[from:end]
}

// readTable makes a row of the fields of each line; row must not keep the slice.
func readTable[T any](text string, row func(fields []string) T) []T {
	rows := make([]T, 0, strings.Count(text, "\n"))
	var fields []string
	for line := range lines(text) {
		fields = slices.AppendSeq(fields[:0], strings.SplitSeq(line, "\t"))
		rows = append(rows, row(fields))
	}
	return slices.Clip(rows)
}

// lines yields the lines of a table after its header.
func lines(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		_, text, _ = strings.Cut(text, "\n")
		for text != "" {
			var line string
			line, text, _ = strings.Cut(text, "\n")
			if !yield(line) {
				return
			}
		}
	}
}

func splitList(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "|")
}
