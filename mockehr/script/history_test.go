package script

import (
	"crypto/tls"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/control"
)

func TestHistory(t *testing.T) {
	n := newNode(t, echo)
	assert.Equal(t, []control.Exchange{}, n.History(control.HistoryQuery{}), "an empty list, not null")
	at := time.Date(2017, 8, 1, 12, 0, 0, 0, time.UTC)
	n.clock.Hold()
	n.clock.Set(at)
	before := time.Now()
	n.do(n.client, "POST", "/r3/Patient?x=1&url=http://a.example/b", "this", "Authorization", "Bearer t", "X-Ask", "a", "X-Ask", "b")
	n.clock.Add(time.Hour)
	n.do(n.plain, "GET", "/r3/Patient", "", "User-Agent", "another")

	all := n.History(control.HistoryQuery{})
	require.Len(t, all, 3)
	for i, ex := range all {
		assert.EqualValues(t, i+1, ex.Seq)
		assert.False(t, ex.Pending)
		assert.Equal(t, 200, ex.Status)
		assert.Equal(t, "HTTP/1.1", ex.Proto)
		assert.WithinRange(t, ex.Real, before, time.Now())
		assert.Positive(t, ex.Took)
		assert.Less(t, ex.Took.Std(), time.Minute)
	}
	sent, received, later := all[0], all[1], all[2]
	assert.Equal(t, at, sent.At)
	assert.Equal(t, at.Add(time.Hour), later.At)
	assert.Equal(t, control.Sent, sent.Side)
	assert.Equal(t, control.Received, received.Side)
	for _, ex := range all[:2] {
		assert.Equal(t, "POST", ex.Method)
		assert.Equal(t, n.url+"/r3/Patient?x=1&url=http://a.example/b", ex.URL)
		assert.Equal(t, []string{"Bearer t"}, ex.RequestHeader["Authorization"])
		assert.Equal(t, []string{"a", "b"}, ex.RequestHeader["X-Ask"])
		assert.Equal(t, control.Body{Text: "this", Size: 4}, ex.RequestBody)
		assert.Equal(t, []string{"application/fhir+json"}, ex.ResponseHeader["Content-Type"])
		assert.Equal(t, control.Body{Text: "this", Size: 4}, ex.ResponseBody)
		assert.Nil(t, ex.Rules)
		assert.Empty(t, ex.Error)
	}
	assert.Equal(t, strings.TrimPrefix(n.url, "http://"), sent.Peer)
	assert.Regexp(t, `^127\.0\.0\.1:\d+$`, received.Peer)
	assert.NotEqual(t, sent.Peer, received.Peer, "each names the other side")

	sent.RequestHeader["Authorization"][0] = "changed"
	assert.Equal(t, all[1:], n.History(control.HistoryQuery{Since: 1}))
	assert.Equal(t, all[2:], n.History(control.HistoryQuery{Since: 2}))
	assert.Empty(t, n.History(control.HistoryQuery{Since: 3}))
	assert.Empty(t, n.History(control.HistoryQuery{Since: 99}))
	assert.Len(t, n.History(control.HistoryQuery{Since: -5}), 3)
	require.Len(t, n.History(control.HistoryQuery{Side: control.Sent}), 1)
	assert.Equal(t, all[1:], n.History(control.HistoryQuery{Side: control.Received}))
	assert.Equal(t, all[2:], n.History(control.HistoryQuery{Last: 1}))
	assert.Equal(t, all[1:2], n.History(control.HistoryQuery{Side: control.Received, NotBy: "another"}), "the later one is by another")

	n.ClearHistory()
	assert.Empty(t, n.History(control.HistoryQuery{}))
	n.do(n.plain, "GET", "/", "")
	all = n.History(control.HistoryQuery{})
	require.Len(t, all, 1)
	assert.EqualValues(t, 4, all[0].Seq, "it goes on")
	assert.Equal(t, all, n.History(control.HistoryQuery{Since: 3}))
	assert.Equal(t, all, n.History(control.HistoryQuery{Since: 1}), "what is forgotten is no gap")
}

