package steps

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"example.org/ccde/steps/judge"
)

func consentSteps() []step {
	return []step{
		{`a Consent of {who} for "{scopes}"`,
			"Makes a Consent as protocol 1.2 has it the request at hand.",
			`Given a Consent of the patient for "user/*.read"`, (*world).consentFor},
		{`the person has given {role} a Consent for "{scopes}"`,
			"Creates such a Consent for the patient. Judges SRC-01.",
			`Given the person has given the source EHR a Consent for "user/*.read"`, (*world).hasGivenConsent},
		{`the Consent is there, as it was sent`,
			"Reads the Consent and compares it with what was sent, but for id, meta and narrative. Judges SRC-01.",
			`Then the Consent is there, as it was sent`, (*world).consentIsThere},
		{`the person sets "{path}" of the Consent to {value}`,
			"Updates the Consent at the source.",
			`When the person sets "status" of the Consent to "inactive"`, (*world).setsConsent},
		{`the administrator sets "{path}" of the Consent to {value}, where that is taken`,
			"The same as the administrator. A source may refuse a Consent that is not what protocol 1.3 wants: then nothing is judged, and nothing is missing.",
			`When the administrator sets "policyRule" of the Consent to "http://hl7.org/fhir/ConsentPolicy/opt-in", where that is taken`, (*world).setsConsentIfTaken},
		{`the person withdraws the Consent`,
			"Sets the Consent's status to inactive.",
			`When the person withdraws the Consent`, (*world).withdraws},
		{`the person deletes the Consent`,
			"Deletes the Consent at the source.",
			`When the person deletes the Consent`, (*world).deletesConsent},
		{`{role} refuses the Consent, when it is given or when it is authorized`,
			"Creates the Consent at hand and, if it was taken, asks $authorize of it: one of both must be refused. Judges the scenario's first id.",
			`Then the source EHR refuses the Consent, when it is given or when it is authorized`, (*world).refusesConsent},
		{`the Consent is authorized`,
			"Creates the Consent at hand and asks $authorize of it; both must succeed. Judges SRC-01 and SRC-10.",
			`Then the Consent is authorized`, (*world).consentIsAuthorized},
		{`the same Consent without that change is authorized`,
			"The control of a Consent that was refused. Judges SRC-01 and SRC-10.",
			`But the same Consent without that change is authorized`, (*world).unchangedIsAuthorized},
	}
}

// Consent is a Consent as protocol 1.2 shapes it, for a patient's id and scopes.
func Consent(patient, scopes string) map[string]any {
	var class []any
	for _, s := range strings.Fields(scopes) {
		class = append(class, map[string]any{"system": "http://smarthealthit.org/fhir/scopes", "code": s})
	}
	return map[string]any{
		"resourceType": "Consent", "status": "active", "patient": map[string]any{"reference": "Patient/" + patient},
		"policyRule": "http://hl7.org/fhir/ConsentDefinition/simple-oauth",
		"except": []any{map[string]any{"type": "permit",
			"action": []any{map[string]any{"coding": []any{map[string]any{"system": "http://hl7.org/fhir/consentaction", "code": "access"}}}},
			"class":  class}},
	}
}

func (w *world) consentFor(ctx context.Context, who, scopes string) error {
	f, err := w.applicationFlow(ctx, "the application")
	if err != nil {
		return err
	}
	id, caller := w.patientOf(who)
	f.patient, f.caller, f.scopes, f.lasts = id, caller, scopes, w.lasts
	w.draft(aConsent, f, f.source, Consent(id, scopes))
	return nil
}

func (w *world) hasGivenConsent(ctx context.Context, title, scopes string) error {
	f, err := w.applicationFlow(ctx, "the application")
	if err != nil {
		return err
	}
	if f.source, err = w.role(ctx, title); err != nil {
		return err
	}
	f.scopes, f.lasts = scopes, w.lasts
	return w.giveConsent(ctx, f)
}

