package fhir

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// randomizer makes valid resources from the tables alone, in both formats side
// by side: what it writes shares nothing with the parsers and printers. It takes
// what it has not used yet first, so that a few resources of each type have every
// element with every type that it may have.
type randomizer struct {
	*rand.Rand
	used   map[string]bool // path and type of elements; lasts from resource to resource
	done   map[string]bool // types, and paths of backbone elements, of which nothing is left to use
	idle   bool            // does not look for what was not used yet
	budget int             // objects that may still be made for the fun of it
	inner  int             // how many resources are around this one
	hosts  []string        // types of what the outermost resource contains, by the id c0, c1..
	unsaid map[int]bool    // those that nothing refers to yet

	// A spoiled resource has one thing wrong, at the object of that number.
	spoilAt    int
	spoil      string // unknown, kind, array
	expression string // where it is
}

// written is a value in JSON, and as attributes and children of an XML element.
type written struct{ json, attrs, children string }

// childRows are the rows of all elements by the path they are children of.
var childRows = sync.OnceValue(func() map[string][]elementRow {
	rows := map[string][]elementRow{}
	for _, t := range typeRows() {
		for _, row := range elementRows(t.Name) {
			parent := row.Path[:strings.LastIndexByte(row.Path, '.')]
			rows[parent] = append(rows[parent], row)
		}
	}
	return rows
})

// allRows are those of a type or of a backbone element, inherited ones first.
func allRows(path, base string) []elementRow {
	if base == "" {
		base = typeBases()[path]
	}
	if base == "" {
		return childRows()[path]
	}
	return slices.Concat(allRows(base, ""), childRows()[path])
}

// typeBases are the bases of types by their names.
var typeBases = sync.OnceValue(func() map[string]string {
	bases := map[string]string{}
	for _, t := range typeRows() {
		bases[t.Name] = t.Base
	}
	return bases
})

func isPrimitive(typ string) bool { return samples[typ] != nil || typ == "xhtml" }

// exhausted tells whether every element of a type, and of the types of its
// elements, was used with every type; path is one of childRows.
func (r *randomizer) exhausted(path string, seen map[string]bool) bool {
	if seen[path] || r.done[path] {
		return true
	}
	seen[path] = true
	if slices.ContainsFunc(childRows()[path], func(row elementRow) bool { return r.wanted(row, seen) }) {
		return false
	}
	r.done[path] = r.done[path] || len(seen) == 1
	return true
}

// wanted tells whether something of an element was not used yet.
func (r *randomizer) wanted(row elementRow, seen map[string]bool) bool {
	return slices.ContainsFunc(row.Types, func(typ string) bool {
		return !r.used[row.Path+":"+typ] || !r.exhausted(row.Path, seen) || !r.exhausted(typ, seen)
	})
}

func pick[T any](r *randomizer, of []T) T { return of[r.IntN(len(of))] }

func (r *randomizer) chance(of float64) bool { return r.Float64() < of }

// document is a resource in both formats.
func (r *randomizer) document(typ string) (asJSON, asXML string) {
	r.budget, r.inner, r.hosts, r.unsaid = 60, 0, nil, map[int]bool{}
	r.expression = ""
	w := r.resource(typ, typ, 1)
	return w.json, `<?xml version="1.0" encoding="UTF-8"?>` + "\n<!-- a comment -->" + xmlElement(typ+` xmlns="http://hl7.org/fhir"`, typ, w)
}

func xmlElement(open, name string, w written) string {
	if w.children == "" {
		return "<" + open + w.attrs + "/>"
	}
	return "<" + open + w.attrs + ">\n  " + w.children + "</" + name + ">"
}

// resource is one whose id is left to chance, or given by what holds it.
func (r *randomizer) resource(typ, path string, depth int) written {
	w := r.object(typ, allRows(typ, ""), path, depth)
	w.json = `{"resourceType":` + quote(typ) + strings.TrimSuffix(","+w.json[1:], ",}")
	if !strings.HasSuffix(w.json, "}") {
		w.json += "}"
	}
	return w
}

