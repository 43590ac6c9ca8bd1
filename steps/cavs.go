package steps

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"example.org/ccde/steps/judge"
)

func cavsSteps() []step {
	return []step{
		{`{app} is registered at {role}, with no endorsement`, "Creates the Device of protocol 1.7 with a JWT of the application.",
			`Given the application is registered at the CAVS, with no endorsement`, (*world).registered},
		{`{app} is registered at {role}, with the endorsements:`, "The same, and an Observation and an Organization for each row: endorser, url, type, comment, and status if it is not final, category if it is no endorsement, beside for a second performer, phone for a telecom before the URL.",
			`Given the application is registered at the CAVS, with the endorsements:`, (*world).registeredWith},
		{`{role} is registered at {role} with its JWT`, "Registers a target EHR by a JWT that it gives out.",
			`Given the target EHR is registered at the CAVS with its JWT`, (*world).targetRegistered},
		{`the CAVS knows {role}, and {role} asks it`, "Registers the first, and tells the second to ask the CAVS at $authorize.",
			`Given the CAVS knows the target EHR, and the source EHR asks it`, (*world).knownAndAsked},
		{`its registration has the status "{status}"`, "Updates the Device that was registered last.",
			`When its registration has the status "inactive"`, (*world).deviceStatus},
		{`its registration is deleted`, "Deletes that Device, and its endorsements before.",
			`When its registration is deleted`, (*world).deviceDeleted},
		{`the endorsement by "{name}" gets the comment "{comment}" and the type "{type}"`, "Updates the Observation.",
			`When the endorsement by "Patients United" gets the comment "We used it once" and the type "warning"`, (*world).endorsementChanged},
		{`the endorsement by "{name}" is deleted`, "Deletes the Observation.",
			`When the endorsement by "Patients United" is deleted`, (*world).endorsementDeleted},
		{`the endorser "{name}" gets the name "{new name}" and the URL "{url}"`, "Updates the Organization.",
			`When the endorser "Patients United" gets the name "Patients Reunited" and the URL "http://reunited.example/"`, (*world).endorserChanged},
		{`the CAVS is asked about the JWT`, "POST /cavs with the application's JWT, spoilt if a step said so.",
			`When the CAVS is asked about the JWT`, (*world).askedAboutJWT},
		{`the CAVS is asked about the JWT of {role}`, "The same with the JWT that was registered for that EHR.",
			`When the CAVS is asked about the JWT of the target EHR`, (*world).askedAboutTargets},
		{`the CAVS is asked about a JWT of {role} that is for the same application`, "The same with a JWT that the EHR issues: its sub is the application's, its iss is not.",
			`When the CAVS is asked about a JWT of the target EHR that is for the same application`, (*world).askedAboutNamesake},
		{`the CAVS is asked about a new JWT of {role}`, "The same with a new one.",
			`And the CAVS is asked about a new JWT of the target EHR`, (*world).askedAboutNew},
		{`the CAVS is asked without a JWT`, "POST /cavs without the parameter.",
			`When the CAVS is asked without a JWT`, (*world).askedWithout},
		{`the CAVS is asked with an empty JWT`, "POST /cavs with jwt= and nothing behind.",
			`When the CAVS is asked with an empty JWT`, (*world).askedEmpty},
		{`the CAVS says "{status}"`, "The status of the last answer: approved, unsuitable, unknown, invalid. Judges the scenario's first id, or CAV-02 where what is approved is the control of a refusal.",
			`Then the CAVS says "approved"`, (*world).says},
		{`the CAVS says "{status}", unless {excuse}`, "The same, where a row of the dialect tables may excuse another.",
			`Then the CAVS says "invalid", unless it reads no dates`, (*world).saysUnless},
		{`within a minute the CAVS says "{status}"`, "The same, and the last question is asked again until it does: a CAVS may read a key set once in a minute.",
			`Then within a minute the CAVS says "approved"`, (*world).comesToSay},
		{`within a minute the CAVS says "{status}", unless {excuse}`, "The same, where a row of the dialect tables may excuse another.",
			`Then within a minute the CAVS says "approved", unless it compares JWTs to the letter`, (*world).comesToSayUnless},
		{`the CAVS refuses, or says "{status}"`, "4xx, or that status. Judges the scenario's first id.",
			`Then the CAVS refuses, or says "invalid"`, (*world).refusesOrSays},
		{`the CAVS's answer has a status and a message`, "Judges CAV-01.",
			`And the CAVS's answer has a status and a message`, (*world).hasStatus},
		{`the endorsements are those registered`, "Type, comment, endorser's name and URL of those that count, and no others. Judges CAV-06, or CAV-02 and CAV-10 where the scenario is about them.",
			`And the endorsements are those registered`, (*world).endorsementsAre},
		{`it answers within {int} seconds, and does not approve`, "An answer or 503 in time. Judges the scenario's first id.",
			`Then it answers within 10 seconds, and does not approve`, (*world).notApproved},
		{`{role} did not ask for the key set that the JWT names`, "Nobody fetched it at the mock to which the JWT leads. Judges the scenario's first id.",
			`And the CAVS did not ask for the key set that the JWT names`, (*world).didNotFetch},
	}
}

