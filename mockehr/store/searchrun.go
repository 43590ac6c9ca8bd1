package store

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"example.org/ccde/mockehr/fhir"
)

// Search carries out one page of a search within a scope. Its errors are those
// of the store, or a *SearchError for a cursor that doesn't fit.
func (tx *Tx) Search(search Search, scope Scope) (Result, error) {
	result := Result{Self: search.self}
	c, err := tx.indexed()
	if err != nil {
		return result, err
	}
	p := &plan{Search: search, c: c, ctx: tx.ctx}
	p.addConditions(tx.s, scope)
	var at cursor
	var last sorted
	if search.cursor != "" {
		if at, last, err = search.readCursor(scope); err != nil {
			return result, err
		}
		p.drive(at.Driver)
	} else {
		if at, err = p.first(scope); err != nil {
			return result, err
		}
	}
	p.top, p.seq = at.Top, at.Seq
	result.Total = at.Total
	if search.countOnly {
		result.Total, err = p.count()
		return result, err
	}
	matches, err := p.page(tx, last, search.cursor != "")
	if err != nil {
		return result, err
	}
	more := len(matches) > search.count
	if more {
		matches = matches[:search.count]
	}
	if search.cursor == "" {
		at.Total = len(matches)
		if more {
			if at.Total, err = p.count(); err != nil {
				return result, err
			}
		}
		result.Total = at.Total
	}
	for _, m := range matches {
		v, err := tx.one("FROM res r JOIN ver v ON v.id=r.ver WHERE r.id=?", m.row)
		if err != nil {
			return result, err
		}
		result.Matches = append(result.Matches, v)
	}
	if more {
		m := matches[len(matches)-1]
		at.Row, at.Keys = m.row, nil
		for i, k := range search.sort {
			at.Keys = append(at.Keys, k.encode(m.keys[i]))
		}
		result.Next = at.String()
	}
	result.Included, err = tx.included(search.includes, result.Matches, scope)
	return result, err
}

// page returns the matches behind last, one more than the page has if there are
// more.
func (p *plan) page(tx *Tx, last sorted, follows bool) ([]sorted, error) {
	if len(p.sort) > 0 {
		return p.sortedPage(tx, last, follows)
	}
	matching, args := p.matching()
	args = append(args, last.row, p.top, int64(p.Search.count)+1)
	var page []sorted
	err := p.c.query(p.ctx, "SELECT DISTINCT "+p.row()+" "+matching+" AND "+p.row()+">? AND "+p.row()+"<=? ORDER BY 1 LIMIT ?", args,
		func(row []driver.Value) error {
			page = append(page, sorted{row: asInt(row[0])})
			return nil
		})
	return page, err
}

// sortedPage merges what hasn't changed since the first page, which the index
// has in its order, with what has: that stands where it stood then.
func (p *plan) sortedPage(tx *Tx, last sorted, follows bool) ([]sorted, error) {
	same := condition{table: "res", key: "id", where: "$.ver<=?", args: []any{p.seq}}
	matching, matchingArgs := p.matching(same)
	var columns strings.Builder
	var args []any
	for i, k := range p.sort {
		expression, more := k.expression(p.row())
		fmt.Fprintf(&columns, ", %s AS k%d", expression, i)
		args = append(args, more...)
	}
	text := "SELECT * FROM (SELECT DISTINCT " + p.row() + " AS id" + columns.String() + " " + matching + ")"
	args = append(args, matchingArgs...)
	if follows {
		after, more := p.after(last)
		text += " WHERE " + after
		args = append(args, more...)
	}
	text += " ORDER BY"
	for i, k := range p.sort {
		text += " k" + strconv.Itoa(i)
		if k.down {
			text += " DESC"
		}
		text += ","
	}
	var page []sorted
	err := p.c.query(p.ctx, text+" id LIMIT ?", append(args, int64(p.Search.count)+1), func(row []driver.Value) error {
		m := sorted{row: asInt(row[0])}
		for _, key := range row[1:] {
			m.keys = append(m.keys, key)
		}
		page = append(page, m)
		return nil
	})
	if err != nil || !follows {
		return page, err
	}
	changed, err := p.changed(tx)
	if err != nil {
		return nil, err
	}
	for _, m := range changed {
		if p.compare(m, last) > 0 {
			page = append(page, m)
		}
	}
	slices.SortFunc(page, p.compare)
	return page[:min(len(page), p.Search.count+1)], nil
}

// changed returns the matches that have changed since the first page, with the
// sort values that they had then.
func (p *plan) changed(tx *Tx) ([]sorted, error) {
	matching, args := p.matching(condition{table: "res", key: "id", where: "$.ver>? AND $.id<=?", args: []any{p.seq, p.top}})
	var found []sorted
	err := p.c.query(p.ctx, "SELECT DISTINCT "+p.row()+" "+matching, args, func(row []driver.Value) error {
		found = append(found, sorted{row: asInt(row[0])})
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range found {
		v, err := tx.one("FROM ver v JOIN res r ON r.id=v.res WHERE v.res=? AND v.id<=? ORDER BY v.version DESC LIMIT 1", found[i].row, p.seq)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		var r *fhir.Object
		if v.JSON != nil {
			if r, err = fhir.ParseJSON(v.JSON); err != nil {
				return nil, fmt.Errorf("%s/%s as stored: %w", v.Type, v.ID, err)
			}
		}
		for _, k := range p.sort {
			found[i].keys = append(found[i].keys, k.of(v, r))
		}
	}
	return found, nil
}
