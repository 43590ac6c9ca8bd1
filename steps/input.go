package steps

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"example.org/ccde/steps/judge"
)

func inputSteps() []step {
	return []step{
		{`its body is {body}`,
			"Sends something else in place of the request at hand: broken JSON or XML, another resource, a Content-Type that nobody knows, and so on.",
			`But its body is broken JSON`, (*world).bodyIs},
		{`a question to the CAVS about the JWT`,
			"Makes the question whether the application's JWT is known the request at hand.",
			`Given a question to the CAVS about the JWT`, (*world).questionAtHand},
		{`it is refused as malformed`,
			"The last answer is 4xx with an OperationOutcome, OAuth error or CAVS answer, as the endpoint speaks, within 10 seconds, and shows no stack trace. Judges the scenario's first id.",
			`Then it is refused as malformed`, (*world).refusedAsMalformed},
		{`it should be too large`,
			"The last answer is 413, or the connection was closed while the body was sent, as a SHOULD. Judges the scenario's first id.",
			`Then it should be too large`, (*world).shouldBeTooLarge},
		{`the error shows no secret`,
			"The last answer, if it is an error, holds no JWT, authorization, access token or bearer of the scenario. Judges the scenario's first id.",
			`And the error shows no secret`, (*world).errorShowsNoSecret},
	}
}

// wrongBody is what can stand in place of a request's body.
type wrongBody struct {
	contentType string // "" = the request's own
	body        string
	size        int64 // instead of body: so many bytes
}

const depth = 10_000

// wrongBodies are they, as steps name them.
var wrongBodies = map[string]wrongBody{
	"broken JSON":                     {contentType: "application/fhir+json", body: `{"resourceType":"Consent","status":`},
	"broken XML":                      {contentType: "application/fhir+xml", body: `<Consent xmlns="http://hl7.org/fhir"><status value="active"`},
	"JSON that is no resource":        {contentType: "application/fhir+json", body: `["active"]`},
	"JSON of another resource type":   {contentType: "application/fhir+json", body: `{"resourceType":"Basic","code":{"text":"something else"}}`},
	"XML of another resource type":    {contentType: "application/fhir+xml", body: `<Basic xmlns="http://hl7.org/fhir"><code><text value="something else"/></code></Basic>`},
	"JSON that is no UTF-8":           {contentType: "application/fhir+json", body: "{\"resourceType\":\"Consent\",\"policyRule\":\"\xff\xfe\"}"},
	"of an unknown Content-Type":      {contentType: "application/x-ccde-nonsense", body: "nonsense"},
	"a form where none is taken":      {contentType: "application/x-www-form-urlencoded", body: "status=active"},
	"JSON where a form is taken":      {contentType: "application/json", body: `{"grant_type":"client_credentials","jwt":"x"}`},
	"a broken form":                   {contentType: "application/x-www-form-urlencoded", body: "grant_type=%zz&scope=%"},
	"JSON nested 10,000 levels deep":  {contentType: "application/fhir+json", body: `{"resourceType":"Consent","extension":` + strings.Repeat(`[{"extension":`, depth) + "[]" + strings.Repeat("}]", depth) + "}"},
	"XML nested 10,000 levels deep":   {contentType: "application/fhir+xml", body: `<Consent xmlns="http://hl7.org/fhir">` + strings.Repeat(`<extension url="urn:x">`, depth) + strings.Repeat("</extension>", depth) + "</Consent>"},
	"XML with a bomb of entities":     {contentType: "application/fhir+xml", body: bomb()},
	"XML with an entity from outside": {contentType: "application/fhir+xml", body: `<!DOCTYPE Consent [<!ENTITY e SYSTEM "file:///etc/passwd">]><Consent xmlns="http://hl7.org/fhir"><status value="active"/><policyRule value="&e;"/></Consent>`},
	"a form of 64 MiB":                {contentType: "application/x-www-form-urlencoded", size: 64 << 20},
	"JSON of 64 MiB":                  {contentType: "application/fhir+json", size: 64 << 20},
}

// bomb is a document whose entities would expand to 3 GB.
func bomb() string {
	var b strings.Builder
	b.WriteString(`<!DOCTYPE Consent [<!ENTITY e0 "boom">`)
	for i := range 9 {
		fmt.Fprintf(&b, `<!ENTITY e%d "%s">`, i+1, strings.Repeat(fmt.Sprintf("&e%d;", i), 10))
	}
	b.WriteString(`]><Consent xmlns="http://hl7.org/fhir"><status value="active"/><policyRule value="&e9;"/></Consent>`)
	return b.String()
}

func (w *world) bodyIs(_ context.Context, name string) error {
	d, err := w.atHand()
	if err == nil {
		d.wrong = name
	}
	return err
}

// spoil puts the wrong body in a call's place.
func (d *draft) spoil(c *call) {
	if d.wrong == "" {
		return
	}
	wrong := wrongBodies[d.wrong]
	if c.header == nil {
		c.header = http.Header{}
	}
	c.header.Set("Content-Type", wrong.contentType)
	c.body, c.size = []byte(wrong.body), wrong.size
}

