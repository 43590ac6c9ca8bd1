package exchange

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// on answers requests whose path and query contain match.
func on(match string, answer http.HandlerFunc) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.String(), match) {
			return false
		}
		answer(w, r)
		return true
	}
}

func text(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func bundle(entries string) http.HandlerFunc {
	return text(200, "application/fhir+json", `{"resourceType":"Bundle","type":"searchset","entry":[`+entries+`]}`)
}

func never(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func half(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/fhir+json")
	w.Header().Set("Content-Length", "5000")
	_, _ = w.Write([]byte(`{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"Cond`))
}

const condition = "/r3/Condition?"

// A query that goes wrong fails with a message, and nothing else of the round (TGT-33).
func TestOneBadQueryStopsNoOther(t *testing.T) {
	const good = `{"resource":{"resourceType":"Condition","id":"p1-c","subject":{"reference":"Patient/p1"}}}`
	for name, c := range map[string]struct {
		answer  http.HandlerFunc
		message string
	}{
		"never answers":            {never, "no answer within"},
		"HTML":                     {text(200, "text/html", "<html>It works!</html>"), "text/html, can't be read"},
		"half a Bundle":            {half, "broke off"},
		"half a Bundle, no length": {text(200, "application/fhir+json", `{"resourceType":"Bundle","type":"searchset","entry":[{`), "can't be read"},
		"an OperationOutcome":      {text(200, "application/fhir+json", `{"resourceType":"OperationOutcome"}`), "no searchset Bundle but OperationOutcome"},
		"a transaction":            {text(200, "application/fhir+json", `{"resourceType":"Bundle","type":"transaction"}`), "no searchset"},
		"another type":             {bundle(good + `,{"resource":{"resourceType":"Immunization","id":"x","patient":{"reference":"Patient/p1"}}}`), "entry 2 of a page is no Condition but Immunization/x"},
		"another patient":          {bundle(`{"resource":{"resourceType":"Condition","id":"x","subject":{"reference":"Patient/p2"}}}`), "not of the patient p1"},
		"two patients' page":       {bundle(good + `,{"resource":{"resourceType":"Condition","id":"x","subject":{"reference":"Patient/p2"}}}`), "not of the patient p1"},
		"no patient":               {bundle(`{"resource":{"resourceType":"Condition","id":"x"}}`), "not of the patient p1"},
		"no id":                    {bundle(`{"resource":{"resourceType":"Condition","subject":{"reference":"Patient/p1"}}}`), "without a FHIR id"},
		"a bad id":                 {bundle(`{"resource":{"resourceType":"Condition","id":"../x","subject":{"reference":"Patient/p1"}}}`), "without a FHIR id"},
		"no resource":              {bundle(`{"fullUrl":"urn:x"}`), "has no resource"},
		"entries that are none":    {bundle(`"x"`), "no objects"},
		"our patient":              {bundle(`{"resource":{"resourceType":"Condition","id":"x","subject":{"reference":"` + targetBase + `/Patient/p1"}}}`), "not of the patient"},
		"deep":                     {bundle(strings.Repeat(`{"a":`, 20000)), "can't be read"},
		"500":                      {text(500, "text/plain", "stack"), "answers 500"},
		"403":                      {text(403, "text/plain", ""), "answers 403"},
		"418":                      {text(418, "text/plain", ""), "answers 418"},
		"202":                      {text(202, "text/plain", ""), "answers 202"},
		"drops the connection":     {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "broke off"},
		"always 401":               {text(401, "text/plain", ""), "answers 401"},
		"redirects in a circle":    {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.String(), http.StatusFound) }, "redirects too often"},
		"next without a URL":       {text(200, "application/json", `{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next"}]}`), "without a URL"},
		"next that is none":        {text(200, "application/json", `{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next","url":"http://[x"}]}`), "can't be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clk := heldClock()
			s, tg := newSource(t, clk), newTarget(t, clk)
			s.fill("p1", 60)
			s.answer(on(condition, c.answer))
			conn := tg.connect(s, "auth-1")
			tg.pass(4 * time.Minute)
			got := tg.get(conn.ID)
			assert.Equal(t, Waiting, got.Status)
			assert.Contains(t, got.Message, "Condition?patient=p1: ")
			assert.Contains(t, got.Message, c.message)
			assert.Equal(t, 60+3, got.Copied["Observation"])
			assert.Equal(t, 1, got.Copied["Immunization"])
			asked := s.seen(condition)
			require.Greater(t, len(asked), 1)
			assert.LessOrEqual(t, asked[1].At.Sub(asked[0].At), time.Minute, "tried again within a minute")

			s.answer(nil)
			tg.pass(5 * time.Minute)
			assert.Empty(t, tg.get(conn.ID).Message)
			tg.equal(s, record(s, "p1")...)
		})
	}
}

