package steps

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.org/ccde/mockehr/control"
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

func (w *world) comesToRest(ctx context.Context) error {
	for _, f := range w.flows {
		if f.target != nil {
			if err := w.rest(ctx, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// rest waits until a passage's target has nothing more to do now. An outside
// target is at rest when its own status says so, or the source has heard
// nothing for a while.
func (w *world) rest(ctx context.Context, f *passage) error {
	if w.ours() {
		return w.cluster.Idle(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, w.env.Timeouts.copy())
	defer cancel()
	quiet := 3 * time.Second
	if f.connection == "" {
		quiet = 500 * time.Millisecond // nothing was accepted, so that nothing should come
	}
	seenLast, since := -1, time.Now()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		over, known := w.copyOver(ctx, f)
		if over {
			return nil
		}
		if known {
			since = time.Now() // it says that it is copying
		} else if f.source.control != nil {
			all, err := w.received(ctx, f.source)
			if ctx.Err() != nil {
				return nil // what follows judges what is there by now
			}
			if err != nil {
				return err
			}
			if len(all) != seenLast {
				seenLast, since = len(all), time.Now()
			}
		}
		if time.Since(since) > quiet {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil // what follows judges what is there by now
		case <-tick.C:
		}
	}
}

// copyOver asks a target's own status whether it is copying; known says that
// it tells.
func (w *world) copyOver(ctx context.Context, f *passage) (over, known bool) {
	if f.connection == "" {
		return false, false
	}
	if f.target.control != nil {
		_, err := f.target.control.Idle(ctx)
		return err == nil, err == nil
	}
	status, bearer := "", f.target.consumer
	if a, err := w.status(ctx, f, bearer); err == nil {
		status = textParameter(a.json(), "status")
	}
	switch status {
	case "waiting", "stopped", "expired", "failed":
		return true, true
	}
	return false, status != ""
}

func (w *world) nextUpdate(ctx context.Context) error {
	if !w.ours() && w.env.UpdateEvery == 0 {
		return w.beyond("the config does not say how often the target EHR asks for what is new (target.update.every)")
	}
	before := map[*passage]string{}
	if !w.ours() {
		for _, f := range w.flows {
			before[f] = w.lastCheck(ctx, f)
		}
	}
	if err := w.pass(ctx, w.env.updateEvery()+time.Second); err != nil {
		return err
	}
	for f, was := range before {
		w.roundOver(ctx, f, was)
	}
	return nil
}

// lastCheck is when a passage's last round began, as its outside target tells
// it; "" where it does not tell, or where the connection is over.
func (w *world) lastCheck(ctx context.Context, f *passage) string {
	if f.target == nil || f.target.outside == nil || f.connection == "" {
		return ""
	}
	a, err := w.status(ctx, f, f.target.consumer)
	if err != nil {
		return ""
	}
	switch textParameter(a.json(), "status") {
	case "stopped", "expired", "failed":
		return ""
	}
	return textParameter(a.json(), "lastCheck")
}

// roundOver waits until a round that began after the last one is over, for
// where a system is slow; what follows judges what is there by then.
func (w *world) roundOver(ctx context.Context, f *passage, was string) {
	if was == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, w.env.Timeouts.copy())
	defer cancel()
	for {
		now := w.lastCheck(ctx, f)
		if over, known := w.copyOver(ctx, f); now == "" || now != was && over || !known {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// connectionOver lets the rest of the connection's time pass.
func (w *world) connectionOver(ctx context.Context) error {
	f := w.flow
	if f == nil || f.target == nil {
		return fmt.Errorf("no target EHR is connected")
	}
	now, err := w.now(ctx, f.target)
	if err != nil {
		return err
	}
	return w.pass(ctx, max(f.connected.Add(time.Duration(f.expiresIn)*time.Second).Sub(now), 0)+time.Second)
}

// hasAskedTimes waits until the source has heard a request so often, for ten
// minutes of the mocks' time, or as long as a copy may take.
func (w *world) hasAskedTimes(ctx context.Context, _, path, times string) error {
	if w.ours() {
		return w.pass(ctx, 10*time.Minute)
	}
	ctx, cancel := context.WithTimeout(ctx, w.env.Timeouts.copy())
	defer cancel()
	for {
		all, err := w.received(ctx, w.flow.source)
		if ctx.Err() != nil {
			return nil // what follows judges what is there by now
		}
		if err != nil {
			return err
		}
		asked := 0
		for _, e := range all {
			if e.matches(path) {
				asked++
			}
		}
		if asked >= number(times) {
			return w.rest(ctx, w.flow)
		}
		select {
		case <-ctx.Done():
			return nil // what follows judges what is there by now
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func (w *world) hasAskedFor(ctx context.Context, _, path string) error {
	ctx, cancel := context.WithTimeout(ctx, w.env.Timeouts.request())
	defer cancel()
	for {
		all, err := w.received(ctx, w.flow.source)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(all, func(e seen) bool { return e.matches(path) }) {
			return nil
		}
		select {
		case <-ctx.Done():
			return w.rec.Fail(w.subject, "a request for "+path, "none")
		case <-time.After(20 * time.Millisecond):
		}
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
			if strings.Contains(e.URL, t) || strings.Contains(e.URL, url.QueryEscape(t)) {
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
		if s.value != "" && (strings.Contains(text, s.value) || strings.Contains(text, url.QueryEscape(s.value))) {
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
