package store

import (
	"context"
	"database/sql/driver"
	"math"
	"strings"
	"time"

	"example.org/ccde/mockehr/fhir"
)

// indexBatch gathers index rows, to write several with one statement: what a
// statement costs by itself is more than what a row does.
type indexBatch struct {
	rows    map[string]int64 // last row id of res and ver
	pending [len(indexColumns)][]any
}

// The index tables that a batch fills, with how many columns each has. cmp is
// written at once: it has one row where the others have twenty.
const (
	tokTable = iota
	refTable
	datTable
	strTable
	numTable
)

var (
	indexNames   = [...]string{"tok", "ref", "dat", "str", "num"}
	indexColumns = [...]int{4, 3, 4, 4, 7}
)

// rowsAtOnce are how many rows a statement can insert, the most first.
var rowsAtOnce = [...]int{16, 4, 1}

var insertStatements = func() (texts [len(indexColumns)][len(rowsAtOnce)]string) {
	for table, columns := range indexColumns {
		row := "(?" + strings.Repeat(",?", columns-1) + ")"
		for i, rows := range rowsAtOnce {
			texts[table][i] = "INSERT OR IGNORE INTO " + indexNames[table] + " VALUES" + row + strings.Repeat(","+row, rows-1)
		}
	}
	return texts
}()

func (b *indexBatch) put(c *conn, table int, values ...any) error {
	b.pending[table] = append(b.pending[table], values...)
	if len(b.pending[table]) < rowsAtOnce[0]*indexColumns[table] {
		return nil
	}
	return b.flushTable(c, table)
}

// flush writes what is pending, so that a search sees it.
func (b *indexBatch) flush(c *conn) error {
	for table := range indexColumns {
		if err := b.flushTable(c, table); err != nil {
			return err
		}
	}
	return nil
}

func (b *indexBatch) flushTable(c *conn, table int) error {
	values := b.pending[table]
	for i, rows := range rowsAtOnce {
		for n := rows * indexColumns[table]; len(values) >= n; values = values[n:] {
			if err := c.exec(insertStatements[table][i], values[:n]...); err != nil {
				return err
			}
		}
	}
	b.pending[table] = b.pending[table][:0]
	return nil
}

// remove deletes the rows of a resource, pending ones too.
func (b *indexBatch) remove(c *conn, res int64) error {
	if err := b.flush(c); err != nil {
		return err
	}
	for _, table := range indexTables {
		if err := c.exec("DELETE FROM "+table+" WHERE res=?", res); err != nil {
			return err
		}
	}
	return nil
}

// add makes the rows of a resource's content.
func (b *indexBatch) add(c *conn, res int64, r *fhir.Object, patients []string, base string) (err error) {
	for _, patient := range patients {
		if err := c.exec("INSERT OR IGNORE INTO cmp(patient, type, res) VALUES(?, ?, ?)", hash("Patient/"+patient), typeNumbers()[r.Type()], res); err != nil {
			return err
		}
	}
	fhir.EachReference(r, func(ref fhir.Reference) {
		if err == nil {
			err = b.put(c, refTable, res, int64(anyReference), referenceHash(ref.Value, base))
		}
	})
	if err != nil {
		return err
	}
	for _, p := range indexedParams(r.Type()) {
		if p.shared {
			continue
		}
		for _, v := range p.Extract(r) {
			if err := b.putValue(c, res, p, v, base); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *indexBatch) putValue(c *conn, res int64, p indexedParam, v fhir.Value, base string) error {
	switch p.Type {
	case "token":
		system := int64(noSystem)
		switch {
		case v.Bare:
			system = bareSystem
		case v.System != "":
			system = hash(v.System)
		}
		return b.put(c, tokTable, res, p.number, hash(v.Code), system)
	case "reference":
		return b.put(c, refTable, res, p.number, referenceHash(v.Text, base))
	case "date":
		low, high := millis(v.Start, v.End)
		return b.put(c, datTable, res, p.number, low, high)
	case "string":
		return b.put(c, strTable, res, p.number, cut(fold(v.Text)), hash(v.Text))
	case "uri":
		return b.put(c, strTable, res, p.number, cut(v.Text), hash(v.Text))
	case "number", "quantity":
		return b.put(c, numTable, res, p.number, v.Low, v.High, hashOrNone(v.System), hashOrNone(v.Code), hashOrNone(v.Text))
	}
	return nil
}

func hashOrNone(text string) int64 {
	if text == "" {
		return 0
	}
	return hash(text)
}

// referenceHash is a reference as ref has it: one to a resource of this server,
// however it is written, is hashed as Type/id; another one without its version.
func referenceHash(value, base string) int64 {
	if typ, id, ok := fhir.LocalReference(value, base); ok {
		return hash(typ + "/" + id)
	}
	if other, typ, id, _, ok := fhir.SplitReference(value); ok {
		return hash(other + "/" + typ + "/" + id)
	}
	return hash(value)
}

// hasAbsolute tells whether a resource has a reference that means another thing
// at another base.
func hasAbsolute(r *fhir.Object) bool {
	found := false
	fhir.EachReference(r, func(ref fhir.Reference) { found = found || strings.HasPrefix(ref.Value, "http") })
	return found
}

// millis is a span in milliseconds since 1970, from low up to, not including,
// high; an open end lies beyond all times. It is never narrower than the span.
func millis(start, end time.Time) (low, high int64) {
	low, high = math.MinInt64, math.MaxInt64
	if !start.IsZero() {
		low = start.UnixMilli()
	}
	if !end.IsZero() {
		high = end.UnixMilli()
		if end.After(time.UnixMilli(high)) {
			high++
		}
	}
	return low, high
}

// reindex makes the index rows of current versions again: of those that the
// condition which, " AND ..", lets through.
func (s *Store) reindex(ctx context.Context, which string, meta map[string]string) (err error) {
	c := s.writer
	if err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			c.run("ROLLBACK") // its own error would hide the first one
		}
	}()
	b := &indexBatch{}
	last := int64(0)
	for {
		var some []Version
		err := c.query(ctx, selectVersion+"FROM res r JOIN ver v ON v.id=r.ver WHERE r.id>? AND r.deleted=0"+
			which+" ORDER BY r.id LIMIT 100", []any{last}, func(row []driver.Value) error {
			some = append(some, scanVersion(row))
			return nil
		})
		if err != nil {
			return err
		}
		for _, v := range some {
			last = v.res
			if err := s.reindexOne(b, v); err != nil {
				return err
			}
		}
		if len(some) == 0 {
			break
		}
	}
	if err := b.flush(c); err != nil {
		return err
	}
	if err := c.setMeta(meta); err != nil {
		return err
	}
	return c.exec("COMMIT")
}

func (s *Store) reindexOne(b *indexBatch, v Version) error {
	r, err := fhir.ParseJSON(v.JSON)
	if err != nil {
		return err
	}
	if err := b.remove(s.writer, v.res); err != nil {
		return err
	}
	patients := fhir.CompartmentPatients(r, s.base)
	if err := s.writer.exec("UPDATE ver SET patients=? WHERE id=?", strings.Join(patients, " "), v.seq); err != nil {
		return err
	}
	return b.add(s.writer, v.res, r, patients, s.base)
}
