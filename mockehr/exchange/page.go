package exchange

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/store"
)

// Bounds of one query, against a source that never comes to an end.
const (
	maxPages      = 10_000
	maxQueryBytes = 1 << 30
)

// key names a resource of the source.
type key struct{ typ, id string }

func (k key) String() string { return k.typ + "/" + k.id }

// item is a resource as the source gave it.
type item struct {
	key
	obj   *fhir.Object
	bases []string // bases that count as the source's in this one: its own, and that of the entry's fullUrl
}

// runQuery asks one query to its end, from where it stands.
func (w *worker) runQuery(ctx context.Context, text string) error {
	q := *w.state().query(text)
	target, by := q.Next, byNext
	if target == "" {
		target, by = w.firstPage(ctx, &q), byPlan
	}
	resumed := by == byNext
	visited := map[string]bool{}
	for {
		visited[target] = true
		next, err := w.runPage(ctx, text, target, by, visited)
		if f := asFailure(err); f != nil && f.kind != passing && f.kind != fatal {
			// From the beginning at the next attempt: a link may have gone stale while we were away.
			if serr := w.restart(ctx, text); serr != nil {
				return serr
			}
			if resumed {
				f.kind = broken // not the last word on the query
			}
		}
		if err != nil || next == "" {
			return err
		}
		target, by, resumed = next, byNext, false
	}
}

func (w *worker) restart(ctx context.Context, text string) error {
	return w.change(ctx, func(_ *store.Tx, st *state) error {
		if q := st.query(text); q != nil {
			q.Next, q.Pages, q.Bytes, q.AsOf = "", 0, 0, time.Time{}
		}
		return nil
	})
}

// runPage fetches one page and stores it with all that it refers to. It returns the next page, "" at
// the end.
func (w *worker) runPage(ctx context.Context, text, target, by string, visited map[string]bool) (string, error) {
	a, err := w.fetch(ctx, target, by)
	if err != nil {
		return "", err
	}
	items, next, err := w.readPage(ctx, text, a)
	if err != nil {
		return "", err
	}
	next = check.Value(ctx, w.Checks, "TGT-25", check.Inputs{"connection": w.state().ID, "query": text, "url": target, "next": next,
		"page": func() any { return json.RawMessage(a.body) }}, next)
	wrong := w.badNext(ctx, text, next, visited)
	if wrong != nil {
		next = ""
	}
	found, err := w.closure(ctx, items, nil, referredAlong)
	if err != nil {
		return "", err
	}
	asOf := dateOf(a)
	err = w.copy(ctx, append(items, found.items...), found.refused, func(st *state) {
		q := st.query(text)
		if q == nil {
			return
		}
		if q.Pages == 0 {
			q.AsOf, q.At = asOf, w.Clock.Now()
		}
		q.Pages++
		q.Bytes += int64(len(a.body))
		q.Next = next
		if q.Done = next == "" && wrong == nil; q.Done && !q.AsOf.IsZero() {
			q.Since, q.Until = q.AsOf.Add(-overlap), q.At
		}
	})
	if err != nil {
		return "", err
	}
	return next, wrong
}

