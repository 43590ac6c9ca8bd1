package steps

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/steps/judge"
)

// This file changes a record at its source, and looks whether its copy follows.

// loadRecord makes a record that no other node has: its texts name the node.
func (w *world) loadRecord(ctx context.Context, title, who string) error {
	n, err := w.controlled(ctx, title)
	if err != nil {
		return err
	}
	id, _ := w.patientOf(who)
	if err := n.control.Load(ctx, []byte(strings.NewReplacer("{id}", id, "{node}", n.name).Replace(smallRecord))); err != nil {
		return fmt.Errorf("%s: %w", n.title(), err)
	}
	return nil
}

const smallRecord = `{"resourceType": "Bundle", "type": "collection", "entry": [
 {"resource": {"resourceType": "Organization", "id": "{id}-org", "name": "Clinic of {id} at {node}"}},
 {"resource": {"resourceType": "Practitioner", "id": "{id}-doc", "name": [{"family": "Doctor of {id} at {node}"}]}},
 {"resource": {"resourceType": "Patient", "id": "{id}", "name": [{"family": "{id}", "given": ["of {node}"]}], "gender": "other", "birthDate": "1985-02",
   "managingOrganization": {"reference": "Organization/{id}-org"}, "generalPractitioner": [{"reference": "Practitioner/{id}-doc"}]}},
 {"resource": {"resourceType": "Condition", "id": "{id}-condition", "clinicalStatus": "active", "code": {"text": "Hay fever, says {node}"},
   "subject": {"reference": "Patient/{id}"}, "asserter": {"reference": "Practitioner/{id}-doc"}}},
 {"resource": {"resourceType": "Observation", "id": "{id}-weight", "status": "final",
   "category": [{"coding": [{"system": "http://hl7.org/fhir/observation-category", "code": "vital-signs"}]}],
   "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}], "text": "Weight, says {node}"},
   "subject": {"reference": "Patient/{id}"}, "effectiveDateTime": "2017-08",
   "valueQuantity": {"value": 71.50, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}}},
 {"resource": {"resourceType": "Observation", "id": "{id}-smoking", "status": "final",
   "category": [{"coding": [{"system": "http://hl7.org/fhir/observation-category", "code": "social-history"}]}],
   "code": {"coding": [{"system": "http://loinc.org", "code": "72166-2"}]}, "subject": {"reference": "Patient/{id}"},
   "valueCodeableConcept": {"text": "Never smoker, says {node}"}}}]}`

// newsSystem is the system of the identifier of what a scenario records.
const newsSystem = "urn:ccde:news"

func (w *world) recordNews(ctx context.Context, who, title string) error {
	n, err := w.role(ctx, title)
	if err != nil {
		return err
	}
	if n.control == nil {
		return w.beyond(n.title() + " is an outside system; nothing is recorded there")
	}
	id, _ := w.patientOf(who)
	value := randomText(8)
	body := fmt.Sprintf(`{"resourceType": "Observation", "identifier": [{"system": %q, "value": %q}], "status": "final",
 "category": [{"coding": [{"system": "http://hl7.org/fhir/observation-category", "code": "laboratory"}]}],
 "code": {"coding": [{"system": "http://loinc.org", "code": "2093-3"}], "text": "Cholesterol"},
 "subject": {"reference": "Patient/%s"}, "effectiveDateTime": "2017-09-08T09:30:00+02:00",
 "valueQuantity": {"value": 5.20, "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"}}`, newsSystem, value, id)
	a, err := w.ask(ctx, call{kind: aWrite, from: "the administrator", bearer: n.admin, to: n, method: http.MethodPost,
		url: n.fhir + "/Observation", header: fhirJSON(), body: []byte(body)})
	if err != nil {
		return err
	}
	if a.Status != http.StatusCreated {
		return fmt.Errorf("%s did not take a new Observation: %s", n.title(), a.is())
	}
	w.news["news"], w.news["patient"] = value, id
	return nil
}

func (w *world) changeCondition(ctx context.Context, who, title string) error {
	n, err := w.controlled(ctx, title)
	if err != nil {
		return err
	}
	id, _ := w.patientOf(who)
	all, err := w.search(ctx, n, "the administrator", n.admin, "Condition?patient="+id)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("%s has no Condition of %s", n.title(), id)
	}
	o := all[0]
	o.Set("note", []any{fhir.NewObject(fhir.Member{Name: "text", Value: "Looked at again: " + randomText(4)})})
	return w.put(ctx, n, o)
}

