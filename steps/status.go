package steps

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"example.org/ccde/steps/judge"
)

func statusSteps() []step {
	return []step{
		{`the person asks how the copying goes`, "Reads $connection?id= of the connection at hand.",
			`When the person asks how the copying goes`, (*world).asksStatus},
		{`the status is "{status}"`, "The status of the last answer of $connection. Judges TGT-40, or the scenario's own id.",
			`Then the status is "waiting"`, (*world).statusIs},
		{`the status is "{status}", with a message`, "The same, and a message that is not empty.",
			`Then the status is "failed", with a message`, (*world).statusWithMessage},
		{`it tells source, consent, patient, times, and how much was copied`, "All that protocol 1.6 names; the counts are those of what was given. Judges TGT-40.",
			`And it tells source, consent, patient, times, and how much was copied`, (*world).tellsAll},
		{`the connection is in the list, once`, "In the last answer of $connection without an id. Judges TGT-40.",
			`And the connection is in the list, once`, (*world).isListed},
		{`the connection is not in the list`, "In the last answer of $connection without an id: it is another's. Judges the scenario's first id.",
			`And the connection is not in the list`, (*world).isNotListed},
		{`it is refused, unless the connection was taken for one without a bearer`, "401, 403 or 404 for the last $connection?id=. A target that does not know the bearer of its $connect passes it over; then nobody is refused, and nothing is judged. Judges the scenario's first id.",
			`Then it is refused, unless the connection was taken for one without a bearer`, (*world).refusedUnlessOpen},
		{`{caller} stops the copying`, "POST $disconnect of the connection at hand.",
			`When the person stops the copying`, (*world).stops},
		{`the person stops the copying of {who}`, "The same for one patient's connection.",
			`When the person stops the copying of the patient`, (*world).stopsOf},
		{`none of these answers shows a secret`, "No JWT, authorization or access token in any answer of the target but that of $jwt. Judges TGT-42.",
			`Then none of these answers shows a secret`, (*world).noSecretShown},
	}
}

func (w *world) connection() (*passage, error) {
	f := w.flow
	if f == nil || f.target == nil {
		return nil, fmt.Errorf("no target EHR is connected")
	}
	if f.connection == "" {
		return nil, w.beyond("the target EHR tells no connection: $connect gave no Content-Location with its id")
	}
	return f, nil
}

func (w *world) asksStatus(ctx context.Context) error {
	f, err := w.connection()
	if err != nil {
		return err
	}
	bearer, _, err := w.bearerOf("the person's app", f.target)
	if err != nil {
		return err
	}
	return w.attempt(ctx, call{kind: aStatus, from: "the person's app", bearer: bearer, to: f.target, method: http.MethodGet,
		url: f.target.fhir + "/$connection?id=" + url.QueryEscape(f.connection), flow: f})
}