// question asks a CAVS about a JWT.
func (w *world) question(ctx context.Context, n *node, packed string) (*answer, error) {
	return w.ask(ctx, w.questionCall(n, url.Values{"jwt": {packed}}))
}

func (w *world) questionCall(n *node, form url.Values) call {
	return call{kind: aQuestion, from: "the application", to: n, method: http.MethodPost, url: n.cavs, header: formEncoded(), body: []byte(form.Encode())}
}

func (w *world) cavsNode(ctx context.Context) (*node, error) {
	n, err := w.role(ctx, "the CAVS")
	if err == nil && n.cavs == "" {
		err = w.unjudged("the CAVS has no URL")
	}
	return n, err
}

// cavsVerdict is what a CAVS answered, in either dialect.
type cavsVerdict struct {
	status, message string
	endorsements    []endorsement
}

// verdictOf reads a CAVS's answer and judges its shape (CAV-01, CAV-06).
func (w *world) verdictOf(a *answer) (cavsVerdict, error) {
	const want = "200 application/json with a status (approved, unsuitable, unknown, invalid) and a message"
	v := a.json()
	out := cavsVerdict{status: asText(v["status"]), message: asText(v["message"])}
	if a.Status != http.StatusOK || v == nil || !strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") ||
		!slices.Contains([]string{"approved", "unsuitable", "unknown", "invalid"}, out.status) {
		return out, w.fail(a, "CAV-01", want, a.is())
	}
	if _, isText := v["message"].(string); !isText {
		return out, w.fail(a, "CAV-01", want, "no message: "+a.is())
	}
	list, _ := v["endorsements"].([]any)
	for _, item := range list {
		one := child(item)
		endorser := child(one["endorser"])
		e := endorsement{asText(one["type"]), asText(one["comment"]), asText(endorser["name"]), asText(endorser["url"])}
		if e.Type == "" && endorser["type"] != nil {
			e.Type, e.Comment = asText(endorser["type"]), asText(endorser["comment"])
			if err := w.form(a, "CAV-06", judge.CAVSEndorsement, false, "type and comment beside endorser", "inside endorser"); err != nil {
				return out, err
			}
		}
		if !slices.Contains([]string{"approval", "warning", "usage-note"}, e.Type) {
			return out, w.fail(a, "CAV-06", "the endorsement type approval, warning or usage-note", fmt.Sprintf("%q", e.Type))
		}
		out.endorsements = append(out.endorsements, e)
	}
	return out, nil
}

