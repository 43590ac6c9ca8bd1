package steps

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"example.org/ccde/mockehr/fhir"
)

// parted is a search that was asked again for what is newer than an instant.
type parted struct {
	instant time.Time
	newer   []string
	search  *answer
}

func updated(o *fhir.Object) time.Time {
	t, err := time.Parse(time.RFC3339, o.Text("meta", "lastUpdated"))
	if err != nil {
		return time.Time{}
	}
	return t
}

func (w *world) partsByTime(ctx context.Context, query, title string) error {
	return w.partsInZone(ctx, query, title, "")
}

// newerThan is the parameter that asks for what changed after an instant.
func newerThan(instant time.Time, zone string) (string, error) {
	text, err := inZone(instant, zone, "2006-01-02T15:04:05.000Z07:00")
	return "&_lastUpdated=gt" + url.QueryEscape(text), err
}

func (w *world) partsInZone(ctx context.Context, query, title, zone string) error {
	n, err := w.role(ctx, title)
	if err != nil {
		return err
	}
	path, err := w.expand(ctx, query)
	if err != nil {
		return err
	}
	c, err := w.appCall(n, http.MethodGet, n.fhir+"/"+escape(path))
	if err != nil {
		return err
	}
	for try := range 2 {
		all, err := w.search(ctx, n, c.from, c.bearer, escape(path))
		if err != nil {
			return err
		}
		if instant, those, ok := part(all); ok {
			newer, err := newerThan(instant, zone)
			if err != nil {
				return err
			}
			c.url += newer
			if err := w.attempt(ctx, c); err != nil {
				return err
			}
			w.news["parted"] = parted{instant, those, w.last}
			return nil
		}
		if n.outside != nil && len(all) > 0 {
			// All came at once, and nothing is written there: then all is older than a later instant.
			latest := updated(slices.MaxFunc(all, func(a, b *fhir.Object) int { return updated(a).Compare(updated(b)) }))
			if latest.IsZero() {
				break
			}
			later, err := newerThan(latest.Add(time.Second), zone)
			if err != nil {
				return err
			}
			c.url += later
			if err := w.attempt(ctx, c); err != nil {
				return err
			}
			w.news["parted"] = parted{latest.Add(time.Second), nil, w.last}
			return nil
		}
		if try > 0 || len(all) < 2 || n.control == nil || !w.ours() {
			break
		}
		// All came at once: one of them is touched later.
		if err := w.pass(ctx, time.Minute); err != nil {
			return err
		}
		o := all[0]
		o.Set("language", "en")
		if err := w.put(ctx, n, o); err != nil {
			return err
		}
	}
	return w.unjudged("no two resources of " + query + " were updated a second or more apart")
}

// part finds an instant in the middle of a gap of a second or more.
func part(all []*fhir.Object) (instant time.Time, newer []string, ok bool) {
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b *fhir.Object) int { return updated(a).Compare(updated(b)) })
	for i := 1; i < len(sorted); i++ {
		before, after := updated(sorted[i-1]), updated(sorted[i])
		if before.IsZero() || after.Sub(before) < time.Second {
			continue
		}
		for _, o := range sorted[i:] {
			newer = appendOnce(newer, o.Type()+"/"+o.ID())
		}
		return before.Add(after.Sub(before) / 2).Truncate(time.Millisecond), newer, true
	}
	return time.Time{}, nil, false
}

// appendOnce leaves out what is there: a resource on two pages is SRC-64's.
func appendOnce(all []string, one string) []string {
	if slices.Contains(all, one) {
		return all
	}
	return append(all, one)
}

func (w *world) newerOnly(ctx context.Context) error {
	p, ok := w.news["parted"].(parted)
	if !ok {
		return fmt.Errorf("nothing was parted")
	}
	return w.foundOnly(ctx, p.search, p.newer)
}

// foundOnly judges that a search gives just these resources.
func (w *world) foundOnly(ctx context.Context, a *answer, want []string) error {
	pages, err := w.pages(ctx, a.call.to, a.call.from, a.call.bearer, a.call.url)
	if err != nil {
		return err
	}
	var got []string
	for _, p := range pages {
		for _, o := range entries(p.resource(), "match") {
			got = appendOnce(got, o.Type()+"/"+o.ID())
		}
	}
	if missing, extra := unlike(want, got); len(missing)+len(extra) > 0 {
		return w.fail(a, "SRC-63", fmt.Sprintf("what is newer: %d resources", len(want)), fmt.Sprintf("%d; missing %v, too old %v", len(got), missing, extra))
	}
	return nil
}

func (w *world) newsOnly(ctx context.Context, ago string) error {
	by, err := parseDuration(ago)
	if err != nil {
		return err
	}
	a := w.last
	now, err := w.now(ctx, a.call.to)
	if err != nil {
		return err
	}
	c := a.call
	c.url += "&_lastUpdated=gt" + url.QueryEscape(stamp(now.Add(-by)))
	if err := w.attempt(ctx, c); err != nil {
		return err
	}
	value, _ := w.news["news"].(string)
	found := entries(w.last.resource(), "match")
	if len(found) != 1 || !slices.ContainsFunc(found[0].Objects("identifier"), func(i *fhir.Object) bool { return i.Text("value") == value }) {
		return w.fail(w.last, "SRC-63", "the one result that was recorded since", fmt.Sprintf("%d: %s", len(found), w.last.is()))
	}
	return nil
}
