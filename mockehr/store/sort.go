package store

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"example.org/ccde/mockehr/fhir"
)

// sortKey is one of the parameters that _sort names. Resources without a value
// come last, whichever the direction.
type sortKey struct {
	name  string // "_id", "_lastUpdated", or that of param
	param indexedParam
	down  bool
}

// sortTables are where the values are that one can sort by, by parameter type;
// those of others are kept as hashes alone, which have no order.
var sortTables = map[string]struct{ table, column string }{
	"date": {"dat", "low"}, "string": {"str", "text"}, "uri": {"str", "text"}, "number": {"num", "low"}, "quantity": {"num", "low"},
}

func (s *Search) parseSort(texts []string, strict bool) (known bool, err error) {
	for name := range strings.SplitSeq(strings.Join(texts, ","), ",") {
		k := sortKey{}
		k.name, k.down = strings.CutPrefix(name, "-")
		i := slices.IndexFunc(indexedParams(s.typ), func(p indexedParam) bool { return p.Code == k.name })
		switch {
		case k.name == "_id", k.name == "_lastUpdated":
		case i >= 0 && sortTables[indexedParams(s.typ)[i].Type].table != "":
			k.param = indexedParams(s.typ)[i]
		case strict:
			return false, badSearch("_sort", "can't sort %s by %q; take _id, _lastUpdated, or a parameter of type date, string, uri, number or quantity", s.typ, shorten(name))
		default:
			continue // ignored, as an unknown parameter is
		}
		s.sort = append(s.sort, k)
	}
	if len(s.sort) > maxSort {
		return false, badSearch("_sort", "names %d parameters; at most %d are taken", len(s.sort), maxSort)
	}
	return len(s.sort) > 0, nil
}

// sorted is a match with its sort values: int64, float64 or string.
type sorted struct {
	row  int64
	keys []any
}

// expression is the SQL of the sort value of the resource in the row column.
func (k sortKey) expression(row string) (string, []any) {
	switch k.name {
	case "_id":
		return "(SELECT s.fid FROM res s WHERE s.id=" + row + ")", nil
	case "_lastUpdated":
		return "(SELECT s.updated FROM res s WHERE s.id=" + row + ")", nil
	}
	at := sortTables[k.param.Type]
	pick := "min"
	if k.down {
		pick = "max"
	}
	return "coalesce((SELECT " + pick + "(s." + at.column + ") FROM " + at.table + " s WHERE s.res=" + row + " AND s.param=?),?)",
		[]any{k.param.number, k.none()}
}

// none is the sort value of a resource that has no value.
func (k sortKey) none() any {
	switch {
	case k.text() && k.down:
		return ""
	case k.text():
		return highest
	case k.integer() && k.down:
		return int64(math.MinInt64)
	case k.integer():
		return int64(math.MaxInt64)
	case k.down:
		return math.Inf(-1)
	}
	return math.Inf(1)
}

func (k sortKey) text() bool {
	return k.name == "_id" || sortTables[k.param.Type].column == "text"
}

func (k sortKey) integer() bool { return k.name == "_lastUpdated" || k.param.Type == "date" }

// of is the sort value of a version as the index would have it.
func (k sortKey) of(v Version, r *fhir.Object) any {
	switch k.name {
	case "_id":
		return v.ID
	case "_lastUpdated":
		return v.LastUpdated.UnixMilli()
	}
	var best any
	for _, value := range k.param.Extract(r) {
		var key any
		switch k.param.Type {
		case "date":
			key, _ = millis(value.Start, value.End)
		case "string":
			key = cut(fold(value.Text))
		case "uri":
			key = cut(value.Text)
		default:
			key = value.Low
		}
		if best == nil || (compareKeys(key, best) < 0) != k.down {
			best = key
		}
	}
	if best == nil {
		return k.none()
	}
	return best
}

// encode and decode turn a sort value into text for a cursor, and back.
func (k sortKey) encode(key any) string {
	switch key := key.(type) {
	case int64:
		return strconv.FormatInt(key, 10)
	case float64:
		return strconv.FormatFloat(key, 'g', -1, 64)
	}
	return key.(string)
}

func (k sortKey) decode(text string) (any, error) {
	switch {
	case k.text():
		return text, nil
	case k.integer():
		return strconv.ParseInt(text, 10, 64)
	}
	return strconv.ParseFloat(text, 64)
}

func compareKeys(a, b any) int {
	switch a := a.(type) {
	case int64:
		b, _ := b.(int64)
		return cmp.Compare(a, b)
	case float64:
		b, _ := b.(float64)
		return cmp.Compare(a, b)
	}
	x, _ := a.(string)
	y, _ := b.(string)
	return strings.Compare(x, y)
}

// compare orders two matches; their rows decide between equals.
func (s Search) compare(a, b sorted) int {
	for i, k := range s.sort {
		if c := compareKeys(a.keys[i], b.keys[i]); c != 0 {
			if k.down {
				return -c
			}
			return c
		}
	}
	return cmp.Compare(a.row, b.row)
}

// after is the SQL for what follows a match, in columns k0, k1, .. and id.
func (s Search) after(last sorted) (string, []any) {
	clause, args := "id>?", []any{last.row}
	for i := len(s.sort) - 1; i >= 0; i-- {
		column := "k" + strconv.Itoa(i)
		beyond := ">?"
		if s.sort[i].down {
			beyond = "<?"
		}
		clause = "(" + column + beyond + " OR " + column + "=? AND " + clause + ")"
		args = append([]any{last.keys[i], last.keys[i]}, args...)
	}
	return clause, args
}