func (w *world) questionAtHand(ctx context.Context) error {
	n, err := w.cavsNode(ctx)
	if err != nil {
		return err
	}
	f, err := w.applicationJWT(ctx, "the application", n)
	if err != nil {
		return err
	}
	w.draft(aQuestion, f, n, map[string]any{"jwt": "{jwt}"})
	return nil
}

func (w *world) questionDraftCall(ctx context.Context, d *draft) (call, error) {
	fields, err := w.filled(ctx, d)
	if err != nil {
		return call{}, err
	}
	form := url.Values{}
	for name, v := range fields {
		form.Set(name, asText(v))
	}
	return w.questionCall(d.to, form), nil
}

// pour sends a body that is too large. The connection may be closed meanwhile:
// then the answer has no status.
func (w *world) pour(ctx context.Context, c call) error {
	if c.bearer != "" {
		c.header.Set("Authorization", "Bearer "+c.bearer)
	}
	res, err := w.rec.Do(ctx, w.http, judge.Request{From: c.from, To: c.to.name, Method: c.method, URL: c.url, Header: c.header, Size: c.size})
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return err
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return w.unjudged(fmt.Sprintf("%d bytes could not be sent to %s in time", c.size, c.to.title()))
	}
	w.last, w.set = &answer{Response: res, call: c}, nil
	w.answers = append(w.answers, w.last)
	return nil
}

func (w *world) shouldBeTooLarge(context.Context) error {
	if a := w.last; a.Status != 0 && a.Status != http.StatusRequestEntityTooLarge {
		w.warn(a, w.subject, "413, or the connection closed while the body is sent", a.is())
	}
	return nil
}

// traces are what stack traces of the usual platforms have in them.
var traces = []string{"goroutine ", "\tat ", "   at ", "Traceback (most recent call last)", "java.lang.", "System.NullReference", ".go:"}

func (w *world) refusedAsMalformed(context.Context) error {
	a := w.last
	if a == nil {
		return fmt.Errorf("nothing was sent yet")
	}
	if a.Took > 10*time.Second {
		return w.fail(a, w.subject, "an answer within 10 seconds", a.Took.Round(time.Second).String())
	}
	for _, trace := range traces {
		if strings.Contains(string(a.Body), trace) {
			return w.fail(a, w.subject, "no stack trace", a.is())
		}
	}
	if a.call.kind == aQuestion && a.Status == http.StatusOK {
		// A CAVS may take it for a question without a JWT (CAV-07).
		if v, err := w.verdictOf(a); err != nil || v.status != "invalid" {
			return w.fail(a, w.subject, "4xx, or the status invalid", a.is())
		}
		return nil
	}
	expected := "4xx"
	spoken := true
	switch a.call.kind {
	case aToken:
		expected, spoken = "4xx with the JSON of RFC 6749 5.2", oauthError(a) != ""
	case aQuestion:
	default:
		expected, spoken = "4xx with an OperationOutcome that has an error", hasErrorIssue(a.json())
	}
	switch {
	case a.Status >= 500 && spoken:
		return w.form(a, w.subject, judge.MalformedInput, false, expected, a.is())
	case a.Status < 400 || a.Status >= 500 || !spoken:
		return w.fail(a, w.subject, expected, a.is())
	}
	return nil
}

var packedJWT = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]+`)

// errorShowsNoSecret looks for what the request carried in its answer.
func (w *world) errorShowsNoSecret(context.Context) error {
	a := w.last
	if a.Status < 400 && a.call.kind != aQuestion { // a CAVS may say it with 200
		if a.call.kind == anAuthorize && w.thing != nil && w.thing.fault != "" && w.env.Dialect == "test.fhir.org" {
			return nil // JWTs are only read there
		}
		// That it should have been refused is another requirement's.
		return w.beyond("it is no error, so it shows none: " + a.is())
	}
	text := string(a.Body)
	for _, name := range sortedNames(a.Header) {
		text += "\n" + name + ": " + strings.Join(a.Header[name], "\n")
	}
	carried := []string{a.call.bearer, a.call.to.consumer, a.call.to.admin, strings.TrimPrefix(a.call.header.Get("Authorization"), "Bearer ")}
	// The JWT as it was sent, which may be a spoiled one.
	carried = append(carried, packedJWT.FindAllString(string(a.call.body), -1)...)
	for _, f := range w.flows {
		carried = append(carried, f.jwt, f.authorization)
		carried = append(carried, f.tokens...)
		if f.token != nil {
			carried = append(carried, f.token.access)
		}
	}
	for _, secret := range carried {
		if _, signature, ok := cutLast(secret, "."); ok && len(signature) > 20 && judge.Shows(text, signature) {
			return w.fail(a, w.subject, "no secret in an error", "the signature of a JWT")
		}
		if judge.Shows(text, secret) {
			return w.fail(a, w.subject, "no secret in an error", "a JWT, an authorization, a token or a bearer")
		}
	}
	return nil
}

func sortedNames(h http.Header) []string {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