// object is a complex value with these elements.
func (r *randomizer) object(typ string, rows []elementRow, path string, depth int) written {
	r.budget--
	var members, attrs, children []string
	add := func(row elementRow) {
		m, a, c := r.element(typ, row, path, depth)
		members, attrs, children = append(members, m...), append(attrs, a), append(children, c)
	}
	chosen := r.choose(typ, rows, depth)
	if len(chosen) == 0 && typ != "" && !r.isResource(typ) {
		chosen = append(chosen, rows[0]) // an id: no element is empty
	}
	for _, row := range chosen {
		add(row)
	}
	if r.spoil == "unknown" && r.spoiled(path+".nonsense") {
		members = append(members, `"nonsense":true`)
	}
	r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return written{"{" + strings.Join(members, ",") + "}", strings.Join(attrs, ""), strings.Join(children, "\n")}
}

// spoiled tells whether it is this place that is to be wrong.
func (r *randomizer) spoiled(path string) bool {
	r.spoilAt--
	if r.spoilAt == 0 {
		r.expression = path
	}
	return r.spoilAt == 0
}

func (r *randomizer) isResource(typ string) bool {
	for ; typ != ""; typ = typeBases()[typ] {
		if typ == "Resource" {
			return true
		}
	}
	return false
}

// choose picks elements: what must be, what was not used yet, and some.
func (r *randomizer) choose(typ string, rows []elementRow, depth int) []elementRow {
	var chosen []elementRow
	for _, row := range rows {
		name := row.Path[strings.LastIndexByte(row.Path, '.')+1:]
		if row.Required || !r.idle && r.budget > -500 && depth < 9 && r.wanted(row, map[string]bool{}) || r.budget > 0 && r.chance(0.4/float64(depth)) {
			if !r.forbidden(typ, row.Path, name) {
				chosen = append(chosen, row)
			}
		}
	}
	return r.agreed(typ, rows, chosen)
}

// forbidden are elements that what surrounds them rules out.
func (r *randomizer) forbidden(typ, path, name string) bool {
	switch path {
	case "DomainResource.contained":
		return r.inner > 0
	case "DomainResource.text":
		return r.inner > 0
	case "Meta.versionId", "Meta.lastUpdated":
		return r.inner > 0
	case "Quantity.comparator":
		return typ != "Quantity" // of what is derived from it, and SimpleQuantity
	}
	return strings.HasPrefix(path, "Bundle.") && strings.Count(path, ".") < 3 && name != "type" && name != "identifier" && name != "link" && name != "signature" && name != "entry"
}

// agreed adds and drops what elements that exclude or need each other ask for.
func (r *randomizer) agreed(typ string, rows, chosen []elementRow) []elementRow {
	at := func(path string) int {
		return slices.IndexFunc(chosen, func(row elementRow) bool { return row.Path == path })
	}
	drop := func(path string) {
		if i := at(path); i >= 0 {
			chosen = slices.Delete(chosen, i, i+1)
		}
	}
	need := func(path string) {
		if at(path) < 0 {
			i := slices.IndexFunc(rows, func(row elementRow) bool { return row.Path == path })
			chosen = append(chosen, rows[i])
		}
	}
	switch {
	case typ == "Extension":
		if at("Extension.value[x]") < 0 && at("Element.extension") < 0 {
			need("Extension.value[x]")
		} else if at("Extension.value[x]") >= 0 {
			drop("Element.extension")
		}
	case typ == "Parameters.parameter":
		one := pick(r, []string{"Parameters.parameter.value[x]", "Parameters.parameter.value[x]", "Parameters.parameter.resource", "Parameters.parameter.part"})
		if r.budget <= 0 || r.inner > 2 {
			one = "Parameters.parameter.value[x]"
		}
		drop("Parameters.parameter.value[x]")
		drop("Parameters.parameter.resource")
		drop("Parameters.parameter.part")
		need(one)
	case slices.Contains([]string{"Quantity", "SimpleQuantity", "Age", "Count", "Distance", "Duration", "Money"}, typ) && at("Quantity.code") >= 0:
		need("Quantity.system")
	case typ == "Attachment" && at("Attachment.data") >= 0:
		need("Attachment.contentType")
	case typ == "Period" && r.chance(0.5):
		drop("Period.end") // else both are drawn, in order
	}
	slices.SortFunc(chosen, func(a, b elementRow) int {
		place := func(row elementRow) int {
			return slices.IndexFunc(rows, func(o elementRow) bool { return o.Path == row.Path })
		}
		return place(a) - place(b)
	})
	return chosen
}

