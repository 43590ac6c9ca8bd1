package steps

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"example.org/ccde/mockehr/fhir"
)

func accessSteps() []step {
	return []step{
		{`the application reads each resource of the other patient at {role}`, "Reads by id all that the administrator finds of that patient.",
			`When the application reads each resource of the other patient at the source EHR`, (*world).readsOthers},
		{`the application reads the version of the other patient at {role}`, "Reads the version of that Patient that the administrator sees, by its id.",
			`When the application reads the version of the other patient at the source EHR`, (*world).readsOthersVersion},
		{`nothing of the other patient is shown`, "403, 404, or an answer without any resource of that patient, whatever way it would come; nor does an error tell the name or the like. Judges the scenario's first id.",
			`Then nothing of the other patient is shown`, (*world).nothingOfOther},
		{`{caller} turns its page`, "Asks for the next link of the last search with that caller's bearer.",
			`And the application turns its page`, (*world).turnsPage},
		{`{caller} posts the search "{form}" to "{path}" at {role}`, "Searches by POST, with a form in place of a query.",
			`When the application posts the search "patient={other patient}" to "Observation/_search" at the source EHR`, (*world).postsSearch},
		{`the application tries to {write} at {role}`, "Sends a write with the access token.",
			`When the application tries to update the patient at the source EHR`, (*world).triesToWrite},
		{`it is refused, and nothing has changed`, "The write was refused, and the administrator finds all as it was. Judges SRC-44.",
			`Then it is refused, and nothing has changed`, (*world).nothingChanged},
		{`the access token's time is over`, "Lets expires_in pass.",
			`When the access token's time is over`, (*world).tokenTimeOver},
		{`each of them is granted`, "All answers of the step before are good ones. Judges the scenario's first id.",
			`Then each of them is granted`, (*world).eachGranted},
	}
}

// appCall is a read with the application's access token.
func (w *world) appCall(to *node, method, place string) (call, error) {
	bearer, f, err := w.bearerOf("the application", to)
	return call{kind: aRead, from: "the application", bearer: bearer, to: to, method: method, url: place, flow: f}, err
}

// readEach reads each of these below a node's base; the answers become "them".
func (w *world) readEach(ctx context.Context, to *node, paths []string) error {
	var all []*answer
	for _, p := range paths {
		c, err := w.appCall(to, http.MethodGet, to.fhir+"/"+p)
		if err != nil {
			return err
		}
		if err := w.attempt(ctx, c); err != nil {
			return err
		}
		all = append(all, w.last)
	}
	w.set = all
	return nil
}

// recordOf is a patient's whole record with what it refers to, as an
// administrator or an application sees it.
func (w *world) recordOf(ctx context.Context, n *node, caller, patient string) (*graph, error) {
	bearer, _, err := w.bearerOf(caller, n)
	if err != nil {
		return nil, err
	}
	g := newGraph(n.fhir)
	return g, w.gather(ctx, g, n, caller, bearer, patient)
}

func (w *world) readsOthers(ctx context.Context, title string) error {
	n, err := w.role(ctx, title)
	if err != nil {
		return err
	}
	other := w.env.otherPatient()
	g, err := w.recordOf(ctx, n, "the administrator", other)
	if err != nil {
		return err
	}
	var paths []string
	for _, key := range g.order {
		if slices.Contains(fhir.CompartmentPatients(g.nodes[key].resource, n.fhir), other) {
			paths = append(paths, key)
		}
	}
	if len(paths) < 2 {
		return w.unjudged(fmt.Sprintf("%s has nothing of patient %s but %d resources", n.title(), other, len(paths)))
	}
	return w.readEach(ctx, n, paths)
}

func (w *world) readsOthersVersion(ctx context.Context, title string) error {
	c, err := w.readCall(ctx, "the administrator", "Patient/{other patient}", title)
	if err != nil {
		return err
	}
	a, err := w.ask(ctx, c)
	if err != nil {
		return err
	}
	version := a.resource().Text("meta", "versionId")
	if a.Status != http.StatusOK || version == "" {
		return w.beyond("the other patient has no version that could be read: " + a.is())
	}
	return w.reads(ctx, "the application", "Patient/{other patient}/_history/"+version, title)
}

func (w *world) turnsPage(ctx context.Context, caller string) error {
	place, _ := w.news["page"].(string)
	if place == "" {
		place = nextLink(w.last.resource(), w.last.call.url)
		w.news["page"] = place
	}
	if place == "" {
		return w.unjudged("the search has one page only")
	}
	to := w.last.call.to
	bearer, f, err := w.bearerOf(caller, to)
	if err != nil {
		return err
	}
	return w.attempt(ctx, call{kind: aRead, from: caller, bearer: bearer, to: to, method: http.MethodGet, url: place, flow: f})
}

func (w *world) postsSearch(ctx context.Context, caller, form, path, title string) error {
	c, err := w.readCall(ctx, caller, path, title)
	if err != nil {
		return err
	}
	fields, err := w.expand(ctx, form)
	if err != nil {
		return err
	}
	c.method, c.header, c.body = http.MethodPost, formEncoded(), []byte(fields)
	return w.attempt(ctx, c)
}