// status reads a connection without judging the answer, and not as evidence.
func (w *world) status(ctx context.Context, f *passage, bearer string) (*answer, error) {
	c := call{kind: aStatus, from: "the person's app", bearer: bearer, to: f.target, method: http.MethodGet,
		url: f.target.fhir + "/$connection?id=" + url.QueryEscape(f.connection), flow: f}
	scratch := judge.NewRecord(judge.Options{Masker: w.env.Masker})
	header := http.Header{"Accept": {"application/fhir+json"}}
	if bearer != "" {
		header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := scratch.Do(ctx, w.http, judge.Request{From: c.from, To: c.to.name, Method: c.method, URL: c.url, Header: header})
	if err != nil {
		return nil, err
	}
	return &answer{Response: res, call: c}, nil
}

func (w *world) statusIs(_ context.Context, want string) error {
	a := w.last
	if got := textParameter(a.json(), "status"); a.Status != http.StatusOK || got != want {
		return w.fail(a, w.inherent(a.call), fmt.Sprintf("the status %q", want), fmt.Sprintf("%q: %s", got, a.is()))
	}
	return nil
}

func (w *world) statusWithMessage(ctx context.Context, want string) error {
	if err := w.statusIs(ctx, want); err != nil {
		return err
	}
	if a := w.last; textParameter(a.json(), "message") == "" {
		return w.fail(a, w.inherent(a.call), "a message that says why", a.is())
	}
	return nil
}

func (w *world) tellsAll(ctx context.Context) error {
	a, f := w.last, w.flow
	p := a.json()
	want := map[string]string{"id": f.connection, "source": f.source.fhir, "consent": f.consentID, "patient": f.patient}
	for name, text := range want {
		if got := strings.TrimSuffix(textParameter(p, name), "/"); got != text {
			return w.fail(a, "TGT-40", fmt.Sprintf("%s %q", name, text), fmt.Sprintf("%q", got))
		}
	}
	for _, name := range []string{"started", "lastCheck", "nextCheck", "expires"} {
		if textParameter(p, name) == "" {
			return w.fail(a, "TGT-40", "the parameter "+name, "none")
		}
	}
	_, data, err := w.passageRequests(ctx, f)
	if err != nil {
		return err
	}
	held := map[string]string{}
	for _, one := range parametersNamed(p, "copied") {
		held[textPart(one, "type")] = textPart(one, "count")
	}
	counts := map[string]int{}
	for key := range w.given(data).nodes {
		typ, _, _ := strings.Cut(key, "/")
		counts[typ]++
	}
	for typ, n := range counts {
		if held[typ] != fmt.Sprint(n) {
			return w.fail(a, "TGT-40", fmt.Sprintf("copied: %s %d", typ, n), fmt.Sprintf("%q", held[typ]))
		}
	}
	return nil
}

// timesListed is how often the last list has the connection at hand.
func (w *world) timesListed() int {
	n := 0
	for _, one := range parametersNamed(w.last.json(), "connection") {
		if textPart(one, "id") == w.flow.connection {
			n++
		}
	}
	return n
}

func (w *world) isListed(context.Context) error {
	if n := w.timesListed(); n != 1 {
		return w.fail(w.last, "TGT-40", "the connection "+w.flow.connection+" in the list, once", fmt.Sprintf("%d times", n))
	}
	return nil
}

func (w *world) isNotListed(context.Context) error {
	if _, err := w.connection(); err != nil {
		return err
	}
	if n := w.timesListed(); n > 0 {
		return w.fail(w.last, w.subject, "a list without the connection "+w.flow.connection+", which another started", fmt.Sprintf("it is there %d times", n))
	}
	return nil
}

// refusedUnlessOpen looks whose connection it is before it blames: one that was
// started without a bearer is seen by its id (protocol 1.9).
func (w *world) refusedUnlessOpen(ctx context.Context) error {
	a := w.last
	if a.Status == http.StatusOK {
		open, err := w.ask(ctx, call{kind: aStatus, from: "nobody", to: a.call.to, method: http.MethodGet, url: a.call.url, flow: w.flow})
		if err != nil || open.Status == http.StatusOK {
			return err
		}
	}
	return w.refusedAs(a, refusal{statuses: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound}})
}

func (w *world) stops(ctx context.Context, caller string) error {
	f, err := w.connection()
	if err != nil {
		return err
	}
	bearer, _, err := w.bearerOf(caller, f.target)
	if err != nil {
		return err
	}
	return w.attempt(ctx, call{kind: aStatus, from: caller, bearer: bearer, to: f.target, method: http.MethodPost,
		url: f.target.fhir + "/$disconnect", header: formEncoded(), body: []byte(url.Values{"id": {f.connection}}.Encode()), flow: f})
}

func (w *world) stopsOf(ctx context.Context, who string) error {
	id, _ := w.patientOf(who)
	for _, f := range w.flows {
		if f.target != nil && f.patient == id {
			w.flow = f
			if err := w.stops(ctx, "the person's app"); err != nil {
				return err
			}
			return w.granted(ctx)
		}
	}
	return fmt.Errorf("no record of %s was moved", who)
}

func (w *world) noSecretShown(ctx context.Context) error {
	f := w.flow
	if f.source.control != nil {
		// Also the access tokens that only source and target know.
		if _, _, err := w.passageRequests(ctx, f); err != nil {
			return err
		}
	}
	type secret struct{ what, text string }
	secrets := []secret{{"the JWT", f.jwt}, {"the authorization", f.authorization}}
	for _, t := range f.tokens {
		secrets = append(secrets, secret{"an access token", t})
	}
	for _, a := range w.answers {
		if a.call.to != f.target || a.call.kind == aJWT {
			continue
		}
		text := string(a.Body)
		for name, values := range a.Header {
			text += "\n" + name + ": " + strings.Join(values, "\n")
		}
		all := slices.Clone(secrets)
		for _, sent := range packedJWT.FindAllString(string(a.call.body), -1) {
			all = append(all, secret{"the JWT that was sent", sent}) // also a spoiled one: little of it is another's
		}
		for _, one := range all {
			if judge.Shows(text, one.text) {
				return w.fail(a, "TGT-42", "no secret in "+a.call.method+" "+a.call.url, one.what+" in it")
			}
			if packedJWT.MatchString(one.text) {
				if _, signature, ok := cutLast(one.text, "."); ok && len(signature) > 20 && judge.Shows(text, signature) {
					return w.fail(a, "TGT-42", "no secret in "+a.call.method+" "+a.call.url, "the JWT's signature in it")
				}
			}
		}
	}
	return nil
}
