package control

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// port is a control port that says what it is told to, and remembers what it was asked.
type port struct {
	*httptest.Server
	status int
	answer string

	asked, body, auth, typ string
}

func newPort(t *testing.T, status int, answer string) *port {
	p := &port{status: status, answer: answer}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		p.asked, p.body = r.Method+" "+r.RequestURI, string(body)
		p.auth, p.typ = r.Header.Get("Authorization"), r.Header.Get("Content-Type")
		w.WriteHeader(p.status)
		_, _ = io.WriteString(w, p.answer)
	}))
	t.Cleanup(p.Close)
	return p
}

func TestClient(t *testing.T) {
	at := time.Date(2017, 8, 1, 12, 0, 0, 0, time.UTC)
	held := ClockState{Now: at, Held: true, Due: &at}
	const heldText = `{"now":"2017-08-01T12:00:00Z","held":true,"due":"2017-08-01T12:00:00Z"}`
	for name, c := range map[string]struct {
		call   func(ctx context.Context, c *Client) (any, error)
		asked  string
		body   string // JSON
		answer string // "" is 204
		want   any
	}{
		"Health":   {func(ctx context.Context, c *Client) (any, error) { return nil, c.Health(ctx) }, "GET /health", "", `{"node":"a"}`, nil},
		"Settings": {func(ctx context.Context, c *Client) (any, error) { return c.Settings(ctx) }, "GET /settings", "", `{"dialect":"strict","updateEvery":"5m"}`, Settings{Dialect: "strict", UpdateEvery: Duration(5 * time.Minute)}},
		"SetSettings": {func(ctx context.Context, c *Client) (any, error) {
			return nil, c.SetSettings(ctx, Settings{CAVS: "http://c.example", Trust: []KeySource{{Keys: json.RawMessage(`{}`)}}})
		}, "PUT /settings", `{"cavs":"http://c.example","trust":[{"keys":{}}]}`, "", nil},
		"Snapshot":   {func(ctx context.Context, c *Client) (any, error) { return nil, c.Snapshot(ctx) }, "POST /snapshot", "", "", nil},
		"Reset":      {func(ctx context.Context, c *Client) (any, error) { return nil, c.Reset(ctx) }, "POST /reset", "", "", nil},
		"Clock":      {func(ctx context.Context, c *Client) (any, error) { return c.Clock(ctx) }, "GET /clock", "", heldText, held},
		"HoldClock":  {func(ctx context.Context, c *Client) (any, error) { return c.HoldClock(ctx) }, "POST /clock", `{"hold":true}`, heldText, held},
		"RunClock":   {func(ctx context.Context, c *Client) (any, error) { return c.RunClock(ctx) }, "POST /clock", `{"run":true}`, heldText, held},
		"SetClock":   {func(ctx context.Context, c *Client) (any, error) { return c.SetClock(ctx, at) }, "POST /clock", `{"set":"2017-08-01T12:00:00Z"}`, heldText, held},
		"AddClock":   {func(ctx context.Context, c *Client) (any, error) { return c.AddClock(ctx, -time.Hour) }, "POST /clock", `{"add":"-1h0m0s"}`, heldText, held},
		"Idle":       {func(ctx context.Context, c *Client) (any, error) { return c.Idle(ctx) }, "POST /idle", "", heldText, held},
		"Rules":      {func(ctx context.Context, c *Client) (any, error) { return c.Rules(ctx) }, "GET /rules", "", `[{"id":"a","drop":true}]`, []Rule{{ID: "a", Drop: true}}},
		"AddRule":    {func(ctx context.Context, c *Client) (any, error) { return c.AddRule(ctx, Rule{Drop: true}) }, "POST /rules", `{"drop":true}`, `{"id":"rule-1","drop":true}`, "rule-1"},
		"RemoveRule": {func(ctx context.Context, c *Client) (any, error) { return nil, c.RemoveRule(ctx, "a ?b") }, "DELETE /rules/a%20%3Fb", "", "", nil},
		"ClearRules": {func(ctx context.Context, c *Client) (any, error) { return nil, c.ClearRules(ctx) }, "DELETE /rules", "", "", nil},
		"Scripts": {func(ctx context.Context, c *Client) (any, error) { return c.Scripts(ctx) }, "GET /scripts", "", `[{"name":"a","rules":["a:1"],"errors":["a:2:1: no"],"counts":{"n":1}}]`,
			[]ScriptState{{Name: "a", Rules: []string{"a:1"}, Errors: []string{"a:2:1: no"}, Counts: map[string]int{"n": 1}}}},
		"AddScript": {func(ctx context.Context, c *Client) (any, error) {
			return c.AddScript(ctx, Script{Name: "a", Text: "x"})
		},
			"POST /scripts", `{"name":"a","text":"x"}`, `{"name":"a","rules":[]}`, ScriptState{Name: "a", Rules: []string{}}},
		"RemoveScript": {func(ctx context.Context, c *Client) (any, error) { return nil, c.RemoveScript(ctx, "a b") }, "DELETE /scripts/a%20b", "", "", nil},
		"ClearScripts": {func(ctx context.Context, c *Client) (any, error) { return nil, c.ClearScripts(ctx) }, "DELETE /scripts", "", "", nil},
		"History": {func(ctx context.Context, c *Client) (any, error) {
			return c.History(ctx, HistoryQuery{Since: 7, Side: Sent, NotBy: "a b", Last: 2})
		}, "GET /history?last=2&not-by=a+b&side=sent&since=7", "",
			`[{"seq":8,"side":"sent","requestBody":{"text":"/w==","base64":true},"took":"2ms"}]`,
			[]Exchange{{Seq: 8, Side: Sent, RequestBody: Body{Text: "/w==", Base64: true}, Took: Duration(2 * time.Millisecond)}}},
		"ClearHistory": {func(ctx context.Context, c *Client) (any, error) { return nil, c.ClearHistory(ctx) }, "DELETE /history", "", "", nil},
		"Copier": {func(ctx context.Context, c *Client) (any, error) { return c.Copier(ctx) }, "GET /copier", "",
			`{"connections":[{"id":"c1","status":"connected","copied":{"Condition":3}}]}`,
			CopierState{Connections: []ConnectionState{{ID: "c1", Status: "connected", Copied: map[string]int{"Condition": 3}}}}},
		"Load": {func(ctx context.Context, c *Client) (any, error) {
			return nil, c.Load(ctx, []byte(`{"resourceType":"Bundle"}`))
		}, "POST /load", `{"resourceType":"Bundle"}`, `{"loaded":0}`, nil},
		"Cut":       {func(ctx context.Context, c *Client) (any, error) { return nil, c.Cut(ctx, []string{"a:80"}) }, "PUT /links", `{"cut":["a:80"]}`, "", nil},
		"Cut, none": {func(ctx context.Context, c *Client) (any, error) { return nil, c.Cut(ctx, nil) }, "PUT /links", `{"cut":[]}`, "", nil},
		"RotateKey": {func(ctx context.Context, c *Client) (any, error) { return nil, c.RotateKey(ctx) }, "POST /key", "", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			status := http.StatusOK
			if c.answer == "" {
				status = http.StatusNoContent
			}
			p := newPort(t, status, c.answer)
			got, err := c.call(t.Context(), New(p.URL+"/", "s3cret", p.Client()))
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
			assert.Equal(t, c.asked, p.asked)
			assert.Equal(t, "Bearer s3cret", p.auth)
			if c.body == "" {
				assert.Empty(t, p.body)
				assert.Empty(t, p.typ)
			} else {
				assert.JSONEq(t, c.body, p.body)
				assert.Equal(t, "application/json", p.typ)
			}

			p.status, p.answer = http.StatusConflict, `{"error":"not now"}`
			_, err = c.call(t.Context(), New(p.URL, "s3cret", nil))
			var refused *Error
			require.ErrorAs(t, err, &refused)
			method, path, _ := strings.Cut(c.asked, " ")
			assert.Equal(t, &Error{Method: method, Path: path, Status: 409, Body: "not now"}, refused)
			assert.Equal(t, "control: "+c.asked+": 409 Conflict: not now", err.Error())
			assert.NotContains(t, err.Error(), "s3cret")
		})
	}
}

