package steps

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"example.org/ccde/mockehr/fhir"
)

func dataSteps() []step {
	return []step{
		{`the answer is the whole of it`, "Follows the last search's pages and compares them with what the administrator finds of that type: that patient's, all of it, nobody else's. Judges the scenario's first id.",
			`Then the answer is the whole of it`, (*world).isWhole},
		{`the answer is the whole of it, each resource once`, "The same, and no resource on two pages.",
			`And the answer is the whole of it, each resource once`, (*world).isWholeOnce},
		{`it shows the patient's demographics`, "Identifiers, names, contacts, gender, dates and addresses are those that the administrator reads. Judges SRC-51.",
			`And it shows the patient's demographics`, (*world).showsDemographics},
		{`no page has more than {int}`, "Follows the last search's pages. Judges SRC-64.",
			`Then no page has more than 7`, (*world).pagesAtMost},
		{`the application reads the medications at {role}, as its CapabilityStatement lists them`, "Asks for each listed medication type; one at least must be. Judges SRC-54.",
			`When the application reads the medications at the source EHR, as its CapabilityStatement lists them`, (*world).readsMedications},
		{`each answer is the whole of it`, "As \"the answer is the whole of it\", for each answer of the step before.",
			`Then each answer is the whole of it`, (*world).eachIsWhole},
		{`the content of each document can be read`, "Every attachment has its data, or a URL that can be read. Judges SRC-60.",
			`And the content of each document can be read`, (*world).documentsReadable},
		{`the application parts its "{query}" at {role} by _lastUpdated`, "Finds an instant with something older and something newer, and asks for what is newer.",
			`When the application parts its "Condition?patient={patient}" at the source EHR by _lastUpdated`, (*world).partsByTime},
		{`the application parts its "{query}" at {role} by _lastUpdated in the zone {zone}`, "The same, with the instant as it is called in that time zone.",
			`When the application parts its "Condition?patient={patient}" at the source EHR by _lastUpdated in the zone +05:30`, (*world).partsInZone},
		{`what is newer than the instant is found, and only that`, "Judges SRC-63.",
			`Then what is newer than the instant is found, and only that`, (*world).newerOnly},
		{`what is newer than {duration} ago is that result only`, "Repeats the last search with _lastUpdated=gt. Judges SRC-63.",
			`Then what is newer than half an hour ago is that result only`, (*world).newsOnly},
		{`the application reads the whole record at {role}`, "All Sync for Science queries, with the access token.",
			`When the application reads the whole record at the source EHR`, (*world).readsRecord},
		{`all that it shows is valid`, "Every resource has an id and is valid STU3. Judges SRC-65.",
			`Then all that it shows is valid`, (*world).allValid},
		{`its references resolve`, "Each reference to the EHR itself, of a type that it lists, can be read; another patient's aside. Judges SRC-65.",
			`And its references resolve`, (*world).referencesResolve},
		{`it is an STU3 CapabilityStatement that lists the types of Sync for Science`, "Judges SRC-50.",
			`And it is an STU3 CapabilityStatement that lists the types of Sync for Science`, (*world).isCapable},
		{`it names the token endpoint`, "oauth-uris in rest.security. Judges SRC-50.",
			`And it names the token endpoint`, (*world).namesToken},
	}
}

