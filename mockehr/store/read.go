package store

import (
	"context"
	"database/sql/driver"
	"strings"
	"time"
)

// Version is one state of a resource.
type Version struct {
	Type, ID    string
	VersionID   int64     // 1, 2, ..; a deletion has one too
	LastUpdated time.Time // in milliseconds, UTC, by the node's clock
	Deleted     bool
	JSON        []byte   // complete, with id and meta; nil when deleted; shared, so for reading only
	Owner       string   // who created the resource, as given to Create or Put
	Patients    []string // ids of the Patients in whose compartment this version is (protocol 1.5)

	res int64 // the row of the resource
	seq int64 // the row of the version
}

// selectVersion reads what scanVersion takes. A caller adds FROM and WHERE.
const selectVersion = "SELECT r.type, r.fid, r.owner, r.id, v.id, v.version, v.updated, v.deleted, v.patients, v.json "

func scanVersion(row []driver.Value) Version {
	v := Version{
		Type: typeNames()[asInt(row[0])], ID: asText(row[1]), Owner: asText(row[2]),
		res: asInt(row[3]), seq: asInt(row[4]), VersionID: asInt(row[5]),
		LastUpdated: time.UnixMilli(asInt(row[6])).UTC(), Deleted: asInt(row[7]) != 0,
		Patients: strings.Fields(asText(row[8])),
	}
	if !v.Deleted {
		v.JSON = asBytes(row[9])
	}
	return v
}

// Read returns the current version: ErrNotFound if there never was one,
// ErrDeleted with the deletion's Version if it was deleted.
func (tx *Tx) Read(typ, id string) (Version, error) {
	v, err := tx.current(typ, id)
	if err == nil && v.Deleted {
		err = ErrDeleted
	}
	return v, err
}

// current returns the current version, be it a deletion.
func (tx *Tx) current(typ, id string) (Version, error) {
	key := resourceKey{typ, id}
	if v, ok := tx.written[key]; ok {
		return v, nil
	}
	if v, ok := tx.cache.get(key, tx.seq); ok {
		return v, nil
	}
	v, err := tx.one("FROM res r JOIN ver v ON v.id=r.ver WHERE r.type=? AND r.fid=?", typeNumbers()[typ], id)
	if err == nil {
		tx.cache.fill(v, tx.seq)
	}
	return v, err
}

// ReadVersion returns one version: ErrNotFound if there is none of that number,
// ErrDeleted if that version is a deletion.
func (tx *Tx) ReadVersion(typ, id string, version int64) (Version, error) {
	v, err := tx.one("FROM res r JOIN ver v ON v.res=r.id WHERE r.type=? AND r.fid=? AND v.version=?", typeNumbers()[typ], id, version)
	if err == nil && v.Deleted {
		err = ErrDeleted
	}
	return v, err
}

// History returns all versions of a resource, deletions too, the newest first;
// ErrNotFound if there are none.
func (tx *Tx) History(typ, id string) ([]Version, error) {
	versions, err := tx.several("FROM res r JOIN ver v ON v.res=r.id WHERE r.type=? AND r.fid=? ORDER BY v.version DESC", typeNumbers()[typ], id)
	if err == nil && len(versions) == 0 {
		err = ErrNotFound
	}
	return versions, err
}

func (tx *Tx) one(from string, args ...any) (Version, error) {
	versions, err := tx.several(from, args...)
	switch {
	case err != nil:
		return Version{}, err
	case len(versions) == 0:
		return Version{}, ErrNotFound
	}
	return versions[0], nil
}

func (tx *Tx) several(from string, args ...any) ([]Version, error) {
	c, err := tx.conn()
	if err != nil {
		return nil, err
	}
	var versions []Version
	err = c.query(context.Background(), selectVersion+from, args, func(row []driver.Value) error {
		versions = append(versions, scanVersion(row))
		return nil
	})
	return versions, err
}

// Referrer is a resource whose current version refers to another.
type Referrer struct {
	Type, ID string
	Patients []string // in whose compartment the referrer is
}

// Referrers returns the resources whose current version refers to typ/id,
// anywhere in it. Where there can be many, [Tx.EachReferrer] is better.
func (tx *Tx) Referrers(typ, id string) ([]Referrer, error) {
	var all []Referrer
	err := tx.EachReferrer(typ, id, func(r Referrer) bool {
		all = append(all, r)
		return true
	})
	return all, err
}

// EachReferrer calls fn for each of [Tx.Referrers] until fn returns false; fn may
// use the transaction.
func (tx *Tx) EachReferrer(typ, id string, fn func(Referrer) bool) error {
	const most = 100 // at a time
	last := int64(0)
	for {
		c, err := tx.indexed()
		if err != nil {
			return err
		}
		var some []Referrer
		err = c.query(context.Background(), `SELECT r.type, r.fid, v.patients, r.id FROM ref t INDEXED BY ref_value
			CROSS JOIN res r ON r.id=t.res CROSS JOIN ver v ON v.id=r.ver
			WHERE t.param=? AND t.target=? AND t.res>? ORDER BY t.res LIMIT ?`,
			[]any{int64(anyReference), hash(typ + "/" + id), last, int64(most)}, func(row []driver.Value) error {
				some = append(some, Referrer{Type: typeNames()[asInt(row[0])], ID: asText(row[1]), Patients: strings.Fields(asText(row[2]))})
				last = asInt(row[3])
				return nil
			})
		if err != nil {
			return err
		}
		for _, r := range some {
			if !fn(r) {
				return nil
			}
		}
		if len(some) < most {
			return tx.ctx.Err()
		}
	}
}
