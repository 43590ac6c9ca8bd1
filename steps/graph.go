package steps

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"example.org/ccde/mockehr/fhir"
)

// graph is a set of resources and what they refer to. Two graphs are alike if
// there is one mapping between their resources under which contents and
// references are the same throughout (protocol 1.5).
type graph struct {
	base  string
	nodes map[string]*vertex // by Type/id
	order []string
	// open is a type whose resources may be there or not; where references to them lead is not compared.
	open string
}

type vertex struct {
	resource *fhir.Object
	content  string   // canonical, without id, meta, narrative links, references
	refs     []string // the references, in order of place
	colour   [32]byte
}

func newGraph(base string) *graph { return &graph{base: base, nodes: map[string]*vertex{}} }

// add puts a resource into the graph; one that is there already is replaced.
func (g *graph) add(o *fhir.Object) {
	key := o.Type() + "/" + o.ID()
	if g.nodes[key] == nil {
		g.order = append(g.order, key)
	}
	g.nodes[key] = &vertex{resource: o}
}

// drop takes resources out of the graph.
func (g *graph) drop(which func(key string) bool) {
	g.order = slices.DeleteFunc(g.order, func(key string) bool {
		if !which(key) {
			return false
		}
		delete(g.nodes, key)
		return true
	})
}

var narrativeLink = regexp.MustCompile(`\s(href|src)="[^"]*"`)

// prepare takes out of every resource what is not compared, and its references.
// A reference to nothing in the graph stays as a text: absolute, or as it is
// where same holds it.
func (g *graph) prepare(externalBase string, uncopied map[string]bool) {
	for _, v := range g.nodes {
		c := inOrder(v.resource)
		v.refs = nil
		fhir.EachReference(c, func(r fhir.Reference) {
			v.refs = append(v.refs, r.Value)
			r.Set("reference")
		})
		for i, ref := range v.refs {
			v.refs[i] = g.target(ref, externalBase, uncopied)
		}
		c.Delete("id")
		c.Delete("meta")
		if div := c.Text("text", "div"); div != "" {
			c.Child("text").Set("div", narrativeLink.ReplaceAllString(div, ` $1=""`))
		}
		v.content = canonical(c)
		v.colour = sha256.Sum256([]byte(v.content))
	}
}

// inOrder is a copy whose members stand in the order of their names: a system
// may write them in any order, and references are compared by their places.
func inOrder(o *fhir.Object) *fhir.Object {
	members := slices.Clone(o.Members())
	slices.SortFunc(members, func(x, y fhir.Member) int { return strings.Compare(x.Name, y.Name) })
	for i := range members {
		switch v := members[i].Value.(type) {
		case *fhir.Object:
			members[i].Value = inOrder(v)
		case []any:
			list := slices.Clone(v)
			for j := range list {
				if one, ok := list[j].(*fhir.Object); ok {
					list[j] = inOrder(one)
				}
			}
			members[i].Value = list
		}
	}
	return fhir.NewObject(members...)
}

// target is the key of the resource that a reference leads to, or "!" and its
// absolute URL where it leads out of the graph.
func (g *graph) target(ref, externalBase string, uncopied map[string]bool) string {
	base, typ, id, _, ok := fhir.SplitReference(ref)
	if !ok {
		return "!" + ref
	}
	if typ == g.open {
		return "?" + typ
	}
	key := typ + "/" + id
	if (base == "" || base == g.base) && g.nodes[key] != nil && !uncopied[ref] {
		return key
	}
	if base == "" {
		base = externalBase
	}
	return "!" + base + "/" + key
}

// cutOff takes out of the copies those of other connections' resources; where a
// reference led there, it has the original's URL.
func (g *graph) cutOff(given *graph, others []*graph) {
	own := map[string]bool{}
	for _, v := range given.nodes {
		own[v.content] = true
	}
	foreign := map[string]string{} // by content: its URL at the source
	for _, o := range others {
		o.prepare(o.base, nil)
		for key, v := range o.nodes {
			if given.nodes[key] == nil && !own[v.content] {
				foreign[v.content] = "!" + o.base + "/" + key
			}
		}
	}
	if len(foreign) == 0 {
		return
	}
	for _, v := range g.nodes {
		for i, ref := range v.refs {
			if to := g.nodes[ref]; to != nil && foreign[to.content] != "" {
				v.refs[i] = foreign[to.content]
			}
		}
	}
	g.drop(func(key string) bool { return foreign[g.nodes[key].content] != "" })
}