func TestHistoryHead(t *testing.T) {
	for name, c := range map[string]struct {
		change    func(r *http.Request)
		url, peer string
	}{
		"plain":      {func(*http.Request) {}, "http://node.example/r3/a%2Fb?x=%20", "192.0.2.1:1234"},
		"TLS":        {func(r *http.Request) { r.TLS = &tls.ConnectionState{} }, "https://node.example/r3/a%2Fb?x=%20", "192.0.2.1:1234"},
		"whole line": {func(r *http.Request) { r.Host, r.URL.Scheme, r.RequestURI = "b.example", "http", "http://b.example/x" }, "http://b.example/x", "192.0.2.1:1234"},
	} {
		t.Run(name, func(t *testing.T) {
			e := New(Options{})
			r := httptest.NewRequest("GET", "/r3/a%2Fb?x=%20", nil)
			r.Host = "node.example"
			c.change(r)
			e.Middleware(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
			ex := e.History(control.HistoryQuery{})[0]
			assert.Equal(t, c.url, ex.URL)
			assert.Equal(t, c.peer, ex.Peer)
		})
	}
	for url, peer := range map[string]string{
		"http://a.example": "a.example:80", "https://a.example/x": "a.example:443", "http://[::1]:8080/": "[::1]:8080",
	} {
		e := New(Options{})
		r, err := http.NewRequest("GET", url, nil)
		require.NoError(t, err)
		_, err = e.Transport(roundTripper(func(*http.Request) (*http.Response, error) { return nil, io.EOF })).RoundTrip(r)
		require.ErrorIs(t, err, io.EOF)
		assert.Equal(t, peer, e.History(control.HistoryQuery{})[0].Peer)
	}
}

func TestHistoryBodies(t *testing.T) {
	long := strings.Repeat("x", maxKept)
	for name, c := range map[string]struct {
		body string
		want control.Body
	}{
		"text":                   {"Grüße\x00", control.Body{Text: "Grüße\x00", Size: 8}},
		"bytes":                  {"a\xff", control.Body{Text: "Yf8=", Base64: true, Size: 2}},
		"half a rune, but all":   {"a\xe2\x82", control.Body{Text: base64.StdEncoding.EncodeToString([]byte("a\xe2\x82")), Base64: true, Size: 3}},
		"as much as is kept":     {long, control.Body{Text: long, Size: maxKept}},
		"more":                   {long + "y", control.Body{Text: long, Size: maxKept + 1, Truncated: true}},
		"cut within a rune":      {long[2:] + "€€", control.Body{Text: long[2:], Size: maxKept + 4, Truncated: true}},
		"cut between runes":      {long[3:] + "€€", control.Body{Text: long[3:] + "€", Size: maxKept + 3, Truncated: true}},
		"bytes, more":            {"\xff" + long, control.Body{Text: base64.StdEncoding.EncodeToString([]byte("\xff" + long[1:])), Base64: true, Size: maxKept + 1, Truncated: true}},
		"bytes that end in half": {"\xff" + long[3:] + "€", control.Body{Text: base64.StdEncoding.EncodeToString([]byte("\xff" + long[3:] + "\xe2\x82")), Base64: true, Size: maxKept + 1, Truncated: true}},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, echo)
			n.do(n.client, "POST", "/", c.body)
			for _, side := range []string{control.Sent, control.Received} {
				ex := n.last(side)
				assert.True(t, c.want == ex.RequestBody, "%s request: %d bytes of %d", side, len(ex.RequestBody.Text), ex.RequestBody.Size)
				assert.True(t, c.want == ex.ResponseBody, "%s answer: %d bytes of %d", side, len(ex.ResponseBody.Text), ex.ResponseBody.Size)
				kept := c.body[:min(len(c.body), maxKept)]
				assert.True(t, strings.HasPrefix(kept, string(ex.RequestBody.Bytes())))
			}
		})
	}
}

// What a request announced and nobody read is known by its length, if that was said.
func TestHistoryBodyNotRead(t *testing.T) {
	n := newNode(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadFull(r.Body, make([]byte, 2))
		assert.NoError(t, err)
		w.WriteHeader(http.StatusForbidden)
	})
	n.do(n.plain, "POST", "/", "this")
	assert.Equal(t, control.Body{Text: "th", Size: 4, Truncated: true}, n.last(control.Received).RequestBody)
	r, err := http.NewRequest("POST", n.url, io.MultiReader(strings.NewReader("this"))) // of no known length
	require.NoError(t, err)
	resp, err := n.plain.Do(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, control.Body{Text: "th", Size: 2, Truncated: true}, n.last(control.Received).RequestBody)
}