// What makes no exchange at all ends the connection with a message, unless it may pass.
func TestNoExchange(t *testing.T) {
	capability := func(uri string) http.HandlerFunc {
		return text(200, "application/fhir+json", `{"resourceType":"CapabilityStatement","rest":[{"mode":"server","security":{"extension":[{"url":"`+oauthURIs+`","extension":[{"url":"token","valueUri":"`+uri+`"}]}]}}]}`)
	}
	token := func(body string) http.HandlerFunc { return text(200, "application/json", body) }
	for name, c := range map[string]struct {
		match   string
		answer  http.HandlerFunc
		status  Status
		message string
	}{
		"metadata never":        {"/metadata", never, Waiting, "no answer within"},
		"metadata 500":          {"/metadata", text(500, "text/html", "x"), Waiting, "answers 500"},
		"metadata 404":          {"/metadata", text(404, "text/html", "x"), Failed, "answers 404"},
		"metadata HTML":         {"/metadata", text(200, "text/html", "<html>"), Failed, "text/html that can't be read"},
		"metadata a Patient":    {"/metadata", text(200, "application/json", `{"resourceType":"Patient"}`), Failed, "no CapabilityStatement"},
		"no token endpoint":     {"/metadata", text(200, "application/json", `{"resourceType":"CapabilityStatement"}`), Failed, "names no token endpoint"},
		"ftp token endpoint":    {"/metadata", capability("ftp://x/y"), Failed, "no http(s) URL"},
		"token 404":             {"/auth/token", text(404, "text/html", "x"), Failed, "refuses a token"},
		"token withdrawn":       {"/auth/token", text(400, "application/json", `{"error":"invalid_grant","error_description":"withdrawn"}`), Failed, "invalid_grant withdrawn"},
		"token withdrawn, R":    {"/auth/token", text(500, "application/json", `{"error":"invalid_grant","error_description":"withdrawn"}`), Failed, "invalid_grant withdrawn"},
		"token server_error":    {"/auth/token", text(500, "application/json", `{"error":"server_error"}`), Waiting, "answers 500"},
		"token HTML":            {"/auth/token", text(200, "text/html", "<html>"), Failed, "no token"},
		"token without a token": {"/auth/token", token(`{"patient":"p1"}`), Failed, "without an access_token"},
		"token with a newline":  {"/auth/token", token(`{"access_token":"a\r\nX: y","patient":"p1"}`), Failed, "without an access_token"},
		"token of MAC":          {"/auth/token", token(`{"access_token":"a","token_type":"mac"}`), Failed, "another type than Bearer"},
		"token without patient": {"/auth/token", token(`{"access_token":"a","scope":"user/*.*"}`), Failed, "names the patient"},
		"token with bad id":     {"/auth/token", token(`{"access_token":"a","patient":"a/b"}`), Failed, "no FHIR id"},
		"token bad expires_in":  {"/auth/token", token(`{"access_token":"a","patient":"p1","expires_in":"soon"}`), Failed, "no number"},
		"token redirects": {"/auth/token", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, Failed, "refuses"},
		"401 to each token": {"/r3/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, Failed, "401"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clk := heldClock()
			s, tg := newSource(t, clk), newTarget(t, clk)
			s.fill("p1", 3)
			hook := on(c.match, c.answer)
			if c.match == "/r3/" {
				inner := hook
				hook = func(w http.ResponseWriter, r *http.Request) bool {
					return !strings.Contains(r.URL.Path, "metadata") && inner(w, r)
				}
			}
			s.answer(hook)
			conn := tg.connect(s, "auth-1")
			tg.pass(4 * time.Minute)
			got := tg.get(conn.ID)
			assert.Equal(t, c.status, got.Status, got.Message)
			assert.Contains(t, got.Message, c.message)
			assert.Empty(t, s.seen("elsewhere"))
			s.answer(nil)
			tg.pass(5 * time.Minute)
			if c.status == Waiting {
				assert.Empty(t, tg.get(conn.ID).Message)
				tg.equal(s, record(s, "p1")...)
			} else {
				assert.Equal(t, Failed, tg.get(conn.ID).Status)
			}
		})
	}
}

