package judge

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/reports"
)

var levels = map[string]string{"SRC-14": "SHALL", "SRC-32": "SHOULD", "TGT-08": "MAY"}

func TestFindingsByLevel(t *testing.T) {
	r := NewRecord(Options{Levels: levels})
	err := r.Fail("SRC-14", "an error", "200")
	var failure *Failure
	require.ErrorAs(t, err, &failure)
	assert.Equal(t, "SRC-14: expected an error; found 200", err.Error())
	require.NoError(t, r.Fail("SRC-32", "no-store", "none"), "a SHOULD goes on")
	require.Error(t, r.Fail("TGT-08", "Parameters", "404"), "a MAY that is judged fails like a SHALL")
	r.Pass("SRC-14", "")
	require.ErrorIs(t, r.Unjudged("SRC-45", "no clock"), ErrUnjudged)
	r.Error("SRC-46", "no harness")
	var verdicts []string
	for _, f := range r.Findings() {
		verdicts = append(verdicts, f.ID+" "+f.Level+" "+f.Verdict)
	}
	assert.Equal(t, []string{"SRC-14 SHALL failed", "SRC-32 SHOULD warning", "TGT-08 MAY failed", "SRC-14 SHALL passed",
		"SRC-45 SHALL unjudged", "SRC-46 SHALL error"}, verdicts)
	assert.True(t, r.Judged("SRC-46"))
	assert.False(t, r.Judged("SRC-47"))
}

func TestDialectRows(t *testing.T) {
	for name, c := range map[string]struct {
		dialect string
		row     Row
		fails   bool
	}{
		"form, strict":          {"strict", TokenErrors, false},
		"form, test.fhir.org":   {TestFHIR, TokenErrors, false},
		"substance, strict":     {"strict", ConsentWithdrawn, true},
		"substance, test":       {TestFHIR, ConsentWithdrawn, false},
		"substance, no dialect": {"", JWTAtAuthorize, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewRecord(Options{Levels: levels, Dialect: c.dialect})
			require.NoError(t, r.Form("SRC-14", c.row, true, "a", "b"), "as the left column says")
			assert.Empty(t, r.Findings())
			err := r.Form("SRC-14", c.row, false, "a", "b")
			assert.Equal(t, c.fails, err != nil)
			require.Len(t, r.Findings(), 1)
			want := reports.Warning
			if c.fails {
				want = reports.Failed
			}
			assert.Equal(t, want, r.Findings()[0].Verdict)
		})
	}
}

func TestContext(t *testing.T) {
	r := NewRecord(Options{})
	assert.Same(t, r, From(WithRecord(context.Background(), r)))
	assert.Nil(t, From(context.Background()))
}

const secretJWT = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ1cm46dXVpZDoxIn0.c2lnbmF0dXJlLW9mLXRoaXMtand0"

// exchanges records a few exchanges that hold every kind of secret, and
// returns all that a report would show of them.
func exchanges(t *testing.T, r *Record) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		w.Header().Set("Set-Cookie", "session=cookie-secret-1")
		switch {
		case strings.Contains(q.URL.Path, "$authorize"):
			_, _ = io.WriteString(w, `{"resourceType":"Parameters","parameter":[{"name":"id","valueId":"7"},{"name":"Message","valueString":"page 7 of 17"}]}`)
		case strings.Contains(q.URL.Path, "token"):
			_, _ = io.WriteString(w, `{"access_token":"urn:oauth:very-secret-token","scope":"user/*.*"}`)
		default:
			_, _ = w.Write(body)
		}
	}))
	t.Cleanup(server.Close)
	ctx := context.Background()
	do := func(method, path, contentType, body, authorization string) {
		h := http.Header{}
		if contentType != "" {
			h.Set("Content-Type", contentType)
		}
		if authorization != "" {
			h.Set("Authorization", authorization)
		}
		_, err := r.Do(ctx, server.Client(), Request{From: "a", To: "b", Method: method, URL: server.URL + path, Header: h, Body: []byte(body)})
		require.NoError(t, err)
	}
	const form = "application/x-www-form-urlencoded"
	do("POST", "/Consent/1/$authorize", "application/fhir+json", `{"resourceType":"Parameters","parameter":[{"name":"jwt","valueString":"`+secretJWT+`"}]}`, "Bearer consumer-bearer-1")
	do("POST", "/auth/token", form, "grant_type=client_credentials&scope=7", "Bearer "+secretJWT)
	do("GET", "/Patient/1?access_token="+url.QueryEscape("urn:oauth:very-secret-token"), "", "", "Bearer urn:oauth:very-secret-token")
	do("POST", "/echo", "text/plain", "in base64: "+base64.StdEncoding.EncodeToString([]byte("x"+secretJWT+"yz")), "")
	do("POST", "/echo", form, "client_secret=hush%2Fhush-hush&code_verifier=verify-me-please", "Basic "+base64.StdEncoding.EncodeToString([]byte("client:basic-password")))
	require.NoError(t, r.Fail("SRC-32", "no "+secretJWT, "urn:oauth:very-secret-token"))
	var b strings.Builder
	for _, e := range r.Exchanges() {
		b.WriteString(e.URL + "\n" + e.RequestBody + "\n" + e.ResponseBody + "\n")
		for _, h := range append(e.RequestHeaders, e.ResponseHeaders...) {
			b.WriteString(h[0] + ": " + h[1] + "\n")
		}
	}
	for _, f := range r.Findings() {
		b.WriteString(f.Expected + "\n" + f.Found + "\n")
	}
	return b.String()
}

