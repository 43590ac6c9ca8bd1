package steps

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"example.org/ccde/steps/judge"
)

func authorizeSteps() []step {
	return []step{
		{`the authorization is to last {int} {unit}`,
			"Says how long authorizations are asked for from here on: a number and a UCUM unit. Without it a day.",
			`Given the authorization is to last 3 mo`, (*world).lastsFor},
		{`an $authorize request`,
			"Makes an $authorize request for the Consent that was given the request at hand: the application's JWT and the duration.",
			`Given an $authorize request`, (*world).authorizeRequest},
		{`the person has authorized {app} at {role} for "{scopes}"`,
			"A Consent, and $authorize of it with a JWT of the application that the harness plays. Judges SRC-01 and SRC-10.",
			`Given the person has authorized the application at the source EHR for "user/*.read"`, (*world).hasAuthorized},
		{`the person authorizes the application {int} times`,
			"Asks $authorize so many times of the same Consent with the same JWT. Judges SRC-10.",
			`When the person authorizes the application 6 times`, (*world).authorizesTimes},
		{`no two authorizations are alike, and none can be guessed from another`,
			"Compares the ids of the step before. Judges SRC-11.",
			`Then no two authorizations are alike, and none can be guessed from another`, (*world).authorizationsDiffer},
		{`the answer carries what the CAVS says`,
			"Asks the CAVS about the same JWT and compares message and endorsements. Judges SRC-12.",
			`Then the answer carries what the CAVS says`, (*world).carriesCAVS},
		{`it is refused, as the CAVS's verdict is "{status}"`,
			"The $authorize answer is an error that says so. Judges the scenario's first id.",
			`Then it is refused, as the CAVS's verdict is "unsuitable"`, (*world).refusedByCAVS},
		{`it is refused or carries a message, within {int} seconds`,
			"A clear error (502, 503 and 504 too) or a message, in that time. Judges the scenario's first id.",
			`Then it is refused or carries a message, within 10 seconds`, (*world).refusedOrMessage},
	}
}

func (w *world) lastsFor(_ context.Context, n, unit string) error {
	value, err := strconv.Atoi(n)
	if err != nil {
		return err
	}
	w.lasts = length{value, unit}
	return nil
}

func (w *world) authorizeRequest(ctx context.Context) error {
	f := w.flow
	if f == nil || f.consentID == "" {
		return fmt.Errorf("no Consent was given; say \"the person has given the source EHR a Consent for ...\" before")
	}
	_, err := w.authorizeDraft(ctx, f)
	return err
}

// authorizeDraft makes a good $authorize request the request at hand.
func (w *world) authorizeDraft(ctx context.Context, f *passage) (*draft, error) {
	if f.jwt == "" {
		var err error
		if f.target != nil {
			f.jwt, err = w.targetJWT(ctx, f)
		} else {
			f.jwt, err = w.ownJWT(ctx, f.app, f.source)
		}
		if err != nil {
			return nil, err
		}
	}
	f.lasts = w.lasts
	return w.draft(anAuthorize, f, f.source, map[string]any{"duration": f.lasts.quantity(), "jwt": "{jwt}"}), nil
}

// authorizeSent sends a good $authorize request.
func (w *world) authorizeSent(ctx context.Context, f *passage) error {
	thing := w.thing
	defer func() { w.thing = thing }()
	d, err := w.authorizeDraft(ctx, f)
	if err != nil {
		return err
	}
	return w.send(ctx, d, f.caller)
}

// authorize gives a Consent and authorizes it; both must succeed.
func (w *world) authorize(ctx context.Context, f *passage) error {
	if err := w.giveConsent(ctx, f); err != nil {
		return err
	}
	if err := w.authorizeSent(ctx, f); err != nil {
		return err
	}
	return w.granted(ctx)
}

func (w *world) hasAuthorized(ctx context.Context, app, title, scopes string) error {
	first := w.flow
	f, err := w.applicationFlow(ctx, app)
	if err != nil {
		return err
	}
	if f.source, err = w.role(ctx, title); err != nil {
		return err
	}
	f.scopes = scopes
	err = w.authorize(ctx, f)
	if app == "another application" && first != nil {
		w.flow = first // what follows is about the application again
	}
	return err
}

func (w *world) authorizeCall(ctx context.Context, d *draft, caller string) (call, error) {
	bearer, _, err := w.bearerOf(caller, d.to)
	if err != nil {
		return call{}, err
	}
	fields, err := w.filled(ctx, d)
	if err != nil {
		return call{}, err
	}
	body, err := json.Marshal(parametersOf(fields, d.twice))
	if err != nil {
		return call{}, err
	}
	if d.flow.before, err = w.now(ctx, d.to); err != nil {
		return call{}, err
	}
	return call{kind: anAuthorize, from: caller, bearer: bearer, to: d.to, method: http.MethodPost,
		url:    d.to.fhir + "/Consent/" + orElse(d.consent, d.flow.consentID) + "/$authorize",
		header: fhirJSON(), body: body, flow: d.flow}, nil
}

// authorizeGranted judges a good answer of $authorize (SRC-10).
func (w *world) authorizeGranted(a *answer) error {
	const want = "200 and Parameters with an id of 1 to 64 characters"
	if a.Status != http.StatusOK {
		return w.fail(a, "SRC-10", want, a.is())
	}
	id, there := firstValue(a.json(), "id").(string)
	switch {
	case !there || id == "":
		return w.fail(a, "SRC-10", want, "no parameter id with a text: "+a.is())
	case len([]rune(id)) > 64:
		return w.fail(a, "SRC-10", want, fmt.Sprintf("an id of %d characters", len([]rune(id))))
	}
	w.rec.Secret("authorization", id)
	a.call.flow.authorization = id
	w.passIfAsked("SRC-10")
	return nil
}

