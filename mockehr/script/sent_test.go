package script

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/control"
)

func TestSentActions(t *testing.T) {
	for name, a := range actions() {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, echo)
			a.rule.ID, a.rule.Side = "it", control.Sent
			n.add(a.rule)
			got := n.do(n.client, orGet(a.method), "/r3/Patient/p1", a.body, a.header...)
			ex := n.last(control.Sent)
			a.check(t, got, ex)
			assert.Equal(t, strings.TrimPrefix(n.url, "http://"), ex.Peer)
			if n.reached() {
				there := n.last(control.Received)
				assert.Equal(t, there.Method, ex.Method, "as it left")
				assert.Equal(t, there.RequestBody, ex.RequestBody, "as it left")
				assert.Empty(t, there.Rules, "the other side")
			}
		})
	}
}

// reached tells whether a request came in.
func (n *node) reached() bool {
	for _, ex := range n.History(control.HistoryQuery{}) {
		if ex.Side == control.Received {
			return true
		}
	}
	return false
}

// What a rule says in place of the other side never leaves the node.
func TestSentStays(t *testing.T) {
	for name, rule := range map[string]control.Rule{
		"answer": {Answer: &control.Answer{Status: 401}}, "drop": {Drop: true}, "redirect": {Redirect: "/x"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, echo)
			rule.Side = control.Sent
			n.add(rule)
			n.do(n.client, "POST", "/auth/token", "grant_type=x")
			assert.False(t, n.reached())
			assert.Equal(t, control.Body{Text: "grant_type=x", Size: 12}, n.last(control.Sent).RequestBody)
		})
	}
}

// A connection that is dropped looks as one on the network does.
func TestSentDrop(t *testing.T) {
	for _, phase := range []string{control.OnRequest, control.OnAnswer} {
		n := newNode(t, echo)
		n.add(control.Rule{Side: control.Sent, Phase: phase, Drop: true})
		err := n.do(n.client, "GET", "/", "").err
		var network net.Error
		require.ErrorAs(t, err, &network)
		assert.False(t, network.Timeout())
		assert.ErrorIs(t, err, io.EOF)
	}
}

func TestSentElsewhere(t *testing.T) {
	n := newNode(t, echo)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Host+r.URL.String())
	}))
	defer other.Close()
	host := strings.TrimPrefix(other.URL, "http://")
	n.add(control.Rule{Side: control.Sent, Phase: control.OnRequest, Change: &control.Change{URL: other.URL + "/else?x=1"}})
	resp, err := n.client.Get(n.url + "/r3/Patient")
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, host+"/else?x=1", string(body))
	assert.Equal(t, n.url+"/r3/Patient", resp.Request.URL.String(), "the node doesn't know")
	assert.False(t, n.reached())
	ex := n.last(control.Sent)
	assert.Equal(t, other.URL+"/else?x=1", ex.URL)
	assert.Equal(t, host, ex.Peer)
}

func TestSentHost(t *testing.T) {
	n := newNode(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host) })
	n.add(control.Rule{Side: control.Sent, Phase: control.OnRequest, Change: &control.Change{Headers: map[string]string{"host": "other.example"}}})
	assert.Equal(t, "other.example", n.do(n.client, "GET", "/", "").body)
}

// The caller's request stays as it is: an http.RoundTripper must not change it.
func TestSentLeavesRequest(t *testing.T) {
	n := newNode(t, echo)
	n.add(control.Rule{Side: control.Sent, Phase: control.OnRequest, Change: &control.Change{Method: "PUT", Body: text("other"), Headers: map[string]string{"X-Ask": "b"}}})
	body := io.NopCloser(strings.NewReader("this"))
	r, err := http.NewRequest("POST", n.url, body)
	require.NoError(t, err)
	resp, err := n.client.Transport.RoundTrip(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, "POST", r.Method)
	assert.Equal(t, body, r.Body)
	assert.Empty(t, r.Header)
}

