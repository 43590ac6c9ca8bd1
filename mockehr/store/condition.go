package store

import (
	"math"
	"slices"
	"strings"
	"time"

	"example.org/ccde/mockehr/fhir"
)

// condition is what a filter asks of the rows of one table, in SQL. It can drive
// a search, which then reads its matches from the table's index, or be checked
// for each match of another one.
type condition struct {
	table   string
	key     string // the column that holds the resource's row
	index   string // for driving; "": the primary key
	where   string // $ stands for the table's alias
	args    []any
	negate  bool // holds if there is no such row
	ordered bool // the index gives the matches in the order of their rows
	heavy   bool // never worth driving: looks at each row
}

func (c condition) sql(alias string) string {
	return strings.ReplaceAll(c.where, "$", alias)
}

// anyOf joins what is asked of single values.
func anyOf(clauses []string) string {
	if len(clauses) == 1 {
		return clauses[0]
	}
	return "(" + strings.Join(clauses, " OR ") + ")"
}

// in is "column IN (?, ..)", or an equation for a single value.
func in(column string, n int) string {
	if n == 1 {
		return column + "=?"
	}
	return column + " IN (?" + strings.Repeat(",?", n-1) + ")"
}

// condition turns the filter of a search of typ into SQL; now is what an
// approximate date is close to.
func (f filter) condition(typ, base string, now time.Time) condition {
	switch f.column {
	case "_id":
		return f.byID(typ)
	case "_lastUpdated":
		return f.byUpdated(typ, now)
	}
	var c condition
	switch f.param.Type {
	case "token":
		c = condition{table: "tok"}
	case "reference":
		c = condition{table: "ref"}
	case "date":
		c = condition{table: "dat"}
	case "string", "uri":
		c = condition{table: "str"}
	default:
		c = condition{table: "num"}
	}
	c.key, c.index, c.negate = "res", c.table+"_value", f.negate
	c.where, c.args = "$.param=?", []any{f.param.number}
	if f.missing {
		return c
	}
	switch f.param.Type {
	case "token":
		f.token(&c)
	case "reference":
		f.reference(&c, base)
	default:
		var clauses []string
		for _, v := range f.values {
			clause, args := v.clause(f.param.Type, now)
			clauses, c.args = append(clauses, clause), append(c.args, args...)
		}
		c.where += " AND " + anyOf(clauses)
		c.heavy = slices.ContainsFunc(f.values, func(v value) bool { return v.modifier == "contains" })
	}
	return c
}

func (f filter) byID(typ string) condition {
	c := condition{table: "res", key: "id", index: "res_fid", args: []any{typeNumbers()[typ]},
		where: "$.type=? AND $.deleted=0 AND " + in("$.fid", len(f.values))}
	for _, v := range f.values {
		c.args = append(c.args, v.code)
	}
	return c
}

func (f filter) byUpdated(typ string, now time.Time) condition {
	c := condition{table: "res", key: "id", index: "res_updated", args: []any{typeNumbers()[typ]}}
	var clauses []string
	for _, v := range f.values {
		clause, args := v.dateClause("$.updated", "($.updated+1)", now)
		clauses, c.args = append(clauses, clause), append(c.args, args...)
	}
	c.where = "$.type=? AND $.deleted=0 AND " + anyOf(clauses)
	return c
}

func (f filter) token(c *condition) {
	var codes []any
	for _, v := range f.values {
		if v.hasCode {
			codes = append(codes, hash(v.code))
		}
	}
	// So that the index is entered by codes, which an OR would prevent.
	if len(codes) == len(f.values) {
		c.where += " AND " + in("$.code", len(codes))
		c.args = append(c.args, codes...)
		c.ordered = len(codes) == 1
		if !slices.ContainsFunc(f.values, func(v value) bool { return v.hasSystem }) {
			return
		}
	}
	var clauses []string
	for _, v := range f.values {
		var clause []string
		if v.hasCode {
			clause = append(clause, "$.code=?")
			c.args = append(c.args, hash(v.code))
		}
		switch {
		case !v.hasSystem:
		case v.system == "":
			clause = append(clause, "$.system IN (0,1)") // noSystem, bareSystem
		case impliesSystem(f.param.SearchParam, v.system):
			clause = append(clause, "($.system=? OR $.system=1)")
			c.args = append(c.args, hash(v.system))
		default:
			clause = append(clause, "$.system=?")
			c.args = append(c.args, hash(v.system))
		}
		clauses = append(clauses, strings.Join(clause, " AND "))
	}
	c.where += " AND " + anyOf(clauses)
}

// impliesSystem tells whether a value without system has that one: a code by its
// binding, a boolean by the specification.
func impliesSystem(p fhir.SearchParam, system string) bool {
	return system == "http://hl7.org/fhir/special-values" || slices.Contains(p.CodeSystems(), system)
}

