package steps

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"example.org/ccde/steps/judge"
)

func connectSteps() []step {
	return []step{
		{`the person has authorized {role} at {role}`,
			"A JWT of the target, a Consent for user/*.read, and $authorize. Judges TGT-01, SRC-01 and SRC-10.",
			`Given the person has authorized the target EHR at the source EHR`, (*world).hasAuthorizedTarget},
		{`the person has authorized {role} at {role} for "{scopes}"`,
			"The same for other scopes.",
			`Given the person has authorized the target EHR at the source EHR for "user/Condition.read"`, (*world).hasAuthorizedTargetFor},
		{`a $connect request`,
			"Makes a good $connect request for what was authorized the request at hand.",
			`Given a $connect request`, (*world).connectRequest},
		{`the person has connected them`,
			"Sends a good $connect for what was authorized; it must be accepted. Judges TGT-10.",
			`And the person has connected them`, (*world).hasConnectedThem},
		{`{who} has connected {role} to {role}`,
			"JWT, Consent, authorization and $connect, from the target to the source. Judges TGT-01, SRC-01, SRC-10 and TGT-10.",
			`Given the person has connected the target EHR to the source EHR`, (*world).hasConnected},
		{`{who} has connected {role} to {role} for {int} update(s)`,
			"The same, as long as that many updates take, and a half.",
			`Given the person has connected the target EHR to the source EHR for 2 updates`, (*world).hasConnectedForUpdates},
		{`its JWT has expired meanwhile`,
			"Lets a day pass; for an outside target the config's expired JWT is taken. Judges TGT-17.",
			`When its JWT has expired meanwhile`, (*world).jwtExpires},
		{`{who} moves their record from {role} to {role}`,
			"The whole flow from $jwt to an accepted $connect. Judges TGT-01, SRC-01, SRC-10 and TGT-10.",
			`When the person moves their record from the source EHR to the target EHR`, (*world).moves},
		{`the person moves the copy from {role} to {role}`,
			"The same for the copy of the patient that an earlier connection made at the first EHR.",
			`When the person moves the copy from the target EHR to the second target EHR`, (*world).movesCopy},
		{`it is refused with 400, naming "{parameter}", and no connection comes of it`,
			"The $connect answer is 400 with an OperationOutcome that names the parameter, and neither the target's list nor the source's token endpoint sees a connection. Judges the scenario's first id.",
			`Then it is refused with 400, naming "consent", and no connection comes of it`, (*world).connectRefused},
		{`it is the same connection as before`,
			"The same Content-Location, where there is one. Judges the scenario's first id.",
			`Then it is the same connection as before`, (*world).sameConnection},
	}
}

// targetFlow is the passage of a patient's record between two EHRs.
func (w *world) targetFlow(ctx context.Context, who, from, to string) (*passage, error) {
	source, err := w.role(ctx, from)
	if err != nil {
		return nil, err
	}
	target, err := w.role(ctx, to)
	if err != nil {
		return nil, err
	}
	if source.outside != nil && !strings.HasPrefix(source.name, "source") {
		return nil, w.beyond(source.title() + " is an outside system that has one part at a time; here it would be a source too, which only a mock is")
	}
	id, caller := w.patientOf(who)
	if who == "the copy" {
		if w.flow == nil || w.flow.copy == "" {
			return nil, fmt.Errorf("there is no copy yet")
		}
		id, caller = w.flow.copy, "the administrator"
	}
	f := &passage{source: source, target: target, patient: id, caller: caller, scopes: "user/*.read", lasts: w.lasts}
	if who == "the copy" {
		f.identifier = w.flow.identifier // it has it from the original
	}
	w.flows[flowKey(id, source, target)], w.flow = f, f
	return f, nil
}

func flowKey(patient string, source, target *node) string {
	return patient + " " + source.name + " " + target.name
}

func (w *world) hasAuthorizedTarget(ctx context.Context, target, source string) error {
	return w.hasAuthorizedTargetFor(ctx, target, source, "user/*.read")
}

