package steps

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"example.org/ccde/mockehr/fhir"
)

// This file judges what a target asks, and when, by what its source saw.

func (w *world) askedForAll(ctx context.Context) error {
	f, _, data, err := w.ofFlow(ctx)
	if err != nil {
		return err
	}
	meta, err := w.ask(ctx, call{from: "nobody", to: f.source, method: http.MethodGet, url: f.source.fhir + "/metadata"})
	if err != nil {
		return err
	}
	types := listed(meta.json())
	if !slices.ContainsFunc(data, func(e seen) bool {
		path, _ := e.below()
		return path == "Patient/"+f.patient || path == "Patient" && slices.Contains(e.query()["_id"], f.patient)
	}) && scopesName(f.scopes, "Patient") {
		return w.rec.Fail("TGT-24", "a request for Patient/"+f.patient, "none")
	}
	given := w.given(data)
	for _, q := range s4sQueries {
		if q.optional || !slices.Contains(types, q.typ) || !scopesName(f.scopes, q.typ) {
			continue
		}
		if slices.ContainsFunc(data, func(e seen) bool {
			return q.asked(e.asked(), e.query(), f.patient)
		}) {
			continue
		}
		// Another way to the same is as good: then all of it was given.
		missing, err := w.notGiven(ctx, f, q, given)
		if err != nil {
			return err
		}
		if missing != "" {
			return w.rec.Fail("TGT-24", "a request that covers "+q.path(f.patient), "none, and "+missing+" was not given in another way")
		}
	}
	return nil
}

// notGiven names a resource of a query that the source did not give, "" if it
// gave all; one that has none was not asked for.
func (w *world) notGiven(ctx context.Context, f *passage, q s4s, given *graph) (string, error) {
	all, err := w.search(ctx, f.source, "the administrator", f.source.admin, q.path(f.patient))
	if err != nil {
		return "", err
	}
	if len(all) == 0 {
		return "a search for " + q.typ, nil
	}
	for _, o := range all {
		if given.nodes[o.Type()+"/"+o.ID()] == nil {
			return o.Type() + "/" + o.ID(), nil
		}
	}
	return "", nil
}

// nextLink is the URL of a Bundle's next page, "" if there is none. It may be
// relative to at, where the Bundle was found.
func nextLink(bundle *fhir.Object, at string) string {
	for _, l := range bundle.Objects("link") {
		if l.Text("relation") != "next" {
			continue
		}
		base, err := url.Parse(at)
		if err != nil {
			return l.Text("url")
		}
		next, err := base.Parse(l.Text("url"))
		if err != nil {
			return l.Text("url")
		}
		return next.String()
	}
	return ""
}

func (w *world) followedNext(ctx context.Context) error {
	_, _, data, err := w.ofFlow(ctx)
	if err != nil {
		return err
	}
	pages := 0
	for i, e := range data {
		next := nextLink(e.body(), e.URL)
		if next == "" || e.Status != http.StatusOK {
			continue
		}
		pages++
		if !slices.ContainsFunc(data[i+1:], func(later seen) bool { return sameURL(later.URL, next) && later.Status == http.StatusOK }) {
			return w.failAt(e, "TGT-25", "a request for the next page, "+next, "none after "+e.say())
		}
	}
	if pages == 0 {
		return w.unjudged("no answer of the source had a next link")
	}
	return nil
}

func sameURL(a, b string) bool {
	u, v := seen{}, seen{}
	u.URL, v.URL = a, b
	x, y := u.parsed(), v.parsed()
	return x.Path == y.Path && x.Query().Encode() == y.Query().Encode()
}

// sinceMark are the requests since time last passed.
func (w *world) sinceMark(n *node, all []seen) []seen {
	return slices.DeleteFunc(slices.Clone(all), func(e seen) bool { return e.Seq <= w.since[n.name] })
}

// parseInstant reads an instant of a search, whose seconds may be left out
// (FHIR search.html#date).
func parseInstant(text string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Parse("2006-01-02T15:04Z07:00", text)
	}
	return at, nil
}

func (w *world) askedForNew(ctx context.Context) error {
	f, _, data, err := w.ofFlow(ctx)
	if err != nil {
		return err
	}
	var next []string
	for _, e := range data {
		if link := nextLink(e.body(), e.URL); link != "" {
			next = append(next, link)
		}
	}
	searches := 0
	for _, e := range w.sinceMark(f.source, data) {
		path, _ := e.below()
		if strings.Contains(strings.TrimSuffix(path, "/_search"), "/") || path == "Patient" {
			continue // a read, and the patient, who is not searched by date
		}
		if slices.ContainsFunc(next, func(link string) bool { return sameURL(link, e.URL) }) {
			continue
		}
		searches++
		since := e.query()["_lastUpdated"]
		if len(since) == 0 {
			return w.rec.Fail("TGT-27", "_lastUpdated=gt[last check] in "+e.URL, "no _lastUpdated")
		}
		text, gt := strings.CutPrefix(since[0], "gt")
		if !gt {
			text, gt = strings.CutPrefix(since[0], "ge")
		}
		at, err := parseInstant(strings.ReplaceAll(text, " ", "+"))
		if !gt || err != nil {
			return w.rec.Fail("TGT-27", "_lastUpdated=gt or ge, with an instant", since[0])
		}
		if at.After(e.At.Add(time.Second)) {
			return w.rec.Fail("TGT-27", "an instant that is not ahead of the source's clock, "+stamp(e.At), stamp(at))
		}
		if at.Before(f.before.Add(-time.Hour)) {
			return w.rec.Fail("TGT-27", "an instant of the last check, not before "+stamp(f.before), stamp(at))
		}
	}
	if searches == 0 {
		return w.rec.Fail("TGT-27", "searches for what is new", "none in that time")
	}
	w.passIfAsked("TGT-27")
	return nil
}

