package fhir

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Value is a value of a search parameter in a resource. Which fields are set
// depends on the parameter's type.
type Value struct {
	System, Code string // token; quantity: of its unit
	Bare         bool   // token: it can have no system of its own (code, boolean, string, ..)

	Text string // string, uri; reference: as written; quantity: the unit's text

	Start, End time.Time // date: from Start up to, not including, End; zero: open

	Low, High float64 // number, quantity: the same for a plain value; infinite: open
}

// Extract returns the values of the parameter in a resource, in its order.
func (p SearchParam) Extract(o *Object) []Value {
	var values []Value
	for i := range p.paths {
		path := &p.paths[i]
		if path.exists || path.is {
			values = path.appendPresence(values, o)
			continue
		}
		path.walk(o, func(v any, f *field) { values = p.appendValue(values, v, f) })
	}
	return values
}

// appendPresence adds the boolean of .exists() or .is(T). An element that is
// there and says false (deceasedBoolean) counts as not there. Where there is
// nothing of type T, .is(T) has no value, since each alternative of a union
// would else add a false beside the true of another.
func (path *searchPath) appendPresence(values []Value, o *Object) []Value {
	found := false
	path.walk(o, func(v any, _ *field) { found = found || v != false })
	if path.is && !found {
		return values
	}
	return append(values, Value{Code: strconv.FormatBool(found), Bare: true})
}

func (p SearchParam) appendValue(values []Value, v any, f *field) []Value {
	typ := ""
	if f.typ != nil {
		typ = f.typ.name
	}
	switch p.Type {
	case "token":
		return appendToken(values, v, typ)
	case "reference":
		switch v := v.(type) {
		case *Object:
			if text := v.Text("reference"); text != "" && text[0] != '#' {
				return append(values, Value{Text: text})
			}
		case string: // of type uri
			return append(values, Value{Text: v})
		}
	case "date":
		return appendDate(values, v)
	case "string":
		return appendString(values, v, typ)
	case "uri":
		if text, ok := v.(string); ok && text != "" {
			return append(values, Value{Text: text})
		}
	case "number", "quantity":
		return appendQuantity(values, v)
	}
	return values
}

func appendToken(values []Value, v any, typ string) []Value {
	switch v := v.(type) {
	case string:
		return append(values, Value{Code: v, Bare: true})
	case bool:
		return append(values, Value{Code: strconv.FormatBool(v), Bare: true})
	case Number:
		return append(values, Value{Code: string(v), Bare: true})
	case *Object:
		switch typ {
		case "CodeableConcept":
			for _, coding := range v.Objects("coding") {
				values = appendCode(values, coding.Text("system"), coding.Text("code"))
			}
		case "Coding":
			values = appendCode(values, v.Text("system"), v.Text("code"))
		case "Identifier":
			values = appendCode(values, v.Text("system"), v.Text("value"))
		case "ContactPoint":
			// By its system (phone) and, as STU3 has it, by its use (home).
			values = appendCode(values, v.Text("system"), v.Text("value"))
			if use := v.Text("use"); use != "" {
				values = appendCode(values, use, v.Text("value"))
			}
		}
	}
	return values
}

func appendCode(values []Value, system, code string) []Value {
	if system == "" && code == "" {
		return values
	}
	return append(values, Value{System: system, Code: code})
}

func appendDate(values []Value, v any) []Value {
	switch v := v.(type) {
	case string:
		start, end, err := ParseDateTime(v)
		if err != nil {
			return values
		}
		return append(values, Value{Start: start, End: end})
	case *Object:
		if v.Has("event") || v.Has("repeat") { // Timing
			for _, event := range v.List("event") {
				values = appendDate(values, event)
			}
			if bounds := v.Child("repeat", "boundsPeriod"); bounds != nil {
				values = appendDate(values, bounds)
			}
			return values
		}
		span := Value{}
		if start, _, err := ParseDateTime(v.Text("start")); err == nil {
			span.Start = start
		}
		if _, end, err := ParseDateTime(v.Text("end")); err == nil {
			span.End = end
		}
		if span.Start.IsZero() && span.End.IsZero() {
			return values
		}
		return append(values, span)
	}
	return values
}

// stringParts are the parts of the types that a string parameter looks into.
var stringParts = map[string][]string{
	"HumanName": {"text", "family", "given", "prefix", "suffix"},
	"Address":   {"text", "line", "city", "district", "state", "postalCode", "country"},
}

func appendString(values []Value, v any, typ string) []Value {
	switch v := v.(type) {
	case string:
		if v != "" {
			values = append(values, Value{Text: v})
		}
	case Number:
		values = append(values, Value{Text: string(v)})
	case *Object:
		for _, part := range stringParts[typ] {
			for _, item := range v.List(part) {
				values = appendString(values, item, "")
			}
		}
	}
	return values
}

func appendQuantity(values []Value, v any) []Value {
	switch v := v.(type) {
	case Number:
		if n, ok := v.float(); ok {
			return append(values, Value{Low: n, High: n})
		}
	case *Object:
		if v.Has("low") || v.Has("high") { // Range
			low, high := v.Child("low"), v.Child("high")
			unit := low
			if unit == nil {
				unit = high
			}
			q := Value{Low: math.Inf(-1), High: math.Inf(1), System: unit.Text("system"), Code: unit.Text("code"), Text: unit.Text("unit")}
			if n, ok := quantityValue(low); ok {
				q.Low = n
			}
			if n, ok := quantityValue(high); ok {
				q.High = n
			}
			return append(values, q)
		}
		n, ok := quantityValue(v)
		if !ok {
			return values
		}
		q := Value{Low: n, High: n, System: v.Text("system"), Code: v.Text("code"), Text: v.Text("unit")}
		switch comparator := v.Text("comparator"); {
		case strings.HasPrefix(comparator, "<"):
			q.Low = math.Inf(-1)
		case strings.HasPrefix(comparator, ">"):
			q.High = math.Inf(1)
		}
		return append(values, q)
	}
	return values
}

func quantityValue(o *Object) (float64, bool) {
	n, _ := o.Get("value").(Number)
	return n.float()
}

func (n Number) float() (float64, bool) {
	f, err := strconv.ParseFloat(string(n), 64)
	return f, err == nil && !math.IsInf(f, 0)
}
