package exchange

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/store"

	"github.com/google/uuid"
)

// copier stores one page, or one batch of referenced resources, within one transaction.
type copier struct {
	ctx   context.Context
	w     *worker
	tx    *store.Tx
	st    *state
	local map[key]string // id of the copy; "" for what this connection doesn't hold
	fresh []key          // held for the first time
}

// copy stores items and what else the round has learnt, all or nothing. A resource that is here already
// with the same content gets no new version.
func (w *worker) copy(ctx context.Context, items []item, refused []key, after func(*state)) error {
	items = latest(items)
	return w.change(ctx, func(tx *store.Tx, st *state) error {
		c := &copier{ctx: ctx, w: w, tx: tx, st: st, local: map[key]string{}}
		for _, it := range items {
			if err := c.place(it.key); err != nil {
				return err
			}
		}
		stored := map[key]bool{}
		for _, it := range items {
			if err := c.store(it); err != nil {
				return err
			}
			stored[key{it.typ, c.local[it.key]}] = true
		}
		for _, k := range c.fresh {
			if err := c.patchReferrers(k, stored); err != nil {
				return err
			}
		}
		for _, k := range refused {
			if err := tx.PutRecord(kindWanted, c.of(k), wanted{Refused: true}); err != nil {
				return err
			}
		}
		after(st)
		return nil
	})
}

// copyName is the key under which the copy of an original is known.
func copyName(typ, original string) string {
	sum := sha256.Sum256([]byte(original))
	return typ + "/" + hex.EncodeToString(sum[:])
}

// of is a key of this connection's records about a resource of the source.
func (c *copier) of(k key) string { return c.st.ID + "/" + k.String() }

// keyOf reads type/id.
func keyOf(text string) key {
	typ, id, _ := strings.Cut(text, "/")
	return key{typ, id}
}

// place finds the copy's id: a copy is known by source base, type and id there (TGT-32), whichever
// connection brought it. A new one gets a fresh id.
func (c *copier) place(k key) error {
	in := check.Inputs{"connection": c.st.ID, "source": c.st.Base, "patient": c.st.Patient, "type": k.typ, "id": k.id}
	known := check.Value(c.ctx, c.w.Checks, "TGT-32", in, c.st.Base+"/"+k.String())
	name := copyName(k.typ, known)
	var local string
	err := c.tx.Record(kindCopy, name, &local)
	if errors.Is(err, store.ErrNotFound) {
		local = uuid.NewString()
		err = c.tx.PutRecord(kindCopy, name, local)
	}
	if err != nil {
		return err
	}
	held, err := c.held(k)
	if err != nil {
		return err
	}
	if held == "" {
		c.fresh = append(c.fresh, k)
		c.st.Copied[k.typ]++
	}
	c.local[k] = local
	if held == local {
		return nil
	}
	return c.tx.PutRecord(kindHeld, c.of(k), local)
}

// held is the id of this connection's copy of a resource, "" if it has none. What another connection
// alone has copied doesn't count: the source may have refused it to this one.
func (c *copier) held(k key) (string, error) {
	if local, ok := c.local[k]; ok {
		return local, nil
	}
	var local string
	err := c.tx.Record(kindHeld, c.of(k), &local)
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	if err == nil {
		c.local[k] = local
	}
	return local, err
}

// resource is a value that an override can read and give as JSON.
type resource struct{ *fhir.Object }

func (r resource) MarshalJSON() ([]byte, error) {
	if r.Object == nil {
		return []byte("null"), nil
	}
	return fhir.AppendJSON(nil, r.Object), nil
}

func (r *resource) UnmarshalJSON(raw []byte) error {
	if string(raw) == "null" {
		r.Object = nil
		return nil
	}
	o, err := fhir.ParseJSON(raw)
	r.Object = o
	return err
}

// store writes the copy of an item, unless it is here with the same content (TGT-26, TGT-27).
func (c *copier) store(it item) error {
	local := c.local[it.key]
	var old *fhir.Object
	v, err := c.tx.Read(it.typ, local)
	switch {
	case err == nil:
		if old, err = fhir.ParseJSON(v.JSON); err != nil {
			return err
		}
	case !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrDeleted):
		return err
	}
	o, err := c.rewrite(it, local, old)
	if err != nil {
		return err
	}
	in := check.Inputs{"connection": c.st.ID, "source": c.st.Base, "type": it.typ, "id": it.id, "local": local,
		"original": func() any { return json.RawMessage(fhir.AppendJSON(nil, it.obj)) }}
	o = check.Value(c.ctx, c.w.Checks, "TGT-26", in, resource{o}).Object
	if o == nil || o.Type() != it.typ || o.ID() != local {
		return nil // an override that loses it
	}
	if err := c.guard(it, o); err != nil {
		return err
	}
	if old != nil && sameContent(old, o) {
		return nil
	}
	_, _, err = c.tx.Put(o, "")
	return err
}

// guard keeps a source from writing into the record of a patient of this node: by an absolute reference
// to one, which would count here.
func (c *copier) guard(it item, o *fhir.Object) error {
	mine, err := c.held(key{"Patient", c.st.Patient})
	if err != nil {
		return err
	}
	strange := func(p string) bool { return p != mine }
	if slices.ContainsFunc(fhir.CompartmentPatients(o, c.w.OwnBase), strange) {
		in := check.Inputs{"connection": c.st.ID, "query": it.key.String(), "url": c.st.Base + "/" + it.key.String()}
		verdict := fail(broken, "%s refers to a patient of this system", it.key)
		return refusal(c.w.Checks.Do(c.ctx, "TGT-33", in, verdict), broken)
	}
	return nil
}

// patchReferrers turns references to a resource that is copied now into references to its copy, in
// copies that were stored before it. Those in stored have just been written.
func (c *copier) patchReferrers(k key, stored map[key]bool) error {
	if err := c.tx.DeleteRecord(kindWanted, c.of(k)); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	prefix := c.of(k) + "/"
	var names []string
	err := c.tx.Records(kindReferrer, prefix, func(name string, _ json.RawMessage) error {
		names = append(names, name)
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := c.tx.DeleteRecord(kindReferrer, name); err != nil {
			return err
		}
		referrer := keyOf(name[len(prefix):])
		if stored[referrer] {
			continue
		}
		if err := c.patch(referrer, k); err != nil {
			return err
		}
	}
	return nil
}

func (c *copier) patch(referrer, k key) error {
	v, err := c.tx.Read(referrer.typ, referrer.id)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrDeleted) {
		return nil
	}
	if err != nil {
		return err
	}
	o, err := fhir.ParseJSON(v.JSON)
	if err != nil {
		return err
	}
	changed := false
	fhir.EachReference(o, func(r fhir.Reference) {
		base, typ, id, _, ok := fhir.SplitReference(r.Value)
		if ok && typ == k.typ && id == k.id && base != "" && normalBase(base) == c.st.Base {
			r.Set(typ + "/" + c.local[k])
			changed = true
		}
	})
	if !changed {
		return nil
	}
	_, _, err = c.tx.Put(o, v.Owner)
	return err
}
