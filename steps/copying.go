package steps

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"example.org/ccde/mockehr/control"
	"example.org/ccde/steps/judge"
)

func copyingSteps() []step {
	return []step{
		{`the copying comes to rest`, "Waits until no EHR has work in hand.",
			`When the copying comes to rest`, (*world).comesToRest},
		{`the next update is over`, "Lets the time between two updates pass, and waits.",
			`And the next update is over`, (*world).nextUpdate},
		{`the connection's time is over`, "Lets the rest of expires_in pass.",
			`When the connection's time is over`, (*world).connectionOver},
		{`{role} has had time to ask for "{path}" {int} times`, "Waits for that many requests: with mocks alone for ten minutes of their time.",
			`And the target EHR has had time to ask for "/r3/Condition" 4 times`, (*world).hasAskedTimes},
		{`{role} has asked for "{path}"`, "Waits until the source EHR received such a request.",
			`And the target EHR has asked for "/r3/Procedure"`, (*world).hasAskedFor},
		{`it asked {role} for an access token, in the right form`, "POST, form, grant_type and scope as protocol 1.4 says, at the source's own token endpoint. Judges TGT-20.",
			`Then it asked the source EHR for an access token, in the right form`, (*world).tokenForm},
		{`it presented the very JWT that was authorized`, "The token request's Bearer. Judges TGT-21.",
			`And it presented the very JWT that was authorized`, (*world).presentedJWT},
		{`each request for data carried the access token as a Bearer, and no URL did`, "Looks at all requests for data. Judges TGT-22.",
			`Then each request for data carried the access token as a Bearer, and no URL did`, (*world).bearerEach},
		{`no request for data came with the access token`, "The connection was over before it asked. Judges the scenario's first id.",
			`And no request for data came with the access token`, (*world).noData},
		{`it showed no secret to anyone but whom it is for`, "Looks for JWT, authorization and access token in all that the target sent. Judges TGT-23.",
			`Then it showed no secret to anyone but whom it is for`, (*world).noSecretElsewhere},
		{`it showed no secret to {role}`, "The same for all that one node received. Judges TGT-23.",
			`Then it showed no secret to the second source EHR`, (*world).noSecretTo},
		{`it asked {role} for an access token, and {role} for none`, "Where the token request went. Judges TGT-23.",
			`Then it asked the second source EHR for an access token, and the source EHR for none`, (*world).tokenWhere},
		{`it asked for all that Sync for Science names`, "Coverage of the first-connection set, as far as the source's CapabilityStatement goes. Judges TGT-24.",
			`Then it asked for all that Sync for Science names`, (*world).askedForAll},
		{`it asked for all that Sync for Science names, as far as the scopes go`, "The same, and as far as the Consent's scopes go.",
			`Then it asked for all that Sync for Science names, as far as the scopes go`, (*world).askedForAll},
		{`it followed every next link to the end`, "Each next link that the source gave was asked for. Judges TGT-25.",
			`Then it followed every next link to the end`, (*world).followedNext},
		{`it asked only for what is new`, "Each search since time last passed has _lastUpdated=gt or ge, with a good instant. Judges TGT-27.",
			`Then it asked only for what is new`, (*world).askedForNew},
		{`it has asked {role} for data in that time`, "Requests for data since time last passed. Judges the scenario's first id.",
			`Then it has asked the source EHR for data in that time`, (*world).askedInTime},
		{`it has asked {role} for data of {who} in that time`, "The same for one patient's connection.",
			`But it has asked the source EHR for data of the other patient in that time`, (*world).askedOfInTime},
		{`it has asked {role} nothing in that time`, "No request since time last passed. Judges the scenario's first id.",
			`Then it has asked the source EHR nothing in that time`, (*world).nothingInTime},
		{`it has asked {role} nothing of {who} in that time`, "The same for one patient's connection.",
			`Then it has asked the source EHR nothing of the patient in that time`, (*world).nothingOfInTime},
		{`{role} has given nothing in that time, unless {excuse}`, "No answer with a part of the record since time last passed, unless a row of the dialect tables excuses it. Judges the scenario's first id.",
			`Then the source EHR has given nothing in that time, unless a withdrawn Consent runs on there`, (*world).gaveNothing},
		{`it got one new access token, and went on with it`, "Since time last passed. Judges the scenario's first id.",
			`Then it got one new access token, and went on with it`, (*world).oneNewToken},
		{`it got at most one new access token in that time`, "Since time last passed. Judges the scenario's first id.",
			`Then it got at most one new access token in that time`, (*world).fewTokens},
		{`it asked for "{path}" again, not before {int} seconds were over`, "The time between the first two requests, by the source's clock. Judges the scenario's first id.",
			`Then it asked for "/r3/Condition" again, not before 120 seconds were over`, (*world).againAfter},
		{`it asked for "{path}" again within a minute, with a growing wait`, "The times between the requests, by the source's clock. Judges the scenario's first id.",
			`Then it asked for "/r3/Condition" again within a minute, with a growing wait`, (*world).againGrowing},
		{`each patient's record was asked for with that patient's access token`, "No request for one patient came with the token of another. Judges the scenario's first id.",
			`And each patient's record was asked for with that patient's access token`, (*world).tokensApart},
	}
}