// giveConsent creates the passage's Consent; it must succeed.
func (w *world) giveConsent(ctx context.Context, f *passage) error {
	w.flow = f
	d := &draft{kind: aConsent, flow: f, to: f.source, fields: Consent(f.patient, f.scopes)}
	if err := w.send(ctx, d, f.caller); err != nil {
		return err
	}
	return w.granted(ctx)
}

func (w *world) consentCall(ctx context.Context, d *draft, caller string) (call, error) {
	bearer, _, err := w.bearerOf(caller, d.to)
	if err != nil {
		return call{}, err
	}
	body, err := json.Marshal(d.fields)
	if err != nil {
		return call{}, err
	}
	d.flow.sent = d.fields
	c := call{kind: aConsent, from: caller, bearer: bearer, to: d.to, method: http.MethodPost,
		url: d.to.fhir + "/Consent", header: fhirJSON(), body: body, flow: d.flow}
	if d.xml {
		err = c.asXML()
	}
	return c, err
}

// consentGranted judges the answer to a create (SRC-01, in XML SRC-02).
func (w *world) consentGranted(a *answer) error {
	const want = "201 and a Location that ends in Consent/[id]"
	own := w.inherent(a.call)
	if a.Status != http.StatusCreated {
		return w.fail(a, own, want, a.is())
	}
	path, _, _ := strings.Cut(a.Header.Get("Location"), "/_history/")
	_, id, found := cutLast(strings.TrimSuffix(path, "/"), "Consent/")
	if !found || id == "" || strings.Contains(id, "/") {
		return w.fail(a, own, want, fmt.Sprintf("201 with Location %q", a.Header.Get("Location")))
	}
	a.call.flow.consentID = id
	w.passIfAsked(own)
	return nil
}

func (w *world) consentIsThere(ctx context.Context) error {
	f := w.flow
	c, err := w.consentRead(ctx, f)
	if err != nil {
		return err
	}
	a, err := w.ask(ctx, c)
	if err != nil {
		return err
	}
	got := a.json()
	if a.Status != http.StatusOK || got == nil {
		return w.fail(a, "SRC-01", "the Consent that was created, by its Location", a.is())
	}
	var sent map[string]any
	text, _ := json.Marshal(f.sent) // it was sent a moment ago
	_ = json.Unmarshal(text, &sent)
	for _, name := range []string{"id", "meta", "text"} {
		delete(got, name)
		delete(sent, name)
	}
	if !reflect.DeepEqual(got, sent) {
		back, _ := json.Marshal(got)
		return w.fail(a, "SRC-01", "the Consent as it was sent, but for id, meta and narrative: "+string(text), string(back))
	}
	return nil
}

func (w *world) consentRead(_ context.Context, f *passage) (call, error) {
	bearer, _, err := w.bearerOf(f.caller, f.source)
	return call{kind: aRead, from: f.caller, bearer: bearer, to: f.source, method: http.MethodGet,
		url: f.source.fhir + "/Consent/" + f.consentID, flow: f}, err
}

func (w *world) setsConsent(ctx context.Context, path, value string) error {
	f := w.flow
	body, err := w.changedConsent(ctx, f, path, value)
	if err != nil {
		return err
	}
	return w.changeConsent(ctx, f, http.MethodPut, body)
}

func (w *world) setsConsentIfTaken(ctx context.Context, path, value string) error {
	f := w.flow
	body, err := w.changedConsent(ctx, f, path, value)
	if err != nil {
		return err
	}
	c, err := w.consentRead(ctx, f)
	if err != nil {
		return err
	}
	if c.bearer, _, err = w.bearerOf("the administrator", f.source); err != nil {
		return err
	}
	c.from, c.kind, c.method, c.header, c.body = "the administrator", aWrite, http.MethodPut, fhirJSON(), body
	a, err := w.ask(ctx, c)
	if err != nil {
		return err
	}
	if a.Status < 200 || a.Status > 299 {
		return w.beyond(fmt.Sprintf("%s does not take such a Consent: %s", f.source.title(), a.is()))
	}
	return nil
}

