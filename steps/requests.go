package steps

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cucumber/godog"

	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/steps/judge"
)

// kind is what a request was for; it decides what a good answer and a refusal are.
type kind int

const (
	aRead       kind = iota // a read or search of the FHIR API
	aConsent                // create of a Consent
	anAuthorize             // $authorize
	aToken                  // the token endpoint
	aJWT                    // $jwt
	aConnect                // $connect
	aStatus                 // $connection, $disconnect
	aQuestion               // /cavs
	aWrite                  // a write of the FHIR API
	aSignIn                 // an authorization request of SMART sign-in, in the person's browser
	aCode                   // the token endpoint, with a code
	aRefresh                // the token endpoint, with a refresh token
)

// isToken says that the token endpoint answers.
func (k kind) isToken() bool { return k == aToken || k == aCode || k == aRefresh }

// call is a request to be sent.
type call struct {
	kind   kind
	from   string // who calls, as a step says it
	bearer string // what goes into Authorization: Bearer; "" = no header
	to     *node
	method string
	url    string
	header http.Header
	body   []byte
	size   int64 // instead of body: so many bytes
	flow   *passage
}

// answer is what came back.
type answer struct {
	*judge.Response
	call  call
	shown bool // a page of an outside system, at which the person got no further
}

// ask sends a request and records it. An outside system that does not answer
// fails what is judged; a mock beside it that does not is the harness's fault.
func (w *world) ask(ctx context.Context, c call) (*answer, error) {
	once := func() (*answer, error) { return w.askOnce(ctx, c) }
	send := once
	if c.to.control == nil { // an outside system that asks for time refuses nothing
		send = func() (*answer, error) {
			return judge.Patiently(ctx, once, func(a *answer) (int, http.Header) { return a.Status, a.Header })
		}
	}
	a, err := send()
	if err == nil && a.Status == http.StatusUnauthorized {
		if fresh, ok := w.renewed(ctx, c.to, c.bearer); ok {
			c.bearer = fresh
			a, err = once()
		}
	}
	if err == nil && (a.Status == http.StatusPreconditionFailed || a.Status == http.StatusPreconditionRequired) {
		a, err = w.askForVersion(ctx, a)
	}
	if err == nil {
		w.remember(a)
	}
	return a, err
}

// askForVersion sends an update or delete again with the If-Match that the
// server demands (FHIR STU3 2.21.0.2), if its caller sees the version.
func (w *world) askForVersion(ctx context.Context, refused *answer) (*answer, error) {
	c := refused.call
	if c.method != http.MethodPut && c.method != http.MethodDelete || c.header.Get("If-Match") != "" {
		return refused, nil
	}
	read, err := w.askOnce(ctx, call{kind: aRead, from: c.from, bearer: c.bearer, to: c.to, method: http.MethodGet, url: c.url, flow: c.flow})
	if err != nil {
		return nil, err
	}
	tag := read.Header.Get("ETag")
	if o := read.resource(); tag == "" && o.Text("meta", "versionId") != "" {
		tag = `W/"` + o.Text("meta", "versionId") + `"`
	}
	if read.Status != http.StatusOK || tag == "" {
		return refused, nil
	}
	c.header = c.header.Clone()
	if c.header == nil {
		c.header = http.Header{}
	}
	c.header.Set("If-Match", tag)
	return w.askOnce(ctx, c)
}

func (w *world) askOnce(ctx context.Context, c call) (*answer, error) {
	h := c.header.Clone()
	if h == nil {
		h = http.Header{}
	}
	if c.bearer != "" {
		h.Set("Authorization", "Bearer "+c.bearer)
	}
	if h.Get("Accept") == "" && c.kind != aJWT && c.kind != aQuestion && !c.kind.isToken() {
		h.Set("Accept", "application/fhir+json")
	}
	res, err := w.rec.Do(ctx, w.http, judge.Request{
		From: c.from, To: c.to.name, Method: c.method, URL: c.url, Header: h, Body: c.body})
	if err != nil {
		if ctx.Err() != nil || !w.ours() && c.to.control != nil {
			return nil, err
		}
		if w.losing {
			return nil, errLost
		}
		what := c.method + " " + c.url
		if err := w.rec.Fail(w.inherent(c), "an answer to "+what, err.Error()); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%w: no answer to %s", judge.ErrUnjudged, what) // a SHOULD: but nothing more can be seen
	}
	if date, err := http.ParseTime(res.Header.Get("Date")); err == nil && c.to.control == nil {
		ahead := time.Until(date)
		c.to.ahead = &ahead
	}
	return &answer{Response: res, call: c}, nil
}

