package steps

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/cucumber/godog"

	"example.org/ccde/mockehr/control"
	"example.org/ccde/mockehr/fhir"
)

func faultSteps() []step {
	return []step{
		{`{role} answers the next {int} request(s) for "{path}" with status {int}`, "A rule of the mock: an error of its own in place of its answer. The path is below the node's root, ** stands for any number of segments; with ?name=text it is a request with that parameter, * for any text: a mock's next pages have _cursor.",
			`When the source EHR answers the next 3 requests for "/r3/Condition" with status 500`, (*world).answersNext},
		{`{role} answers the next {int} request(s) for "{path}" with status {int}, to be tried again after {int} seconds`, "The same with Retry-After.",
			`When the source EHR answers the next 1 request for "/r3/Condition" with status 429, to be tried again after 120 seconds`, (*world).answersNextRetry},
		{`{role} answers the next request for "{path}" with status {int}, to be tried again at a date in {int} seconds`, "The same with a date in Retry-After (RFC 9110 10.2.3), by the mock's clock when it answers.",
			`When the source EHR answers the next request for "/r3/Condition" with status 503, to be tried again at a date in 8 seconds`, (*world).answersNextDate},
		{`{role} answers the next {int} request(s) for "{path}" with status {int} and the body:`, "The same with a JSON body.",
			`And the CAVS answers the next 1 request for "/auth/cavs" with status 200 and the body:`, (*world).answersNextBody},
		{`{role} answers every request for "{path}" with status {int}`, "The same from here on.",
			`When the source EHR answers every request for "/r3/Condition" with status 401`, (*world).answersEvery},
		{`{role} answers every request for "{path}" with status {int} and the body:`, "The same with a JSON body.",
			`And the source EHR answers every request for "/auth/token" with status 400 and the body:`, (*world).answersEveryBody},
		{`{role} answers "{path}" with {fault}`, "The mock answers with something broken: half a Bundle, a page of HTML, and so on.",
			`Given the source EHR answers "/r3/Condition" with half a Bundle`, (*world).answersBroken},
		{`{role} breaks off its next {int} answer(s) to "{path}"`, "The connection closes after a few bytes of the answer's body.",
			`When the source EHR breaks off its next 1 answer to "/r3/Condition"`, (*world).breaksOff},
		{`{role} sends "{path}" at {int} bytes a second`, "The mock throttles its answers, in real time.",
			`Given the source EHR sends "/r3/Condition" at 20000 bytes a second`, (*world).sendsSlowly},
		{`{role}'s pages of "{path}" lead in a circle`, "Each page's next link is that page again.",
			`Given the source EHR's pages of "/r3/Condition" lead in a circle`, (*world).circle},
		{`{role}'s next link of "{path}" leads to {role}`, "The next link points to another host.",
			`Given the source EHR's next link of "/r3/Condition" leads to the second source EHR`, (*world).nextElsewhere},
		{`{role} redirects "{path}" to {role}`, "307 to the same path at another host.",
			`Given the source EHR redirects "/r3/Condition" to the second source EHR`, (*world).redirects},
		{`{role}'s metadata names the token endpoint of {role}`, "Changes oauth-uris in the CapabilityStatement.",
			`Given the source EHR's metadata names the token endpoint of the second source EHR`, (*world).otherToken},
		{`{role} takes a new key`, "The mock signs with a new key from here on, and no longer publishes the old one.",
			`When the target EHR takes a new key`, (*world).newKey},
	}
}

// answers adds a rule that answers requests for a path.
func (w *world) answersWith(ctx context.Context, title, path string, times int, a control.Answer) error {
	n, err := w.controlled(ctx, title)
	if err != nil {
		return err
	}
	return w.rule(ctx, n, control.Rule{Match: matchOf(path), Times: times, Answer: &a})
}

// matchOf is what a step's path names: a path below the node's root, and behind
// a question mark a parameter with a glob.
func matchOf(path string) control.Match {
	path, query, parameter := strings.Cut(path, "?")
	m := control.Match{Path: path}
	if parameter {
		name, glob, _ := strings.Cut(query, "=")
		m.Query = map[string]string{name: glob}
	}
	return m
}

// ownError is a mock's error, in the words of the endpoint.
func ownError(path, status string) control.Answer {
	code := number(status)
	if strings.HasPrefix(path, "/auth/") {
		return control.Answer{Status: code, Headers: map[string]string{"Content-Type": "application/json"},
			Body: `{"error":"temporarily_unavailable","error_description":"so the scenario wants it"}`}
	}
	return control.Answer{Status: code, Headers: map[string]string{"Content-Type": "application/fhir+json"},
		Body: `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"transient","diagnostics":"so the scenario wants it"}]}`}
}