// wholeOf judges that a search's pages together are all that the patient has of
// what was asked for, and nothing else.
func (w *world) wholeOf(ctx context.Context, a *answer, once bool) error {
	if a == nil || a.call.kind != aRead {
		return fmt.Errorf("nothing was searched yet")
	}
	pages, err := w.pages(ctx, a.call.to, a.call.from, a.call.bearer, a.call.url)
	if err != nil {
		return err
	}
	var got []*fhir.Object
	seenBefore := map[string]bool{}
	for _, p := range pages {
		for _, o := range entries(p.resource(), "match") {
			key := o.Type() + "/" + o.ID()
			if seenBefore[key] && once {
				return w.fail(p, "SRC-64", "each resource once", key+" again")
			}
			seenBefore[key] = true
			got = append(got, o)
		}
	}
	if total, told := totalOf(pages[0]); told && total > len(got) {
		return w.fail(pages[0], w.subject, fmt.Sprintf("all of the %d that Bundle.total announces", total), fmt.Sprintf("%d resources on %d pages", len(got), len(pages)))
	}
	u, err := url.Parse(a.call.url)
	if err != nil {
		return err
	}
	q := u.Query()
	for _, o := range got {
		if !fits(o, u.Path, q, a.call.flow.patient, a.call.to.fhir) {
			return w.fail(a, w.subject, "only what "+a.call.url+" asks for", o.Type()+"/"+o.ID())
		}
	}
	all, err := w.all(ctx, a.call.to, typeIn(u.Path))
	if err != nil {
		return err
	}
	for _, o := range all {
		if key := o.Type() + "/" + o.ID(); fits(o, u.Path, q, a.call.flow.patient, a.call.to.fhir) && !seenBefore[key] {
			return w.fail(a, w.subject, "all of the patient's, among them "+key, fmt.Sprintf("%d resources on %d pages without it", len(got), len(pages)))
		}
	}
	if len(got) == 0 && !w.rec.Judged(w.subject) {
		w.rec.Pass(w.subject, "the patient has none of "+a.call.url+": completeness was not seen")
	}
	return nil
}

// all is every resource of a type, as the administrator finds them; none where
// no bearer does.
func (w *world) all(ctx context.Context, n *node, typ string) ([]*fhir.Object, error) {
	if n.admin == "" {
		return nil, nil
	}
	return w.search(ctx, n, "the administrator", n.admin, typ+"?_count=200")
}

func typeIn(path string) string {
	_, typ, _ := cutLast(path, "/")
	return typ
}

// fits says whether a resource is what an S4S query asks for.
func fits(o *fhir.Object, path string, q url.Values, patient, base string) bool {
	if o.Type() != typeIn(path) || !slices.Contains(fhir.CompartmentPatients(o, base), patient) {
		return false
	}
	if c := q.Get("category"); c != "" && !slices.ContainsFunc(o.Objects("category"), func(cc *fhir.Object) bool { return coded(cc, c) }) {
		return false
	}
	if c := q.Get("code"); c != "" && !coded(o.Child("code"), c) {
		return false
	}
	return true
}

// coded says whether a CodeableConcept has a code, or system|code.
func coded(cc *fhir.Object, want string) bool {
	return slices.ContainsFunc(cc.Objects("coding"), func(c *fhir.Object) bool {
		return c.Text("code") == want || c.Text("system")+"|"+c.Text("code") == want
	})
}

func (w *world) isWhole(ctx context.Context) error     { return w.wholeOf(ctx, w.last, false) }
func (w *world) isWholeOnce(ctx context.Context) error { return w.wholeOf(ctx, w.last, true) }