// attempt is ask for what a scenario looks at: the answer becomes "it".
func (w *world) attempt(ctx context.Context, c call) error {
	a, err := w.ask(ctx, c)
	if err != nil {
		return err
	}
	w.last, w.set = a, nil
	w.answers = append(w.answers, a)
	return nil
}

// json is the body as a JSON object, a resource in XML too; nil if it is none.
func (a *answer) json() map[string]any {
	body := a.Body
	if strings.Contains(a.Header.Get("Content-Type"), "xml") {
		o := a.resource()
		if o == nil {
			return nil
		}
		body = fhir.AppendJSON(nil, o)
	}
	var v map[string]any
	if json.Unmarshal(body, &v) != nil {
		return nil
	}
	return v
}

// resource is the body as a FHIR resource, nil if it is none.
func (a *answer) resource() *fhir.Object {
	parse := fhir.ParseJSON
	if strings.Contains(a.Header.Get("Content-Type"), "xml") {
		parse = fhir.ParseXML
	}
	o, err := parse(a.Body)
	if err != nil || o.Type() == "" {
		return nil
	}
	return o
}

// is tells of an answer in a few words: its status, type, and how it begins.
func (a *answer) is() string {
	text := strings.Join(strings.Fields(string(a.Body)), " ")
	if r := []rune(text); len(r) > 240 {
		text = string(r[:240]) + " ..."
	}
	if text == "" {
		text = "no body"
	}
	return fmt.Sprintf("%d %s: %s", a.Status, a.Header.Get("Content-Type"), text)
}

// bearerOf is what a caller of a step's text sends as its bearer.
func (w *world) bearerOf(caller string, to *node) (bearer string, flow *passage, err error) {
	missing := func(v, what string) (string, *passage, error) {
		if v == "" {
			return "", w.flow, w.unjudged(fmt.Sprintf("%s has no %s", caller, what))
		}
		return v, w.flow, nil
	}
	switch caller {
	case "nobody":
		return "", w.flow, nil
	case "a stranger":
		return "ccde-nobody-knows-this-bearer", w.flow, nil
	case "the person's app", "the person":
		return missing(to.consumer, "bearer for "+to.title())
	case "the administrator":
		return missing(to.admin, "bearer for "+to.title())
	case "the application", "another application", "the web application", "the phone application":
		f := w.flows[caller]
		if f == nil || f.token == nil {
			return "", f, fmt.Errorf("%s has no access token yet; say \"%s has an access token of ...\" or \"... has signed the person in for ...\" before", caller, caller)
		}
		return f.token.access, f, nil
	case "someone with the JWT":
		return w.flow.jwt, w.flow, nil
	case "someone with the authorization":
		return w.flow.authorization, w.flow, nil
	}
	return "", nil, fmt.Errorf("nobody knows who %q is", caller)
}

func requestSteps() []step {
	return []step{
		{`{caller} reads "{path}" at {role}`,
			"Sends a GET below the role's FHIR base with the caller's bearer. {patient}, {other patient}, {source}, {consent}, {connection}, {copy} and the like stand for what the scenario has by then.",
			`When the application reads "Patient/{patient}" at the source EHR`, (*world).reads},
		{`{caller} posts to "{path}" at {role}:`,
			"Sends a POST with the JSON of the doc string.",
			`When nobody posts to "$jwt" at the target EHR:`, (*world).posts},
		{`it is sent`,
			"Sends the request at hand (a Consent, an $authorize, token or $connect request) as the one who should, to the EHR it is for.",
			`When it is sent`, (*world).sent},
		{`it is sent to {role}`,
			"Sends the request at hand to that role.",
			`When it is sent to the source EHR`, (*world).sentTo},
		{`it is sent without that change`,
			"Sends the request at hand as it was before \"its ... is ...\", \"it has no ...\" and \"the JWT ...\": the control.",
			`When it is sent without that change`, (*world).sentUnchanged},
		{`it is sent as Parameters`,
			"Sends a $connect request as a Parameters resource.",
			`When it is sent as Parameters`, (*world).sentAsParameters},
		{`it is sent as a form with a charset`,
			"Sends the request at hand with charset=UTF-8 behind its Content-Type, as many clients do; it means the same.",
			`When it is sent as a form with a charset`, (*world).sentWithCharset},
		{`{caller} sends it`,
			"Sends the request at hand with that caller's bearer.",
			`When a stranger sends it`, (*world).sentBy},
		{`{caller} sends it to {role}`,
			"Sends the request at hand to that role with that caller's bearer.",
			`When nobody sends it to the source EHR`, (*world).sentByTo},
		{`its "{path}" is {value}`,
			"Changes the request at hand: a value in JSON, or \"2 hours from now\", \"1 hour ago\", \"5 hours from now in the zone +05:30\", \"the day of 1 day ago\".",
			`But its "period.end" is 5 hours from now`, (*world).change},
		{`it has no "{path}"`,
			"Takes a part of the request at hand away.",
			`But it has no "policyRule"`, (*world).remove},
		{`its "{path}" stands there twice`,
			"Doubles a part of the request at hand.",
			`But its "except" stands there twice`, (*world).double},
		{`it is for the Consent "{id}"`,
			"Sends the $authorize request to another Consent.",
			`But it is for the Consent "nobody-gave-it"`, (*world).forConsent},
	}
}