// refine lets each resource's colour tell of those that it refers to, some
// steps deep; then equal colours are equal neighbourhoods.
func (g *graph) refine(rounds int) {
	for range rounds {
		next := map[string][32]byte{}
		for key, v := range g.nodes {
			var b strings.Builder
			b.Write(v.colour[:])
			for _, ref := range v.refs {
				if to := g.nodes[ref]; to != nil {
					b.Write(to.colour[:])
				} else {
					b.WriteString(ref)
				}
				b.WriteByte(0)
			}
			next[key] = sha256.Sum256([]byte(b.String()))
		}
		for key, c := range next {
			g.nodes[key].colour = c
		}
	}
}

// unmatched are the resources of g for which other has none of the same colour
// left, and the other way round.
func (g *graph) unmatched(other *graph) (missing, extra []string) {
	free := map[[32]byte]int{}
	for _, v := range other.nodes {
		free[v.colour]++
	}
	for _, key := range g.order {
		if c := g.nodes[key].colour; free[c] > 0 {
			free[c]--
		} else {
			missing = append(missing, key)
		}
	}
	for _, key := range other.order {
		if c := other.nodes[key].colour; free[c] > 0 {
			free[c]--
			extra = append(extra, key)
		}
	}
	return missing, extra
}

// difference is what a comparison found; the zero value is none.
type difference struct {
	expected, found string
	// altered is the resource whose copy is there, and not as it was given; "" if it is something else.
	altered string
}

// compare says where a copy differs from what was given. others are what the
// same source gave for other connections of the target: a reference to one of
// those may lead to its copy, or stay absolute.
func compare(given, copied *graph, once bool, others ...*graph) difference {
	if given.open != "" {
		copied.open = given.open
		given.drop(func(key string) bool { return strings.HasPrefix(key, given.open+"/") })
		copied.drop(func(key string) bool { return strings.HasPrefix(key, given.open+"/") })
	}
	uncopied := map[string]bool{}
	given.prepare(given.base, nil)
	for _, v := range given.nodes {
		fhir.EachReference(v.resource, func(r fhir.Reference) {
			if _, typ, id, _, ok := fhir.SplitReference(r.Value); ok && given.nodes[typ+"/"+id] == nil {
				uncopied[r.Value] = true // it may stay as it is
			}
		})
	}
	copied.prepare(given.base, uncopied)
	copied.cutOff(given, others)
	missing, extra := given.unmatched(copied)
	if len(missing) > 0 {
		return explain(given, copied, missing[0], extra, len(missing))
	}
	if once && len(extra) > 0 {
		return difference{expected: "each resource once", found: fmt.Sprintf("%d more than were given, such as %s", len(extra), extra[0])}
	}
	// Contents agree: now the references, as one mapping of all.
	if !once {
		copied.drop(func(key string) bool { return slices.Contains(extra, key) })
	}
	given.refine(8)
	copied.refine(8)
	if missing, extra := given.unmatched(copied); len(missing) > 0 {
		return explainReference(given, copied, missing, extra)
	}
	return difference{}
}

// explain finds the copy that a missing resource was probably meant to be, and
// the first place where they differ.
func explain(given, copied *graph, key string, extra []string, count int) difference {
	typ, _, _ := strings.Cut(key, "/")
	want := given.nodes[key]
	best, fewest := "", []string(nil)
	for _, candidate := range extra {
		if !strings.HasPrefix(candidate, typ+"/") {
			continue
		}
		diff := differences(want.resource, copied.nodes[candidate].resource, typ)
		if best == "" || len(diff) < len(fewest) {
			best, fewest = candidate, diff
		}
	}
	expected := key + " as the source gave it, but for id, meta and references"
	if count > 1 {
		expected += fmt.Sprintf(" (and %d more)", count-1)
	}
	if best == "" {
		return difference{expected: expected, found: fmt.Sprintf("no %s that could be its copy; %d others are held", typ, len(copied.nodes))}
	}
	altered := ""
	if len(fewest) <= 2 {
		altered = key // else it may be the copy of another one
	}
	if len(fewest) > 4 {
		fewest = append(fewest[:4], fmt.Sprintf("and %d more", len(fewest)-4))
	}
	return difference{expected, "what comes nearest is " + best + ", which differs: " + strings.Join(fewest, "; "), altered}
}

