package store

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"example.org/ccde/mockehr/fhir"
)

// CursorParam is the query parameter that carries [Result.Next] back.
const CursorParam = "_cursor"

// Bounds of a search. What is over them is an error, so that no query can keep
// the store busy for long.
const (
	DefaultCount = 50  // resources on a page, without _count
	MaxCount     = 500 // a larger _count gets so many
	maxValues    = 500 // values in all parameters together
	maxValueSize = 2000
	maxSort      = 4
)

// SearchError is a search that can't be carried out as asked. Param is the query
// parameter, Message what to do about it.
type SearchError struct{ Param, Message string }

func (e *SearchError) Error() string {
	if e.Param == "" {
		return e.Message
	}
	return e.Param + ": " + e.Message
}

func badSearch(param, format string, args ...any) *SearchError {
	return &SearchError{Param: shorten(param), Message: fmt.Sprintf(format, args...)}
}

// shorten cuts a caller's text for a message.
func shorten(text string) string {
	const most = 80
	if len(text) > most {
		text = text[:most] + "..."
	}
	return strings.ToValidUTF8(text, "?")
}

// Search is a search of one resource type, parsed by [ParseSearch].
type Search struct {
	typ       string
	filters   []filter // all must hold
	sort      []sortKey
	includes  []include
	count     int
	countOnly bool
	cursor    string
	self      url.Values
}

// filter is one parameter of a query: one of its values must hold.
type filter struct {
	name    string // as in the query, with its modifier
	param   indexedParam
	column  string // "_id" or "_lastUpdated", which are columns of res; else ""
	negate  bool   // :not, :missing=true
	missing bool   // :missing: no values, only whether there are any
	values  []value
}

// Scope is what a search is held to, whatever it asks for.
type Scope struct {
	Patient string // only what is in this Patient's compartment (protocol 1.5); "": everything
	Owner   string // only what this owner created; "": anyone's
}

// Result is one page of a search.
type Result struct {
	Total    int        // matches on all pages, counted once, for the first one
	Matches  []Version  // of this page
	Included []Version  // what they refer to, as far as _include asks for it, each once
	Next     string     // cursor of the next page, for CursorParam; "" at the end
	Self     url.Values // the parameters that were heeded, of this page
}

// ParseSearch reads the parameters of a search of a resource type (FHIR STU3
// 3.1.1). A parameter that isn't known is ignored and left out of [Result.Self],
// or with strict (Prefer: handling=strict) an error, as is a modifier or value
// that can't be used in any case. Errors are of type *SearchError.
func ParseSearch(typ string, values url.Values, strict bool) (Search, error) {
	s := Search{typ: typ, count: DefaultCount, self: url.Values{}}
	if !fhir.IsResourceType(typ) {
		return s, badSearch("", "%q is no resource type of FHIR STU3", shorten(typ))
	}
	total := 0
	for _, name := range slices.Sorted(maps.Keys(values)) { // sorted, so that of several errors it is always the same one
		texts := values[name]
		for _, text := range texts {
			total += 1 + strings.Count(text, ",")
		}
		if total > maxValues {
			return s, badSearch(name, "the search has more than %d values; split it into several", maxValues)
		}
		known, err := s.parse(name, texts, strict)
		if err != nil {
			return s, err
		}
		if known {
			s.self[name] = texts
		} else if strict {
			return s, badSearch(name, "%s has no such search parameter here; leave it out, or ask without handling=strict", typ)
		}
	}
	return s, nil
}

// parse reads one parameter; known is false if there is none of that name.
func (s *Search) parse(name string, texts []string, strict bool) (known bool, err error) {
	switch name {
	case "_format", "_pretty":
		return true, nil
	case CursorParam, "_count", "_summary":
		if len(texts) != 1 {
			return false, badSearch(name, "is given %d times; give it once", len(texts))
		}
		return s.parseControl(name, texts[0], strict)
	case "_sort":
		return s.parseSort(texts, strict)
	}
	base, modifier, _ := strings.Cut(name, ":")
	switch {
	case base == "_sort":
		return false, badSearch(name, "has a modifier; write _sort=-date for the latest first")
	case base == "_include":
		if modifier != "" {
			return false, badSearch(name, "the modifier %q isn't supported; leave it out", shorten(modifier))
		}
		for _, text := range texts {
			if err := s.parseInclude(text); err != nil {
				return false, err
			}
		}
		return true, nil
	case strings.Contains(name, "."):
		return false, nil // a chain
	}
	for _, text := range texts {
		f, known, err := parseFilter(s.typ, name, base, modifier, text)
		if err != nil || !known {
			return known, err
		}
		s.filters = append(s.filters, f)
	}
	return true, nil
}

func (s *Search) parseControl(name, text string, strict bool) (known bool, err error) {
	switch name {
	case CursorParam:
		if text == "" {
			return false, badSearch(name, "is empty; leave it out for the first page")
		}
		s.cursor = text
	case "_count":
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return false, badSearch(name, "%q is no number of resources; give 0 or more", shorten(text))
		}
		s.count = min(n, MaxCount)
		s.countOnly = s.countOnly || n == 0
	case "_summary":
		switch text {
		case "count":
			s.countOnly = true
		case "false":
		case "true", "text", "data":
			return false, nil
		default:
			return false, badSearch(name, "%q is no summary; give count or false", shorten(text))
		}
	}
	return true, nil
}

// modifiersOf are the modifiers that work, by parameter type; a reference has
// also the resource types.
var modifiersOf = map[string][]string{
	"token": {"not", "missing"}, "reference": {"missing"}, "date": {"missing"}, "string": {"exact", "contains", "missing"},
	"uri": {"below", "above", "missing"}, "number": {"missing"}, "quantity": {"missing"},
}

func parseFilter(typ, name, base, modifier, text string) (f filter, known bool, err error) {
	f = filter{name: name}
	p, ok := fhir.ParamOf(typ, base)
	if !ok {
		return f, false, nil
	}
	if base == "_id" || base == "_lastUpdated" {
		f.column, f.param = base, indexedParam{SearchParam: p}
		if modifier != "" {
			return f, true, badSearch(name, "the modifier %q isn't supported; leave it out", shorten(modifier))
		}
	} else {
		i := slices.IndexFunc(indexedParams(typ), func(p indexedParam) bool { return p.Code == base })
		f.param = indexedParams(typ)[i]
	}
	isType := p.Type == "reference" && fhir.IsResourceType(modifier)
	if strings.Contains(name, ":") && !isType && !slices.Contains(modifiersOf[p.Type], modifier) {
		return f, true, badSearch(name, "the modifier %q isn't supported for a %s; these are: %s",
			shorten(modifier), p.Type, strings.Join(modifiersOf[p.Type], ", "))
	}
	if len(text) > maxValueSize && strings.IndexByte(text, ',') < 0 {
		return f, true, badSearch(name, "its value has %d bytes; at most %d are taken", len(text), maxValueSize)
	}
	switch modifier {
	case "missing":
		if text != "true" && text != "false" {
			return f, true, badSearch(name, "%q is neither true nor false", shorten(text))
		}
		f.missing, f.negate = true, text == "true"
		return f, true, nil
	case "not":
		f.negate = true
	}
	for _, part := range splitEscaped(text, ',') {
		v, err := parseValue(f.param.SearchParam, name, modifier, part)
		if err != nil {
			return f, true, err
		}
		f.values = append(f.values, v)
	}
	return f, true, nil
}
