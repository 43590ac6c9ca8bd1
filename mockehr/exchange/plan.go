package exchange

import (
	"context"
	"net/url"
	"strings"
	"time"

	"example.org/ccde/mockehr/check"
)

// firstConnection is the set of protocol 1.5, Patient aside; the patient's id goes at the end.
var firstConnection = []string{
	"Observation?category=social-history&patient=",
	"Observation?code=http://loinc.org%7C72166-2&patient=",
	"Observation?category=laboratory&patient=",
	"Observation?category=vital-signs&patient=",
	"Condition?patient=",
	"MedicationRequest?patient=",
	"MedicationStatement?patient=",
	"MedicationDispense?patient=",
	"MedicationAdministration?patient=",
	"AllergyIntolerance?patient=",
	"Procedure?patient=",
	"Immunization?patient=",
	"DocumentReference?patient=",
	"Coverage?beneficiary=",
	"ExplanationOfBenefit?patient=",
}

// copiedBySearch are the types that a query brings, so that their pages bring most of what refers to
// them; what is left is read by id at the end of a round.
var copiedBySearch = func() map[string]bool {
	types := map[string]bool{"Patient": true}
	for _, q := range firstConnection {
		types[typeOf(q)] = true
	}
	return types
}()

// typeOf is the resource type of a query such as Condition?patient=1 or Patient/1.
func typeOf(text string) string {
	if i := strings.IndexAny(text, "?/"); i >= 0 {
		return text[:i]
	}
	return text
}

// isRead tells a read, Patient/1, from a search.
func isRead(text string) bool { return !strings.Contains(text, "?") }

// plan is what to ask for (TGT-24): the first-connection set, as far as scopes and CapabilityStatement
// allow. The patient is always among it: what is copied refers to it.
func (w *worker) plan(ctx context.Context) []string {
	st := w.state()
	allowed := readScopes(st.Token.Scope)
	texts := []string{"Patient/" + st.Patient}
	for _, q := range firstConnection {
		if typ := typeOf(q); allowed.reads(typ) && w.caps.searches(typ) {
			texts = append(texts, q+url.QueryEscape(st.Patient))
		}
	}
	in := check.Inputs{"connection": st.ID, "source": st.Base, "patient": st.Patient, "scope": st.Token.Scope}
	return check.Value(ctx, w.Checks, "TGT-24", in, texts)
}

// applyPlan makes texts the queries of the round, and keeps what is known of those that were before.
func (st *state) applyPlan(texts []string) {
	var queries []query
	for _, text := range texts {
		q := query{Text: text}
		if known := st.query(text); known != nil {
			q = *known
		}
		queries = append(queries, q)
	}
	st.Queries = queries
}

// overlap is taken off the source's Date: a Date is in whole seconds, and what was being written when
// the search was answered may bear a time before it.
const overlap = 5 * time.Second

// firstPage is the URL at which a query begins: for a search that ran before only what is new (TGT-27).
func (w *worker) firstPage(ctx context.Context, q *query) string {
	target := w.state().Base + "/" + q.Text
	if isRead(q.Text) {
		return target
	}
	since := ""
	if from := w.since(q); !from.IsZero() {
		since = "gt" + from.UTC().Format(time.RFC3339)
	}
	in := check.Inputs{"connection": w.state().ID, "query": q.Text, "round": w.state().Round}
	if since = check.Value(ctx, w.Checks, "TGT-27", in, since); since != "" {
		target += "&_lastUpdated=" + url.QueryEscape(since)
	}
	return target
}

// since is the source's time from which on a search asks; zero asks for all. A source's clock that was
// set back gives what it writes from then on times that were asked for already: so it is no later than
// the source's time now, less what passed here since the last search. Where that can't be told, as this
// node's clock went back too, all is asked for.
func (w *worker) since(q *query) time.Time {
	if q.Since.IsZero() || w.dated.IsZero() {
		return q.Since
	}
	passed := w.datedAt.Sub(q.Until)
	if passed < 0 && w.dated.Before(q.Since) {
		return time.Time{}
	}
	if from := w.dated.Add(-passed - overlap); from.Before(q.Since) {
		return from
	}
	return q.Since
}
