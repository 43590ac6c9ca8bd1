package oauth

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/store"
)

func refusalOf(t *testing.T, err error) *check.Refusal {
	t.Helper()
	var refusal *check.Refusal
	require.ErrorAs(t, err, &refusal)
	return refusal
}

func TestAuthorize(t *testing.T) {
	b := newBench(t)
	packed := b.jwt(t)
	result := b.authorize(t, packed)
	require.Equal(t, "Application Validation is not implemented yet", result.Message)
	require.NotEmpty(t, result.ID)
	require.LessOrEqual(t, len(result.ID), 64)
	require.NotEqual(t, result.ID, b.authorize(t, packed).ID, "a fresh id for each call")

	require.NoError(t, b.store.View(context.Background(), func(tx *store.Tx) error {
		var auth authorization
		there, err := record(tx, authorizationKind, result.ID, &auth)
		require.True(t, there)
		require.Equal(t, packed, auth.JWT)
		require.Equal(t, start.AddDate(0, 3, 0), auth.Expires)
		require.Equal(t, "example", auth.Patient)
		return err
	}))
}

// TestAuthorizeRefusesTheConsent changes one thing in a Consent that can be
// authorized.
func TestAuthorizeRefusesTheConsent(t *testing.T) {
	set := func(name string, value any) func(*fhir.Object) { return func(o *fhir.Object) { o.Set(name, value) } }
	except := func(change func(*fhir.Object)) func(*fhir.Object) {
		return func(o *fhir.Object) { change(o.Child("except")) }
	}
	reference := func(to string) func(*fhir.Object) {
		return func(o *fhir.Object) { o.Child("patient").Set("reference", to) }
	}
	period := func(end string) func(*fhir.Object) {
		return set("period", fhir.NewObject(fhir.Member{Name: "end", Value: end}))
	}
	class := func(system, code string) func(*fhir.Object) {
		return except(func(e *fhir.Object) {
			e.Set("class", []any{fhir.NewObject(fhir.Member{Name: "system", Value: system}, fhir.Member{Name: "code", Value: code})})
		})
	}
	for name, c := range map[string]struct {
		change func(*fhir.Object)
		id     string // "" = taken
		status int
	}{
		"the control":                  {func(*fhir.Object) {}, "", 0},
		"draft":                        {set("status", "draft"), "SRC-14", 422},
		"proposed":                     {set("status", "proposed"), "SRC-14", 422},
		"rejected":                     {set("status", "rejected"), "SRC-14", 422},
		"inactive":                     {set("status", "inactive"), "SRC-14", 422},
		"entered-in-error":             {set("status", "entered-in-error"), "SRC-14", 422},
		"no status":                    {set("status", nil), "SRC-14", 422},
		"no patient":                   {set("patient", nil), "SRC-15", 422},
		"patient without reference":    {set("patient", fhir.NewObject(fhir.Member{Name: "display", Value: "Eve"})), "SRC-15", 422},
		"patient who is not here":      {reference("Patient/nobody"), "SRC-04", 422},
		"patient of another server":    {reference("http://elsewhere.example/r3/Patient/example"), "SRC-04", 422},
		"patient by absolute URL":      {reference(testBase + "/Patient/example"), "", 0},
		"no patient but a person":      {reference("Practitioner/example"), "SRC-04", 422},
		"contained patient":            {reference("#p"), "SRC-04", 422},
		"no policyRule":                {set("policyRule", nil), "SRC-17", 422},
		"another policyRule":           {set("policyRule", policy+"/"), "SRC-17", 422},
		"no except":                    {set("except", nil), "SRC-18", 422},
		"two excepts":                  {func(o *fhir.Object) { o.Set("except", []any{o.Child("except"), o.Child("except").Clone()}) }, "SRC-18", 422},
		"a deny":                       {except(func(e *fhir.Object) { e.Set("type", "deny") }), "SRC-18", 422},
		"no class":                     {except(func(e *fhir.Object) { e.Set("class", nil) }), "SRC-19", 422},
		"class of another system":      {class("http://elsewhere.example", "user/*.*"), "SRC-19", 422},
		"class that is no scope":       {class(scopeSystem, "openid"), "SRC-19", 422},
		"a narrower scope":             {class(scopeSystem, "patient/Observation.read"), "", 0},
		"period that ends too early":   {period("2017-12-09T09:59:59Z"), "SRC-16", 422},
		"period that ends in time":     {period("2017-12-09T10:00:00Z"), "", 0},
		"period in another zone":       {period("2017-12-09T12:00:00+02:00"), "", 0},
		"period ends the day before":   {period("2017-12-08"), "SRC-16", 422},
		"period ends that day":         {period("2017-12-09"), "", 0},
		"period ends the month before": {period("2017-11"), "SRC-16", 422},
		"period ends that month":       {period("2017-12"), "", 0},
		"period ends that year":        {period("2017"), "", 0},
		"period that is no date":       {period("soon"), "SRC-16", 422},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.consent(t, c.change)
			_, err := b.service.Authorize(context.Background(), AuthorizeRequest{ConsentID: "c1", Params: params(t, threeMonths, quoted(b.jwt(t)))})
			if c.id == "" {
				require.NoError(t, err)
				return
			}
			refusal := refusalOf(t, err)
			require.Equal(t, c.id, refusal.ID, refusal.Message)
			require.Equal(t, c.status, refusal.Status)
			require.NotEmpty(t, refusal.Code)
		})
	}
}