func (f filter) reference(c *condition, base string) {
	var targets []any
	for _, v := range f.values {
		for _, text := range v.references {
			targets = append(targets, referenceHash(text, base))
		}
	}
	c.where += " AND " + in("$.target", len(targets))
	c.args = append(c.args, targets...)
	c.ordered = len(targets) == 1
}

// clause is what one value asks, of a table with columns by the type's kind.
func (v value) clause(typ string, now time.Time) (string, []any) {
	switch typ {
	case "date":
		return v.dateClause("$.low", "$.high", now)
	case "string":
		return v.stringClause()
	case "uri":
		return v.uriClause()
	}
	return v.numberClause()
}

// dateClause compares spans, low up to high, with that of the query as the
// specification has it (FHIR STU3 3.1.1.4.5): gt, for one, is "reaches beyond
// it", ge "reaches beyond or lies within".
func (v value) dateClause(low, high string, now time.Time) (string, []any) {
	switch v.prefix {
	case "ne":
		return "(" + low + "<? OR " + high + ">?)", []any{v.low, v.high}
	case "gt":
		return high + ">?", []any{v.high}
	case "lt":
		return low + "<?", []any{v.low}
	case "ge":
		return "(" + high + ">? OR " + low + ">=?)", []any{v.high, v.low}
	case "le":
		return "(" + low + "<? OR " + high + "<=?)", []any{v.low, v.high}
	case "sa":
		return low + ">=?", []any{v.high}
	case "eb":
		return high + "<=?", []any{v.low}
	case "ap":
		// A tenth of how long ago it is.
		gap := (now.UnixMilli() - v.low) / 10
		gap = max(gap, -gap)
		return "(" + low + "<? AND " + high + ">?)", []any{v.high + gap, v.low - gap}
	}
	return "(" + low + ">=? AND " + low + "<? AND " + high + "<=?)", []any{v.low, v.high, v.high}
}

func (v value) stringClause() (string, []any) {
	text := cut(fold(v.text))
	switch v.modifier {
	case "exact":
		return "($.text=? AND $.hash=?)", []any{text, hash(v.text)}
	case "contains":
		return "instr($.text,?)>0", []any{text}
	}
	return "($.text>=? AND $.text<?)", []any{text, text + highest}
}

// highest follows, in the order of bytes, all that a text can go on with.
const highest = "\U0010FFFF"

func (v value) uriClause() (string, []any) {
	text := cut(v.text)
	switch v.modifier {
	case "below":
		below := strings.TrimSuffix(text, "/") + "/"
		return "($.text=? OR $.text>=? AND $.text<?)", []any{text, below, below + highest}
	case "above":
		clause, args := "$.text IN (?", []any{text}
		for i := strings.LastIndexByte(text, '/'); i > 0 && text[i-1] != '/' && len(args) < 50; i = strings.LastIndexByte(text[:i], '/') {
			clause += ",?,?" // with and without the slash
			args = append(args, text[:i], text[:i+1])
		}
		return clause + ")", args
	}
	return "($.text=? AND $.hash=?)", []any{text, hash(v.text)}
}

func (v value) numberClause() (string, []any) {
	clause, args := v.compareNumber()
	switch {
	case v.hasCode && v.hasSystem:
		clause, args = clause+" AND $.system=? AND $.code=?", append(args, hash(v.system), hash(v.code))
	case v.hasCode:
		clause, args = clause+" AND ($.code=? OR $.unit=?)", append(args, hash(v.code), hash(v.code))
	case v.hasSystem:
		clause, args = clause+" AND $.system=?", append(args, hash(v.system))
	}
	return "(" + clause + ")", args
}

// compareNumber heeds the precision of the query's number for equality alone, as
// the specification has it.
func (v value) compareNumber() (string, []any) {
	switch v.prefix {
	case "ne":
		return "($.low<? OR $.high>=?)", []any{v.number - v.half, v.number + v.half}
	case "gt":
		return "$.high>?", []any{v.number}
	case "lt":
		return "$.low<?", []any{v.number}
	case "ge":
		return "$.high>=?", []any{v.number}
	case "le":
		return "$.low<=?", []any{v.number}
	case "sa":
		return "$.low>?", []any{v.number}
	case "eb":
		return "$.high<?", []any{v.number}
	case "ap":
		gap := math.Abs(v.number) / 10
		return "($.low<=? AND $.high>=?)", []any{v.number + gap, v.number - gap}
	}
	return "($.low>=? AND $.low<? AND $.high<?)", []any{v.number - v.half, v.number + v.half, v.number + v.half}
}