func TestHistoryAnswersWithoutBody(t *testing.T) {
	for name, c := range map[string]struct {
		method  string
		handler http.HandlerFunc
		status  int
		length  []string
	}{
		"handler does nothing": {"GET", func(http.ResponseWriter, *http.Request) {}, 200, nil},
		"204":                  {"GET", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204); _, _ = w.Write([]byte("x")) }, 204, nil},
		"HEAD":                 {"HEAD", echo, 200, []string{"50"}},
		"early hints":          {"HEAD", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(404) }, 404, nil},
		"only flushed":         {"GET", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() }, 200, nil},
	} {
		for _, rule := range []control.Rule{{}, {Change: &control.Change{Headers: map[string]string{"X": "y"}}}} {
			t.Run(name, func(t *testing.T) {
				n := newNode(t, c.handler)
				if rule.Change != nil {
					n.add(rule)
					rule.Side = control.Sent
					n.add(rule)
				}
				got := n.do(n.client, c.method, "/", "")
				require.NoError(t, got.err)
				assert.Equal(t, c.status, got.status)
				for _, side := range []string{control.Sent, control.Received} {
					ex := n.last(side)
					assert.Equal(t, c.status, ex.Status)
					assert.Equal(t, control.Body{}, ex.ResponseBody)
					assert.Empty(t, ex.Error)
					assert.Empty(t, ex.Faults)
					assert.False(t, ex.Pending)
				}
				if c.length != nil {
					assert.Equal(t, c.length, got.header["Content-Length"])
				}
			})
		}
	}
}

func TestHistoryBounds(t *testing.T) {
	serve := func(e *Engine, body string, times int) {
		handler := e.Middleware(http.HandlerFunc(echo))
		for range times {
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader(body)))
		}
	}
	t.Run("number", func(t *testing.T) {
		e := New(Options{})
		serve(e, "x", maxExchanges+5)
		all := e.History(control.HistoryQuery{})
		require.Len(t, all, maxExchanges)
		assert.EqualValues(t, 6, all[0].Seq)
		assert.EqualValues(t, maxExchanges+5, all[len(all)-1].Seq)
		assert.Equal(t, all[10:], e.History(control.HistoryQuery{Since: 15}))
		assert.Len(t, e.History(control.HistoryQuery{Since: 3}), maxExchanges)
	})
	t.Run("bytes", func(t *testing.T) {
		e := New(Options{})
		body := strings.Repeat("x", maxKept+9)
		serve(e, body, 40)
		all := e.History(control.HistoryQuery{})
		assert.Len(t, all, maxBytes/maxKept/2-1, "two bodies each, and some bytes of heads")
		assert.EqualValues(t, 40, all[len(all)-1].Seq)
		assert.LessOrEqual(t, e.history.bytes, int64(maxBytes))
		serve(e, "x", 50)
		assert.Len(t, e.History(control.HistoryQuery{}), maxBytes/maxKept/2-1+50, "small ones still fit")
		e.ClearHistory()
		assert.Zero(t, e.history.bytes)
		serve(e, body, 1)
		assert.Len(t, e.History(control.HistoryQuery{}), 1)
	})
}

// An exchange that is forgotten while it goes on no longer counts, and does no harm.
func TestHistoryForgotten(t *testing.T) {
	e := New(Options{})
	handler := e.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pending := e.History(control.HistoryQuery{})
		assert.True(t, pending[0].Pending)
		assert.Zero(t, pending[0].Took)
		assert.Zero(t, pending[0].Status)
		e.ClearHistory()
		echo(w, r)
	}))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("POST", "/", strings.NewReader("this")))
	assert.Equal(t, "this", w.Body.String())
	assert.Empty(t, e.History(control.HistoryQuery{}))
	assert.Zero(t, e.history.bytes)
}

// Whoever has read an answer of known length finds it in the history, though the handler isn't through.
func TestHistoryIsThereAtOnce(t *testing.T) {
	done := make(chan struct{})
	n := newNode(t, func(w http.ResponseWriter, r *http.Request) {
		echo(w, r)
		w.(http.Flusher).Flush()
		<-done
	})
	defer close(done)
	assert.Equal(t, patient, n.do(n.client, "GET", "/", "").body)
	ex := n.last(control.Received)
	assert.False(t, ex.Pending)
	assert.Equal(t, patient, ex.ResponseBody.Text)
}
