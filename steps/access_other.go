package steps

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/steps/judge"
)

func (w *world) nothingOfOther(ctx context.Context) error {
	all := w.set
	if len(all) == 0 {
		all = []*answer{w.last}
	}
	other := w.env.otherPatient()
	for _, a := range all {
		if a.Status >= 500 && a.Status != http.StatusNotImplemented {
			return w.fail(a, w.subject, "403, 404 or an empty searchset", a.is())
		}
		var shown []*fhir.Object
		if a.Status > 299 {
			if err := w.tellsNothing(ctx, a); err != nil {
				return err
			}
			shown = resourcesIn(a.json())
		} else {
			o := a.resource()
			if o == nil {
				return w.fail(a, w.subject, "403, 404 or an empty searchset", a.is())
			}
			shown = append(shown, o)
			for _, e := range o.Objects("entry") {
				shown = append(shown, e.Child("resource"))
			}
		}
		for _, r := range shown {
			for _, one := range append(r.Objects("contained"), r) {
				if slices.Contains(fhir.CompartmentPatients(one, a.call.to.fhir), other) {
					return w.fail(a, w.subject, "nothing of patient "+other, r.Type()+"/"+r.ID()+" in the answer to "+a.call.url)
				}
			}
		}
	}
	return nil
}

// resourcesIn are the resources that JSON holds, however deep: an error has no
// form that a record would have to keep to.
func resourcesIn(v any) []*fhir.Object {
	var out []*fhir.Object
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			out = append(out, resourcesIn(one)...)
		}
	case map[string]any:
		if v["resourceType"] != nil {
			text, err := json.Marshal(v)
			if err != nil {
				return nil
			}
			if o, err := fhir.ParseJSON(text); err == nil {
				out = append(out, o)
			}
		}
		for _, one := range v {
			out = append(out, resourcesIn(one)...)
		}
	}
	return out
}

// tellsNothing judges that an error does not say what only the other patient's
// record does. What was asked for may come back: it tells nothing new.
func (w *world) tellsNothing(ctx context.Context, a *answer) error {
	if len(a.Body) == 0 {
		return nil
	}
	known, ok := w.news["the other patient is known by"].([]string)
	if !ok {
		n := a.call.to
		own, err := w.knownBy(ctx, n, w.env.patient())
		if err != nil {
			return err
		}
		all, err := w.knownBy(ctx, n, w.env.otherPatient())
		if err != nil {
			return err
		}
		known = slices.DeleteFunc(all, func(text string) bool { return slices.Contains(own, text) })
		w.news["the other patient is known by"] = known
	}
	for _, text := range known {
		if judge.Shows(string(a.Body), text) && !judge.Shows(a.call.url+"\n"+string(a.call.body), text) {
			return w.fail(a, w.subject, "an error that tells nothing of patient "+w.env.otherPatient(), "the name, an identifier or an address of that patient in the answer to "+a.call.url)
		}
	}
	return nil
}

// minKnown is how long a text must be to know a patient by.
const minKnown = 4

// knownBy are a patient's names, identifiers and ways of contact, as the
// administrator sees them; none where there is no administrator.
func (w *world) knownBy(ctx context.Context, n *node, patient string) ([]string, error) {
	if n.admin == "" {
		return nil, nil
	}
	a, err := w.ask(ctx, call{kind: aRead, from: "the administrator", bearer: n.admin, to: n, method: http.MethodGet, url: n.fhir + "/Patient/" + patient})
	if err != nil {
		return nil, err
	}
	o := a.resource()
	if a.Status != http.StatusOK || o.Type() != "Patient" {
		return nil, nil
	}
	var out []string
	for _, name := range o.Objects("name") {
		out = append(out, name.Text("family"), name.Text("text"))
		for _, given := range name.List("given") {
			out = append(out, asText(given))
		}
	}
	for _, list := range []string{"identifier", "telecom"} {
		for _, one := range o.Objects(list) {
			out = append(out, one.Text("value"))
		}
	}
	for _, one := range o.Objects("address") {
		for _, line := range one.List("line") {
			out = append(out, asText(line))
		}
	}
	return slices.DeleteFunc(out, func(text string) bool {
		return len(strings.TrimSpace(text)) < minKnown || text == patient
	}), nil
}
