package fhir

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxString is how long a string may be, in bytes (STU3, 2.24 "string").
const maxString = 1 << 20

// primitive checks a primitive value, and its id and extensions; nil for what is missing.
func (v *validator) primitive(p *path, f *field, value, ext any, depth int) {
	if ext != nil {
		if o, ok := ext.(*Object); ok {
			v.object(p, o, f.typ, depth+1)
		} else {
			v.add(p, "structure", "%q must be an object with id or extension, not %s", f.extName, kindOf(ext))
		}
	}
	prim := f.typ.prim
	var text string
	switch value := value.(type) {
	case nil:
		if ext == nil {
			v.add(p, "structure", "null may stand only where %q has an item; leave the item out", f.extName)
		}
		return
	case string:
		text = value
	case Number:
		text = string(value)
	case bool:
		text = strconv.FormatBool(value)
	}
	if kind := kindOf(value); kind != "a "+prim.kind {
		v.add(p, "structure", "must be a JSON %s (type %s), not %s", prim.kind, prim.name, kind)
		return
	}
	if prim.name == "xhtml" {
		v.narrative(p, text)
		return
	}
	if problem := checkPrimitive(prim, text); problem != "" {
		v.add(p, "value", "%s", problem)
		return
	}
	if prim.name == "uri" && text[0] == '#' {
		v.refers(text[1:]) // as good as a Reference to what is contained
	}
	v.boundCode(p, f.valueSet, text)
}

// checkPrimitive tells what is wrong with a value, "" if nothing is.
func checkPrimitive(prim *primitive, text string) string {
	if i := badCharacter(text); i >= 0 {
		r, _ := utf8.DecodeRuneInString(text[i:])
		return fmt.Sprintf("a %s cannot contain the character U+%04X", prim.name, r)
	}
	switch prim.name {
	case "boolean":
		return ""
	case "string", "markdown":
		return checkString(text)
	case "base64Binary":
		return checkBase64(text)
	case "code":
		if validCode(text) {
			return ""
		}
	case "id":
		if ValidID(text) {
			return ""
		}
	case "uri":
		if text != "" && strings.IndexFunc(text, notInURI) < 0 {
			return ""
		}
	default:
		if prim.regex == nil || prim.regex().MatchString(text) {
			return checkRange(prim.name, text)
		}
	}
	return fmt.Sprintf("%q is not a valid %s%s", shorten(text), prim.name, looks[prim.name])
}

// looks says how the values of a type look, for messages.
var looks = map[string]string{
	"code":        ": it has no white space at its ends, and single spaces at most within",
	"id":          ": it is 1 to 64 letters, digits, \"-\" and \".\"",
	"uri":         ": it is not empty and has no white space",
	"oid":         ": it looks like urn:oid:1.2.3",
	"uuid":        ": it looks like urn:uuid:a5afddf4-e880-459b-876e-e4591b0acc11, in lower case",
	"date":        ": it looks like 2024, 2024-05 or 2024-05-17",
	"dateTime":    ": it looks like 2024, 2024-05, 2024-05-17 or 2024-05-17T10:30:00+02:00, where a time has seconds and a zone",
	"instant":     ": it looks like 2024-05-17T10:30:00.000+02:00",
	"time":        ": it looks like 10:30:00, without a zone",
	"decimal":     ": it has no exponent, no \"+\" and no needless zero at its start",
	"integer":     ": it has no fraction, no exponent and no needless zero at its start",
	"positiveInt": ": it is 1 or more, without fraction or exponent",
	"unsignedInt": ": it is 0 or more, without fraction or exponent",
}

// checkRange checks what the regex of a type cannot.
func checkRange(name, text string) string {
	switch name {
	case "date", "dateTime", "instant":
		return checkCalendar(name, text)
	case "integer", "positiveInt", "unsignedInt":
		if _, err := strconv.ParseInt(text, 10, 32); err != nil {
			return fmt.Sprintf("%s is out of range for %s, which has 32 bits", shorten(text), name)
		}
	}
	return ""
}

// checkCalendar tells whether a date of the right form is one of the calendar.
func checkCalendar(name, text string) string {
	if strings.HasPrefix(text, "-") || len(text) < 4 {
		return "" // before the common era; years are astronomical, which no calendar here knows
	}
	if text[:4] == "0000" {
		return fmt.Sprintf("%q is not a valid %s: there is no year 0000", text, name)
	}
	if len(text) < 10 {
		return ""
	}
	if _, err := time.Parse(time.DateOnly, text[:10]); err != nil {
		return fmt.Sprintf("%q is not a valid %s: there is no such day", shorten(text), name)
	}
	return ""
}

func checkString(text string) string {
	if text == "" {
		return "a string cannot be empty; leave the element out"
	}
	if len(text) > maxString {
		return fmt.Sprintf("a string of %d bytes is too long; %d are allowed", len(text), maxString)
	}
	return ""
}

func notInURI(r rune) bool { return r <= ' ' || unicode.IsSpace(r) }

// validCode is the regex [^\s]+([\s]?[^\s]+)* spelled out, as codes are frequent.
func validCode(text string) bool {
	afterSpace := true // so that none may lead
	for i := range len(text) {
		switch c := text[i]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			if afterSpace {
				return false
			}
			afterSpace = true
		default:
			afterSpace = false
		}
	}
	return !afterSpace
}

// checkBase64 allows white space, in which some wrap their lines.
func checkBase64(text string) string {
	if text == "" {
		return "base64Binary cannot be empty; leave the element out"
	}
	if strings.ContainsAny(text, " \t\r\n") {
		text = strings.Map(func(r rune) rune {
			if r == ' ' || r == '\t' || r == '\r' || r == '\n' {
				return -1
			}
			return r
		}, text)
	}
	// The decoder wants a place for its output, of which nothing is kept.
	var scratch [3 << 10]byte
	for len(text) > 0 {
		piece := text[:min(len(text), 4<<10)]
		text = text[len(piece):]
		if n, err := base64.StdEncoding.Decode(scratch[:], []byte(piece)); err != nil || len(text) > 0 && n != len(scratch) {
			return "the text is not base64: letters, digits, \"+\" and \"/\" in groups of four, the last padded with \"=\""
		}
	}
	return ""
}
