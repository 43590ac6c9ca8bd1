package exchange

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/store"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Bounds of what is read along with one page; more waits for the end of the round.
const (
	maxAlong      = 200
	maxAlongBytes = 32 << 20
)

// wanted is kept of a resource that a copy refers to and that isn't copied.
type wanted struct {
	Refused bool // the source said no; asked again only when something new refers to it
}

// along is what was read because something refers to it.
type along struct {
	items   []item
	refused []key
	failed  *failure // of one that could not be read now; it stays wanted
}

// referredAlong tells what is read together with the page that refers to it: what no query brings.
func referredAlong(k key) bool { return !copiedBySearch[k.typ] }

// referredAny tells that all is read.
func referredAny(key) bool { return true }

// closure reads what the items refer to, directly or by way of one another, and the seeds, as far as
// it isn't here already and along takes it.
func (w *worker) closure(ctx context.Context, items []item, seeds []key, take func(key) bool) (along, error) {
	var found along
	have := map[key]bool{}
	for _, it := range items {
		have[it.key] = true
	}
	var queue []key
	enqueue := func(keys []key) error {
		var fresh []key
		for _, k := range keys {
			if !have[k] && !w.denied[k] && w.mayRead(k) {
				have[k] = true
				fresh = append(fresh, k)
			}
		}
		fresh, err := w.notHeld(ctx, fresh)
		queue = append(queue, fresh...)
		return err
	}
	if err := enqueue(seeds); err != nil {
		return found, err
	}
	if err := enqueue(referred(items, take)); err != nil {
		return found, err
	}
	for bytes := 0; len(queue) > 0 && len(found.items) < maxAlong && bytes < maxAlongBytes; queue = queue[1:] {
		it, size, err := w.readReferred(ctx, queue[0])
		f := asFailure(err)
		switch {
		case err == nil:
			bytes += size
			found.items = append(found.items, it)
			if err := enqueue(referred([]item{it}, take)); err != nil {
				return found, err
			}
		case f == nil || f.kind == fatal || f.after > 0:
			return found, err
		case f.transport:
			// The others would each cost a deadline too.
			found.failed = f
			return found, nil
		case f.kind == passing:
			found.failed = f
		default:
			w.denied[queue[0]] = true
			found.refused = append(found.refused, queue[0])
			if f.kind == broken {
				if err := w.note(ctx, queue[0].String(), f); err != nil {
					return found, err
				}
			}
		}
	}
	return found, nil
}

// readReferred reads one resource by id.
func (w *worker) readReferred(ctx context.Context, k key) (item, int, error) {
	target := w.state().Base + "/" + k.String()
	a, err := w.fetch(ctx, target, byPlan)
	if err != nil {
		return item{}, 0, err
	}
	o, err := fhir.ParseJSON(a.body)
	if k.typ == "Binary" && (err != nil || o.Type() != "Binary") && !(a.json() && err == nil) {
		o, err = rawBinary(k.id, a), nil
	}
	if err != nil {
		return item{}, 0, fail(broken, "the answer, %s, can't be read as FHIR JSON: %v", a.kindOf(), err)
	}
	if err := wrongResource(o, k.typ, k.id); err != nil {
		return item{}, 0, err
	}
	it := w.item(o, "")
	var verdict error
	if !w.acceptable(it) {
		verdict = fail(refused, "%s is not of this patient's record", k)
	}
	in := check.Inputs{"connection": w.state().ID, "url": target, "query": k.String()}
	if err := w.Checks.Do(ctx, "TGT-33", in, verdict); err != nil {
		return item{}, 0, refusal(err, refused)
	}
	return it, len(a.body), nil
}

// rawBinary is a Binary of a source that answers with the content itself.
func rawBinary(id string, a *answer) *fhir.Object {
	contentType := a.header.Get("Content-Type")
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	return fhir.NewObject(
		fhir.Member{Name: "resourceType", Value: "Binary"},
		fhir.Member{Name: "id", Value: id},
		fhir.Member{Name: "contentType", Value: contentType},
		fhir.Member{Name: "content", Value: base64.StdEncoding.EncodeToString(a.body)},
	)
}