func TestAuthorizeRefusesTheRequest(t *testing.T) {
	b := newBench(t)
	good := quoted(b.jwt(t))
	duration := func(inner string) string { return `"valueDuration":{` + inner + `}` }
	const system = `"system":"http://unitsofmeasure.org"`
	for name, c := range map[string]struct {
		duration, jwt string
		id            string
		status        int
	}{
		"the control":             {threeMonths, good, "", 0},
		"value as a string":       {duration(`"value":"3",` + system + `,"code":"mo"`), good, "", 0},
		"no system":               {duration(`"value":3,"code":"mo"`), good, "", 0},
		"no duration":             {"", good, "SRC-20", 400},
		"a string for a duration": {`"valueString":"3 mo"`, good, "SRC-20", 400},
		"a Quantity":              {`"valueQuantity":{"value":3,` + system + `,"code":"mo"}`, good, "SRC-20", 400},
		"no value":                {duration(system + `,"code":"mo"`), good, "SRC-20", 400},
		"value true":              {duration(`"value":true,` + system + `,"code":"mo"`), good, "SRC-20", 400},
		"value no number":         {duration(`"value":"x",` + system + `,"code":"mo"`), good, "SRC-20", 400},
		"zero":                    {duration(`"value":0,` + system + `,"code":"mo"`), good, "SRC-20", 400},
		"negative":                {duration(`"value":-3,` + system + `,"code":"mo"`), good, "SRC-20", 400},
		"absurdly large":          {duration(`"value":99999999999999999999,` + system + `,"code":"a"`), good, "SRC-20", 400},
		"no unit":                 {duration(`"value":3,` + system), good, "SRC-20", 400},
		"a unit of mass":          {duration(`"value":3,` + system + `,"code":"kg"`), good, "SRC-20", 400},
		"another system":          {duration(`"value":3,"system":"http://x.example","code":"mo"`), good, "SRC-20", 400},
		"a comparator":            {duration(`"value":3,"comparator":"<",` + system + `,"code":"mo"`), good, "SRC-20", 400},
		"duration twice":          {threeMonths + `},{"name":"duration",` + threeMonths, good, "SRC-20", 400},
		"no jwt":                  {threeMonths, "", "SRC-21", 400},
		"jwt a number":            {threeMonths, `"valueInteger":5`, "SRC-21", 400},
		"jwt a uri":               {threeMonths, strings.Replace(good, "valueString", "valueUri", 1), "SRC-21", 400},
		"jwt a list":              {threeMonths, `"valueString":["a"]`, "SRC-21", 400},
		"jwt empty":               {threeMonths, quoted(""), "SRC-21", 400},
		"jwt garbage":             {threeMonths, quoted("garbage"), "SRC-21", 400},
		"jwt with a blank":        {threeMonths, quoted(b.jwt(t) + " "), "SRC-21", 400},
		"jwt huge":                {threeMonths, quoted(strings.Repeat("x", 1<<20)), "SRC-21", 400},
		"jwt twice":               {threeMonths, good + `},{"name":"jwt",` + good, "SRC-21", 400},
		"jwt expired":             {threeMonths, quoted(mustSign(t, firstKey(), testKeyID, with(goodClaims(), "exp", start.Unix()))), "SRC-22", 422},
		"jwt by another key":      {threeMonths, quoted(mustSign(t, secondKey(), testKeyID, goodClaims())), "SRC-22", 422},
		"jwt by an unknown key":   {threeMonths, quoted(mustSign(t, secondKey(), "key-9", goodClaims())), "SRC-22", 422},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.service.Authorize(context.Background(), AuthorizeRequest{ConsentID: "c1", Params: params(t, c.duration, c.jwt)})
			if c.id == "" {
				require.NoError(t, err)
				return
			}
			refusal := refusalOf(t, err)
			require.Equal(t, c.id, refusal.ID, refusal.Message)
			require.Equal(t, c.status, refusal.Status)
			name := "jwt"
			if c.id == "SRC-20" {
				name = "duration"
			}
			require.Equal(t, name, refusal.Expression)
			require.Contains(t, refusal.Message, name)
			require.Less(t, len(refusal.Message), 500)
			require.NotContains(t, refusal.Message, strings.Split(b.jwt(t), ".")[2], "no secret")
		})
	}
}