func TestNoSecretLeaves(t *testing.T) {
	m := NewMasker()
	m.Standing("bearer", "consumer-bearer-1")
	text := exchanges(t, NewRecord(Options{Levels: levels, Masker: m}))
	for _, secret := range []string{secretJWT, "very-secret-token", "consumer-bearer-1", "hush%2Fhush", "hush/hush", "verify-me-please",
		"basic-password", "cookie-secret-1", "c2lnbmF0dXJl", base64.StdEncoding.EncodeToString([]byte("client:basic-password")),
		base64.StdEncoding.EncodeToString([]byte("x" + secretJWT))[8:60], `"7"`, "scope=7"} {
		assert.NotContains(t, text, secret)
	}
	assert.Contains(t, text, "page 7 of 17", "a short secret tears no other text apart")
	assert.Contains(t, text, "user/*.*", "what is no secret stays")
}

func TestLabelsStayTheSame(t *testing.T) {
	m := NewMasker()
	one := NewRecord(Options{Levels: levels, Masker: m})
	first := exchanges(t, one)
	second := exchanges(t, NewRecord(Options{Levels: levels, Masker: m}))
	label := m.label("jwt", secretJWT)
	assert.Regexp(t, `^jwt-1 sha256:[0-9a-f]{12}$`, label)
	assert.Contains(t, first, label)
	assert.Contains(t, second, label)
	assert.NotEqual(t, label, m.label("jwt", secretJWT+"x"), "another one")
}

func TestExchangesInOrderOfTime(t *testing.T) {
	r := NewRecord(Options{Levels: levels})
	at := time.Date(2017, 9, 8, 0, 0, 0, 0, time.UTC)
	late := r.Add(reports.Exchange{At: at.Add(time.Hour), URL: "http://a/late"})
	early := r.Add(reports.Exchange{At: at, URL: "http://a/early"})
	r.About(late)
	require.Error(t, r.Fail("SRC-14", "", ""))
	r.About(early, late)
	r.Warn("SRC-14", "", "")
	all := r.Exchanges()
	require.Len(t, all, 2)
	assert.Equal(t, "http://a/early", all[0].URL)
	assert.Equal(t, []int{1, 2}, []int{all[0].Seq, all[1].Seq})
	assert.Equal(t, []int{2}, r.Findings()[0].Exchanges)
	assert.Equal(t, []int{1, 2}, r.Findings()[1].Exchanges)
}

func TestAnExchangeWithoutAnswerIsKept(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	r := NewRecord(Options{})
	_, err := r.Do(context.Background(), http.DefaultClient, Request{From: "a", To: "b", Method: "GET", URL: server.URL})
	require.Error(t, err)
	require.Len(t, r.Exchanges(), 1)
	assert.NotEmpty(t, r.Exchanges()[0].Error)
	assert.Zero(t, r.Exchanges()[0].Status)
	_, err = r.Do(context.Background(), http.DefaultClient, Request{Method: "GET", URL: "http://a b"})
	require.Error(t, err, "a URL that is none")
	require.NotErrorIs(t, errors.Unwrap(err), ErrUnjudged)
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	server := httptest.NewServer(http.RedirectHandler("http://elsewhere.invalid/", http.StatusFound))
	defer server.Close()
	res, err := NewRecord(Options{}).Do(context.Background(), server.Client(), Request{Method: "GET", URL: server.URL})
	require.NoError(t, err)
	assert.Equal(t, http.StatusFound, res.Status)
}

func TestLongBodiesAreCut(t *testing.T) {
	r := NewRecord(Options{})
	r.Add(reports.Exchange{ResponseBody: strings.Repeat("ä", maxKept)})
	body := r.Exchanges()[0].ResponseBody
	assert.Less(t, len(body), maxKept+100)
	assert.Contains(t, body, "bytes more")
}

func FuzzLearn(f *testing.F) {
	f.Add("http://a/x?access_token=abcdefghij", "grant_type=client_credentials&scope=q", `{"access_token":"zyxwvutsrq"}`)
	f.Add("http://a/Consent/1/$authorize", `{"resourceType":"Parameters","parameter":[{"name":"id","valueId":"x"}]}`, `{"resourceType":"Parameters","parameter":[{"name":"id","valueId":"x"}]}`)
	f.Fuzz(func(t *testing.T, place, request, response string) {
		r := NewRecord(Options{})
		r.Add(reports.Exchange{URL: place, RequestBody: request, ResponseBody: response,
			RequestHeaders: [][2]string{{"Content-Type", "application/x-www-form-urlencoded"}, {"Authorization", "Bearer " + response}}})
		require.Len(t, r.Exchanges(), 1)
	})
}

