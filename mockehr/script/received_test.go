package script

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/control"
)

// action is a rule, and what it makes of a request whose answer would be the Patient, or the request's
// own body.
type action struct {
	rule   control.Rule
	method string // GET
	body   string
	header []string

	status int // 0: no answer
	want   string
	broken bool // the body ends early
	seen   http.Header
	errors string // part of the history's error
	faults []string
	quiet  bool // the rule doesn't act
}

func (a action) check(t *testing.T, got reply, ex control.Exchange) {
	t.Helper()
	var rules []string
	if !a.quiet {
		rules = []string{"it"}
	}
	assert.Equal(t, rules, ex.Rules)
	assert.Equal(t, a.faults, ex.Faults)
	assert.False(t, ex.Pending)
	if a.errors == "" {
		assert.Empty(t, ex.Error)
	} else {
		assert.Contains(t, ex.Error, a.errors)
	}
	if a.status == 0 {
		require.Error(t, got.err)
		assert.Zero(t, got.status)
		assert.Zero(t, ex.Status)
		return
	}
	assert.Equal(t, a.status, got.status)
	assert.Equal(t, a.want, got.body)
	assert.Equal(t, a.status, ex.Status)
	assert.Equal(t, a.want, string(ex.ResponseBody.Bytes()))
	if a.broken {
		assert.ErrorIs(t, got.err, io.ErrUnexpectedEOF)
		assert.Greater(t, got.length, int64(len(got.body)), "the whole length is announced")
		assert.True(t, ex.ResponseBody.Truncated)
		assert.Equal(t, got.length, ex.ResponseBody.Size)
	} else {
		assert.NoError(t, got.err)
		assert.False(t, ex.ResponseBody.Truncated)
	}
	for name, values := range a.seen {
		assert.Equal(t, values, got.header.Values(name), name)
		assert.Equal(t, values, http.Header(ex.ResponseHeader).Values(name), name)
	}
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h[pairs[i]] = []string{pairs[i+1]}
	}
	return h
}