func TestAuthorizeUnknownConsent(t *testing.T) {
	b := newBench(t)
	request := func(id string) AuthorizeRequest {
		return AuthorizeRequest{ConsentID: id, Params: params(t, threeMonths, quoted(b.jwt(t)))}
	}
	for _, id := range []string{"nobody", "", "..", strings.Repeat("x", 100), "c1/_history/1", "c 1"} {
		_, err := b.service.Authorize(context.Background(), request(id))
		refusal := refusalOf(t, err)
		require.Equal(t, "SRC-13", refusal.ID)
		require.Equal(t, http.StatusNotFound, refusal.Status)
	}
	b.remove(t, "Consent", "c1")
	_, err := b.service.Authorize(context.Background(), request("c1"))
	require.Equal(t, "SRC-13", refusalOf(t, err).ID, "a deleted one is unknown")
}

func TestAuthorizeForTheChosenPatient(t *testing.T) {
	b := newBench(t)
	request := AuthorizeRequest{ConsentID: "c1", Params: params(t, threeMonths, quoted(b.jwt(t))), Patient: "example"}
	_, err := b.service.Authorize(context.Background(), request)
	require.NoError(t, err)
	request.Patient = "other"
	_, err = b.service.Authorize(context.Background(), request)
	refusal := refusalOf(t, err)
	require.Equal(t, "SRC-05", refusal.ID)
	require.Equal(t, http.StatusForbidden, refusal.Status)

	ctx, consent := context.Background(), mustParse(t, goodConsent)
	checked := func(signedIn string) error {
		return b.store.View(ctx, func(tx *store.Tx) error { return b.service.CheckConsent(ctx, tx, consent, signedIn) })
	}
	require.NoError(t, checked("example"))
	require.Equal(t, "SRC-05", refusalOf(t, checked("other")).ID)
	consent.Child("patient").Set("reference", "Patient/nobody")
	require.Equal(t, "SRC-04", refusalOf(t, checked("")).ID)
	consent.Delete("patient")
	require.Equal(t, "SRC-15", refusalOf(t, checked("")).ID)
}

func TestAuthorizeAsksTheCAVS(t *testing.T) {
	endorsed := Answer{Status: Approved, Message: "Approved for use by x", Endorsements: []Endorsement{{Type: "approval"}}}
	for name, c := range map[string]struct {
		cavs   fixedCAVS
		id     string // strict
		status int
		loose  string // test.fhir.org
	}{
		"approved":     {fixedCAVS{answer: endorsed}, "", 0, ""},
		"unknown":      {fixedCAVS{answer: Answer{Status: Unknown, Message: "never seen"}}, "", 0, ""},
		"unsuitable":   {fixedCAVS{answer: Answer{Status: Unsuitable, Message: "withdrawn by its maker"}}, "SRC-23", 422, ""},
		"invalid":      {fixedCAVS{answer: Answer{Status: Invalid, Message: "bad signature"}}, "SRC-23", 422, ""},
		"out of reach": {fixedCAVS{err: &CAVSError{Status: 503, Message: "can't be reached"}}, "SRC-24", 503, "SRC-24"},
		"too slow":     {fixedCAVS{err: context.DeadlineExceeded}, "SRC-24", 504, "SRC-24"},
		"nonsense":     {fixedCAVS{err: &CAVSError{Status: 502, Message: "HTML"}}, "SRC-24", 502, "SRC-24"},
		"a secret":     {fixedCAVS{err: errors.New("password 123")}, "SRC-24", 503, "SRC-24"},
	} {
		for _, d := range []check.Dialect{check.Strict, check.TestFHIR} {
			t.Run(name+" "+string(d), func(t *testing.T) {
				b := newBench(t)
				b.cavs = c.cavs
				b.checks.SetDialect(d)
				want := c.id
				if d == check.TestFHIR {
					want = c.loose
				}
				result, err := b.service.Authorize(context.Background(), AuthorizeRequest{ConsentID: "c1", Params: params(t, threeMonths, quoted(b.jwt(t)))})
				if want == "" {
					require.NoError(t, err)
					require.Equal(t, c.cavs.answer.Message, result.Message)
					require.Equal(t, c.cavs.answer.Endorsements, result.Endorsements)
					require.Equal(t, d == check.TestFHIR, result.MessageName == "message")
					return
				}
				refusal := refusalOf(t, err)
				require.Equal(t, want, refusal.ID)
				require.Equal(t, c.status, refusal.Status)
				require.Contains(t, refusal.Message, c.cavs.answer.Message, "the CAVS's own words")
				require.NotContains(t, refusal.Message, "password")
			})
		}
	}
}