func (w *world) eachIsWhole(ctx context.Context) error {
	for _, a := range w.set {
		if err := w.wholeOf(ctx, a, false); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) pagesAtMost(ctx context.Context, most string) error {
	a := w.last
	pages, err := w.pages(ctx, a.call.to, a.call.from, a.call.bearer, a.call.url)
	if err != nil {
		return err
	}
	for _, p := range pages {
		if n := len(entries(p.resource(), "match")); n > number(most) {
			return w.fail(p, "SRC-64", "at most "+most+" matches on a page", fmt.Sprintf("%d", n))
		}
	}
	if total, told := totalOf(pages[0]); told && len(pages) < 2 && total > number(most) {
		return w.fail(a, "SRC-64", fmt.Sprintf("a next link, as there are %d matches in all", total), "none")
	}
	if len(pages) < 2 {
		return w.beyond(fmt.Sprintf("the patient has too few resources for a second page of %s", most))
	}
	return nil
}

// totalOf is what a searchset says that there is in all, if it does.
func totalOf(a *answer) (total int, told bool) {
	text, ok := a.resource().Get("total").(fhir.Number)
	if !ok {
		return 0, false
	}
	total, err := strconv.Atoi(string(text))
	return total, err == nil
}

// demographics are the elements of a Patient that say who it is.
var demographics = []string{"identifier", "name", "telecom", "gender", "birthDate", "address", "deceasedBoolean", "deceasedDateTime"}

func (w *world) showsDemographics(ctx context.Context) error {
	a, n := w.last, w.last.call.to
	if n.admin == "" {
		return nil // with nothing to compare, a Patient is a Patient
	}
	whole, err := w.ask(ctx, call{kind: aRead, from: "the administrator", bearer: n.admin, to: n, method: http.MethodGet, url: a.call.url})
	if err != nil {
		return err
	}
	if whole.Status != http.StatusOK {
		return nil // that the administrator reads is for the doctor to see
	}
	for _, name := range demographics {
		theirs := fhir.NewObject(fhir.Member{Name: name, Value: whole.resource().Get(name)})
		if ours := fhir.NewObject(fhir.Member{Name: name, Value: a.resource().Get(name)}); !fhir.Equal(ours, theirs) {
			return w.fail(a, "SRC-51", "the Patient's "+name+", as the administrator reads it", a.is())
		}
	}
	return nil
}

func (w *world) readsMedications(ctx context.Context, title string) error {
	n, err := w.role(ctx, title)
	if err != nil {
		return err
	}
	types, err := w.typesOf(ctx, n)
	if err != nil {
		return err
	}
	var paths []string
	for _, typ := range medications {
		if slices.Contains(types, typ) {
			paths = append(paths, typ+"?patient="+w.flow.patient)
		}
	}
	if len(paths) == 0 {
		return w.rec.Fail("SRC-54", "one of "+strings.Join(medications, ", ")+" in the CapabilityStatement", "none")
	}
	return w.readEach(ctx, n, paths)
}

func (w *world) documentsReadable(ctx context.Context) error {
	a := w.last
	for _, o := range entries(a.resource(), "match") {
		for _, content := range o.Objects("content") {
			attachment, key := content.Child("attachment"), o.Type()+"/"+o.ID()
			if data := attachment.Text("data"); data != "" {
				if _, err := base64.StdEncoding.DecodeString(data); err != nil {
					return w.fail(a, "SRC-60", "attachment.data of "+key+" in base64", err.Error())
				}
				continue
			}
			place := attachment.Text("url")
			if place == "" {
				return w.fail(a, "SRC-60", "data or url in the attachment of "+key, "neither")
			}
			if !strings.Contains(place, "://") {
				place = a.call.to.fhir + "/" + place
			}
			if !strings.HasPrefix(place, a.call.to.fhir+"/") {
				continue // elsewhere, where this token counts for nothing
			}
			read, err := w.ask(ctx, call{kind: aRead, from: a.call.from, bearer: a.call.bearer, to: a.call.to, method: http.MethodGet, url: place, flow: a.call.flow})
			if err != nil {
				return err
			}
			if read.Status != http.StatusOK || len(read.Body) == 0 {
				return w.fail(read, "SRC-60", "the content of "+key, read.is())
			}
		}
	}
	return nil
}

func (w *world) isCapable(context.Context) error {
	a := w.last
	m := a.json()
	if m["resourceType"] != "CapabilityStatement" {
		return w.fail(a, "SRC-50", "a CapabilityStatement", a.is())
	}
	if v := asText(m["fhirVersion"]); !strings.HasPrefix(v, "3.0.") {
		return w.fail(a, "SRC-50", "fhirVersion 3.0.1 or 3.0.2", fmt.Sprintf("%q", v))
	}
	types := listed(m)
	for _, typ := range []string{"Patient", "Observation", "Condition", "AllergyIntolerance", "Procedure", "Immunization", "DocumentReference"} {
		if !slices.Contains(types, typ) {
			return w.fail(a, "SRC-50", "the type "+typ+" in rest.resource", strings.Join(types, ", "))
		}
	}
	if !slices.ContainsFunc(medications, func(typ string) bool { return slices.Contains(types, typ) }) {
		return w.fail(a, "SRC-50", "one of "+strings.Join(medications, ", ")+" in rest.resource", strings.Join(types, ", "))
	}
	return nil
}

func (w *world) namesToken(context.Context) error {
	a := w.last
	place := oauthURI(a.json(), "token")
	if u, err := url.Parse(place); err != nil || !u.IsAbs() {
		return w.fail(a, "SRC-50", "rest.security with the extension "+oauthURIs+" and a token endpoint in it, an absolute valueUri", fmt.Sprintf("%q", place))
	}
	return nil
}
