package steps

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"example.org/ccde/mockehr/control"
	"example.org/ccde/mockehr/fhir"
)

func copiesSteps() []step {
	return []step{
		{`{role} holds what {role} gave`, "Reads the copy back and compares it with all that the source gave: contents, and references as one mapping (protocol 1.5). Judges TGT-26, or the scenario's own id.",
			`Then the target EHR holds what the source EHR gave`, (*world).holds},
		{`{role} holds what {role} gave, each once`, "The same, and nothing twice.",
			`And the target EHR holds what the source EHR gave, each once`, (*world).holdsOnce},
		{`{role} holds what {role} gave of {who}`, "The same for one patient.",
			`And the target EHR holds what the source EHR gave of the other patient`, (*world).holdsOf},
		{`{role} holds the whole record of {who} at {role}, each once`, "Reads the record at both and compares: all that is there now, whoever gave it and when. What a node that was killed gave before, nobody can tell any more. Judges TGT-26, or the scenario's own id.",
			`Then the target EHR holds the whole record of the patient at the source EHR, each once`, (*world).holdsWhole},
		{`it asked for what the record refers to`, "Each Practitioner, Organization, Medication, Encounter, Location and Binary that something given refers to was given too, or asked for and refused (protocol 1.5). Judges TGT-26.",
			`And it asked for what the record refers to`, (*world).askedForReferred},
		{`each reference between copies leads to the copy`, "No copy refers to an original that was copied too. Judges TGT-26.",
			`And each reference between copies leads to the copy`, (*world).referencesLead},
		{`{role} holds the new result, once`, "The laboratory result that was recorded last is there, in one copy. Judges TGT-27, or the scenario's own id.",
			`Then the target EHR holds the new result, once`, (*world).holdsNews},
		{`{role} does not hold the new result`, "It is not there. Judges the scenario's first id.",
			`And the target EHR does not hold the new result`, (*world).lacksNews},
		{`{role} does not hold the new result, unless {excuse}`, "The same, where a row of the dialect tables may excuse it.",
			`Then the target EHR does not hold the new result, unless a withdrawn Consent runs on there`, (*world).lacksNewsUnless},
		{`the copy of the patient is at {role}`, "Finds the copy; {copy} is its id from here on. Judges TGT-26.",
			`Then the copy of the patient is at the target EHR`, (*world).copyIsAt},
		{`the rest of the record was copied`, "All that the source gave in good answers is held, and what a broken one had in it of another type is not. Judges TGT-33.",
			`Then the rest of the record was copied`, (*world).restWasCopied},
		{`the connection says what went wrong`, "The connection has a message, where the target tells how copying goes. Judges TGT-33.",
			`And the connection says what went wrong`, (*world).saysWhatWentWrong},
		{`{role} holds a record of {who}`, "Loads a small record of a new patient into the mock.",
			`Given the target EHR holds a record of the patient "zoe"`, (*world).loadRecord},
		{`a new laboratory result of {who} is recorded at {role}`, "Creates an Observation at the EHR, as its administrator.",
			`When a new laboratory result of the patient is recorded at the source EHR`, (*world).recordNews},
		{`a Condition of {who} is changed at {role}`, "Updates one at the EHR, as its administrator.",
			`When a Condition of the patient is changed at the source EHR`, (*world).changeCondition},
		{`{role} holds the new phone number`, "The copy of the Patient has the phone number that was changed last. Judges the scenario's first id.",
			`Then the target EHR holds the new phone number`, (*world).holdsPhone},
		{`the phone number of {who} is changed at {role}`, "Updates the Patient at the EHR, as its administrator.",
			`When the phone number of the patient is changed at the source EHR`, (*world).changePhone},
	}
}

// between is the passage from one EHR to another, of a patient or the only one.
func (w *world) between(ctx context.Context, target, source, who string) (*passage, error) {
	to, err := w.role(ctx, target)
	if err != nil {
		return nil, err
	}
	from, err := w.role(ctx, source)
	if err != nil {
		return nil, err
	}
	id, _ := w.patientOf(who)
	if who == "the copy" {
		for _, f := range w.flows {
			if f.copy != "" && f.target == from {
				id = f.copy
			}
		}
	}
	for _, patient := range []string{id, w.env.patient()} {
		if f := w.flows[flowKey(patient, from, to)]; f != nil && patient != "" {
			return f, nil
		}
	}
	return nil, fmt.Errorf("no record was moved from %s to %s", from.title(), to.title())
}