func TestAuthorizeInDialectTestFHIR(t *testing.T) {
	b := newBench(t)
	b.checks.SetDialect(check.TestFHIR)
	ask := func(packed string) error {
		_, err := b.service.Authorize(context.Background(), AuthorizeRequest{ConsentID: "c1", Params: params(t, threeMonths, quoted(packed))})
		return err
	}
	require.NoError(t, ask(mustSign(t, firstKey(), testKeyID, with(goodClaims(), "exp", start.Unix()))), "expired")
	require.NoError(t, ask(mustSign(t, secondKey(), "nowhere", goodClaims())), "by nobody known")
	require.Equal(t, "SRC-21", refusalOf(t, ask("garbage")).ID)
	none, err := sign(firstKey(), "none", testKeyID, goodClaims())
	require.NoError(t, err)
	require.Equal(t, "SRC-22", refusalOf(t, ask(none)).ID, "none is never taken")
	hmac, err := sign(firstKey(), "HS256", testKeyID, goodClaims())
	require.NoError(t, err)
	require.Equal(t, "SRC-22", refusalOf(t, ask(hmac)).ID, "nor an HMAC")
}

// TestAuthorizeOverrides proves that each check can be taken away by itself.
func TestAuthorizeOverrides(t *testing.T) {
	none := func(*fhir.Object) {}
	for id, c := range map[string]struct {
		consent string
		change  func(*fhir.Object)
		params  func(b *bench) *fhir.Object
	}{
		"SRC-13": {consent: "nobody", change: none},
		"SRC-14": {change: func(o *fhir.Object) { o.Set("status", "draft") }},
		"SRC-15": {change: func(o *fhir.Object) { o.Delete("patient") }},
		"SRC-04": {change: func(o *fhir.Object) { o.Child("patient").Set("reference", "Patient/nobody") }},
		"SRC-16": {change: func(o *fhir.Object) {
			o.Set("period", fhir.NewObject(fhir.Member{Name: "end", Value: "2017-09-09"}))
		}},
		"SRC-17": {change: func(o *fhir.Object) { o.Delete("policyRule") }},
		"SRC-18": {change: func(o *fhir.Object) { o.Set("except", []any{o.Child("except"), o.Child("except").Clone()}) }},
		"SRC-19": {change: func(o *fhir.Object) { o.Child("except").Delete("class") }},
		"SRC-20": {change: none, params: func(b *bench) *fhir.Object { return params(t, "", quoted(b.jwt(t))) }},
		"SRC-21": {change: none, params: func(*bench) *fhir.Object { return params(t, threeMonths, quoted("garbage")) }},
		"SRC-22": {change: none, params: func(b *bench) *fhir.Object {
			packed, err := sign(firstKey(), "HS256", testKeyID, goodClaims())
			require.NoError(t, err)
			return params(t, threeMonths, quoted(packed))
		}},
	} {
		t.Run(id, func(t *testing.T) {
			b := newBench(t)
			b.consent(t, c.change)
			request := AuthorizeRequest{ConsentID: "c1", Params: params(t, threeMonths, quoted(b.jwt(t)))}
			if c.consent != "" {
				request.ConsentID = c.consent
			}
			if c.params != nil {
				request.Params = c.params(b)
			}
			_, err := b.service.Authorize(context.Background(), request)
			require.Equal(t, id, refusalOf(t, err).ID)
			b.checks.Override(id, func(context.Context, check.Inputs, any) (any, bool) { return true, true })
			_, err = b.service.Authorize(context.Background(), request)
			require.NoError(t, err)
		})
	}
}

func TestAuthorizeGivesUpOnASlowCAVS(t *testing.T) {
	b := newBench(t)
	b.cavs = waitingCAVS{}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := b.service.Authorize(ctx, AuthorizeRequest{ConsentID: "c1", Params: params(t, threeMonths, quoted(b.jwt(t)))})
	require.Equal(t, http.StatusGatewayTimeout, refusalOf(t, err).Status)
}

type waitingCAVS struct{}

func (waitingCAVS) Validate(ctx context.Context, _ string) (Answer, error) {
	<-ctx.Done()
	return Answer{}, ctx.Err()
}
