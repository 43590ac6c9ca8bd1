package store

import (
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"example.org/ccde/mockehr/fhir"
)

// indexVersion is raised when the rows made for a resource change, so that a
// database of before is indexed again when it is opened.
const indexVersion = 1

// schema is the whole database.
//
// res has one row for each resource that is or was there; its id grows and never
// changes, so it is the order of searches and where a page goes on. ver has each
// version; its id grows with every write, so it tells what changed since.
//
// The other tables hold what can be searched, of current versions only. Each is
// kept in two orders: by resource, to check, sort and delete, and by value, to
// find. Texts that are only compared for equality (codes, systems, references)
// are numbers, see hash.
const schema = `
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE record(kind TEXT, key TEXT, value BLOB, PRIMARY KEY(kind, key)) WITHOUT ROWID;
CREATE TABLE res(id INTEGER PRIMARY KEY, type INTEGER, fid TEXT, version INTEGER, updated INTEGER, deleted INTEGER, ver INTEGER, absolute INTEGER, owner TEXT);
CREATE UNIQUE INDEX res_fid ON res(type, fid);
CREATE INDEX res_type ON res(type) WHERE deleted=0;
CREATE INDEX res_updated ON res(type, updated) WHERE deleted=0;
CREATE INDEX res_absolute ON res(id) WHERE absolute=1;
CREATE TABLE ver(id INTEGER PRIMARY KEY, res INTEGER, version INTEGER, updated INTEGER, deleted INTEGER, patients TEXT, json BLOB);
CREATE UNIQUE INDEX ver_res ON ver(res, version);
CREATE TABLE tok(res INTEGER, param INTEGER, code INTEGER, system INTEGER, PRIMARY KEY(res, param, code, system)) WITHOUT ROWID;
CREATE INDEX tok_value ON tok(param, code, res, system);
CREATE TABLE ref(res INTEGER, param INTEGER, target INTEGER, PRIMARY KEY(res, param, target)) WITHOUT ROWID;
CREATE INDEX ref_value ON ref(param, target, res);
CREATE TABLE dat(res INTEGER, param INTEGER, low INTEGER, high INTEGER, PRIMARY KEY(res, param, low, high)) WITHOUT ROWID;
CREATE INDEX dat_value ON dat(param, low, high, res);
CREATE TABLE str(res INTEGER, param INTEGER, text TEXT, hash INTEGER, PRIMARY KEY(res, param, text, hash)) WITHOUT ROWID;
CREATE INDEX str_value ON str(param, text, res, hash);
CREATE TABLE num(res INTEGER, param INTEGER, low REAL, high REAL, system INTEGER, code INTEGER, unit INTEGER, PRIMARY KEY(res, param, low, high, system, code, unit)) WITHOUT ROWID;
CREATE INDEX num_value ON num(param, low, high, res, system, code, unit);
CREATE TABLE cmp(patient INTEGER, type INTEGER, res INTEGER, PRIMARY KEY(patient, type, res)) WITHOUT ROWID;
CREATE INDEX cmp_res ON cmp(res);
`

// indexTables are those whose rows belong to a resource's current version.
var indexTables = []string{"tok", "ref", "dat", "str", "num", "cmp"}

// hash is a text as a number: 64 bits of its SHA-256, which nobody can make
// collide with a text that they don't choose themselves. It is never 0 or 1,
// which stand for no system and for a bare code.
func hash(text string) int64 {
	sum := sha256.Sum256([]byte(text))
	return int64(binary.BigEndian.Uint64(sum[:8]) | 2)
}

// What the column system of tok holds when there is no system.
const (
	noSystem   = 0 // a Coding or Identifier without one
	bareSystem = 1 // a code, boolean or string, which can't have one
)

// anyReference stands for a search parameter in ref: all references of a resource.
const anyReference = 0

// typeNumbers numbers the resource types from 1, in the order of their names:
// STU3 is closed, so the numbers hold.
var typeNumbers = sync.OnceValue(func() map[string]int64 {
	numbers := map[string]int64{}
	for i, name := range slices.Sorted(slices.Values(fhir.Types())) {
		numbers[name] = int64(i) + 1
	}
	return numbers
})

var typeNames = sync.OnceValue(func() map[int64]string {
	names := map[int64]string{}
	for name, n := range typeNumbers() {
		names[n] = name
	}
	return names
})

// indexedParam is a search parameter as the index knows it.
type indexedParam struct {
	fhir.SearchParam
	number int64 // its number in the tables, other than that of any parameter of another type
	shared bool  // another one with the same values, and so the same number, comes before it
}

var paramsOfTypes sync.Map // type name -> []indexedParam; a cache of what never changes

// indexedParams returns the parameters of a type that have rows in the tables.
// Parameters with the same values (patient and subject) share their rows.
func indexedParams(typ string) []indexedParam {
	if params, ok := paramsOfTypes.Load(typ); ok {
		return params.([]indexedParam)
	}
	var params []indexedParam
	for _, p := range fhir.SearchParams(typ) {
		if p.Code == "_id" || p.Code == "_lastUpdated" {
			continue // columns of res
		}
		ip := indexedParam{SearchParam: p, number: typeNumbers()[typ]<<9 | int64(len(params)+1)}
		for _, before := range params {
			if before.Type == p.Type && before.Expression == p.Expression {
				ip.number, ip.shared = before.number, true
				break
			}
		}
		params = append(params, ip)
	}
	paramsOfTypes.Store(typ, params)
	return params
}

// fingerprint changes when the numbers of parameters or their values do.
func fingerprint() string { return fmt.Sprintf("%d %s", indexVersion, fhir.SearchTables()) }

// prepare makes the tables of a new database, and brings the index of one that
// an older program, or a node with another base, wrote up to date.
func (s *Store) prepare(ctx context.Context) error {
	c := s.writer
	known, err := c.number(ctx, "SELECT count(*) FROM sqlite_schema WHERE name='meta'")
	if err != nil {
		return err
	}
	want := map[string]string{"index": fingerprint(), "base": s.base}
	if known == 0 {
		if err := c.run("BEGIN;" + schema); err != nil {
			return fmt.Errorf("create tables: %w", err)
		}
		if err := c.setMeta(want); err != nil {
			return err
		}
		return c.exec("COMMIT")
	}
	have := map[string]string{}
	err = c.query(ctx, "SELECT name, value FROM meta", nil, func(row []driver.Value) error {
		have[asText(row[0])] = asText(row[1])
		return nil
	})
	switch {
	case err != nil:
		return err
	case have["index"] != want["index"]:
		return s.reindex(ctx, "", want)
	case have["base"] != want["base"]:
		// Only absolute references mean something else at another base.
		return s.reindex(ctx, " AND r.absolute=1", want)
	}
	return nil
}

func (c *conn) setMeta(values map[string]string) error {
	for name, value := range values {
		if err := c.exec("INSERT OR REPLACE INTO meta(name, value) VALUES(?, ?)", name, value); err != nil {
			return err
		}
	}
	return nil
}