// element is an element, as often as it comes: its member or members in JSON, and
// attributes or children in XML.
func (r *randomizer) element(parent string, row elementRow, path string, depth int) (members []string, attrs, children string) {
	name := row.Path[strings.LastIndexByte(row.Path, '.')+1:]
	typ := row.Types[0]
	name, isChoice := strings.CutSuffix(name, "[x]")
	path += "." + name
	if isChoice {
		typ = pick(r, row.Types)
		if i := slices.IndexFunc(row.Types, func(t string) bool { return !r.used[row.Path+":"+t] }); i >= 0 {
			typ = row.Types[i]
		}
		name += strings.ToUpper(typ[:1]) + typ[1:]
	}
	r.used[row.Path+":"+typ] = true
	switch {
	case row.XML == "attr":
		text := "a " + strconv.Itoa(r.IntN(1000))
		if name == "url" {
			text = "http://example.org/e?a&b"
		}
		return []string{quote(name) + ":" + quote(text)}, " " + name + `="` + escape(text) + `"`, ""
	case row.XML == "xhtml":
		n := pick(r, narratives)
		return []string{quote(name) + ":" + quote(n[0])}, "", n[1]
	case isPrimitive(typ):
		members, children = r.primitives(row, name, typ, path, depth)
		return members, "", children
	}
	n := 1
	if row.Many {
		n += r.IntN(2)
	}
	var items, elements []string
	for i := range n {
		at := path
		if row.Many {
			at += "[" + strconv.Itoa(i) + "]"
		}
		w := r.complex(parent, row, typ, at, depth+1)
		items = append(items, w.json)
		elements = append(elements, xmlElement(name, name, w))
	}
	text := strings.Join(items, ",")
	switch spoiled := r.spoil == "array" && r.spoiled(path); {
	case spoiled && row.Many:
		text = items[0]
	case spoiled || row.Many:
		text = "[" + text + "]"
	}
	return []string{quote(name) + ":" + text}, "", strings.Join(elements, "\n")
}

// complex is one value of a type that has elements.
func (r *randomizer) complex(parent string, row elementRow, typ, path string, depth int) written {
	switch {
	case row.Path == "DomainResource.contained":
		return r.contained(path, depth)
	case typ == "Resource":
		return r.inline(path, depth)
	case typ[0] == '#':
		return r.object(typ[1:], allRows(typ[1:], "BackboneElement"), path, depth)
	case typ == "BackboneElement" || typ == "Element":
		return r.object(row.Path, allRows(row.Path, typ), path, depth)
	case typ == "Reference":
		return r.reference(row, depth)
	case row.ValueSet != "" && (typ == "CodeableConcept" || typ == "Coding") && len(codes(row.ValueSet)) > 0:
		code := pick(r, codes(row.ValueSet))
		coding := written{`{"system":` + quote(code.System) + `,"code":` + quote(code.Code) + `}`, "",
			`<system value="` + escape(code.System) + `"/><code value="` + escape(code.Code) + `"/>`}
		if typ == "CodeableConcept" {
			coding = written{`{"coding":[` + coding.json + `]}`, "", xmlElement("coding", "coding", coding)}
		}
		return coding
	case typ == "Quantity" && slices.Contains(row.Targets, "profile:SimpleQuantity"):
		return r.object("SimpleQuantity", allRows("Quantity", ""), path, depth)
	}
	return r.object(typ, allRows(typ, ""), path, depth)
}

// inline is a resource within a Bundle or Parameters.
func (r *randomizer) inline(path string, depth int) written {
	hosts, unsaid, inner := r.hosts, r.unsaid, r.inner
	r.hosts, r.unsaid, r.inner = nil, map[int]bool{}, inner+1
	typ := pick(r, []string{"Patient", "Basic", "Binary", "Questionnaire", "OperationOutcome", "Parameters"})
	w := r.resource(typ, path, depth)
	r.hosts, r.unsaid, r.inner = hosts, unsaid, inner
	return written{w.json, "", xmlElement(typ, typ, w)}
}

