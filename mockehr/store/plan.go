package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// plan is a search on its way: what must hold, and which condition drives.
type plan struct {
	Search
	c          *conn
	ctx        context.Context
	conditions []condition // of which the first one is the type's
	driver     int
	top, seq   int64 // see cursor
}

func (p *plan) addConditions(s *Store, scope Scope) {
	typ := typeNumbers()[p.typ]
	p.conditions = append(p.conditions, condition{table: "res", key: "id", index: "res_type", ordered: true,
		where: "$.type=? AND $.deleted=0", args: []any{typ}})
	for _, f := range p.filters {
		p.conditions = append(p.conditions, f.condition(p.typ, s.base, s.clock.Now()))
	}
	if scope.Patient != "" {
		p.conditions = append(p.conditions, condition{table: "cmp", key: "res", ordered: true,
			where: "$.patient=? AND $.type=?", args: []any{hash("Patient/" + scope.Patient), typ}})
	}
	if scope.Owner != "" {
		p.conditions = append(p.conditions, condition{table: "res", key: "id", heavy: true,
			where: "$.owner=?", args: []any{scope.Owner}})
	}
}

// drive takes a condition as the driver; a cursor could name any number.
func (p *plan) drive(i int) {
	if i > 0 && i < len(p.conditions) && p.conditions[i].canDrive() {
		p.driver = i
	}
}

func (c condition) canDrive() bool { return !c.negate && !c.heavy }

// first chooses the driver, and notes where the search's world ends.
func (p *plan) first(scope Scope) (at cursor, err error) {
	if err := p.choose(); err != nil {
		return at, err
	}
	at = cursor{Query: p.identity(scope), Driver: p.driver}
	if at.Top, err = p.c.number(context.Background(), "SELECT max(id) FROM res"); err != nil {
		return at, err
	}
	at.Seq, err = p.c.number(context.Background(), "SELECT max(id) FROM ver")
	return at, err
}

// How many rows the search for a driver counts at most, from round to round, and
// how many it may have out of order: these are sorted for each page.
var countedRows = []int64{500, 4000, 32_000}

const sortedRows = 4000

// choose takes as the driver the condition with the fewest rows. SQLite can't
// know: it would need statistics that are made again after each load. Where all
// have many, one that is in the order of the matches will do, since then a page is
// read and not the whole.
func (p *plan) choose() error {
	var candidates []int
	for i := range p.conditions {
		c := &p.conditions[i]
		if i == 0 || !c.canDrive() {
			continue
		}
		if c.table == "ref" && !c.ordered {
			if err := p.dropUnused(c); err != nil {
				return err
			}
		}
		candidates = append(candidates, i)
		if c.ordered && p.driver == 0 {
			p.driver = i
		}
	}
	if len(candidates) == 1 && p.driver != 0 {
		return nil
	}
	for _, most := range countedRows {
		fewest := most
		for _, i := range candidates {
			c := p.conditions[i]
			if !c.ordered && most > sortedRows {
				continue
			}
			rows, err := p.c.number(p.ctx, "SELECT count(*) FROM (SELECT 1 FROM "+c.from("t")+" WHERE "+c.sql("t")+" LIMIT ?)", append(slices.Clip(c.args), most)...)
			if err != nil {
				return err
			}
			if rows < fewest {
				p.driver, fewest = i, rows
			}
		}
		if fewest < most {
			return nil
		}
	}
	return nil
}

// dropUnused takes the references out of a condition that nothing has: an id
// stands for one of several types, and mostly is of one.
func (p *plan) dropUnused(c *condition) error {
	const most = 8
	targets := c.args[1:]
	if len(targets) == 0 || len(targets) > most { // none: :missing
		return nil
	}
	var used []any
	for _, target := range targets {
		n, err := p.c.number(context.Background(), "SELECT count(*) FROM (SELECT 1 FROM ref WHERE param=? AND target=? LIMIT 1)", c.args[0], target)
		if err != nil {
			return err
		}
		if n > 0 {
			used = append(used, target)
		}
	}
	if len(used) == 0 {
		used = targets[:1]
	}
	c.where, c.args = "$.param=? AND "+in("$.target", len(used)), append([]any{c.args[0]}, used...)
	c.ordered = len(used) == 1
	return nil
}

func (c condition) from(alias string) string {
	if c.index == "" {
		return c.table + " " + alias
	}
	return c.table + " " + alias + " INDEXED BY " + c.index
}

// matching is the SQL from FROM on that finds the resources; t is what drives.
func (p *plan) matching(extra ...condition) (text string, args []any) {
	d := p.conditions[p.driver]
	var b strings.Builder
	fmt.Fprintf(&b, "FROM %s WHERE %s", d.from("t"), d.sql("t"))
	args = slices.Clone(d.args)
	for i, c := range append(slices.Clip(p.conditions), extra...) {
		// Rows of the index are of the type that their parameter has.
		if i == p.driver || i == 0 {
			continue
		}
		b.WriteString(" AND ")
		if c.negate {
			b.WriteString("NOT ")
		}
		fmt.Fprintf(&b, "EXISTS (SELECT 1 FROM %s u WHERE u.%s=t.%s AND %s)", c.table, c.key, d.key, c.sql("u"))
		args = append(args, c.args...)
	}
	return b.String(), args
}

// row is the column of the driver that holds the resource.
func (p *plan) row() string { return "t." + p.conditions[p.driver].key }

func (p *plan) count() (int, error) {
	matching, args := p.matching()
	n, err := p.c.number(p.ctx, "SELECT count(DISTINCT "+p.row()+") "+matching, args...)
	return int(n), err
}