// reads sends a GET.
func (w *world) reads(ctx context.Context, caller, path, title string) error {
	c, err := w.readCall(ctx, caller, path, title)
	if err != nil {
		return err
	}
	return w.attempt(ctx, c)
}

// readCall is a GET below a role's FHIR base.
func (w *world) readCall(ctx context.Context, caller, path, title string) (call, error) {
	to, err := w.role(ctx, title)
	if err != nil {
		return call{}, err
	}
	bearer, flow, err := w.bearerOf(caller, to)
	if err != nil {
		return call{}, err
	}
	target, err := w.expand(ctx, path)
	return call{kind: kindOf(path), from: caller, bearer: bearer, to: to, method: http.MethodGet, url: to.fhir + "/" + escape(target), flow: flow}, err
}

// posts sends JSON.
func (w *world) posts(ctx context.Context, caller, path, title string, body *godog.DocString) error {
	to, err := w.role(ctx, title)
	if err != nil {
		return err
	}
	bearer, flow, err := w.bearerOf(caller, to)
	if err != nil {
		return err
	}
	text, err := w.expand(ctx, body.Content)
	if err != nil {
		return err
	}
	return w.attempt(ctx, call{kind: kindOf(path), from: caller, bearer: bearer, to: to, method: http.MethodPost,
		url: to.fhir + "/" + path, header: fhirJSON(), body: []byte(text), flow: flow})
}

func kindOf(path string) kind {
	switch {
	case strings.HasPrefix(path, "$jwt"):
		return aJWT
	case strings.HasPrefix(path, "$connection"), strings.HasPrefix(path, "$disconnect"):
		return aStatus
	}
	return aRead
}

func fhirJSON() http.Header { return http.Header{"Content-Type": {"application/fhir+json"}} }

func formEncoded() http.Header {
	return http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
}

// escape makes a path and query, as a step writes it, fit for a URL.
func escape(target string) string {
	path, query, found := strings.Cut(target, "?")
	if !found {
		return target
	}
	return path + "?" + strings.NewReplacer(" ", "%20", "|", "%7C").Replace(query)
}

// expand puts what the scenario has by now in place of the words in braces.
func (w *world) expand(ctx context.Context, text string) (string, error) {
	if !strings.Contains(text, "{") {
		return text, nil
	}
	f := w.flow
	if f == nil {
		f = &passage{}
	}
	for _, which := range []string{"source", "second source"} {
		if name := "{" + which + "}"; strings.Contains(text, name) {
			n, err := w.role(ctx, "the "+which+" EHR")
			if err != nil {
				return "", err
			}
			text = strings.ReplaceAll(text, name, n.fhir)
		}
	}
	values := []struct{ name, value string }{
		{"{patient}", orElse(f.patient, w.env.patient())}, {"{other patient}", w.env.otherPatient()},
		{"{consent}", f.consentID}, {"{jwt}", f.jwt}, {"{authorization}", f.authorization},
		{"{connection}", url.QueryEscape(f.connection)}, {"{copy}", f.copy}, {"{access token}", ""},
		{"{authorization of another application}", ""},
	}
	if f.token != nil {
		values[7].value = f.token.access
	}
	if f.signIn != nil {
		values = append(values, []struct{ name, value string }{{"{redirect_uri}", f.signIn.redirect}, {"{client_id}", f.signIn.id}}...)
	}
	if other := w.flows["another application"]; other != nil {
		values[8].value = other.authorization
	}
	for _, v := range values {
		if !strings.Contains(text, v.name) {
			continue
		}
		if v.value == "" && v.name == "{connection}" {
			if _, err := w.connection(); err != nil {
				return "", err
			}
		}
		if v.value == "" {
			return "", fmt.Errorf("%s: the scenario has none yet", v.name)
		}
		if before, _, _ := strings.Cut(text, v.name); v.name == "{access token}" && strings.Contains(before, "?") {
			v.value = url.QueryEscape(v.value) // its "+" or "&" would be read as something else
		}
		text = strings.ReplaceAll(text, v.name, v.value)
	}
	return text, nil
}
