package steps

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"example.org/ccde/steps/judge"
)

func verdictSteps() []step {
	return []step{
		{`it is granted`,
			"The last answer is a good one, as the protocol shapes it for that request. Judges the request's own id (SRC-01, SRC-02, SRC-10, SRC-30, SRC-40, SRC-73, SRC-75, TGT-10, TGT-40, CAV-01).",
			`Then it is granted`, (*world).granted},
		{`it is refused`,
			"The last answer is an error of the right status and the right body. Judges the scenario's first id.",
			`Then it is refused`, (*world).refused},
		{`it should be refused`,
			"The same as a SHOULD: a warning if it is not.",
			`Then it should be refused`, (*world).shouldBeRefused},
		{`it is refused with {statuses}`,
			"The same, with one of these statuses: \"403 or 401\".",
			`Then it is refused with 401`, (*world).refusedWith},
		{`it is refused with {statuses}, unless {excuse}`,
			"The same, where a row of the dialect tables may excuse it.",
			`Then it is refused with 403 or 401, unless a withdrawn Consent runs on there`, (*world).refusedWithUnless},
		{`it is refused, unless {excuse}`,
			"A refusal that a row of the dialect tables excuses: \"a withdrawn Consent runs on there\", \"JWTs are only read there\".",
			`Then it is refused, unless JWTs are only read there`, (*world).refusedUnless},
		{`it is refused, naming "{parameter}"`,
			"A refusal whose OperationOutcome names the parameter.",
			`Then it is refused, naming "duration"`, (*world).refusedNaming},
		{`the status should be {int}`,
			"The last answer's status, as a SHOULD. Judges the scenario's first id.",
			`And the status should be 404`, (*world).statusShouldBe},
		{`it says how to authenticate`,
			"A 401 has WWW-Authenticate, as a SHOULD.",
			`And it says how to authenticate`, (*world).saysHow},
		{`the answer is "{path}"`,
			"The last answer is that resource.",
			`Then the answer is "Patient/{patient}"`, (*world).answerIs},
	}
}

// excuses are the rows of the dialect tables, as steps say them.
var excuses = map[string]judge.Row{
	"a withdrawn Consent runs on there": judge.ConsentWithdrawn,
	"JWTs are only read there":          judge.JWTAtAuthorize,
	"it reads no dates":                 judge.CAVSExpired,
	"it compares JWTs to the letter":    judge.CAVSApplication,
}

// inherent is the requirement that a request's good answer belongs to.
func (w *world) inherent(c call) string {
	switch c.kind {
	case aConsent:
		if c.isXML() {
			return "SRC-02"
		}
		return "SRC-01"
	case anAuthorize:
		if w.subject == "SRC-24" {
			return w.subject // how soon it answers is what the scenario is about
		}
		return "SRC-10"
	case aToken:
		return "SRC-30"
	case aSignIn, aCode:
		return "SRC-73"
	case aRefresh:
		return "SRC-75"
	case aJWT:
		return "TGT-01"
	case aConnect:
		return connectRequirement(c)
	case aQuestion:
		return "CAV-01"
	case aStatus:
		if slices.Contains([]string{"TGT-41", "TGT-42", "TGT-43"}, w.subject) {
			return w.subject
		}
		return "TGT-40"
	}
	if strings.HasPrefix(c.to.name, "source") && strings.HasPrefix(w.subject, "SRC-") && w.subject < "SRC-49" {
		if strings.Contains(c.url, "/Patient/") || strings.Contains(c.url, "patient=") {
			return "SRC-40"
		}
	}
	return orElse(w.subject, "SRC-40")
}

// granted judges the last answer as a good one.
func (w *world) granted(ctx context.Context) error {
	a := w.last
	if a == nil {
		return fmt.Errorf("nothing was asked yet")
	}
	switch a.call.kind {
	case aConsent:
		return w.consentGranted(a)
	case anAuthorize:
		return w.authorizeGranted(a)
	case aToken:
		return w.tokenGranted(ctx, a)
	case aSignIn:
		return w.signInGranted(a)
	case aCode, aRefresh:
		return w.signInTokenGranted(ctx, a)
	case aConnect:
		return w.connectGranted(ctx, a)
	case aQuestion:
		_, err := w.verdictOf(a)
		return err
	case aJWT:
		return w.isJWT(ctx)
	}
	o := a.resource()
	if a.Status == http.StatusOK && o == nil && strings.Contains(a.call.url, "/Binary/") && len(a.Body) > 0 {
		return nil // a Binary may come as it is, without a resource around it
	}
	if a.Status != http.StatusOK || o == nil || hasErrorIssue(a.json()) {
		return w.fail(a, w.inherent(a.call), "200 and a resource", a.is())
	}
	w.passIfAsked(w.inherent(a.call))
	return nil
}