func (w *world) hasAuthorizedTargetFor(ctx context.Context, target, source, scopes string) error {
	f, err := w.targetFlow(ctx, "the person", source, target)
	if err != nil {
		return err
	}
	f.scopes = scopes
	if err := w.mark(ctx, f); err != nil {
		return err
	}
	return w.authorize(ctx, f)
}

func (w *world) connectRequest(context.Context) error {
	f := w.flow
	if f == nil || f.target == nil || f.authorization == "" {
		return fmt.Errorf("no target is authorized; say \"the person has authorized the target EHR at the source EHR\" before")
	}
	w.connectDraft(f)
	return nil
}

func (w *world) connectDraft(f *passage) *draft {
	f.expiresIn = orElse(w.expires, f.lasts.seconds())
	return w.draft(aConnect, f, f.target, map[string]any{
		"source": f.source.fhir, "consent": f.consentID, "expires_in": fmt.Sprint(f.expiresIn), "patient": f.patient,
		"jwt": "{jwt}", "authorization": f.authorization})
}

func (w *world) hasConnectedThem(ctx context.Context) error {
	if err := w.connectRequest(ctx); err != nil {
		return err
	}
	d := w.thing
	w.thing = nil
	if err := w.send(ctx, d, d.sender()); err != nil {
		return err
	}
	return w.granted(ctx)
}

func (w *world) moves(ctx context.Context, who, from, to string) error {
	f, err := w.targetFlow(ctx, who, from, to)
	if err != nil {
		return err
	}
	if err := w.mark(ctx, f); err != nil {
		return err
	}
	if err := w.authorize(ctx, f); err != nil {
		return err
	}
	return w.hasConnectedThem(ctx)
}

func (w *world) movesCopy(ctx context.Context, from, to string) error {
	if w.flow == nil {
		return fmt.Errorf("no record was moved yet")
	}
	if w.flow.copy == "" {
		if err := w.findCopy(ctx, w.flow); err != nil {
			return err
		}
	}
	return w.moves(ctx, "the copy", from, to)
}

func (w *world) hasConnected(ctx context.Context, who, target, source string) error {
	return w.moves(ctx, who, source, target)
}

func (w *world) hasConnectedForUpdates(ctx context.Context, who, target, source, n string) error {
	if !w.ours() && w.env.UpdateEvery == 0 {
		return w.unjudged("the config does not say how often the target EHR asks for what is new (target.update.every)")
	}
	every := w.env.updateEvery()
	// The authorization lasts on: what ends here is the connection alone.
	w.expires = int64((time.Duration(number(n))*every+every/2)/time.Second) + 1
	if !w.ours() {
		w.expires += 5 // the first copy takes real time too
		if every <= quietCopy && !w.env.TellsConnection {
			// That it is over may only be seen by what follows it.
			w.expires += int64((2*every + quietCopy) / time.Second)
		}
	}
	return w.moves(ctx, who, source, target)
}

func (w *world) jwtExpires(ctx context.Context) error {
	d, err := w.atHand()
	if err != nil {
		return err
	}
	if d.to.outside == nil {
		return w.pass(ctx, 25*time.Hour)
	}
	if d.to.outside.Expired == nil {
		return w.beyond("an outside target's JWT lives for a day, and the config gives no expired one (target.expired-jwt)")
	}
	packed, err := d.to.outside.Expired(ctx, "")
	if err != nil {
		return fmt.Errorf("target.expired-jwt: %w", err)
	}
	w.rec.Secret("jwt", packed)
	d.fields["jwt"] = packed
	return nil
}

func (w *world) connectCall(ctx context.Context, d *draft, caller string) (call, error) {
	bearer, _, err := w.bearerOf(caller, d.to)
	if err != nil {
		return call{}, err
	}
	fields, err := w.filled(ctx, d)
	if err != nil {
		return call{}, err
	}
	c := call{kind: aConnect, from: caller, bearer: bearer, to: d.to, method: http.MethodPost, url: d.to.fhir + "/$connect", flow: d.flow}
	if d.asParts {
		c.header = fhirJSON()
		if n, ok := fields["expires_in"].(string); ok {
			fields["expires_in"] = json.Number(n)
		}
		c.body, err = json.Marshal(parametersOf(fields, d.twice))
		return c, err
	}
	form := url.Values{}
	for name, v := range fields {
		form.Add(name, asText(v))
		if d.twice[name] {
			form.Add(name, asText(v))
		}
	}
	c.header, c.body = formEncoded(), []byte(form.Encode())
	return c, nil
}