// contained is a resource that the outermost one contains, which refers to it.
func (r *randomizer) contained(path string, depth int) written {
	r.inner++
	defer func() { r.inner-- }()
	typ := pick(r, []string{"Patient", "Organization", "Medication", "Practitioner", "ValueSet"})
	id := "c" + strconv.Itoa(len(r.hosts))
	r.unsaid[len(r.hosts)] = true
	r.hosts = append(r.hosts, typ)
	rows := slices.DeleteFunc(slices.Clone(allRows(typ, "")), func(row elementRow) bool { return row.Path == "Resource.id" })
	w := r.object(typ, rows, path, depth)
	w.json = strings.TrimSuffix(`{"resourceType":`+quote(typ)+`,"id":`+quote(id)+","+w.json[1:], ",}")
	if !strings.HasSuffix(w.json, "}") {
		w.json += "}"
	}
	w.children = `<id value="` + id + `"/>` + w.children
	return written{w.json, "", xmlElement(typ, typ, w)}
}

// reference is one of any form to a type that it may point to.
func (r *randomizer) reference(row elementRow, depth int) written {
	for _, own := range childRows()["Reference"] {
		r.used[own.Path+":"+own.Types[0]] = true
	}
	typ := "Patient"
	if len(row.Targets) > 0 && !slices.Contains(row.Targets, "Resource") {
		typ = pick(r, row.Targets)
	}
	text := pick(r, []string{typ + "/1", typ + "/a.b-C/_history/2", "http://x.example/a/r3/" + typ + "/1", "https://x.example/" + typ + "/1/_history/7",
		"urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "urn:oid:1.2.3", "https://x.example/people?id=1&x=%7C#top"})
	for i, host := range r.hosts {
		if r.unsaid[i] && r.inner == 0 && (host == typ || len(row.Targets) == 0 || slices.Contains(row.Targets, "Resource")) {
			text = "#c" + strconv.Itoa(i)
			delete(r.unsaid, i)
			break
		}
	}
	w := written{`{"reference":` + quote(text), "", `<reference value="` + escape(text) + `"/>`}
	if r.chance(0.3) {
		w.json += `,"identifier":{"value":"1"},"display":"she"`
		w.children += `<identifier><value value="1"/></identifier><display value="she"/>`
	}
	w.json += "}"
	return w
}

// primitives are the values of an element, with ids and extensions here and there.
func (r *randomizer) primitives(row elementRow, name, typ, path string, depth int) (members []string, children string) {
	n := 1
	if row.Many {
		n += r.IntN(3)
	}
	var values, siblings []string
	var hasValue, hasSibling bool
	for i := range n {
		at := path
		if row.Many {
			at += "[" + strconv.Itoa(i) + "]"
		}
		value, sibling, w := "null", "null", written{}
		if !r.chance(0.1) || r.budget <= 0 {
			text := r.value(row, typ)
			value, hasValue = jsonValue(typ, text), true
			w.attrs = ` value="` + escape(text) + `"`
			if r.spoil == "kind" && r.spoiled(at) {
				value = pick(r, []string{`{"id":"x"}`, otherKind(typ)})
			}
		}
		if value == "null" || r.budget > 0 && r.chance(0.1) {
			s := r.object("", allRows("Element", ""), at, depth+1)
			if s.json == "{}" {
				s = written{`{"id":"x"}`, ` id="x"`, ""}
			}
			sibling, hasSibling = s.json, true
			w.attrs, w.children = s.attrs+w.attrs, s.children
		}
		values, siblings = append(values, value), append(siblings, sibling)
		children += xmlElement(name, name, w) + "\n"
	}
	join := func(items []string) string {
		if row.Many {
			return "[" + strings.Join(items, ",") + "]"
		}
		return items[0]
	}
	if hasValue {
		members = append(members, quote(name)+":"+join(values))
	}
	if hasSibling {
		members = append(members, quote("_"+name)+":"+join(siblings))
	}
	return members, children
}

func otherKind(typ string) string {
	if typ == "boolean" {
		return `"true"`
	}
	return "true"
}

// value is the text of a primitive.
func (r *randomizer) value(row elementRow, typ string) string {
	if set := codes(row.ValueSet); len(set) > 0 && typ == "code" {
		return pick(r, set).Code
	}
	switch row.Path {
	case "Bundle.type":
		return "collection"
	case "Period.start":
		return pick(r, []string{"2001", "2001-02", "2001-02-28", "2001-02-28T23:59:60.123456789Z"})
	case "Period.end":
		return pick(r, []string{"2002", "2002-02", "2002-02-28", "2002-02-28T23:59:60+14:00"})
	case "Resource.id":
		return pick(r, []string{"1", "A-b.9", strings.Repeat("x", 64)})
	}
	return pick(r, samples[typ])
}

func jsonValue(typ, text string) string {
	switch typ {
	case "boolean", "decimal", "integer", "positiveInt", "unsignedInt":
		return text
	}
	return quote(text)
}

// samples are valid values of each type, odd ones among them.
var samples = map[string][]string{
	"base64Binary": {"AA==", "QUJD", "QUJD\n QUI=", strings.Repeat("QUJD", 30)},
	"boolean":      {"true", "false"},
	"code":         {"x", "a b", "ä-ö", "text/plain;charset=utf-8"},
	"date":         {"2017", "2017-02", "2016-02-29", "1900-12-31", "9999-12-31"},
	"dateTime":     {"2017", "2017-02", "2016-02-29", "2017-02-03T04:05:06Z", "2016-12-31T23:59:60Z", "2017-02-03T04:05:06.123456789+14:00", "2017-02-03T00:00:00-13:59"},
	"instant":      {"2017-02-03T04:05:06Z", "2017-02-03T04:05:06.1-11:30", "2016-12-31T23:59:60.000Z"},
	"time":         {"00:00:00", "23:59:59.9999"},
	"decimal":      {"0", "-0", "1.00", "-0.10", "12345678901234567890.12345678901234567890", "0.000000000000000001"},
	"integer":      {"0", "-0", "-2147483648", "2147483647"},
	"positiveInt":  {"1", "2147483647"},
	"unsignedInt":  {"0", "2147483647"},
	"id":           {"1", "A-b.9", strings.Repeat("x", 64)},
	"oid":          {"urn:oid:1.2.3", "urn:oid:2.16.840.1.113883"},
	"uuid":         {"urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"},
	"uri":          {"http://example.org/a?b=c&d=%20#e", "urn:oid:1.2", "#frag", "ftp://x/ä", "relative/path", "mailto:a@b.c"},
	"string":       {"a", " a ", "a\tb\nc", "\"<&>'", "\u00e9\U0001F600\u2028", "]]>", "\\u0041", "e\u0301", strings.Repeat("long ", 20)},
	"markdown":     {"# a\n\n* b\n", "&lt;", "a\u00a0b"},
}

// narratives in JSON, and in XML where the text may be another for the same.
var narratives = [][2]string{
	{`<div xmlns="http://www.w3.org/1999/xhtml">a</div>`, `<div xmlns="http://www.w3.org/1999/xhtml">a</div>`},
	{`<div xmlns="http://www.w3.org/1999/xhtml" xml:lang="de" lang="de"><p title="&quot;">a &amp; &lt;b&gt;</p><br/></div>`,
		`<x:div xmlns:x="http://www.w3.org/1999/xhtml" lang='de' xml:lang='de'><x:p title='"'>a &amp; &lt;b></x:p><x:br></x:br></x:div>`},
	{`<div xmlns="http://www.w3.org/1999/xhtml"><table><tr><td colspan="2">` + "\u00a0" + `x</td></tr></table><a name="x" href="#y">z</a><img src="#i" alt="a"/></div>`,
		`<div xmlns="http://www.w3.org/1999/xhtml"><table><tr><td colspan="2">&#160;<![CDATA[x]]></td></tr></table><a href="#y" name="x">z</a><img alt="a" src="#i" /></div>`},
}

// codes are those of a value set that data may have.
var codesOf sync.Map

func codes(url string) []codeRow {
	if url == "" {
		return nil
	}
	if set, ok := codesOf.Load(url); ok {
		return set.([]codeRow)
	}
	set := slices.DeleteFunc(slices.Clone(codeRows(url)), func(c codeRow) bool { return c.Abstract })
	codesOf.Store(url, set)
	return set
}

// quote writes a JSON string, some characters as escapes.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(c))
		case c < ' ' || c == '<' || c == 0x2028:
			fmt.Fprintf(&b, `\u%04x`, c)
		case c == 0x1F600:
			b.WriteString(`\ud83d\ude00`)
		default:
			b.WriteRune(c)
		}
	}
	return b.String() + `"`
}

// escape writes the value of an XML attribute.
func escape(s string) string {
	return escaper.Replace(s)
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;", "\t", "&#9;", "\n", "&#xA;", "\r", "&#13;", "\u00e9", "&#233;")