// ofFlow is the passage at hand as its source saw it; one without any request is an error.
func (w *world) ofFlow(ctx context.Context) (f *passage, tokens, data []seen, err error) {
	f = w.flow
	if f == nil || f.target == nil {
		return nil, nil, nil, fmt.Errorf("no target EHR is connected; say \"the person has connected the target EHR to the source EHR\" before")
	}
	tokens, data, err = w.passageRequests(ctx, f)
	return f, tokens, data, err
}

func (w *world) tokenForm(ctx context.Context, title string) error {
	f, _, _, err := w.ofFlow(ctx)
	if err != nil {
		return err
	}
	n, err := w.controlled(ctx, title)
	if err != nil {
		return err
	}
	endpoint, err := w.tokenEndpoint(ctx, n)
	if err != nil {
		return err
	}
	all, err := w.received(ctx, n)
	if err != nil {
		return err
	}
	const want = "POST [token endpoint], application/x-www-form-urlencoded, grant_type=client_credentials and scope=[authorization]"
	i := slices.IndexFunc(all, seen.isToken)
	if i < 0 {
		return w.rec.Fail("TGT-20", want, "no token request")
	}
	for _, e := range all[i:] {
		if !e.isToken() {
			continue
		}
		form := e.form()
		w.shows("TGT-20", e)
		mediaType := strings.Join(header(e.RequestHeader, "Content-Type"), ", ")
		switch {
		case e.Method != http.MethodPost:
			return w.failAt(e, "TGT-20", want, e.say())
		case strings.Split(e.URL, "?")[0] != endpoint:
			return w.failAt(e, "TGT-20", "the token endpoint of the metadata, "+endpoint, e.URL)
		case !strings.HasPrefix(mediaType, "application/x-www-form-urlencoded"):
			return w.failAt(e, "TGT-20", want, "Content-Type "+mediaType)
		case !slices.Equal(form["grant_type"], []string{"client_credentials"}):
			return w.failAt(e, "TGT-20", want, fmt.Sprintf("grant_type %q", form["grant_type"]))
		case !slices.Equal(form["scope"], []string{f.authorization}):
			return w.failAt(e, "TGT-20", want, fmt.Sprintf("scope %q", form["scope"]))
		}
	}
	return nil
}

func (w *world) presentedJWT(ctx context.Context) error {
	f, tokens, _, err := w.ofFlow(ctx)
	if err != nil {
		return err
	}
	if len(tokens) == 0 {
		return w.rec.Fail("TGT-21", "a token request with the JWT as a Bearer", "no token request with this authorization")
	}
	for _, e := range tokens {
		w.shows("TGT-21", e)
		if e.bearer() != f.jwt {
			return w.failAt(e, "TGT-21", "Authorization: Bearer "+f.jwt, fmt.Sprintf("%q", header(e.RequestHeader, "Authorization")))
		}
	}
	return nil
}