func TestSentErrors(t *testing.T) {
	for name, rules := range map[string][]control.Rule{"no rules": nil, "held": {{Side: control.Sent, Cut: &control.Cut{}}}} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/half" {
					w.Header().Set("Content-Length", "10")
					_, _ = io.WriteString(w, "half")
					w.(http.Flusher).Flush()
				}
				panic(http.ErrAbortHandler)
			})
			n.add(rules...)
			require.Error(t, n.do(n.client, "GET", "/none", "").err)
			ex := n.last(control.Sent)
			assert.Equal(t, "EOF", ex.Error)
			assert.Zero(t, ex.Status)
			assert.False(t, ex.Pending)

			got := n.do(n.client, "GET", "/half", "")
			require.ErrorIs(t, got.err, io.ErrUnexpectedEOF)
			assert.Equal(t, "half", got.body)
			ex = n.last(control.Sent)
			assert.Equal(t, "the answer broke off: unexpected EOF", ex.Error)
			assert.Equal(t, 200, ex.Status)
			assert.Equal(t, control.Body{Text: "half", Size: 10, Truncated: true}, ex.ResponseBody)
			assert.Empty(t, ex.Rules)
		})
	}
}

// An answer that the node doesn't read to its end is known as far as it did.
func TestSentAnswerNotRead(t *testing.T) {
	n := newNode(t, echo)
	resp, err := n.client.Get(n.url)
	require.NoError(t, err)
	assert.True(t, n.last(control.Sent).Pending)
	part := make([]byte, 7)
	_, err = io.ReadFull(resp.Body, part)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	ex := n.last(control.Sent)
	assert.False(t, ex.Pending)
	assert.Empty(t, ex.Error)
	assert.Equal(t, control.Body{Text: patient[:7], Size: 50, Truncated: true}, ex.ResponseBody)
}

// A transport may start a request anew on another connection: its body is recorded once.
func TestSentBodyAgain(t *testing.T) {
	n := newNode(t, echo)
	twice := roundTripper(func(r *http.Request) (*http.Response, error) {
		_, err := io.CopyN(io.Discard, r.Body, 2)
		require.NoError(t, err)
		if r.Body, err = r.GetBody(); err != nil {
			return nil, err
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	n.client.Transport = n.Transport(twice)
	assert.Equal(t, "this", n.do(n.client, "POST", "/", "this").body)
	assert.Equal(t, control.Body{Text: "this", Size: 4}, n.last(control.Sent).RequestBody)

	n.client.Transport = n.Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
		r.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("no more") }
		return twice(r)
	}))
	assert.ErrorContains(t, n.do(n.client, "POST", "/", "this").err, "no more")
	assert.Contains(t, n.last(control.Sent).Error, "no more")
}

type roundTripper func(r *http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A request that is given up while a rule waits ends with its context, at both phases.
func TestSentGivenUp(t *testing.T) {
	for _, phase := range []string{control.OnRequest, control.OnAnswer} {
		t.Run(phase, func(t *testing.T) {
			n := newNode(t, echo)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			_, err := n.Install(Rule{Side: control.Sent, Phase: phase, Act: func(context.Context, *Call) error { cancel(); return nil }})
			require.NoError(t, err)
			n.add(control.Rule{Side: control.Sent, Phase: phase, Wait: control.Duration(time.Hour)})
			r, err := http.NewRequestWithContext(ctx, "POST", n.url, strings.NewReader("this"))
			require.NoError(t, err)
			_, err = n.client.Do(r)
			require.ErrorIs(t, err, context.Canceled)
			ex := n.last(control.Sent)
			assert.False(t, ex.Pending)
			assert.Equal(t, context.Canceled.Error(), ex.Error)
			assert.Equal(t, phase == control.OnAnswer, n.reached())
		})
	}
}

// Rules of the answer phase still see the request's body.
func TestSentBodyAtAnswer(t *testing.T) {
	n := newNode(t, echo)
	var seen string
	_, err := n.Install(Rule{Side: control.Sent, Phase: control.OnAnswer, Act: func(_ context.Context, c *Call) error {
		body, err := c.Body()
		seen = string(body)
		return err
	}})
	require.NoError(t, err)
	assert.Equal(t, "this", n.do(n.client, "POST", "/", "this").body)
	assert.Equal(t, "this", seen)
}