// flowsAt are the passages to a target from the source of a step's text, of one
// patient or all.
func (w *world) flowsAt(ctx context.Context, title, who string) (*node, []*passage, error) {
	n, err := w.controlled(ctx, title)
	if err != nil {
		return nil, nil, err
	}
	var out []*passage
	for _, f := range w.flows {
		if f.target == nil || f.source != n {
			continue
		}
		if id, _ := w.patientOf(who); who == "" || f.patient == id {
			out = append(out, f)
		}
	}
	if len(out) == 0 {
		return n, nil, fmt.Errorf("no such record was moved from %s", n.title())
	}
	return n, out, nil
}

func (w *world) askedInTime(ctx context.Context, title string) error {
	return w.askedOfInTime(ctx, title, "")
}

func (w *world) askedOfInTime(ctx context.Context, title, who string) error {
	n, flows, err := w.flowsAt(ctx, title, who)
	if err != nil {
		return err
	}
	for _, f := range flows {
		_, data, err := w.passageRequests(ctx, f)
		if err != nil {
			return err
		}
		if len(w.sinceMark(n, data)) > 0 {
			continue
		}
		now, err := w.now(ctx, n)
		if err != nil {
			return err
		}
		if !w.ours() && !now.Before(f.connected.Add(time.Duration(f.expiresIn)*time.Second)) {
			return w.beyond("the connection was over before an update was due: the first copy took long, against target.update.every")
		}
		return w.rec.Fail(w.subject, "requests for data in that time, while the connection lives", "none")
	}
	return nil
}

func (w *world) nothingInTime(ctx context.Context, title string) error {
	return w.nothingOfInTime(ctx, title, "")
}

func (w *world) nothingOfInTime(ctx context.Context, title, who string) error {
	n, flows, err := w.flowsAt(ctx, title, who)
	if err != nil {
		return err
	}
	for _, f := range flows {
		tokens, data, err := w.passageRequests(ctx, f)
		if err != nil {
			return err
		}
		if late := w.sinceMark(n, slices.Concat(tokens, data)); len(late) > 0 {
			return w.failAt(late[0], w.subject, "no request in that time", fmt.Sprintf("%d, the first %s at %s", len(late), late[0].say(), stamp(late[0].At)))
		}
	}
	return nil
}

// gaveNothing looks for answers with a part of the record: what was asked and
// refused is nothing.
func (w *world) gaveNothing(ctx context.Context, title, excuse string) error {
	n, flows, err := w.flowsAt(ctx, title, "")
	if err != nil {
		return err
	}
	for _, f := range flows {
		_, data, err := w.passageRequests(ctx, f)
		if err != nil {
			return err
		}
		late := slices.DeleteFunc(w.sinceMark(n, data), func(e seen) bool { return e.Status != http.StatusOK })
		if len(late) == 0 {
			continue
		}
		expected, found := "no answer but refusals", fmt.Sprintf("%d good ones, the first to %s at %s", len(late), late[0].say(), stamp(late[0].At))
		if err := w.rec.Form(w.subject, excuses[excuse], false, expected, found); err != nil {
			return err
		}
	}
	return nil
}

// passedOver says that a read was refused: a record may refer to another
// patient, whom a target may ask for in vain (protocol 1.5). With its own token
// it asks for that patient again.
func passedOver(e seen) bool {
	return e.Status == http.StatusForbidden || e.Status == http.StatusNotFound
}

func (w *world) tokensApart(ctx context.Context) error {
	for _, f := range w.flows {
		if f.target == nil {
			continue
		}
		_, data, err := w.passageRequests(ctx, f)
		if err != nil {
			return err
		}
		if len(data) == 0 {
			return w.rec.Fail(w.subject, "requests for data of patient "+f.patient, "none")
		}
		for _, e := range data {
			for _, other := range w.flows {
				path := e.asked()
				if other != f && other.target != nil && other.source == f.source && other.patient != f.patient &&
					(path == "Patient/"+other.patient && !passedOver(e) || slices.ContainsFunc(s4sQueries, func(q s4s) bool { return q.asked(path, e.query(), other.patient) })) {
					return w.failAt(e, w.subject, "requests for patient "+other.patient+" with that patient's access token", e.say()+" with that of patient "+f.patient)
				}
			}
		}
	}
	return nil
}