// writes are the writes that an access token must not do, by what a step calls them.
var writes = map[string]func(patient string, condition, person *fhir.Object) (method, path string, body *fhir.Object){
	"create an Observation": func(patient string, _, _ *fhir.Object) (string, string, *fhir.Object) {
		o, err := fhir.ParseJSON([]byte(`{"resourceType":"Observation","status":"final","code":{"text":"nothing of the kind"},
 "identifier":[{"system":"` + newsSystem + `","value":"` + randomText(8) + `"}],"subject":{"reference":"Patient/` + patient + `"}}`))
		if err != nil {
			return "", "", nil
		}
		return http.MethodPost, "Observation", o
	},
	"update the patient": func(_ string, _, person *fhir.Object) (string, string, *fhir.Object) {
		o := person.Clone()
		o.Set("birthDate", "1901-01-01")
		return http.MethodPut, "Patient/" + o.ID(), o
	},
	"update a Condition": func(_ string, condition, _ *fhir.Object) (string, string, *fhir.Object) {
		o := condition.Clone()
		o.Set("clinicalStatus", "resolved")
		o.Set("note", []any{fhir.NewObject(fhir.Member{Name: "text", Value: "altered"})})
		return http.MethodPut, "Condition/" + o.ID(), o
	},
	"delete a Condition": func(_ string, condition, _ *fhir.Object) (string, string, *fhir.Object) {
		return http.MethodDelete, "Condition/" + condition.ID(), nil
	},
}

// attempted is a write and how to see that it did nothing.
type attempted struct {
	path   string
	before string // canonical; "" = must not be there
}

func (w *world) triesToWrite(ctx context.Context, what, title string) error {
	n, err := w.role(ctx, title)
	if err != nil {
		return err
	}
	f := w.flows["the application"]
	if f == nil || f.token == nil {
		return fmt.Errorf("the application has no access token yet")
	}
	person, err := w.search(ctx, n, "the application", f.token.access, "Patient?_id="+f.patient)
	if err != nil {
		return err
	}
	conditions, err := w.search(ctx, n, "the application", f.token.access, "Condition?patient="+f.patient)
	if err != nil {
		return err
	}
	if len(person) == 0 || len(conditions) == 0 {
		return w.unjudged("the record has no Condition to write to")
	}
	method, path, body := writes[what](f.patient, conditions[0], person[0])
	try := attempted{path: path}
	switch method {
	case http.MethodPost:
		try.path = "Observation?identifier=" + body.Objects("identifier")[0].Text("system") + "%7C" + body.Objects("identifier")[0].Text("value")
	default:
		before := map[string]*fhir.Object{"Patient": person[0], "Condition": conditions[0]}[strings.Split(path, "/")[0]]
		try.before = canonical(before)
	}
	w.news["write"] = try
	c, err := w.appCall(n, method, n.fhir+"/"+path)
	if err != nil {
		return err
	}
	c.kind = aWrite
	if body != nil {
		c.header, c.body = fhirJSON(), fhir.AppendJSON(nil, body)
	}
	return w.attempt(ctx, c)
}

func (w *world) nothingChanged(ctx context.Context) error {
	a := w.last
	if err := w.refusedAs(a, refusal{statuses: []int{401, 403, 404, 405, 412, 428}}); err != nil {
		return err
	}
	try, ok := w.news["write"].(attempted)
	if !ok {
		return fmt.Errorf("nothing was written")
	}
	n := a.call.to
	bearer, _, err := w.bearerOf("the application", n)
	if err != nil {
		return err
	}
	if try.before == "" {
		found, err := w.search(ctx, n, "the application", bearer, try.path)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			return w.fail(a, "SRC-44", "nothing created", found[0].Type()+"/"+found[0].ID()+" is there")
		}
		return nil
	}
	c, err := w.appCall(n, http.MethodGet, n.fhir+"/"+try.path)
	if err != nil {
		return err
	}
	now, err := w.ask(ctx, c)
	if err != nil {
		return err
	}
	if o := now.resource(); now.Status != http.StatusOK || canonical(o) != try.before {
		return w.fail(now, "SRC-44", try.path+" as it was", now.is())
	}
	return nil
}

func (w *world) tokenTimeOver(ctx context.Context) error {
	f := w.flow
	if f == nil || f.token == nil {
		return fmt.Errorf("the application has no access token yet")
	}
	return w.pass(ctx, f.token.expiresIn+2*time.Second)
}

func (w *world) eachGranted(context.Context) error {
	if len(w.set) == 0 {
		return fmt.Errorf("the step before asked nothing")
	}
	for _, a := range w.set {
		if a.Status != http.StatusOK || len(a.Body) == 0 {
			return w.fail(a, w.subject, "200 and the resource for "+a.call.url, a.is())
		}
	}
	return nil
}