// changePhone leaves the record as it is but for the Patient, who is in no search.
func (w *world) changePhone(ctx context.Context, who, title string) error {
	n, err := w.controlled(ctx, title)
	if err != nil {
		return err
	}
	id, _ := w.patientOf(who)
	a, err := w.ask(ctx, call{kind: aRead, from: "the administrator", bearer: n.admin, to: n, method: http.MethodGet, url: n.fhir + "/Patient/" + id})
	if err != nil {
		return err
	}
	o := a.resource()
	if a.Status != http.StatusOK || o == nil {
		return fmt.Errorf("%s has no Patient/%s: %s", n.title(), id, a.is())
	}
	value := "+61 3 5550 " + randomText(4)
	o.Set("telecom", []any{fhir.NewObject(fhir.Member{Name: "system", Value: "phone"}, fhir.Member{Name: "value", Value: value})})
	w.news["phone"] = value
	return w.put(ctx, n, o)
}

func (w *world) holdsPhone(ctx context.Context, title string) error {
	n, err := w.role(ctx, title)
	if err != nil {
		return err
	}
	value, _ := w.news["phone"].(string)
	f := w.flow
	if f == nil || f.target != n || value == "" {
		return fmt.Errorf("no record was moved to %s, or no phone number was changed", n.title())
	}
	if err := w.findCopy(ctx, f); err != nil || f.copy == "" {
		return err
	}
	a, err := w.ask(ctx, call{kind: aRead, from: "the administrator", bearer: n.readback, to: n, method: http.MethodGet, url: n.fhir + "/Patient/" + f.copy})
	if err != nil {
		return err
	}
	for _, t := range a.resource().Objects("telecom") {
		if t.Text("value") == value {
			return nil
		}
	}
	return w.fail(a, w.subject, "the Patient read again, with the phone number "+value, a.is())
}

// newsAt are the copies of the news at a node.
func (w *world) newsAt(ctx context.Context, title string) (int, error) {
	n, err := w.role(ctx, title)
	if err != nil {
		return 0, err
	}
	value, _ := w.news["news"].(string)
	var f *passage
	for _, one := range w.flows {
		if one.target == n {
			f = one
		}
	}
	if f == nil || value == "" {
		return 0, fmt.Errorf("no record was moved to %s, or nothing new was recorded", n.title())
	}
	if f.copy == "" {
		if err := w.findCopy(ctx, f); err != nil || f.copy == "" {
			return 0, err
		}
	}
	return w.resultsOf(ctx, f, value)
}

// resultsOf counts the laboratory results of a copied record with an identifier of the scenario's own.
func (w *world) resultsOf(ctx context.Context, f *passage, value string) (int, error) {
	all, err := w.search(ctx, f.target, "the administrator", f.target.readback, "Observation?category=laboratory&patient="+f.copy+"&_count=200")
	if err != nil {
		return 0, err
	}
	count := 0
	for _, o := range all {
		for _, i := range o.Objects("identifier") {
			if i.Text("system") == newsSystem && i.Text("value") == value {
				count++
			}
		}
	}
	return count, nil
}

func (w *world) holdsNews(ctx context.Context, title string) error {
	count, err := w.newsAt(ctx, title)
	if err != nil {
		return err
	}
	if count != 1 {
		return w.rec.Fail(w.subject, "the new result at "+roleTitle(title)+", once", fmt.Sprintf("%d of it", count))
	}
	return nil
}

func (w *world) lacksNews(ctx context.Context, title string) error { return w.lacks(ctx, title, nil) }

func (w *world) lacksNewsUnless(ctx context.Context, title, excuse string) error {
	row := excuses[excuse]
	return w.lacks(ctx, title, &row)
}

func (w *world) lacks(ctx context.Context, title string, row *judge.Row) error {
	count, err := w.newsAt(ctx, title)
	if err != nil || count == 0 {
		return err
	}
	expected, found := "nothing of what was recorded after the end", fmt.Sprintf("the new result, at %s", roleTitle(title))
	if row == nil {
		return w.rec.Fail(w.subject, expected, found)
	}
	for _, id := range w.ids {
		if err := w.rec.Form(id, *row, false, expected, found); err != nil {
			return err
		}
	}
	return nil
}