// actions are the same on both sides, for whoever reads the answer.
func actions() map[string]action {
	none := http.Header{"X-Method": nil}
	return map[string]action{
		"answer": {rule: control.Rule{Answer: &control.Answer{Status: 503, Headers: map[string]string{"retry-after": "120"}, Body: "later"}},
			status: 503, want: "later", seen: http.Header{"Retry-After": {"120"}, "Content-Type": {"text/plain; charset=utf-8"}, "X-Method": nil}},
		"answer a resource": {rule: control.Rule{Answer: &control.Answer{Body: `{"resourceType":"Basic"}`}},
			status: 200, want: `{"resourceType":"Basic"}`, seen: header("Content-Type", "application/fhir+json")},
		"answer JSON": {rule: control.Rule{Answer: &control.Answer{Body: `[1]`}},
			status: 200, want: `[1]`, seen: header("Content-Type", "application/json", "Content-Length", "3")},
		"answer bytes": {rule: control.Rule{Answer: &control.Answer{BodyBase64: []byte{0xff, 0}, Headers: map[string]string{"Content-Type": "x/y"}}},
			status: 200, want: "\xff\x00", seen: header("Content-Type", "x/y")},
		"answer nothing": {rule: control.Rule{Answer: &control.Answer{Status: 404}}, status: 404, seen: http.Header{"Content-Type": nil}},
		"answer without a body": {rule: control.Rule{Answer: &control.Answer{Status: 204}},
			status: 204, seen: none},
		"answer in place of the answer": {rule: control.Rule{Phase: "answer", Answer: &control.Answer{Status: 502, Body: "no"}},
			status: 502, want: "no", seen: none},
		"change a status": {rule: control.Rule{Change: &control.Change{Status: 202}},
			status: 202, want: patient, seen: header("X-Method", "GET")},
		"change headers": {rule: control.Rule{Change: &control.Change{Headers: map[string]string{"X-Method": "", "ETag": `W/"7"`}}},
			status: 200, want: patient, seen: http.Header{"X-Method": nil, "Etag": {`W/"7"`}, "Content-Type": {"application/fhir+json"}}},
		"change the body": {rule: control.Rule{Change: &control.Change{Body: text("shorter")}},
			status: 200, want: "shorter", seen: header("Content-Length", "7")},
		"change the body to nothing": {rule: control.Rule{Change: &control.Change{Body: text("")}},
			status: 200, want: "", seen: header("Content-Length", "0")},
		"change the body's bytes": {rule: control.Rule{Change: &control.Change{BodyBase64: []byte("\xfe")}},
			status: 200, want: "\xfe"},
		"change members": {rule: control.Rule{Change: &control.Change{Set: map[string]any{"id": "p2", "active": nil}}},
			status: 200, want: `{"resourceType":"Patient","id":"p2"}`},
		"change what is no JSON": {rule: control.Rule{Change: &control.Change{Status: 500, Set: map[string]any{"id": "p2"}}}, method: "POST", body: "<x/>",
			status: 200, want: "<x/>", faults: []string{"it: id: the body is no JSON"}},
		"change a request": {rule: control.Rule{Phase: "request", Change: &control.Change{Method: "PUT", Body: text("other"), Headers: map[string]string{"X-Ask": "b", "X-Gone": ""}}},
			method: "POST", body: "this", header: []string{"X-Ask", "a"}, status: 200, want: "other", seen: header("X-Method", "PUT", "X-Seen", "b")},
		"change members of a request": {rule: control.Rule{Phase: "request", Change: &control.Change{Set: map[string]any{"a.b": 1.5}}},
			method: "POST", body: `{"x":1}`, status: 200, want: `{"x":1,"a":{"b":1.5}}`},
		"change a request that is no JSON": {rule: control.Rule{Phase: "request", Change: &control.Change{Method: "PUT", Set: map[string]any{"a": 1}}},
			method: "POST", body: "grant_type=x", status: 200, want: "grant_type=x", seen: header("X-Method", "POST"), faults: []string{"it: a: the body is no JSON"}},
		"wait":                   {rule: control.Rule{Wait: control.Duration(time.Millisecond)}, status: 200, want: patient},
		"wait before the answer": {rule: control.Rule{Phase: "answer", Wait: control.Duration(time.Millisecond)}, status: 200, want: patient},
		"drop":                   {rule: control.Rule{Drop: true}, errors: "dropped by a rule"},
		"drop the answer":        {rule: control.Rule{Phase: "answer", Drop: true}, errors: "dropped by a rule"},
		"cut": {rule: control.Rule{Cut: &control.Cut{After: 20}}, status: 200, want: patient[:20], broken: true,
			errors: "cut short by a rule: 20 of 50 bytes"},
		"cut at once": {rule: control.Rule{Cut: &control.Cut{}}, status: 200, broken: true, errors: "cut short by a rule: 0 of 50 bytes"},
		"cut nothing": {rule: control.Rule{Cut: &control.Cut{After: 50}}, status: 200, want: patient,
			faults: []string{"it: cut.after: the answer's body has only 50 bytes: use less"}},
		"throttle":                       {rule: control.Rule{Throttle: 1 << 40}, status: 200, want: patient},
		"redirect":                       {rule: control.Rule{Redirect: "http://other.example/r3/x?y=1"}, status: 307, seen: header("Location", "http://other.example/r3/x?y=1")},
		"redirect instead of the answer": {rule: control.Rule{Phase: "answer", Redirect: "/else"}, status: 307, seen: http.Header{"Location": {"/else"}, "X-Method": nil}},
		"change nothing of a HEAD":       {rule: control.Rule{Change: &control.Change{Status: 202}}, method: "HEAD", status: 202, seen: header("Content-Length", "50")},
		"another path":                   {rule: control.Rule{Match: control.Match{Path: "/r3/Basic/*"}, Drop: true}, status: 200, want: patient, quiet: true},
		"another status":                 {rule: control.Rule{Phase: "answer", Match: control.Match{Status: 404}, Drop: true}, status: 200, want: patient, quiet: true},
	}
}

func TestReceivedActions(t *testing.T) {
	for name, a := range actions() {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, echo)
			a.rule.ID = "it"
			n.add(a.rule)
			got := n.do(n.plain, orGet(a.method), "/r3/Patient/p1", a.body, a.header...)
			ex := n.last(control.Received)
			a.check(t, got, ex)
			assert.Equal(t, orGet(a.method), ex.Method, "as it came")
			assert.Equal(t, a.body, ex.RequestBody.Text, "as it came")
			assert.Equal(t, n.url+"/r3/Patient/p1", ex.URL)
		})
	}
}

func orGet(method string) string {
	if method == "" {
		return "GET"
	}
	return method
}

// An answer that nobody but a rule gives is recorded with the request's body, which no handler reads.
func TestReceivedBodyOfRefusedRequest(t *testing.T) {
	for name, rule := range map[string]control.Rule{
		"answer": {Answer: &control.Answer{Status: 401}}, "drop": {Drop: true}, "redirect": {Redirect: "/x"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, func(http.ResponseWriter, *http.Request) { assert.Fail(t, "the node must not see it") })
			n.add(rule)
			n.do(n.plain, "POST", "/auth/token", "grant_type=x")
			assert.Equal(t, control.Body{Text: "grant_type=x", Size: 12}, n.last(control.Received).RequestBody)
		})
	}
}