func (w *world) authorizesTimes(ctx context.Context, n string) error {
	count, err := strconv.Atoi(n)
	if err != nil {
		return err
	}
	var all []*answer
	for range count {
		if err := w.authorizeSent(ctx, w.flow); err != nil {
			return err
		}
		if err := w.granted(ctx); err != nil {
			return err
		}
		all = append(all, w.last)
	}
	w.set = all
	return nil
}

// authorizationsDiffer looks for what a counter, a clock or a short text would show.
func (w *world) authorizationsDiffer(context.Context) error {
	var ids []string
	var numbers []int
	for _, a := range w.set {
		id, _ := firstValue(a.json(), "id").(string)
		ids = append(ids, id)
		numbers = append(numbers, a.Number)
	}
	for i, id := range ids {
		if len(id) < 16 {
			w.rec.About(numbers[i])
			return w.rec.Fail("SRC-11", "an id that can't be guessed: 16 characters or more", fmt.Sprintf("one of %d characters", len(id)))
		}
		for j := range i {
			w.rec.About(numbers[j], numbers[i])
			if ids[j] == id {
				return w.rec.Fail("SRC-11", "a new id for each call", fmt.Sprintf("calls %d and %d gave the same", j+1, i+1))
			}
			if n := differing(ids[j], id); n < 8 {
				return w.rec.Fail("SRC-11", "ids that can't be guessed from another: 8 places or more differ",
					fmt.Sprintf("those of calls %d and %d differ in %d places", j+1, i+1, n))
			}
			w.rec.About()
		}
	}
	return nil
}

func differing(a, b string) int {
	if len(a) != len(b) {
		return max(len(a), len(b))
	}
	n := 0
	for i := range len(a) {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

// endorsement is one endorsement, however it was told.
type endorsement struct{ Type, Comment, Endorser, URL string }

// lacks says that a part of it is not there.
func (e endorsement) lacks() bool {
	return e.Type == "" || e.Comment == "" || e.Endorser == "" || e.URL == ""
}

func (w *world) carriesCAVS(ctx context.Context) error {
	told, f := w.last, w.last.call.flow
	if w.last.call.kind != anAuthorize {
		return fmt.Errorf("the last answer is none of $authorize")
	}
	cavs, err := w.role(ctx, "the CAVS")
	if err != nil {
		return err
	}
	said, err := w.question(ctx, cavs, f.jwt)
	if err != nil {
		return err
	}
	v, err := w.verdictOf(said)
	if err != nil {
		return err
	}
	p := told.json()
	message, _ := firstValue(p, "Message").(string)
	if message == "" {
		message, _ = firstValue(p, "message").(string)
		if err := w.form(told, "SRC-12", judge.AuthorizeMessage, message == "", "the parameter Message", "message"); err != nil {
			return err
		}
	}
	if message != v.message {
		if err := w.fail(told, "SRC-12", fmt.Sprintf("the CAVS's message, %q", v.message), fmt.Sprintf("%q", message)); err != nil {
			return err
		}
	}
	var got []endorsement
	for _, e := range parametersNamed(p, "endorsement") {
		got = append(got, endorsement{textPart(e, "type"), textPart(e, "comment"), textPart(e, "endorser"), textPart(e, "url")})
	}
	if missing, extra := unlike(v.endorsements, got); len(missing)+len(extra) > 0 {
		return w.fail(told, "SRC-12", fmt.Sprintf("the CAVS's %d endorsements, with type, comment, endorser and url", len(v.endorsements)),
			fmt.Sprintf("%d; missing %+v, not the CAVS's %+v", len(got), missing, extra))
	}
	return nil
}

// unlike is what two lists don't have in common, however they are ordered.
func unlike[T comparable](want, got []T) (missing, extra []T) {
	count := map[T]int{}
	for _, g := range got {
		count[g]++
	}
	for _, v := range want {
		if count[v] == 0 {
			missing = append(missing, v)
		} else {
			count[v]--
		}
	}
	for _, g := range got {
		if count[g] > 0 {
			extra = append(extra, g)
			count[g]--
		}
	}
	return missing, extra
}

func (w *world) refusedByCAVS(_ context.Context, status string) error {
	a := w.last
	if err := w.refusedAs(a, refusal{row: judge.CAVSAtAuthorize}); err != nil || a.Status < 400 {
		return err
	}
	if text := strings.ToLower(outcomeText(a.json())); !strings.Contains(text, status) && !strings.Contains(text, "cavs") &&
		!strings.Contains(text, "application") {
		return w.fail(a, w.subject, fmt.Sprintf("an error that says so: %q, or that the CAVS or the application is the reason", status), a.is())
	}
	return nil
}

func (w *world) refusedOrMessage(_ context.Context, seconds string) error {
	n, err := strconv.Atoi(seconds)
	if err != nil {
		return err
	}
	a := w.last
	if limit := time.Duration(n) * time.Second; a.Took > limit {
		return w.fail(a, w.subject, fmt.Sprintf("an answer within %s", limit), fmt.Sprintf("one after %s", a.Took.Round(time.Millisecond)))
	}
	if a.Status < 400 {
		p := a.json()
		if a.Status == http.StatusOK && (textParameter(p, "Message") != "" || textParameter(p, "message") != "") {
			return nil
		}
		return w.fail(a, w.subject, "an error, or a message about the CAVS", a.is())
	}
	return w.refusedAs(a, refusal{statuses: []int{400, 403, 409, 422, 502, 503, 504}})
}