// dateOf is the source's own time of an answer; zero if it doesn't say.
func dateOf(a *answer) time.Time {
	t, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// badNext tells what is wrong with a next link.
func (w *worker) badNext(ctx context.Context, text, next string, visited map[string]bool) error {
	if next == "" {
		return nil
	}
	u, err := url.Parse(next)
	if err != nil {
		return fail(broken, "the next link of a page can't be read")
	}
	q := w.state().query(text)
	switch {
	case visited[next]:
		return fail(broken, "the pages go in a circle: %s comes again", where(u))
	case q != nil && (q.Pages >= maxPages || q.Bytes >= maxQueryBytes):
		return fail(broken, "the pages have no end: %d pages, %d bytes", q.Pages, q.Bytes)
	}
	return w.permit(ctx, u, byNext)
}

// readPage reads what a query answered: a searchset, or the resource of a read (TGT-33).
func (w *worker) readPage(ctx context.Context, text string, a *answer) ([]item, string, error) {
	items, next, err := w.parsePage(text, a)
	in := check.Inputs{"connection": w.state().ID, "query": text, "url": a.url.String(), "text": func() any { return string(a.body) }}
	if err = w.Checks.Do(ctx, "TGT-33", in, err); err != nil {
		return nil, "", refusal(err, broken)
	}
	return items, next, nil
}

// parsePage returns what can be used beside the error, for a node that is told to pass over it.
func (w *worker) parsePage(text string, a *answer) (items []item, next string, err error) {
	o, perr := fhir.ParseJSON(a.body)
	if perr != nil {
		return nil, "", fail(broken, "the answer, %s, can't be read as FHIR JSON: %v", a.kindOf(), perr)
	}
	typ := typeOf(text)
	if isRead(text) {
		if err := wrongResource(o, typ, w.state().Patient); err != nil {
			return nil, "", err
		}
		return []item{w.item(o, "")}, "", nil
	}
	if o.Type() != "Bundle" || o.Text("type") != "searchset" {
		return nil, "", fail(broken, "the answer is no searchset Bundle but %s", described(o))
	}
	entries := o.Objects("entry")
	if len(entries) != len(o.List("entry")) {
		return nil, "", fail(broken, "the entries of a page are no objects")
	}
	for n, e := range entries {
		r := e.Child("resource")
		mode := e.Child("search").Text("mode")
		if r.Type() == "OperationOutcome" || mode == "outcome" {
			continue
		}
		it := w.item(r, e.Text("fullUrl"))
		if mode == "include" {
			if w.acceptable(it) {
				items = append(items, it)
			}
			continue
		}
		if wrong := w.wrongMatch(it, typ); wrong != nil {
			wrong.text = "entry " + itoa(n+1) + " of a page " + wrong.text
			err = errors.Join(err, wrong)
		}
		if fhir.IsResourceType(it.typ) && fhir.ValidID(it.id) {
			items = append(items, it)
		}
	}
	next, nerr := w.nextLink(o)
	return latest(items), next, errors.Join(err, nerr)
}

// nextLink is the absolute URL of the next page, "" at the end. A relative one is below the base.
func (w *worker) nextLink(bundle *fhir.Object) (string, error) {
	for _, l := range bundle.Objects("link") {
		if l.Text("relation") != "next" {
			continue
		}
		text := l.Text("url")
		if text == "" {
			return "", fail(broken, "a page has a next link without a URL")
		}
		base := w.base()
		u, err := (&url.URL{Scheme: base.Scheme, Host: base.Host, Path: base.Path + "/"}).Parse(text)
		if err != nil {
			return "", fail(broken, "the next link of a page can't be read")
		}
		return u.String(), nil
	}
	return "", nil
}

// item wraps a resource of the source. A fullUrl that names it shows another form of the source's base.
func (w *worker) item(o *fhir.Object, fullURL string) item {
	it := item{key: key{o.Type(), o.ID()}, obj: o, bases: []string{w.state().Base}}
	if base, typ, id, _, ok := fhir.SplitReference(fullURL); ok && base != "" && typ == it.typ && id == it.id {
		if base = normalBase(base); base != w.state().Base {
			it.bases = append(it.bases, base)
		}
	}
	return it
}

// latest keeps each resource once, as it came last.
func latest(items []item) []item {
	at := map[key]int{}
	var kept []item
	for _, it := range items {
		if i, ok := at[it.key]; ok {
			kept[i] = it
			continue
		}
		at[it.key] = len(kept)
		kept = append(kept, it)
	}
	return kept
}

// wrongMatch tells why a resource can't be what a query found.
func (w *worker) wrongMatch(it item, typ string) *failure {
	switch {
	case it.obj == nil:
		return fail(broken, "has no resource")
	case it.typ != typ:
		return fail(broken, "is no %s but %s", typ, described(it.obj))
	case !fhir.ValidID(it.id):
		return fail(broken, "has a resource without a FHIR id")
	}
	patients := fhir.CompartmentPatients(it.obj, it.bases...)
	if len(patients) == 0 || slices.ContainsFunc(patients, func(p string) bool { return p != w.state().Patient }) {
		return fail(broken, "is not of the patient %s: %s", w.state().Patient, it.key)
	}
	return nil
}

// wrongResource tells why o isn't the resource that was read.
func wrongResource(o *fhir.Object, typ, id string) error {
	if o.Type() != typ || o.ID() != id {
		return fail(broken, "the answer is not %s/%s but %s", typ, id, described(o))
	}
	return nil
}

// described is a resource for a message.
func described(o *fhir.Object) string {
	switch {
	case o.Type() == "":
		return "something without a resourceType"
	case !fhir.ValidID(o.ID()):
		return o.Type()
	}
	return o.Type() + "/" + o.ID()
}