func TestAFindingAboutWhatAMockSaw(t *testing.T) {
	r := NewRecord(Options{Levels: levels})
	at := time.Date(2017, 9, 8, 0, 0, 0, 0, time.UTC)
	asked := func(after time.Duration, url string) reports.Exchange {
		return reports.Exchange{At: at.Add(after), Method: "GET", URL: url}
	}
	r.AboutSeen(asked(61*time.Second, "http://a/x"), asked(0, "http://a/none"))
	require.Error(t, r.Fail("SRC-14", "", ""))
	r.AboutSeen()
	r.Pass("SRC-14", "")
	for _, e := range []reports.Exchange{asked(0, "http://a/x"), asked(time.Minute, "http://a/x"), asked(2*time.Minute, "http://a/x"), asked(61*time.Second, "http://a/y")} {
		r.Add(e)
	}
	assert.Equal(t, []int{2}, r.Findings()[0].Exchanges, "the nearest in time, though it came later")
	assert.Empty(t, r.Findings()[1].Exchanges, "about none")
}

func TestJWTsAreDecodedWithoutSignature(t *testing.T) {
	r := NewRecord(Options{})
	spoilt := strings.Replace(secretJWT, ".eyJp", ".AAAA", 1)
	r.Add(reports.Exchange{At: time.Unix(1, 0), URL: "http://a/b", RequestHeaders: [][2]string{{"Authorization", "Bearer " + secretJWT}}})
	r.Add(reports.Exchange{At: time.Unix(2, 0), URL: "http://a/c?jwt=" + secretJWT, ResponseBody: `["` + secretJWT + `","` + spoilt + `"]`})
	all := r.JWTs()
	require.Len(t, all, 2)
	assert.JSONEq(t, `{"alg":"RS256"}`, string(all[0].Header))
	assert.JSONEq(t, `{"iss":"urn:uuid:1"}`, string(all[0].Claims))
	assert.Equal(t, []reports.JWTPlace{{Exchange: 1, Where: "request header Authorization"}, {Exchange: 2, Where: "URL"}, {Exchange: 2, Where: "answer body"}}, all[0].Seen)
	assert.Contains(t, r.Exchanges()[0].RequestHeaders[0][1], all[0].Label, "the exchange shows the label")
	var text string
	require.NoError(t, json.Unmarshal(all[1].Claims, &text), "what is no JSON is text")
	out, err := json.Marshal(all)
	require.NoError(t, err)
	assert.NotContains(t, string(out), "c2lnbmF0dXJl")
}

// TestSecretsByPlace has each place that gives a secret away, one by one.
func TestSecretsByPlace(t *testing.T) {
	const secret = "urn:uuid:9f0c-secret"
	parameters := func(name string) string {
		return `{"resourceType":"Parameters","parameter":[{"name":"` + name + `","valueId":"` + secret + `"}]}`
	}
	const authorize = "http://a/Consent/1/$authorize"
	for name, e := range map[string]reports.Exchange{
		"query":                     {URL: "http://a/?access_token=" + url.QueryEscape(secret)},
		"fragment":                  {URL: "http://a/#access_token=" + url.QueryEscape(secret)},
		"redirect with a code":      {URL: "http://a/", ResponseHeaders: [][2]string{{"Location", "http://app/?code=" + url.QueryEscape(secret) + "&state=1"}}},
		"cookie":                    {URL: "http://a/", ResponseHeaders: [][2]string{{"Set-Cookie", "s=" + secret}}},
		"authorization in JSON":     {URL: authorize, ResponseBody: parameters("id")},
		"authorization in XML":      {URL: authorize, ResponseBody: `<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="id"/><valueId value="` + secret + `"/></parameter></Parameters>`},
		"authorization in a Bundle": {URL: "http://a/", RequestBody: `{"request":{"url":"Consent/1/$authorize"}}`, ResponseBody: `{"resourceType":"Bundle","entry":[{"resource":` + parameters("id") + `}]}`},
		"$connect as Parameters":    {URL: "http://a/$connect", RequestBody: parameters("authorization")},
		"$connect in XML":           {URL: "http://a/$connect", RequestBody: `<Parameters><parameter><name value="authorization" />` + "\n" + `<valueString value="` + secret + `"/></parameter></Parameters>`},
		"form":                      {URL: "http://a/$connect", RequestHeaders: [][2]string{{"content-type", "application/x-www-form-urlencoded"}}, RequestBody: "authorization=" + url.QueryEscape(secret)},
		"token answer":              {URL: "http://a/token", ResponseBody: `{"refresh_token" : "` + secret + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewRecord(Options{})
			r.Add(e)
			r.Add(reports.Exchange{URL: "http://a/later?x=" + secret, ResponseBody: "again: " + secret})
			out, err := json.Marshal(r.Exchanges())
			require.NoError(t, err)
			if name != "cookie" { // it is hidden where it stands
				assert.NotContains(t, string(out), secret)
			}
			assert.NotContains(t, string(out), url.QueryEscape(secret))
			assert.Contains(t, string(out), "sha256:")
		})
	}
}
