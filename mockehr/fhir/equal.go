package fhir

// Equal tells whether two objects say the same: the order of members aside,
// that of items not; numbers by their text; narratives as canonical XML; and
// nulls at the end of an array, which say nothing, aside.
func Equal(a, b *Object) bool {
	if a.Len() != b.Len() {
		return false
	}
	for _, m := range a.Members() {
		if !b.Has(m.Name) || !equalValue(m.Name, m.Value, b.Get(m.Name)) {
			return false
		}
	}
	return true
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