// applicationJWT is the JWT of an application that the harness plays, for the CAVS.
func (w *world) applicationJWT(ctx context.Context, app string, n *node) (*passage, error) {
	f := w.flows[app]
	if f == nil {
		name := "ccde-application-" + w.run
		if app == "another application" {
			name = "ccde-other-application-" + w.run
		}
		f = &passage{app: name, patient: w.env.patient(), caller: "the person's app", lasts: w.lasts}
		w.flows[app] = f
	}
	if f.jwt == "" {
		packed, err := w.ownJWT(ctx, f.app, n)
		if err != nil {
			return nil, err
		}
		f.jwt = packed
	}
	return f, nil
}

func (w *world) presentFault(_ context.Context, fault string) error {
	w.news["fault"] = fault
	return nil
}

func (w *world) askedAboutJWT(ctx context.Context) error {
	n, err := w.cavsNode(ctx)
	if err != nil {
		return err
	}
	f, err := w.applicationJWT(ctx, "the application", n)
	if err != nil {
		return err
	}
	fault, _ := w.news["fault"].(string)
	packed, err := w.faulty(ctx, f.jwt, fault, n)
	if err != nil {
		return err
	}
	return w.attempt(ctx, w.questionCall(n, url.Values{"jwt": {packed}}))
}

func (w *world) askedAboutTargets(ctx context.Context, title string) error {
	n, err := w.cavsNode(ctx)
	if err != nil {
		return err
	}
	reg := w.apps[roleName(title)]
	if reg == nil {
		return fmt.Errorf("%s is not registered", title)
	}
	return w.attempt(ctx, w.questionCall(n, url.Values{"jwt": {reg.jwt}}))
}

func (w *world) askedAboutNew(ctx context.Context, title string) error {
	n, err := w.cavsNode(ctx)
	if err != nil {
		return err
	}
	if err := w.hasJWT(ctx, title); err != nil {
		return err
	}
	return w.attempt(ctx, w.questionCall(n, url.Values{"jwt": {string(w.last.Body)}}))
}

func (w *world) askedAboutNamesake(ctx context.Context, title string) error {
	n, err := w.cavsNode(ctx)
	if err != nil {
		return err
	}
	issuer, err := w.controlled(ctx, title)
	if err != nil {
		return err
	}
	f, err := w.applicationJWT(ctx, "the application", n)
	if err != nil {
		return err
	}
	a, err := w.ask(ctx, call{kind: aJWT, from: "the administrator", bearer: issuer.admin, to: issuer, method: http.MethodGet,
		url: issuer.fhir + "/$jwt?for=" + url.QueryEscape(f.app)})
	if err != nil {
		return err
	}
	if a.Status != http.StatusOK {
		return fmt.Errorf("%s issued no JWT for the application: %s", title, a.is())
	}
	return w.attempt(ctx, w.questionCall(n, url.Values{"jwt": {strings.TrimSpace(string(a.Body))}}))
}

func (w *world) askedWithout(ctx context.Context) error {
	n, err := w.cavsNode(ctx)
	if err != nil {
		return err
	}
	return w.attempt(ctx, w.questionCall(n, url.Values{"token": {"none"}}))
}

func (w *world) askedEmpty(ctx context.Context) error {
	n, err := w.cavsNode(ctx)
	if err != nil {
		return err
	}
	return w.attempt(ctx, w.questionCall(n, url.Values{"jwt": {""}}))
}

func (w *world) says(_ context.Context, want string) error { return w.saysStatus(want, nil) }

func (w *world) saysUnless(_ context.Context, want, excuse string) error {
	row := excuses[excuse]
	return w.saysStatus(want, &row)
}

func (w *world) comesToSay(ctx context.Context, want string) error {
	if err := w.untilSays(ctx, want); err != nil {
		return err
	}
	return w.saysStatus(want, nil)
}

func (w *world) comesToSayUnless(ctx context.Context, want, excuse string) error {
	if err := w.untilSays(ctx, want); err != nil {
		return err
	}
	return w.saysUnless(ctx, want, excuse)
}