func (w *world) holds(ctx context.Context, target, source string) error {
	return w.holdsCopy(ctx, target, source, "", false)
}

func (w *world) holdsOnce(ctx context.Context, target, source string) error {
	return w.holdsCopy(ctx, target, source, "", true)
}

func (w *world) holdsOf(ctx context.Context, target, source, who string) error {
	return w.holdsCopy(ctx, target, source, who, false)
}

func (w *world) holdsCopy(ctx context.Context, target, source, who string, once bool) error {
	f, err := w.between(ctx, target, source, who)
	if err != nil {
		return err
	}
	_, data, err := w.passageRequests(ctx, f)
	if err != nil {
		return err
	}
	given := w.given(data)
	if len(given.nodes) == 0 {
		id := "TGT-24"
		if slices.Contains(w.ids, "TGT-10") {
			id = "TGT-10" // all that such a scenario has of its own is how $connect named the source
		}
		return w.rec.Fail(id, "requests for the record that the source can answer", fmt.Sprintf("%d requests for data, and nothing given", len(data)))
	}
	return w.sameAs(ctx, f, given, once)
}

func (w *world) holdsWhole(ctx context.Context, target, who, source string) error {
	f, err := w.between(ctx, target, source, who)
	if err != nil {
		return err
	}
	if f.source.control == nil {
		return w.beyond(f.source.title() + " is an outside system; what its record is, it says itself")
	}
	caller, bearer := "the administrator", f.source.admin
	if token, err := w.tokenBeside(ctx, f); err != nil {
		return err
	} else if token != "" {
		caller, bearer = "the application", token // the record is what the source gives to one that copies it
	}
	whole := newGraph(f.source.fhir)
	if err := w.gather(ctx, whole, f.source, caller, bearer, f.patient); err != nil {
		return err
	}
	// A permission is no part of the record, and other people have theirs.
	whole.drop(func(key string) bool {
		return strings.HasPrefix(key, "Consent/") || strings.HasPrefix(key, "Patient/") && key != "Patient/"+f.patient
	})
	return w.sameAs(ctx, f, whole, true)
}

// tokenBeside gets an access token with what the passage has, for the judge's
// own reading; "" where the source gives none any more.
func (w *world) tokenBeside(ctx context.Context, f *passage) (string, error) {
	if f.authorization == "" {
		return "", nil
	}
	at := w.thing
	d := w.tokenDraft(f)
	w.thing = at // "it" stays what it was
	c, err := w.tokenCall(ctx, d, "the application")
	if err != nil {
		return "", err
	}
	a, err := w.ask(ctx, c)
	if err != nil || a.Status != http.StatusOK {
		return "", err
	}
	token := asText(a.json()["access_token"])
	w.rec.Secret("token", token)
	return token, nil
}

// givenAnew says whether the source gave a resource in more than one state.
func (w *world) givenAnew(ctx context.Context, f *passage, key string) (bool, error) {
	_, data, err := w.passageRequests(ctx, f)
	if err != nil {
		return false, err
	}
	states := map[string]bool{}
	for i := range data {
		one := w.given(data[i : i+1])
		if v := one.nodes[key]; v != nil {
			one.prepare(one.base, nil)
			states[v.content] = true
		}
	}
	return len(states) > 1, nil
}

func (w *world) sameAs(ctx context.Context, f *passage, given *graph, once bool) error {
	copied, err := w.copied(ctx, f)
	if err != nil || f.copy == "" {
		return err
	}
	var others []*graph
	for _, other := range w.flows {
		if other == f || other.target != f.target || other.source != f.source {
			continue
		}
		_, data, err := w.passageRequests(ctx, other)
		if err != nil {
			return err
		}
		others = append(others, w.given(data))
	}
	if d := compare(given, copied, once, others...); d != (difference{}) {
		id := w.copyJudge()
		if d.altered != "" {
			// Whatever the scenario is about: a copy of what never changed is as it was given.
			changed, err := w.givenAnew(ctx, f, d.altered)
			if err != nil {
				return err
			}
			if !changed {
				id = "TGT-26"
			}
		}
		return w.rec.Fail(id, d.expected, d.found)
	}
	w.passIfAsked(w.copyJudge())
	return nil
}

// referred are the types that a target copies where its record refers to them.
var referred = []string{"Practitioner", "Organization", "Medication", "Encounter", "Location", "Binary"}

