package store

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"example.org/ccde/mockehr/fhir"
)

// value is one of a parameter's values in a query. Which fields are set depends
// on the parameter's type.
type value struct {
	prefix string // date, number, quantity: eq, ne, gt, ..

	code, system string // token; quantity: of the unit
	hasCode      bool
	hasSystem    bool // a | was given, before which system may be empty

	references []string // reference: the texts that it can stand for

	text     string // string, uri, as given
	modifier string // string: exact, contains; uri: below, above

	low, high int64   // date: milliseconds
	number    float64 // number, quantity
	half      float64 // half a unit of its last digit
}

func parseValue(p fhir.SearchParam, name, modifier, part string) (value, error) {
	text := unescape(part)
	switch {
	case strings.TrimSpace(text) == "":
		return value{}, badSearch(name, "has an empty value; give one, or leave the parameter out")
	case !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0:
		return value{}, badSearch(name, "its value is no UTF-8 text")
	}
	switch p.Type {
	case "token":
		return parseToken(p, name, part)
	case "reference":
		return parseReference(p, name, modifier, text)
	case "date":
		return parseDate(name, text)
	case "number":
		return parseNumber(name, text)
	case "quantity":
		return parseQuantity(name, part)
	case "string":
		if fold(text) == "" {
			return value{}, badSearch(name, "its value has no letter to look for")
		}
		return value{text: text, modifier: modifier}, nil
	case "uri":
		return value{text: text, modifier: modifier}, nil
	}
	return value{}, badSearch(name, "parameters of type %s aren't supported", p.Type)
}

// parseToken reads code, system|code, |code and system|.
func parseToken(p fhir.SearchParam, name, part string) (value, error) {
	pieces := splitEscaped(part, '|')
	var v value
	switch len(pieces) {
	case 1:
		v.code = unescape(pieces[0])
	case 2:
		v.hasSystem, v.system, v.code = true, unescape(pieces[0]), unescape(pieces[1])
	default:
		return v, badSearch(name, "%q has more than one |; write system|code", shorten(part))
	}
	v.hasCode = v.code != ""
	if !v.hasCode && v.system == "" {
		return v, badSearch(name, "%q has neither system nor code", shorten(part))
	}
	if p.Code == "_id" && (v.hasSystem || !fhir.ValidID(v.code)) {
		return v, badSearch(name, "%q is no FHIR id; give 1 to 64 letters, digits, '-' or '.'", shorten(part))
	}
	return v, nil
}

// parseReference reads id, Type/id and whole URLs; versions don't count.
func parseReference(p fhir.SearchParam, name, modifier, text string) (value, error) {
	if fhir.ValidID(text) {
		targets := p.Targets
		switch {
		case fhir.IsResourceType(modifier):
			targets = []string{modifier}
		case len(targets) == 0:
			targets = fhir.Types()
		}
		var v value
		for _, target := range targets {
			v.references = append(v.references, target+"/"+text)
		}
		return v, nil
	}
	_, typ, _, _, ok := fhir.SplitReference(text)
	if u, err := url.Parse(text); !ok && (err != nil || !u.IsAbs()) {
		return value{}, badSearch(name, "%q is no reference; give an id, Type/id or an absolute URL", shorten(text))
	}
	if fhir.IsResourceType(modifier) && ok && typ != modifier {
		return value{}, badSearch(name, "%q is a %s, and the modifier asks for a %s", shorten(text), typ, modifier)
	}
	return value{references: []string{text}}, nil
}

// prefixes compare dates and numbers (FHIR STU3 3.1.1.4.5).
const prefixes = "eq ne gt lt ge le sa eb ap"

func cutPrefix(text string) (prefix, rest string) {
	if len(text) > 2 && slices.Contains(strings.Fields(prefixes), text[:2]) {
		return text[:2], text[2:]
	}
	return "eq", text
}

func parseDate(name, text string) (value, error) {
	prefix, rest := cutPrefix(text)
	// A + that wasn't escaped arrives as a space; only a zone can have one.
	if strings.Contains(rest, "T") {
		rest = strings.ReplaceAll(rest, " ", "+")
	}
	start, end, err := fhir.ParseDateTime(rest)
	if err != nil {
		return value{}, badSearch(name, "%v, after one of the prefixes %s if you like", err, prefixes)
	}
	low, high := millis(start, end)
	return value{prefix: prefix, low: low, high: high}, nil
}

func parseNumber(name, text string) (value, error) {
	prefix, rest := cutPrefix(text)
	mantissa, exponent := rest, 0
	if i := strings.IndexAny(rest, "eE"); i >= 0 {
		e, err := strconv.Atoi(rest[i+1:])
		if err != nil {
			e = math.MaxInt
		}
		mantissa, exponent = rest[:i], e
	}
	whole, fraction, hasPoint := strings.Cut(strings.TrimLeft(mantissa, "+-"), ".")
	n, err := strconv.ParseFloat(rest, 64)
	if err != nil || math.IsInf(n, 0) || !digits(whole) || hasPoint && !digits(fraction) {
		return value{}, badSearch(name, "%q is no number; write 5.4 or 1e3, after one of the prefixes %s if you like", shorten(text), prefixes)
	}
	// What isn't written isn't known: 5.4 stands for 5.35 to 5.45.
	return value{prefix: prefix, number: n, half: 0.5 * math.Pow10(exponent-len(fraction))}, nil
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// parseQuantity reads number, number|system|code and number||code.
func parseQuantity(name, part string) (value, error) {
	pieces := splitEscaped(part, '|')
	if len(pieces) != 1 && len(pieces) != 3 {
		return value{}, badSearch(name, "%q is no quantity; write number, number||unit or number|system|code", shorten(part))
	}
	v, err := parseNumber(name, unescape(pieces[0]))
	if err != nil || len(pieces) == 1 {
		return v, err
	}
	v.system, v.code = unescape(pieces[1]), unescape(pieces[2])
	v.hasSystem, v.hasCode = v.system != "", v.code != ""
	return v, nil
}

// splitEscaped splits at a separator, unless a backslash is before it (FHIR STU3
// 3.1.1.4.2). The parts keep their backslashes.
func splitEscaped(text string, separator byte) []string {
	var parts []string
	from := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case separator:
			parts = append(parts, text[from:i])
			from = i + 1
		}
	}
	return append(parts, text[from:])
}

// unescape takes the backslashes away that escape , | $ or a backslash.
func unescape(text string) string {
	if strings.IndexByte(text, '\\') < 0 {
		return text
	}
	return strings.NewReplacer(`\,`, ",", `\|`, "|", `\$`, "$", `\\`, `\`).Replace(text)
}