func TestClientErrors(t *testing.T) {
	t.Run("a rule that is wrong is not sent", func(t *testing.T) {
		p := newPort(t, 200, `{}`)
		_, err := New(p.URL, "s", nil).AddRule(t.Context(), Rule{})
		require.ErrorContains(t, err, "has no action")
		assert.Empty(t, p.asked)
	})
	t.Run("an answer that is no JSON", func(t *testing.T) {
		p := newPort(t, 200, `<html>`)
		_, err := New(p.URL, "s", nil).Rules(t.Context())
		require.ErrorContains(t, err, "control: GET /rules: the answer: invalid character '<'")
	})
	t.Run("an answer of another type", func(t *testing.T) {
		p := newPort(t, 200, `{}`)
		_, err := New(p.URL, "s", nil).Rules(t.Context())
		require.ErrorContains(t, err, "control: GET /rules: the answer: json: cannot unmarshal object")
	})
	t.Run("an error that is text", func(t *testing.T) {
		p := newPort(t, 502, " bad gateway\n")
		err := New(p.URL, "s", nil).Health(t.Context())
		require.EqualError(t, err, "control: GET /health: 502 Bad Gateway: bad gateway")
	})
	t.Run("an error of any length", func(t *testing.T) {
		p := newPort(t, 500, strings.Repeat("x", 1<<20))
		err := New(p.URL, "s", nil).Health(t.Context())
		require.Error(t, err)
		assert.LessOrEqual(t, len(err.Error()), 65<<10)
	})
	t.Run("an error that breaks off", func(t *testing.T) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
			w.WriteHeader(http.StatusInternalServerError)
		}))
		defer server.Close()
		err := New(server.URL, "s", nil).Health(t.Context())
		require.EqualError(t, err, "control: GET /health: 500 Internal Server Error: (its body could not be read: unexpected EOF)")
	})
	t.Run("a load that is no JSON goes as it is", func(t *testing.T) {
		p := newPort(t, 400, `{"error":"the Bundle is no JSON"}`)
		require.ErrorContains(t, New(p.URL, "s", nil).Load(t.Context(), []byte("<x/>")), "the Bundle is no JSON")
		assert.Equal(t, "<x/>", p.body)
	})
	t.Run("what can't be JSON", func(t *testing.T) {
		p := newPort(t, 200, `{}`)
		err := New(p.URL, "s", nil).SetSettings(t.Context(), Settings{Trust: []KeySource{{Keys: json.RawMessage(`{`)}}})
		require.ErrorContains(t, err, "control: PUT /settings: json: ")
		assert.Empty(t, p.asked)
	})
	t.Run("no URL", func(t *testing.T) {
		require.ErrorContains(t, New("http://a b", "s", nil).Health(t.Context()), "control: GET /health: ")
	})
	t.Run("nobody there", func(t *testing.T) {
		p := newPort(t, 200, "")
		p.Close()
		err := New(p.URL, "s3cret", nil).Health(t.Context())
		require.ErrorContains(t, err, "control: Get ")
		var refused *Error
		assert.NotErrorAs(t, err, &refused)
	})
	t.Run("given up", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() }))
		defer server.Close()
		_, err := New(server.URL, "s", nil).Idle(ctx)
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestHistoryQuery(t *testing.T) {
	for _, q := range []HistoryQuery{{}, {Since: 7}, {Since: -1, Side: Received, NotBy: "ccde/1.0 (+x&y)", Last: 3}} {
		again, err := ParseHistoryQuery(q.Values())
		require.NoError(t, err)
		assert.Equal(t, q, again)
	}
	for text, want := range map[string]string{"since=x": "since", "side=both": "side", "last=-1": "last", "last=x": "last"} {
		v, err := url.ParseQuery(text)
		require.NoError(t, err)
		_, err = ParseHistoryQuery(v)
		assert.ErrorContains(t, err, want+": ", text)
	}
}
