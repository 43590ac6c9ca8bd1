package steps

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"example.org/ccde/mockehr/fhir"
)

// referredSteps are about what is in no patient's compartment: an access token
// reads it where the record that it reads refers to it.
func referredSteps() []step {
	return []step{
		{`{role} has {outsider} to which no record refers`, "Creates one, as the administrator.",
			`And the source EHR has an Organization to which no record refers`, (*world).stray},
		{`{role} has {outsider} to which only {referrer} refers`, "Creates both, as the administrator.",
			`And the source EHR has a Practitioner to which only a Condition of the other patient refers`, (*world).referredBy},
		{`{caller} reads what was made at {role}`, "Reads by id what one of the steps before made, not what refers to it.",
			`When the application reads what was made at the source EHR`, (*world).readsMade},
		{`the application reads each resource that the patient's record refers to at {role}`, "Reads by id what is outside the compartment and is referred to.",
			`When the application reads each resource that the patient's record refers to at the source EHR`, (*world).readsReferred},
	}
}

// outsiders are resources outside every compartment, as steps name them.
var outsiders = map[string]string{
	"an Organization": `{"resourceType":"Organization","name":"Nobody's clinic %s"}`,
	"a Practitioner":  `{"resourceType":"Practitioner","name":[{"family":"Nobody %s"}]}`,
	"a Binary":        `{"resourceType":"Binary","contentType":"text/plain","content":"Y2NkZQ=="}`,
}

// referrers are resources of a record that refer to another, by their type; the
// patient's id comes before the reference.
var referrers = map[string]string{
	"a Condition": `{"resourceType":"Condition","clinicalStatus":"active","verificationStatus":"confirmed","code":{"text":"nothing of the kind"},
 "subject":{"reference":"Patient/%s"},"asserter":{"reference":"%s"}}`,
	"an Observation": `{"resourceType":"Observation","status":"final","code":{"text":"nothing of the kind"},
 "subject":{"reference":"Patient/%s"},"performer":[{"reference":"%s"}]}`,
	"a DocumentReference": `{"resourceType":"DocumentReference","status":"current","type":{"text":"nothing of the kind"},"indexed":"2017-09-01T10:00:00Z",
 "subject":{"reference":"Patient/%s"},"content":[{"attachment":{"contentType":"text/plain","url":"%s"}}]}`,
}

// createdByAdmin creates a resource as the administrator, and is its type and id.
func (w *world) createdByAdmin(ctx context.Context, n *node, body string) (string, error) {
	bearer, _, err := w.bearerOf("the administrator", n)
	if err != nil {
		return "", err
	}
	o, err := fhir.ParseJSON([]byte(body))
	if err != nil {
		return "", err
	}
	a, err := w.ask(ctx, call{kind: aWrite, from: "the administrator", bearer: bearer, to: n, method: http.MethodPost, url: n.fhir + "/" + o.Type(),
		header: fhirJSON(), body: []byte(body)})
	if err != nil {
		return "", err
	}
	place, _, _ := strings.Cut(a.Header.Get("Location"), "/_history/")
	_, id, _ := cutLast(place, o.Type()+"/")
	if back := a.resource(); id == "" && back != nil {
		id = back.ID()
	}
	if a.Status != http.StatusCreated || id == "" {
		return "", w.unjudged(fmt.Sprintf("%s did not take a new %s: %s", n.title(), o.Type(), a.is()))
	}
	return o.Type() + "/" + id, nil
}

func (w *world) stray(ctx context.Context, title, what string) error {
	n, err := w.role(ctx, title)
	if err != nil {
		return err
	}
	body := outsiders[what]
	if strings.Contains(body, "%s") {
		body = fmt.Sprintf(body, w.run)
	}
	w.news["made"], err = w.createdByAdmin(ctx, n, body)
	return err
}

func (w *world) referredBy(ctx context.Context, title, what, referrer, who string) error {
	if err := w.stray(ctx, title, what); err != nil {
		return err
	}
	n, err := w.role(ctx, title)
	if err != nil {
		return err
	}
	patient, _ := w.patientOf(who)
	_, err = w.createdByAdmin(ctx, n, fmt.Sprintf(referrers[referrer], patient, w.news["made"]))
	return err
}

func (w *world) readsMade(ctx context.Context, caller, title string) error {
	path, made := w.news["made"].(string)
	if !made {
		return fmt.Errorf("nothing was made; say \"the source EHR has a Practitioner to which ...\" before")
	}
	return w.reads(ctx, caller, path, title)
}

func (w *world) readsReferred(ctx context.Context, title string) error {
	n, err := w.role(ctx, title)
	if err != nil {
		return err
	}
	g, err := w.recordOf(ctx, n, "the administrator", w.flow.patient)
	if err != nil {
		return err
	}
	var paths []string
	for _, key := range g.order {
		if typ, _, _ := strings.Cut(key, "/"); !fhir.InPatientCompartment(typ) {
			paths = append(paths, key)
		}
	}
	if len(paths) == 0 {
		return w.unjudged("the record refers to nothing outside it")
	}
	return w.readEach(ctx, n, paths)
}