func TestSmartConfigurationNamesTheEndpoint(t *testing.T) {
	clk := heldClock()
	s, tg := newSource(t, clk), newTarget(t, clk)
	s.fill("p1", 1)
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		return on("/metadata", text(200, "application/json", `{"resourceType":"CapabilityStatement"}`))(w, r) ||
			on("/r3/.well-known/smart-configuration", text(200, "application/json", `{"token_endpoint":"../auth/token"}`))(w, r)
	})
	conn := tg.connect(s, "auth-1")
	tg.idle()
	assert.Equal(t, Waiting, tg.get(conn.ID).Status, tg.get(conn.ID).Message)
	assert.Equal(t, 1, tg.get(conn.ID).Copied["Patient"])
}

// Secrets go to the source alone, whatever its pages say (TGT-23).
func TestTokenGoesNowhereElse(t *testing.T) {
	var strayed atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		strayed.Add(1)
		bundle("")(w, nil)
	}))
	defer other.Close()
	next := func(url string) http.HandlerFunc {
		return text(200, "application/fhir+json", `{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next","url":"`+url+`"}],"entry":[{"resource":{"resourceType":"Condition","id":"p1-c","subject":{"reference":"Patient/p1"}}}]}`)
	}
	redirect := func(url string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, url, http.StatusFound) }
	}
	host := strings.TrimPrefix(other.URL, "http://")
	for name, c := range map[string]struct {
		answer  func(s *source) http.HandlerFunc
		message string
	}{
		"next":                    {func(*source) http.HandlerFunc { return next(other.URL + "/r3/Condition?p=2") }, "another host, " + other.URL + "/r3/Condition;"},
		"next without scheme":     {func(*source) http.HandlerFunc { return next("//" + host + "/r3/Condition?p=2") }, "another host"},
		"next with a user":        {func(s *source) http.HandlerFunc { return next(strings.Replace(s.base, "//", "//u:p@", 1) + "/x") }, "carries a user"},
		"next by https":           {func(s *source) http.HandlerFunc { return next(strings.Replace(s.base, "http:", "https:", 1)) }, "another host"},
		"host as a user":          {func(s *source) http.HandlerFunc { return next(strings.Replace(s.base, "/r3", "@"+host, 1)) }, "another host"},
		"redirect":                {func(*source) http.HandlerFunc { return redirect(other.URL + "/r3/Condition") }, "another host"},
		"redirect out of base":    {func(*source) http.HandlerFunc { return redirect("/elsewhere") }, "out of the source's base"},
		"redirect out by dots":    {func(*source) http.HandlerFunc { return redirect("/r3/%2e%2e/elsewhere") }, "out of the source's base"},
		"redirect beside":         {func(*source) http.HandlerFunc { return redirect("/r3x/elsewhere") }, "out of the source's base"},
		"a circle":                {func(s *source) http.HandlerFunc { return next(s.base + "/Condition?patient=p1") }, "in a circle"},
		"a circle of two":         {circle, "in a circle"},
		"relative next on origin": {func(*source) http.HandlerFunc { return next("Immunization?patient=p1") }, "no Condition but Immunization"},
	} {
		t.Run(name, func(t *testing.T) {
			clk := heldClock()
			s, tg := newSource(t, clk), newTarget(t, clk)
			s.fill("p1", 3)
			s.answer(on(condition, c.answer(s)))
			conn := tg.connect(s, "auth-1")
			tg.pass(time.Minute)
			got := tg.get(conn.ID)
			assert.Equal(t, Waiting, got.Status)
			assert.Contains(t, got.Message, c.message)
			assert.Equal(t, 1, got.Copied["Coverage"])
			assert.Zero(t, strayed.Load())
			assert.Empty(t, s.seen("elsewhere"))
		})
	}
}