// refusal says what refuses, beyond an error in the endpoint's own words.
type refusal struct {
	statuses []int     // the right ones; nil = those that fit
	row      judge.Row // the row of the dialect tables that excuses an answer that is no refusal
	excused  bool      // row is set
	names    string    // a parameter that the OperationOutcome names
}

// unknownBearer are the requirements that something is refused to a bearer that
// is none, or none any more; with which status is SRC-41.
var unknownBearer = []string{"SRC-45", "SRC-46", "SRC-48", "SRC-77"}

var fitting = []int{400, 401, 403, 404, 405, 409, 412, 415, 422}

// refusedAs judges an answer as a refusal, under the scenario's first id.
func (w *world) refusedAs(a *answer, r refusal) error {
	if a == nil {
		return fmt.Errorf("nothing was asked yet")
	}
	if r.row != (judge.Row{}) {
		r.excused = true
	}
	if a.call.kind == aSignIn {
		return w.signInRefused(a)
	}
	statuses := r.statuses
	if statuses == nil {
		statuses = fitting
	}
	if a.Status < 400 {
		expected, found := "a refusal, "+oneOf(statuses), a.is()
		if r.excused {
			return w.form(a, w.subject, r.row, false, expected, found)
		}
		return w.fail(a, w.subject, expected, found)
	}
	if a.call.kind.isToken() {
		return w.refusedToken(a)
	}
	if a.call.kind == aQuestion {
		if a.Status > 499 {
			return w.fail(a, w.subject, "a refusal, 4xx", a.is())
		}
		return nil
	}
	body := a.json()
	if a.Status == http.StatusForbidden && len(r.statuses) == 1 && r.statuses[0] == http.StatusUnauthorized && slices.Contains(unknownBearer, w.subject) {
		return w.fail(a, "SRC-41", "401 where there is no bearer that is known", a.is()) // it is refused all the same
	}
	if !slices.Contains(statuses, a.Status) {
		operation := a.call.kind == anAuthorize || a.call.kind == aConsent || a.call.kind == aJWT || a.call.kind == aStatus
		if !(operation && a.Status == 500 && hasErrorIssue(body)) {
			return w.fail(a, w.subject, "a refusal, "+oneOf(statuses), a.is())
		}
		if err := w.form(a, w.subject, judge.OperationErrors, false, "the fitting 4xx and an OperationOutcome", a.is()); err != nil {
			return err
		}
	}
	if !hasErrorIssue(body) {
		if (a.call.kind == aRead || a.call.kind == aWrite) && w.subject != "SRC-67" {
			// What a refusal must look like is a requirement of its own.
			w.warn(a, "SRC-67", "an OperationOutcome with an issue of severity error", a.is())
		} else {
			return w.fail(a, w.subject, "an OperationOutcome with an issue of severity error", a.is())
		}
	}
	return w.names(a, r.names)
}

// names judges whether an OperationOutcome names a parameter.
func (w *world) names(a *answer, name string) error {
	if name == "" || strings.Contains(strings.ToLower(outcomeText(a.json())), strings.ToLower(name)) || pointsAtEmpty(a, name) {
		return nil
	}
	expected := fmt.Sprintf("an OperationOutcome that names %q in diagnostics, details, expression or location", name)
	if a.call.kind == aConnect {
		return w.fail(a, w.subject, expected, a.is())
	}
	w.warn(a, w.subject, expected, a.is())
	return nil
}

// pathToParameter is a path to a parameter of a Parameters resource, in FHIRPath
// or XPath; the number counts from 0 in the one and from 1 in the other.
var pathToParameter = regexp.MustCompile(`(?m)^/?(?:f:)?Parameters[./](?:f:)?parameter(?:\[(\d+)\])?`)