// mayRead tells whether a referenced resource is asked for at all. A Consent is a permission at the
// source, not a part of the record; here it would be one too. Other patients are none of ours, and the
// patient itself has a query of its own.
func (w *worker) mayRead(k key) bool {
	switch k.typ {
	case "Consent", "Patient", "Bundle":
		return false
	}
	return !fhir.InPatientCompartment(k.typ) || readScopes(w.state().Token.Scope).reads(k.typ)
}

// The registry of a CAVS is made of such resources (protocol 1.7). A node may be CAVS and target at
// once, so they are never taken from a source: it could approve itself.
const cavsCodes = "http://healthintersections.com.au/fhir/codes/obs"

// acceptable tells whether a resource that no query found may be copied: it is of this patient's record
// or of nobody's, and is nothing that gives rights here.
func (w *worker) acceptable(it item) bool {
	patient := w.state().Patient
	if it.obj == nil || !fhir.IsResourceType(it.typ) || !fhir.ValidID(it.id) || it.typ == "Patient" && it.id != patient {
		return false
	}
	if it.typ != "Patient" && !w.mayRead(it.key) {
		return false
	}
	switch it.typ {
	case "Device", "Observation":
		for _, element := range []string{"type", "category", "code"} {
			for _, concept := range it.obj.Objects(element) {
				for _, c := range concept.Objects("coding") {
					if c.Text("system") == cavsCodes {
						return false
					}
				}
			}
		}
	}
	others := fhir.CompartmentPatients(it.obj, it.bases...)
	return !slices.ContainsFunc(others, func(p string) bool { return p != patient })
}

// referred are the source's resources that items refer to and take takes.
func referred(items []item, take func(key) bool) []key {
	var keys []key
	for _, it := range items {
		fhir.EachReference(it.obj, func(r fhir.Reference) {
			if k, _, ok := it.refers(r.Value); ok && take(k) {
				keys = append(keys, k)
			}
		})
	}
	return keys
}

// refers tells which resource of the source a reference in the item names, and in which version.
func (it item) refers(reference string) (k key, version string, ok bool) {
	base, typ, id, version, ok := fhir.SplitReference(reference)
	if !ok || base != "" && !slices.Contains(it.bases, normalBase(base)) {
		return key{}, "", false
	}
	return key{typ, id}, version, true
}

// notHeld leaves out what this connection has copied.
func (w *worker) notHeld(ctx context.Context, keys []key) ([]key, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	var left []key
	err := w.Store.View(ctx, func(tx *store.Tx) error {
		for _, k := range keys {
			var local string
			err := tx.Record(kindHeld, w.state().ID+"/"+k.String(), &local)
			if errors.Is(err, store.ErrNotFound) {
				left = append(left, k)
			} else if err != nil {
				return err
			}
		}
		return nil
	})
	return left, err
}

// wantedBatch is how many of the left-over resources are read for one transaction.
const wantedBatch = 50

// copyWanted reads, at the end of a round, what copies refer to and no page brought: resources of the
// types that queries bring, and what could not be read before.
func (w *worker) copyWanted(ctx context.Context) error {
	tried := map[key]bool{}
	for {
		batch, err := w.wantedKeys(ctx, tried)
		if err != nil || len(batch) == 0 {
			return err
		}
		for _, k := range batch {
			tried[k] = true
		}
		found, err := w.closure(ctx, nil, batch, referredAny)
		if err != nil {
			return err
		}
		if err := w.copy(ctx, found.items, found.refused, func(*state) {}); err != nil {
			return err
		}
		if found.failed != nil {
			return found.failed
		}
	}
}

// wantedKeys are some that are wanted, not refused, and not tried yet.
func (w *worker) wantedKeys(ctx context.Context, tried map[key]bool) ([]key, error) {
	var batch []key
	prefix := w.state().ID + "/"
	full := errors.New("enough")
	err := w.Store.View(ctx, func(tx *store.Tx) error {
		return tx.Records(kindWanted, prefix, func(name string, raw json.RawMessage) error {
			var want wanted
			if err := json.Unmarshal(raw, &want); err != nil {
				return err
			}
			k := keyOf(name[len(prefix):])
			if want.Refused || tried[k] || w.denied[k] || !w.mayRead(k) {
				return nil
			}
			if batch = append(batch, k); len(batch) == wantedBatch {
				return full
			}
			return nil
		})
	})
	if errors.Is(err, full) {
		err = nil
	}
	return batch, err
}