func (w *world) answersNext(ctx context.Context, title, times, path, status string) error {
	return w.answersWith(ctx, title, path, number(times), ownError(path, status))
}

func (w *world) answersNextRetry(ctx context.Context, title, times, path, status, after string) error {
	a := ownError(path, status)
	a.Headers["Retry-After"] = after
	return w.answersWith(ctx, title, path, number(times), a)
}

// answersNextDate takes a script: a rule's answer is made before its time is known.
func (w *world) answersNextDate(ctx context.Context, title, path, status, after string) error {
	w.scripts++
	return w.loadScript(ctx, title, "script-"+strconv.Itoa(w.scripts)+".star", fmt.Sprintf(`
def later(req):
    at = time.now().in_location("UTC") + time.parse_duration("%ss")
    answer(%s, headers = {"Content-Type": "application/fhir+json", "Retry-After": at.format("Mon, 02 Jan 2006 15:04:05 GMT")}, body = %q)

on_request(later, path = %q, times = 1)
`, after, status, ownError(path, status).Body, path))
}

func (w *world) answersNextBody(ctx context.Context, title, times, path, status string, body *godog.DocString) error {
	text, err := w.expand(ctx, body.Content)
	if err != nil {
		return err
	}
	a := ownError(path, status)
	a.Body = text
	return w.answersWith(ctx, title, path, number(times), a)
}

func (w *world) answersEvery(ctx context.Context, title, path, status string) error {
	return w.answersWith(ctx, title, path, 0, ownError(path, status))
}

func (w *world) answersEveryBody(ctx context.Context, title, path, status string, body *godog.DocString) error {
	return w.answersNextBody(ctx, title, "0", path, status, body)
}

// pageFaults are the broken answers, by what a step calls them.
var pageFaults = map[string]control.Answer{
	"half a Bundle": {Headers: map[string]string{"Content-Type": "application/fhir+json"},
		Body: `{"resourceType":"Bundle","type":"searchset","total":1,"entry":[{"fullUrl":"http://a.example/r3/Condition/1","resource":{"resourceType":"Condition","id":"1","subj`},
	"a page of HTML": {Headers: map[string]string{"Content-Type": "text/html"}, Body: `<!DOCTYPE html><html><body><h1>It works!</h1></body></html>`},
	"a resource of no Bundle": {Headers: map[string]string{"Content-Type": "application/fhir+json"},
		Body: `{"resourceType":"Basic","id":"no-bundle","code":{"text":"no Bundle"}}`},
	"a Bundle of another type": {Headers: map[string]string{"Content-Type": "application/fhir+json"},
		Body: `{"resourceType":"Bundle","type":"history","entry":[]}`},
	"a page of another resource type": {Headers: map[string]string{"Content-Type": "application/fhir+json"},
		Body: `{"resourceType":"Bundle","type":"searchset","total":1,"entry":[{"fullUrl":"{base}/Observation/{stray}","search":{"mode":"match"},` +
			`"resource":{"resourceType":"Observation","id":"{stray}","identifier":[{"system":"` + newsSystem + `","value":"{stray}"}],"status":"final",` +
			`"category":[{"coding":[{"system":"http://hl7.org/fhir/observation-category","code":"laboratory"}]}],` +
			`"code":{"text":"Nobody asked for it"},"subject":{"reference":"Patient/{patient}"},"valueString":"stray"}}]}`},
	"an empty answer": {Headers: map[string]string{"Content-Type": "application/fhir+json"}},
}

func (w *world) answersBroken(ctx context.Context, title, path, fault string) error {
	n, err := w.controlled(ctx, title)
	if err != nil {
		return err
	}
	a, stray := pageFaults[fault], "stray-"+randomText(4)
	a.Body = strings.NewReplacer("{base}", n.fhir, "{patient}", w.env.patient(), "{stray}", stray).Replace(a.Body)
	w.news["stray"] = stray // by which it is known again, should the target keep it
	return w.answersWith(ctx, title, path, 0, a)
}