// Answers leave as they come unless a rule may act on them.
func TestReceivedStreams(t *testing.T) {
	for name, rules := range map[string][]control.Rule{
		"no rules":         nil,
		"rules elsewhere":  {{Match: control.Match{Path: "/r3/Basic"}, Cut: &control.Cut{}}},
		"a rule of before": {{Wait: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			more := make(chan struct{})
			n := newNode(t, func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "one ")
				w.(http.Flusher).Flush()
				<-more
				_, _ = io.WriteString(w, "two")
			})
			n.add(rules...)
			resp, err := n.plain.Get(n.url + "/r3/Patient")
			require.NoError(t, err)
			defer resp.Body.Close()
			part := make([]byte, 4)
			_, err = io.ReadFull(resp.Body, part)
			require.NoError(t, err)
			ex := n.last(control.Received)
			assert.True(t, ex.Pending)
			assert.Equal(t, 200, ex.Status)
			assert.Equal(t, control.Body{Text: "one ", Size: 4}, ex.ResponseBody)
			close(more)
			rest, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			assert.Equal(t, "two", string(rest))
			ex = n.last(control.Received)
			assert.False(t, ex.Pending)
			assert.Equal(t, control.Body{Text: "one two", Size: 7}, ex.ResponseBody)
		})
	}
}

// An answer that rules may act on is too large to be held: it leaves as it is, and the history says so.
func TestReceivedTooLarge(t *testing.T) {
	part := make([]byte, 1<<20)
	n := newNode(t, func(w http.ResponseWriter, _ *http.Request) {
		for range maxBody/len(part) + 1 {
			_, _ = w.Write(part)
		}
	})
	n.add(control.Rule{ID: "it", Cut: &control.Cut{}})
	resp, err := n.plain.Get(n.url)
	require.NoError(t, err)
	defer resp.Body.Close()
	size, err := io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	assert.EqualValues(t, maxBody+len(part), size)
	ex := n.last(control.Received)
	assert.Equal(t, []string{"it: " + errTooLarge.Error()}, ex.Faults)
	assert.Empty(t, ex.Rules)
	assert.True(t, ex.ResponseBody.Truncated)
	assert.Equal(t, size, ex.ResponseBody.Size)
}

func TestReceivedPanic(t *testing.T) {
	for name, rules := range map[string][]control.Rule{"no rules": nil, "held": {{Change: &control.Change{Status: 201}}}} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
			n.add(rules...)
			got := n.do(n.plain, "GET", "/", "")
			require.Error(t, got.err)
			ex := n.last(control.Received)
			assert.False(t, ex.Pending)
			assert.Equal(t, errGivenUp.Error(), ex.Error)
			assert.Zero(t, ex.Status)
		})
	}
}

// A wait ends with the request's context: nobody is there any more.
func TestReceivedCallerLeaves(t *testing.T) {
	n := newNode(t, echo)
	ctx, leave := context.WithCancel(context.Background())
	_, err := n.Install(Rule{Act: func(context.Context, *Call) error { leave(); return nil }})
	require.NoError(t, err)
	n.add(control.Rule{Wait: control.Duration(time.Hour)})
	r, err := http.NewRequestWithContext(ctx, "GET", n.url, nil)
	require.NoError(t, err)
	_, err = n.plain.Do(r)
	require.ErrorIs(t, err, context.Canceled)
	n.close()
	ex := n.last(control.Received)
	assert.False(t, ex.Pending)
	assert.Equal(t, context.Canceled.Error(), ex.Error)
}

// A body that the node doesn't ask for is not asked for by the history.
func TestReceivedExpectContinue(t *testing.T) {
	for name, rules := range map[string][]control.Rule{"no rules": nil, "a rule answers": {{Answer: &control.Answer{Status: 403}}}} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
			n.plain.Transport.(*http.Transport).ExpectContinueTimeout = time.Hour
			n.add(rules...)
			r, err := http.NewRequest("POST", n.url, &untouched{t})
			require.NoError(t, err)
			r.ContentLength = 1 << 30
			r.Header.Set("Expect", "100-continue")
			resp, err := n.plain.Do(r)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, 403, resp.StatusCode)
			assert.Equal(t, control.Body{Size: 1 << 30, Truncated: true}, n.last(control.Received).RequestBody)
		})
	}
}

type untouched struct{ t *testing.T }

func (u *untouched) Read([]byte) (int, error) {
	assert.Fail(u.t, "the body was asked for")
	return 0, errors.New("the body was asked for")
}