// connectRequirement is what a good answer of $connect is judged under: that a
// form is taken says nothing of Parameters.
func connectRequirement(c call) string {
	if strings.Contains(c.header.Get("Content-Type"), "fhir") {
		return "TGT-18"
	}
	return "TGT-10"
}

// connectGranted judges a good answer of $connect (TGT-10, TGT-18).
func (w *world) connectGranted(ctx context.Context, a *answer) error {
	id := connectRequirement(a.call)
	const want = "200 and an OperationOutcome without an error"
	body := a.json()
	if a.Status != http.StatusOK || body["resourceType"] != "OperationOutcome" || hasErrorIssue(body, "informational") {
		return w.fail(a, id, want, a.is())
	}
	if err := w.form(a, id, judge.ConnectOutcome, !hasErrorIssue(body), "severity information", "severity error, code informational"); err != nil {
		return err
	}
	if id := connectionID(a); id != "" {
		a.call.flow.connection = id
	}
	now, err := w.now(ctx, a.call.to)
	if err != nil {
		return err
	}
	a.call.flow.connected, a.call.flow.starter = now, a.call.from
	w.passIfAsked(id)
	return nil
}

// connectionID is the id in $connect's Content-Location, "" if there is none.
func connectionID(a *answer) string {
	u, err := url.Parse(a.Header.Get("Content-Location"))
	if err != nil {
		return ""
	}
	return u.Query().Get("id")
}

func (w *world) connectRefused(ctx context.Context, name string) error {
	a := w.last
	if err := w.refusedAs(a, refusal{statuses: []int{400}, names: name}); err != nil {
		return err
	}
	if location := a.Header.Get("Content-Location"); location != "" {
		return w.fail(a, w.subject, "no Content-Location with a refusal", location)
	}
	return w.noConnection(ctx, a)
}

// noConnection looks for what a refused $connect must not have started: a
// connection in the person's list, a request to the source's token endpoint.
func (w *world) noConnection(ctx context.Context, about *answer) error {
	f := about.call.flow
	if err := w.rest(ctx, f); err != nil {
		return err
	}
	if bearer := f.target.consumer; bearer != "" {
		a, err := w.ask(ctx, call{kind: aStatus, from: "the person's app", bearer: bearer, to: f.target, method: http.MethodGet, url: f.target.fhir + "/$connection"})
		if err != nil {
			return err
		}
		if a.Status == http.StatusOK {
			for _, one := range parametersNamed(a.json(), "connection") {
				if textPart(one, "consent") == f.consentID && f.consentID != "" {
					return w.fail(a, w.subject, "no connection for the Consent "+f.consentID, "one in the list")
				}
			}
		}
	}
	if f.source.control == nil {
		return nil
	}
	seen, err := w.received(ctx, f.source)
	if err != nil {
		return err
	}
	for _, e := range seen {
		if e.isToken() && judge.Shows(e.RequestBody.Text, f.authorization) {
			return w.rec.Fail(w.subject, "no request to the source's token endpoint", e.Method+" "+e.URL)
		}
	}
	return nil
}

func (w *world) sameConnection(context.Context) error {
	a := w.last
	var all []*answer
	for _, b := range w.answers {
		if b.call.kind == aConnect && b.Status == http.StatusOK {
			all = append(all, b)
		}
	}
	if a.Status != http.StatusOK {
		return nil // any status will do (TGT-34)
	}
	if len(all) < 2 {
		return fmt.Errorf("only one $connect was accepted")
	}
	ids := []string{connectionID(all[len(all)-2]), connectionID(all[len(all)-1])}
	if slices.Contains(ids, "") {
		return nil
	}
	if ids[0] != ids[1] {
		return w.fail(a, w.subject, "the Content-Location of the first $connect, "+ids[0], ids[1])
	}
	return nil
}