func (w *world) askedForReferred(ctx context.Context) error {
	f, _, data, err := w.ofFlow(ctx)
	if err != nil {
		return err
	}
	given, asked := w.given(data), map[string]bool{}
	for _, e := range data {
		path, _ := e.below()
		key, _, _ := strings.Cut(path, "/_history")
		asked[key] = true
	}
	for _, key := range given.order {
		left := ""
		fhir.EachReference(given.nodes[key].resource, func(r fhir.Reference) {
			base, typ, id, _, ok := fhir.SplitReference(r.Value)
			if to := typ + "/" + id; ok && (base == "" || base == f.source.fhir) && slices.Contains(referred, typ) && given.nodes[to] == nil && !asked[to] {
				left = to
			}
		})
		if left != "" {
			return w.rec.Fail("TGT-26", "a read of "+left+", which "+key+" refers to", "none")
		}
	}
	return nil
}

func (w *world) referencesLead(ctx context.Context) error {
	f, _, data, err := w.ofFlow(ctx)
	if err != nil {
		return err
	}
	given := w.given(data)
	copied, err := w.copied(ctx, f)
	if err != nil || f.copy == "" {
		return err
	}
	for _, key := range copied.order {
		stray := ""
		fhir.EachReference(copied.nodes[key].resource, func(r fhir.Reference) {
			if base, typ, id, _, ok := fhir.SplitReference(r.Value); ok && base == f.source.fhir && given.nodes[typ+"/"+id] != nil {
				stray = r.Value
			}
		})
		if stray != "" {
			return w.rec.Fail("TGT-26", key+" refers to the copy of what was copied", "it refers to the original, "+stray)
		}
	}
	return nil
}

func (w *world) copyIsAt(ctx context.Context, title string) error {
	if _, err := w.role(ctx, title); err != nil {
		return err
	}
	return w.findCopy(ctx, w.flow)
}

func (w *world) restWasCopied(ctx context.Context) error {
	f, _, data, err := w.ofFlow(ctx)
	if err != nil {
		return err
	}
	types, err := w.typesOf(ctx, f.source)
	if err != nil {
		return err
	}
	for _, q := range s4sQueries {
		if q.optional || q.typ == "Condition" || !contains(types, q.typ) {
			continue
		}
		found := false
		for _, e := range data {
			found = found || e.Status == http.StatusOK && q.asked(e.asked(), e.query(), f.patient)
		}
		if !found {
			return w.rec.Fail(w.subject, "the other queries asked all the same: "+q.path(f.patient), "no such request")
		}
	}
	var good []seen
	for _, e := range data {
		if !e.matches("/Condition") {
			good = append(good, e)
		}
	}
	rest := w.given(good)
	rest.open = "Condition" // of a query that failed half-way some may be held
	if err := w.sameAs(ctx, f, rest, false); err != nil || f.copy == "" {
		return err
	}
	stray, _ := w.news["stray"].(string)
	if n, err := w.resultsOf(ctx, f, stray); err != nil || n == 0 {
		return err
	}
	return w.rec.Fail(w.subject, "nothing held of an answer with resources of another type", "the Observation that came in place of a Condition")
}

func contains(list []string, text string) bool {
	for _, one := range list {
		if one == text {
			return true
		}
	}
	return false
}

func (w *world) saysWhatWentWrong(ctx context.Context) error {
	if w.flow.connection == "" {
		return nil // it does not tell how copying goes (TGT-40)
	}
	// A round that has just begun may have taken the last one's message away.
	within, cancel := context.WithTimeout(ctx, w.env.Timeouts.request())
	defer cancel()
	for {
		if err := w.asksStatus(ctx); err != nil {
			return err
		}
		if w.ours() || w.last.Status != http.StatusOK || textParameter(w.last.json(), "message") != "" || within.Err() != nil {
			break
		}
		select {
		case <-within.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	if a := w.last; a.Status == http.StatusOK && textParameter(a.json(), "message") == "" {
		return w.fail(a, w.subject, "a message that says what went wrong", a.is())
	}
	return nil
}

func roleTitle(title string) string { return (&node{name: roleName(title)}).title() }

// rule adds a rule to a node.
func (w *world) rule(ctx context.Context, n *node, r control.Rule) error {
	if _, err := n.control.AddRule(ctx, r); err != nil {
		return fmt.Errorf("%s: %w", n.title(), err)
	}
	return nil
}