func (w *world) bearerEach(ctx context.Context) error {
	f, _, data, err := w.ofFlow(ctx)
	if err != nil {
		return err
	}
	all, err := w.received(ctx, f.source)
	if err != nil {
		return err
	}
	if len(data) == 0 {
		return w.rec.Fail("TGT-22", "requests for data with the access token", "none")
	}
	for _, e := range all {
		if !e.isData() {
			continue
		}
		if !slices.Contains(f.tokens, e.bearer()) {
			return w.failAt(e, "TGT-22", "Authorization: Bearer [access token] with "+e.say(), fmt.Sprintf("%q", header(e.RequestHeader, "Authorization")))
		}
		for _, t := range f.tokens {
			if judge.Shows(e.URL, t) {
				return w.failAt(e, "TGT-22", "no access token in a URL", e.URL)
			}
		}
	}
	return nil
}

func (w *world) noData(ctx context.Context) error {
	_, _, data, err := w.ofFlow(ctx)
	if err != nil {
		return err
	}
	if len(data) > 0 {
		return w.failAt(data[0], w.subject, "no request for data", fmt.Sprintf("%d, the first %s", len(data), data[0].say()))
	}
	return nil
}

// holds says which secret of a passage a request shows, "" if none.
func (f *passage) shownIn(e seen) string {
	text := e.URL + "\n" + e.RequestBody.Text
	for name, values := range e.RequestHeader {
		text += "\n" + name + ": " + strings.Join(values, "\n")
	}
	secrets := []struct{ what, value string }{{"the JWT", f.jwt}, {"the authorization", f.authorization}}
	for _, t := range f.tokens {
		secrets = append(secrets, struct{ what, value string }{"the access token", t})
	}
	for _, s := range secrets {
		if judge.Shows(text, s.value) {
			return s.what
		}
	}
	return ""
}

func (w *world) noSecretElsewhere(ctx context.Context) error {
	f, tokens, _, err := w.ofFlow(ctx)
	if err != nil {
		return err
	}
	if len(tokens) == 0 {
		return w.rec.Fail("TGT-20", "a token request", "none")
	}
	endpoint, err := w.tokenEndpoint(ctx, f.source)
	if err != nil {
		return err
	}
	var all []seen
	if f.target.control != nil {
		all, err = w.history(ctx, f.target, control.Sent)
	} else {
		all, err = w.received(ctx, f.source)
	}
	if err != nil {
		return err
	}
	for _, e := range all {
		what := f.shownIn(e)
		switch place := strings.Split(e.URL, "?")[0]; {
		case what == "":
		case what == "the access token" && strings.HasPrefix(place, f.source.fhir+"/"):
		case what != "the access token" && place == endpoint && !strings.Contains(e.URL, "?"):
		default:
			return w.rec.Fail("TGT-23", what+" nowhere but where it belongs", e.Method+" "+e.URL)
		}
	}
	return nil
}

func (w *world) noSecretTo(ctx context.Context, title string) error {
	f, _, data, err := w.ofFlow(ctx)
	if err != nil {
		return err
	}
	if len(data) == 0 {
		return w.rec.Fail("TGT-22", "requests for data with the access token", "none")
	}
	n, err := w.controlled(ctx, title)
	if err != nil {
		return err
	}
	all, err := w.received(ctx, n)
	if err != nil {
		return err
	}
	for _, e := range all {
		if what := f.shownIn(e); what != "" {
			return w.failAt(e, "TGT-23", "no secret for "+n.title(), what+" in "+e.say())
		}
	}
	return nil
}

func (w *world) tokenWhere(ctx context.Context, asked, notAsked string) error {
	for _, one := range []struct {
		title string
		want  bool
	}{{notAsked, false}, {asked, true}} {
		n, err := w.controlled(ctx, one.title)
		if err != nil {
			return err
		}
		all, err := w.received(ctx, n)
		if err != nil {
			return err
		}
		if got := slices.ContainsFunc(all, seen.isToken); got != one.want {
			expected := map[bool]string{true: "a token request to ", false: "no token request to "}
			return w.rec.Fail("TGT-23", expected[one.want]+n.title(), expected[got]+n.title())
		}
	}
	return nil
}

// number reads a step's number; the pattern lets only digits through.
func number(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}