func circle(s *source) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		to := map[string]string{"": "1", "1": "2", "2": "1"}[r.URL.Query().Get("n")]
		text(200, "application/json", `{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next","url":"`+s.base+`/Condition?n=`+to+`"}]}`)(w, r)
	}
}

func TestRedirectBelowTheBaseIsFollowed(t *testing.T) {
	clk := heldClock()
	s, tg := newSource(t, clk), newTarget(t, clk)
	s.fill("p1", 3)
	s.answer(on("/r3/Coverage?beneficiary=p1", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("moved") {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.data(w, r, "Coverage", "p1")
			return
		}
		http.Redirect(w, r, "Coverage?beneficiary=p1&moved", http.StatusTemporaryRedirect)
	}))
	conn := tg.connect(s, "auth-1")
	tg.idle()
	assert.Equal(t, 1, tg.get(conn.ID).Copied["Coverage"], tg.get(conn.ID).Message)
}

func TestUnauthorizedGetsOneNewToken(t *testing.T) {
	clk := heldClock()
	s, tg := newSource(t, clk), newTarget(t, clk)
	s.fill("p1", 120)
	var once atomic.Bool
	s.answer(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.RawQuery, "_page=50") && once.CompareAndSwap(false, true) {
			s.revokeTokens()
		}
		return false
	})
	conn := tg.connect(s, "auth-1")
	tg.idle()
	assert.Len(t, s.seen("/auth/token"), 2)
	assert.Len(t, s.seen("_page=50"), 2)
	assert.Empty(t, tg.get(conn.ID).Message)
	tg.equal(s, record(s, "p1")...)
}

func TestConsentWithdrawnInTheMiddle(t *testing.T) {
	clk := heldClock()
	s, tg := newSource(t, clk), newTarget(t, clk)
	s.fill("p1", 120)
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.RawQuery, "_page=50") {
			s.revokeTokens()
		}
		if r.URL.Path == "/auth/token" && len(s.seen("_page=50")) > 0 {
			text(400, "application/json", `{"error":"invalid_grant","error_description":"the Consent is inactive, `+r.PostForm.Get("scope")+" "+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")+`"}`)(w, r)
			return true
		}
		return false
	})
	conn := tg.connect(s, "authorization-one")
	tg.pass(time.Hour)
	got := tg.get(conn.ID)
	assert.Equal(t, Failed, got.Status)
	assert.Contains(t, got.Message, "the Consent is inactive, [secret] [secret]")
	assert.Len(t, s.seen("/auth/token"), 2)
	assert.Equal(t, 50, got.Copied["Observation"]-1, "what was copied stays")
}

func TestPatientOfTheTokenMustBeThatOfTheConnection(t *testing.T) {
	clk := heldClock()
	s, tg := newSource(t, clk), newTarget(t, clk)
	s.fill("p1", 1)
	conn, err := tg.Connect(tg.ctx(), Request{Source: s.base, Consent: "c", Patient: "p2", JWT: sourceJWT, Authorization: "auth-1", ExpiresIn: 600})
	require.NoError(t, err)
	tg.idle()
	got := tg.get(conn.ID)
	assert.Equal(t, Failed, got.Status)
	assert.Contains(t, got.Message, "p1")
	assert.Empty(t, s.seen("Patient"))
}

// No message shows a secret, however a source echoes it (TGT-42).
func TestMessagesHoldNoSecret(t *testing.T) {
	clk := heldClock()
	s, tg := newSource(t, clk), newTarget(t, clk)
	s.fill("p1", 1)
	var last atomic.Value
	s.answer(on(condition, func(w http.ResponseWriter, r *http.Request) {
		tok := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		last.Store(tok)
		bundle(fmt.Sprintf(`{"resource":{"resourceType":"%s-%s-authorization-one-%s"}}`, tok, strings.TrimPrefix(tok, "urn:oauth:"), sourceJWT))(w, r)
	}))
	conn := tg.connect(s, "authorization-one")
	tg.pass(time.Minute)
	message := tg.get(conn.ID).Message
	assert.Contains(t, message, placeholder)
	tok := last.Load().(string)
	for _, secret := range append(strings.Split(sourceJWT, "."), tok, strings.TrimPrefix(tok, "urn:oauth:"), "authorization-one") {
		assert.NotContains(t, message, secret)
	}
	assert.Less(t, len(message), maxMessage+3)
}