// explainReference names a reference that leads elsewhere than in the original.
func explainReference(given, copied *graph, missing, extra []string) difference {
	for _, key := range missing {
		v := given.nodes[key]
		for _, candidate := range extra {
			c := copied.nodes[candidate]
			if c.content != v.content {
				continue
			}
			for i, ref := range v.refs {
				if i >= len(c.refs) {
					break
				}
				outside := strings.HasPrefix(ref, "!")
				if outside != strings.HasPrefix(c.refs[i], "!") || outside && ref != c.refs[i] {
					d := difference{expected: fmt.Sprintf("%s: its reference to %s leads to the copy of that, or out as it did", key, strings.TrimPrefix(ref, "!")),
						found: fmt.Sprintf("in %s it leads to %s", candidate, strings.TrimPrefix(c.refs[i], "!"))}
					if !outside {
						d.altered = key // it was not rewritten
					}
					return d
				}
			}
		}
	}
	return difference{expected: fmt.Sprintf("references between copies that lead as those between the originals: %s", missing[0]),
		found: "references that lead to copies of something else"}
}

// canonical writes a value so that equal values are equal texts, in whatever
// order members stand. Numbers stay as they are written.
func canonical(v any) string {
	var b strings.Builder
	write(&b, v)
	return b.String()
}

func write(b *strings.Builder, v any) {
	switch v := v.(type) {
	case *fhir.Object:
		members := slices.Clone(v.Members())
		slices.SortFunc(members, func(x, y fhir.Member) int { return strings.Compare(x.Name, y.Name) })
		b.WriteByte('{')
		for _, m := range members {
			fmt.Fprintf(b, "%q:", m.Name)
			write(b, m.Value)
			b.WriteByte(',')
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for _, item := range v {
			write(b, item)
			b.WriteByte(',')
		}
		b.WriteByte(']')
	case string:
		fmt.Fprintf(b, "%q", v)
	default:
		fmt.Fprint(b, v)
	}
}

// differences lists the places at which two values differ, as FHIR paths.
func differences(want, got any, at string) []string {
	w, wok := want.(*fhir.Object)
	g, gok := got.(*fhir.Object)
	if wok && gok {
		var out []string
		names := map[string]bool{}
		for _, m := range w.Members() {
			names[m.Name] = true
			if skipped(m.Name, at) {
				continue
			}
			out = append(out, differences(m.Value, g.Get(m.Name), at+"."+m.Name)...)
		}
		for _, m := range g.Members() {
			if !names[m.Name] && !skipped(m.Name, at) {
				out = append(out, fmt.Sprintf("%s is new: %s", at+"."+m.Name, short(m.Value)))
			}
		}
		return out
	}
	wl, wok := want.([]any)
	gl, gok := got.([]any)
	if wok && gok && len(wl) == len(gl) {
		var out []string
		for i := range wl {
			out = append(out, differences(wl[i], gl[i], fmt.Sprintf("%s[%d]", at, i))...)
		}
		return out
	}
	if canonical(want) == canonical(got) {
		return nil
	}
	return []string{fmt.Sprintf("%s is %s, was %s", at, short(got), short(want))}
}

// skipped are members that are not compared: a resource's own id and meta, and
// references, whose texts are a target's own.
func skipped(name, at string) bool {
	return !strings.Contains(at, ".") && (name == "id" || name == "meta") || name == "reference" || name == "div"
}

func short(v any) string {
	if v == nil {
		return "missing"
	}
	text := []rune(canonical(v))
	if len(text) > 80 {
		text = append(text[:80], []rune("...")...)
	}
	return string(text)
}