// pointsAtEmpty says whether an OperationOutcome has a path to a parameter that
// was sent as "": a FHIR string is never empty, so a reader may not get as far as
// the name.
func pointsAtEmpty(a *answer, name string) bool {
	var sent map[string]any
	if json.Unmarshal(a.call.body, &sent) != nil {
		return false
	}
	all, _ := sent["parameter"].([]any)
	for i, one := range all {
		if child(one)["name"] != name || child(one)["valueString"] != "" {
			continue
		}
		for _, m := range pathToParameter.FindAllStringSubmatch(outcomeText(a.json()), -1) {
			if m[1] == "" || m[1] == strconv.Itoa(i) || m[1] == strconv.Itoa(i+1) {
				return true
			}
		}
	}
	return false
}

// refusedToken judges an error of the token endpoint; its form is SRC-39.
func (w *world) refusedToken(a *answer) error {
	code := oauthError(a)
	switch {
	case a.Status == 500 && code != "":
		return w.form(a, w.subject, judge.TokenErrors, false, "400 or 401 with the JSON of RFC 6749 5.2", a.is())
	case a.Status >= 500:
		return w.fail(a, w.subject, "an OAuth error, 400 or 401", a.is())
	case strings.Contains(string(a.Body), `"access_token"`):
		return w.fail(a, w.subject, "an OAuth error", a.is())
	case a.Status != 405 && (code == "" || a.Status != 400 && a.Status != 401):
		w.warn(a, "SRC-39", "400 or 401 with the JSON of RFC 6749 5.2", a.is())
	}
	return nil
}

func oneOf(statuses []int) string {
	if len(statuses) == len(fitting) {
		return "the fitting 4xx"
	}
	var out []string
	for _, s := range statuses {
		out = append(out, strconv.Itoa(s))
	}
	return strings.Join(out, " or ")
}

func (w *world) refused(context.Context) error {
	if len(w.set) > 0 {
		for _, a := range w.set {
			if err := w.refusedAs(a, refusal{}); err != nil {
				return err
			}
		}
		return nil
	}
	return w.refusedAs(w.last, refusal{})
}

func (w *world) shouldBeRefused(context.Context) error {
	if a := w.last; a.Status < 400 {
		w.warn(a, w.subject, "a refusal", a.is())
		return nil
	}
	return w.refusedAs(w.last, refusal{})
}

func (w *world) refusedWith(_ context.Context, list string) error {
	statuses, err := parseStatuses(list)
	if err != nil {
		return err
	}
	return w.refusedAs(w.last, refusal{statuses: statuses})
}

func (w *world) refusedWithUnless(_ context.Context, list, excuse string) error {
	statuses, err := parseStatuses(list)
	if err != nil {
		return err
	}
	return w.refusedAs(w.last, refusal{statuses: statuses, row: excuses[excuse]})
}

func (w *world) refusedUnless(_ context.Context, excuse string) error {
	return w.refusedAs(w.last, refusal{row: excuses[excuse]})
}

func (w *world) refusedNaming(_ context.Context, name string) error {
	return w.refusedAs(w.last, refusal{names: name})
}

func parseStatuses(list string) ([]int, error) {
	var out []int
	for _, word := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		if word == "or" {
			continue
		}
		n, err := strconv.Atoi(word)
		if err != nil {
			return nil, fmt.Errorf("%q is no status", word)
		}
		out = append(out, n)
	}
	return out, nil
}

func (w *world) statusShouldBe(_ context.Context, status string) error {
	want, err := strconv.Atoi(status)
	if err != nil {
		return err
	}
	if a := w.last; a.Status != want && !(a.Status == 500 && a.call.kind != aRead) {
		w.warn(a, w.subject, "the status "+status, a.is())
	}
	return nil
}

func (w *world) saysHow(context.Context) error {
	if a := w.last; a.Status == 401 && a.Header.Get("WWW-Authenticate") == "" {
		w.warn(a, w.subject, "WWW-Authenticate with the 401", "none")
	}
	return nil
}

func (w *world) answerIs(ctx context.Context, path string) error {
	want, err := w.expand(ctx, path)
	if err != nil {
		return err
	}
	o := w.last.resource()
	if got := o.Type() + "/" + o.ID(); w.last.Status != http.StatusOK || got != want {
		return w.fail(w.last, w.inherent(w.last.call), want, w.last.is())
	}
	return nil
}