// bundleOf is what the node answers to a search of a type, as its administrator
// sees it for the patient, with another next link.
func (w *world) bundleOf(ctx context.Context, n *node, path, next string) (control.Answer, error) {
	typ := typeIn(path)
	all, err := w.search(ctx, n, "the administrator", n.admin, typ+"?patient="+w.env.patient())
	if err != nil {
		return control.Answer{}, err
	}
	var list []any
	for _, o := range all {
		list = append(list, map[string]any{"fullUrl": n.fhir + "/" + typ + "/" + o.ID(), "resource": json.RawMessage(fhir.AppendJSON(nil, o)),
			"search": map[string]any{"mode": "match"}})
	}
	body, err := json.Marshal(map[string]any{"resourceType": "Bundle", "type": "searchset", "total": len(list),
		"link":  []any{map[string]any{"relation": "self", "url": n.fhir + "/" + typ}, map[string]any{"relation": "next", "url": next}},
		"entry": list})
	return control.Answer{Headers: map[string]string{"Content-Type": "application/fhir+json"}, Body: string(body)}, err
}

func (w *world) circle(ctx context.Context, title, path string) error {
	n, err := w.controlled(ctx, title)
	if err != nil {
		return err
	}
	a, err := w.bundleOf(ctx, n, path, n.fhir+"/"+typeIn(path)+"?page=again")
	if err != nil {
		return err
	}
	return w.answersWith(ctx, title, path, 0, a)
}

func (w *world) nextElsewhere(ctx context.Context, title, path, elsewhere string) error {
	n, err := w.controlled(ctx, title)
	if err != nil {
		return err
	}
	other, err := w.controlled(ctx, elsewhere)
	if err != nil {
		return err
	}
	a, err := w.bundleOf(ctx, n, path, w.elsewhere(other)+"/"+typeIn(path)+"?page=2")
	if err != nil {
		return err
	}
	return w.answersWith(ctx, title, path, 0, a)
}

// elsewhere is a mock's FHIR base at an origin that is not the others'.
func (w *world) elsewhere(n *node) string {
	if w.env.Elsewhere != nil {
		return w.env.Elsewhere(n.fhir)
	}
	return n.fhir
}

func (w *world) redirects(ctx context.Context, title, path, elsewhere string) error {
	other, err := w.controlled(ctx, elsewhere)
	if err != nil {
		return err
	}
	return w.answersWith(ctx, title, path, 0, control.Answer{Status: http.StatusTemporaryRedirect,
		Headers: map[string]string{"Location": strings.TrimSuffix(w.elsewhere(other), "/r3") + path}})
}

// otherToken changes the one value of the CapabilityStatement that names the
// token endpoint.
func (w *world) otherToken(ctx context.Context, title, elsewhere string) error {
	n, err := w.controlled(ctx, title)
	if err != nil {
		return err
	}
	other, err := w.controlled(ctx, elsewhere)
	if err != nil {
		return err
	}
	endpoint, err := w.tokenEndpoint(ctx, other)
	if err != nil {
		return err
	}
	a, err := w.ask(ctx, call{from: "nobody", to: n, method: http.MethodGet, url: n.fhir + "/metadata"})
	if err != nil {
		return err
	}
	path := tokenPath(a.json())
	if path == "" {
		return fmt.Errorf("%s names no token endpoint that could be changed", n.title())
	}
	return w.rule(ctx, n, control.Rule{Match: control.Match{Path: "/r3/metadata"},
		Change: &control.Change{Set: map[string]any{path: endpoint}}})
}

// tokenPath is where in a CapabilityStatement the token endpoint stands.
func tokenPath(m map[string]any) string {
	rest, _ := m["rest"].([]any)
	for r := range rest {
		extensions, _ := child(child(rest[r])["security"])["extension"].([]any)
		for e := range extensions {
			inner, _ := child(extensions[e])["extension"].([]any)
			for i := range inner {
				if child(inner[i])["url"] == "token" {
					return "rest[" + strconv.Itoa(r) + "].security.extension[" + strconv.Itoa(e) + "].extension[" + strconv.Itoa(i) + "].valueUri"
				}
			}
		}
	}
	return ""
}

func (w *world) breaksOff(ctx context.Context, title, times, path string) error {
	n, err := w.controlled(ctx, title)
	if err != nil {
		return err
	}
	return w.rule(ctx, n, control.Rule{Match: matchOf(path), Times: number(times), Cut: &control.Cut{After: 20}})
}

func (w *world) sendsSlowly(ctx context.Context, title, path, rate string) error {
	n, err := w.controlled(ctx, title)
	if err != nil {
		return err
	}
	return w.rule(ctx, n, control.Rule{Match: matchOf(path), Throttle: int64(number(rate))})
}

func (w *world) newKey(ctx context.Context, title string) error {
	n, err := w.controlled(ctx, title)
	if err != nil {
		return err
	}
	if err := n.control.RotateKey(ctx); err != nil {
		return fmt.Errorf("%s: %w", n.title(), err)
	}
	return nil
}
