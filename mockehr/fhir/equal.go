package fhir

// Equal tells whether two objects say the same: the order of members aside,
// that of items not; numbers by their text; narratives as canonical XML; and
// nulls at the end of an array, which say nothing, aside.
func Equal(a, b *Object) bool {
	find := finder(b)
	said := 0
	for i, m := range a.Members() {
		if saysNothing(m.Value) {
			continue
		}
		j := i // mostly the order is the same
		if j >= b.Len() || b.members[j].Name != m.Name {
			j = find(m.Name)
		}
		if j < 0 || !equalValue(m.Name, m.Value, b.members[j].Value) {
			return false
		}
		said++
	}
	for _, m := range b.Members() {
		if !saysNothing(m.Value) {
			said--
		}
	}
	return said == 0
}

// saysNothing is true of an array of nulls, or of nothing.
func saysNothing(v any) bool {
	list, ok := v.([]any)
	return ok && len(trimNulls(list)) == 0
}

// finder returns o.index, for a large object one that is quick.
func finder(o *Object) func(name string) int {
	if o.Len() <= 64 {
		return o.index
	}
	places := make(map[string]int, len(o.members))
	for i, m := range o.members {
		places[m.Name] = i
	}
	return func(name string) int {
		if i, ok := places[name]; ok {
			return i
		}
		return -1
	}
}

func equalValue(name string, a, b any) bool {
	switch a := a.(type) {
	case *Object:
		b, ok := b.(*Object)
		return ok && Equal(a, b)
	case []any:
		b, ok := b.([]any)
		if !ok {
			return false
		}
		a, b = trimNulls(a), trimNulls(b)
		if len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equalValue(name, a[i], b[i]) {
				return false
			}
		}
		return true
	case string:
		b, ok := b.(string)
		return ok && (a == b || name == "div" && equalDiv(a, b))
	}
	return a == b
}

func trimNulls(list []any) []any {
	for len(list) > 0 && list[len(list)-1] == nil {
		list = list[:len(list)-1]
	}
	return list
}

func equalDiv(a, b string) bool {
	x, err := canonicalDiv(a)
	if err != nil {
		return false
	}
	y, err := canonicalDiv(b)
	return err == nil && string(x) == string(y)
}