// untilSays asks the last question again until the CAVS says what is wanted,
// for a minute: of its time where mocks play all, else of ours.
func (w *world) untilSays(ctx context.Context, want string) error {
	if w.last == nil || w.last.call.kind != aQuestion {
		return fmt.Errorf("the CAVS was not asked about anything yet")
	}
	says := func() bool { return asText(w.last.json()["status"]) == want }
	if w.ours() && !says() {
		if err := w.pass(ctx, time.Minute); err != nil {
			return err
		}
		return w.attempt(ctx, w.last.call)
	}
	for end := time.Now().Add(time.Minute + time.Second); !says() && time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return ranOut(ctx, fmt.Sprintf("the CAVS to say %q", want))
		case <-time.After(500 * time.Millisecond):
		}
		if err := w.attempt(ctx, w.last.call); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) saysStatus(want string, row *judge.Row) error {
	a := w.last
	v, err := w.verdictOf(a)
	if err != nil {
		return err
	}
	if v.status == want {
		return nil
	}
	expected, found := fmt.Sprintf("the status %q", want), fmt.Sprintf("%q: %s", v.status, v.message)
	if row != nil {
		return w.form(a, w.subject, *row, false, expected, found)
	}
	if want == "approved" && slices.Contains(refusals, w.subject) {
		return w.fail(a, "CAV-02", expected, found) // the control: of the refusal it says nothing
	}
	return w.fail(a, w.subject, expected, found)
}

// refusals are the requirements that a CAVS does not approve something.
var refusals = []string{"CAV-03", "CAV-04", "CAV-05", "CAV-07", "CAV-08", "CAV-09"}

func (w *world) refusesOrSays(_ context.Context, want string) error {
	if a := w.last; a.Status >= 400 && a.Status < 500 {
		return nil
	}
	return w.saysStatus(want, nil)
}

func (w *world) hasStatus(context.Context) error {
	_, err := w.verdictOf(w.last)
	return err
}

func (w *world) endorsementsAre(context.Context) error {
	a := w.last
	v, err := w.verdictOf(a)
	if err != nil {
		return err
	}
	reg := w.apps["the application"]
	if reg == nil {
		return fmt.Errorf("the application is not registered")
	}
	if reg.known != nil {
		return nil // which it should have, only the CAVS knows; their shape was judged
	}
	if missing, extra := unlike(reg.counting(), v.endorsements); len(missing)+len(extra) > 0 {
		if len(missing) == len(extra) && slices.ContainsFunc(extra, endorsement.lacks) && slices.Contains(w.ids, "CAV-06") {
			return w.fail(a, "CAV-06", fmt.Sprintf("type, comment, endorser.name and endorser.url, as in %+v", missing), fmt.Sprintf("%+v", extra))
		}
		return w.fail(a, w.subject, fmt.Sprintf("the %d endorsements that are registered and count", len(reg.counting())),
			fmt.Sprintf("%d; missing %+v, not registered %+v", len(v.endorsements), missing, extra))
	}
	return nil
}

func (w *world) notApproved(_ context.Context, limit string) error {
	a := w.last
	if most := time.Duration(number(limit)) * time.Second; a.Took > most {
		return w.fail(a, w.subject, fmt.Sprintf("an answer within %s", most), a.Took.String())
	}
	if a.Status == http.StatusServiceUnavailable {
		return nil
	}
	v, err := w.verdictOf(a)
	if err != nil {
		return err
	}
	if v.status == "approved" {
		return w.fail(a, w.subject, "any status but approved: nobody could look at the signature", v.status)
	}
	return nil
}

func (w *world) didNotFetch(ctx context.Context, _ string) error {
	title, named := w.news["strangers"].(string)
	if !named {
		return fmt.Errorf("no JWT names a key set; say \"the JWT names a key set at ...\" before")
	}
	at, err := w.controlled(ctx, title)
	if err != nil {
		return err
	}
	all, err := w.received(ctx, at)
	if err != nil {
		return err
	}
	for _, e := range all {
		if e.matches(strangersKeySet) {
			return w.failAt(e, w.subject, "no request for a key set that only the JWT names", e.say())
		}
	}
	return nil
}