// changedConsent is the passage's Consent with another value in it.
func (w *world) changedConsent(ctx context.Context, f *passage, path, value string) ([]byte, error) {
	v, err := w.value(ctx, &draft{to: f.source}, value)
	if err != nil {
		return nil, err
	}
	resource := clone(f.sent)
	resource["id"] = f.consentID
	if err := setPath(resource, strings.Split(path, "."), v); err != nil {
		return nil, err
	}
	return json.Marshal(resource)
}

func (w *world) withdraws(ctx context.Context) error {
	return w.setsConsent(ctx, "status", `"inactive"`)
}

func (w *world) deletesConsent(ctx context.Context) error {
	return w.changeConsent(ctx, w.flow, http.MethodDelete, nil)
}

// changeConsent updates or deletes a Consent. The protocol demands no such
// interaction of a source, so one that can't do it leaves the scenario unjudged.
func (w *world) changeConsent(ctx context.Context, f *passage, method string, body []byte) error {
	c, err := w.consentRead(ctx, f)
	if err != nil {
		return err
	}
	c.method, c.body, c.kind = method, body, aWrite
	if body != nil {
		c.header = fhirJSON()
	}
	a, err := w.ask(ctx, c)
	if err != nil {
		return err
	}
	if a.Status < 200 || a.Status > 299 {
		return w.unjudged(fmt.Sprintf("%s did not let the Consent be withdrawn by %s: %s", f.source.title(), method, a.is()))
	}
	return nil
}

// refusesConsent takes a refusal at create and one at $authorize.
func (w *world) refusesConsent(ctx context.Context, title string) error {
	d, err := w.atHand()
	if err != nil {
		return err
	}
	if d.to, err = w.role(ctx, title); err != nil {
		return err
	}
	if err := w.send(ctx, d, d.flow.caller); err != nil {
		return err
	}
	if w.last.Status < 200 || w.last.Status > 299 {
		return w.refusedAs(w.last, refusal{})
	}
	if err := w.consentGranted(w.last); err != nil {
		return err
	}
	if err := w.authorizeSent(ctx, d.flow); err != nil {
		return err
	}
	return w.refusedAs(w.last, refusal{})
}

func (w *world) consentIsAuthorized(ctx context.Context) error {
	d, err := w.atHand()
	if err != nil {
		return err
	}
	if err := w.send(ctx, d, d.flow.caller); err != nil {
		return err
	}
	if err := w.granted(ctx); err != nil {
		return err
	}
	if err := w.authorizeSent(ctx, d.flow); err != nil {
		return err
	}
	return w.granted(ctx)
}

func (w *world) unchangedIsAuthorized(ctx context.Context) error {
	d, err := w.atHand()
	if err != nil {
		return err
	}
	w.thing = d.unchanged()
	return w.consentIsAuthorized(ctx)
}

// passIfAsked records that a requirement was met, where the scenario is about it.
func (w *world) passIfAsked(id string) {
	for _, own := range w.ids {
		if own == id && !w.rec.Judged(id) {
			w.rec.Pass(id, "")
		}
	}
}

// fail records a finding about one answer.
func (w *world) fail(a *answer, id, expected, found string) error {
	if a != nil && a.Response != nil {
		w.rec.About(a.Number)
	}
	return w.rec.Fail(id, expected, found)
}

func (w *world) warn(a *answer, id, expected, found string) {
	if a != nil && a.Response != nil {
		w.rec.About(a.Number)
	}
	w.rec.Warn(id, expected, found)
}

func (w *world) form(a *answer, id string, row judge.Row, ok bool, expected, found string) error {
	if a != nil && a.Response != nil {
		w.rec.About(a.Number)
	}
	return w.rec.Form(id, row, ok, expected, found)
}
