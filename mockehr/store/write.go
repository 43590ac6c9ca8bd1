package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"example.org/ccde/mockehr/fhir"
)

// Create stores a new resource under a fresh id, a UUID; an id that r has is not
// used. r stays as it is.
func (tx *Tx) Create(r *fhir.Object, owner string) (Version, error) {
	return tx.write(r, uuid.NewString(), owner, Version{})
}

// Put stores a resource under its own id, as a new version of the one that is
// there; created tells that there was none, or a deleted one. The versionId and
// lastUpdated of meta are set here; all else stays as given. owner counts when
// the resource is created: a later version keeps the owner. r stays as it is.
func (tx *Tx) Put(r *fhir.Object, owner string) (v Version, created bool, err error) {
	id := r.ID()
	if !fhir.ValidID(id) {
		return Version{}, false, fmt.Errorf("id: %q is no FHIR id; give 1 to 64 letters, digits, '-' or '.'", id)
	}
	was, err := tx.current(r.Type(), id)
	switch {
	case errors.Is(err, ErrNotFound):
		created = true
	case err != nil:
		return Version{}, false, err
	case was.Deleted:
		created = true
	default:
		owner = was.Owner
	}
	v, err = tx.write(r, id, owner, was)
	return v, created, err
}

// Delete deletes a resource: a version without content. ErrNotFound if it isn't
// there; deleting a deleted one returns the deletion that was.
func (tx *Tx) Delete(typ, id string) (Version, error) {
	was, err := tx.current(typ, id)
	if err != nil || was.Deleted {
		return was, err
	}
	return tx.save(Version{Type: typ, ID: id, Deleted: true, Owner: was.Owner}, was, nil)
}

// write stores r as the version that follows was; a zero was has no version.
func (tx *Tx) write(r *fhir.Object, id, owner string, was Version) (Version, error) {
	typ := r.Type()
	if typeNumbers()[typ] == 0 {
		return Version{}, fmt.Errorf("resourceType: %q is no resource type of FHIR STU3", typ)
	}
	return tx.save(Version{Type: typ, ID: id, Owner: owner}, was, r)
}

// save completes v, which follows was, and writes it with its index; r is its
// content, nil for a deletion.
func (tx *Tx) save(v, was Version, r *fhir.Object) (Version, error) {
	if tx.written == nil {
		return Version{}, errors.New("the transaction only reads; use Update")
	}
	if err := tx.ctx.Err(); err != nil {
		return Version{}, err
	}
	v.VersionID = was.VersionID + 1
	v.LastUpdated = tx.s.clock.Now().UTC().Truncate(time.Millisecond)
	updated := v.LastUpdated.UnixMilli()
	if r != nil {
		r = stamped(r, v)
		v.JSON = fhir.AppendJSON(nil, r)
		v.Patients = fhir.CompartmentPatients(r, tx.s.base)
	}
	if err := tx.writeRows(&v, was, updated, r); err != nil {
		return Version{}, fmt.Errorf("store %s/%s: %w", v.Type, v.ID, err)
	}
	tx.written[resourceKey{v.Type, v.ID}] = v
	return v, nil
}

func (tx *Tx) writeRows(v *Version, was Version, updated int64, r *fhir.Object) (err error) {
	c := tx.c
	typ := typeNumbers()[v.Type]
	absolute := r != nil && hasAbsolute(r)
	if v.seq, err = tx.nextRow("ver"); err != nil {
		return err
	}
	if was.res == 0 {
		if v.res, err = tx.nextRow("res"); err != nil {
			return err
		}
		err = c.exec("INSERT INTO res(id, type, fid, version, updated, deleted, ver, absolute, owner) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
			v.res, typ, v.ID, v.VersionID, updated, number(v.Deleted), v.seq, number(absolute), v.Owner)
	} else {
		v.res = was.res
		err = c.exec("UPDATE res SET version=?, updated=?, deleted=?, ver=?, absolute=?, owner=? WHERE id=?",
			v.VersionID, updated, number(v.Deleted), v.seq, number(absolute), v.Owner, v.res)
	}
	if err != nil {
		return err
	}
	var json any // NULL for a deletion
	if r != nil {
		json = v.JSON
	}
	err = c.exec("INSERT INTO ver(id, res, version, updated, deleted, patients, json) VALUES(?, ?, ?, ?, ?, ?, ?)",
		v.seq, v.res, v.VersionID, updated, number(v.Deleted), strings.Join(v.Patients, " "), json)
	if err != nil {
		return err
	}
	if was.res != 0 && !was.Deleted {
		if err := tx.puts.remove(c, v.res); err != nil {
			return err
		}
	}
	if r != nil {
		return tx.puts.add(c, v.res, r, v.Patients, tx.s.base)
	}
	return nil
}

// nextRow returns the id of the next row of res or ver. There is one writer, so
// it is counted here; a statement for each would cost as much as the row.
func (tx *Tx) nextRow(table string) (int64, error) {
	if tx.puts.rows == nil {
		tx.puts.rows = map[string]int64{}
	}
	last, ok := tx.puts.rows[table]
	if !ok {
		n, err := tx.c.number(context.Background(), "SELECT max(id) FROM "+table)
		if err != nil {
			return 0, err
		}
		last = n
	}
	tx.puts.rows[table] = last + 1
	return last + 1, nil
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// instantFormat is how meta.lastUpdated is written.
const instantFormat = "2006-01-02T15:04:05.000Z"

// stamped returns r with the id of v, and meta.versionId and meta.lastUpdated, in
// the order of the specification. It shares all else with r.
func stamped(r *fhir.Object, v Version) *fhir.Object {
	meta := fhir.NewObject(
		fhir.Member{Name: "versionId", Value: fmt.Sprint(v.VersionID)},
		fhir.Member{Name: "lastUpdated", Value: v.LastUpdated.Format(instantFormat)})
	for _, m := range r.Child("meta").Members() {
		switch m.Name {
		case "versionId", "_versionId", "lastUpdated", "_lastUpdated":
		default:
			meta.Set(m.Name, m.Value)
		}
	}
	members := make([]fhir.Member, 0, len(r.Members())+3)
	members = append(members,
		fhir.Member{Name: "resourceType", Value: v.Type},
		fhir.Member{Name: "id", Value: v.ID},
		fhir.Member{Name: "meta", Value: meta})
	for _, m := range r.Members() {
		switch m.Name {
		case "resourceType", "id", "meta":
		default:
			members = append(members, m)
		}
	}
	return fhir.NewObject(members...)
}

// Load stores many resources in one transaction, under their own ids; one without
// an id gets one. They belong to nobody.
func (s *Store) Load(ctx context.Context, resources []*fhir.Object) error {
	return s.Update(ctx, func(tx *Tx) error {
		for i, r := range resources {
			var err error
			if r.ID() == "" {
				_, err = tx.Create(r, "")
			} else {
				_, _, err = tx.Put(r, "")
			}
			if err != nil {
				return fmt.Errorf("resource %d of %d: %w", i+1, len(resources), err)
			}
		}
		return nil
	})
}
