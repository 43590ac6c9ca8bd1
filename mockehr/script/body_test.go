package script

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/control"
)

// endless is a body of that many bytes.
func endless(size int64) io.Reader { return io.LimitReader(zeros{}, size) }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// count answers with nothing, after it has read the body.
func count(seen *int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var err error
		if *seen, err = io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}
}

// A body that is too large for a rule still gets to the other side, whole.
func TestBodyTooLarge(t *testing.T) {
	const size = maxBody + 5
	for _, side := range []string{control.Received, control.Sent} {
		for _, phase := range []string{control.OnRequest, control.OnAnswer} {
			t.Run(side+" "+phase, func(t *testing.T) {
				var seen int64
				n := newNode(t, count(&seen))
				_, err := n.Install(Rule{ID: "it", Side: side, Phase: phase, Act: func(_ context.Context, c *Call) error {
					_, err := c.Body()
					return err
				}})
				require.NoError(t, err)
				client := n.plain
				if side == control.Sent {
					client = n.client
				}
				r, err := http.NewRequest("POST", n.url, endless(size))
				require.NoError(t, err)
				r.ContentLength = size
				resp, err := client.Do(r)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				assert.Equal(t, 200, resp.StatusCode)
				assert.EqualValues(t, size, seen)
				ex := n.last(side)
				assert.Equal(t, []string{"it: " + errTooLarge.Error()}, ex.Faults)
				assert.EqualValues(t, size, ex.RequestBody.Size)
				assert.True(t, ex.RequestBody.Truncated)
				assert.Len(t, ex.RequestBody.Text, maxKept)
			})
		}
	}
}

// A body that breaks off is a fault of the rule that wants it, and breaks off for the node, too.
func TestBodyBreaksOff(t *testing.T) {
	e := New(Options{})
	_, err := e.Add(control.Rule{ID: "it", Phase: control.OnRequest, Change: &control.Change{Set: map[string]any{"a": 1}}})
	require.NoError(t, err)
	gone := errors.New("gone")
	var got string
	handler := e.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		assert.ErrorIs(t, err, gone)
		assert.NoError(t, r.Body.Close())
		got = string(data)
	}))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader(`{"a":`), failing{gone})))
	assert.Equal(t, `{"a":`, got)
	ex := e.History(control.HistoryQuery{})[0]
	assert.Equal(t, []string{"it: gone"}, ex.Faults)
	assert.Equal(t, control.Body{Text: `{"a":`, Size: 5, Truncated: true}, ex.RequestBody)
}

// Rules leave a request without a body, or of a length that nobody knows, as it is.
func TestSentBodyLength(t *testing.T) {
	look := control.Rule{Side: control.Sent, Match: control.Match{Body: "th"}, Phase: control.OnAnswer, Wait: 1}
	for name, c := range map[string]struct {
		body   io.Reader
		rule   control.Rule
		length int64
		text   string
	}{
		"none":                      {nil, look, 0, ""},
		"empty":                     {strings.NewReader(""), look, 0, ""},
		"no length":                 {io.MultiReader(strings.NewReader("this")), look, -1, "this"},
		"no length, no rule":        {io.MultiReader(strings.NewReader("this")), control.Rule{Drop: true, Side: control.Sent, Match: control.Match{Method: "X"}}, -1, "this"},
		"made":                      {nil, control.Rule{Side: control.Sent, Phase: control.OnRequest, Change: &control.Change{Body: text("this")}}, 4, "this"},
		"made of one of no length":  {io.MultiReader(strings.NewReader("x")), control.Rule{Side: control.Sent, Phase: control.OnRequest, Change: &control.Change{Body: text("this")}}, 4, "this"},
		"taken away":                {strings.NewReader("this"), control.Rule{Side: control.Sent, Phase: control.OnRequest, Change: &control.Change{Body: text("")}}, 0, ""},
		"taken away, of no length":  {io.MultiReader(strings.NewReader("this")), control.Rule{Side: control.Sent, Phase: control.OnRequest, Change: &control.Change{Body: text("")}}, 0, ""},
		"known, and another method": {strings.NewReader("this"), control.Rule{Side: control.Sent, Phase: control.OnRequest, Change: &control.Change{Method: "PUT"}}, 4, "this"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, func(_ http.ResponseWriter, r *http.Request) {
				assert.Equal(t, c.length, r.ContentLength)
				_, err := io.Copy(io.Discard, r.Body)
				assert.NoError(t, err)
			})
			n.add(c.rule)
			resp, err := n.client.Post(n.url, "text/plain", c.body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			want := control.Body{Text: c.text, Size: int64(len(c.text))}
			assert.Equal(t, want, n.last(control.Sent).RequestBody)
			assert.Equal(t, want, n.last(control.Received).RequestBody)
		})
	}
}

// An answer that rules may act on is too large to be held: the node reads it as it comes.
func TestSentTooLarge(t *testing.T) {
	n := newNode(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, endless(maxBody+5)) })
	n.add(control.Rule{ID: "it", Side: control.Sent, Cut: &control.Cut{}})
	resp, err := n.client.Get(n.url)
	require.NoError(t, err)
	size, err := io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.EqualValues(t, maxBody+5, size)
	assert.Equal(t, []string{"it: " + errTooLarge.Error()}, n.last(control.Sent).Faults)
}

// A handler that flushes, and one that asks for what is below, work with a held answer and without.
func TestReceivedWriter(t *testing.T) {
	for name, rules := range map[string][]control.Rule{"no rules": nil, "held": {{Change: &control.Change{Headers: map[string]string{"X": "y"}}}}} {
		t.Run(name, func(t *testing.T) {
			var deadline error
			n := newNode(t, func(w http.ResponseWriter, r *http.Request) {
				h := w.Header()
				h.Set("X-One", "1")
				_, err := io.WriteString(w, "one ")
				assert.NoError(t, err)
				assert.NoError(t, http.NewResponseController(w).Flush())
				h.Set("X-Late", "1")
				w.Header().Set("X-Late", "1")
				_, err = io.WriteString(w, "two")
				assert.NoError(t, err)
				deadline = http.NewResponseController(w).EnableFullDuplex()
			})
			n.add(rules...)
			got := n.do(n.plain, "GET", "/", "")
			require.NoError(t, got.err)
			assert.Equal(t, 200, got.status)
			assert.Equal(t, "one two", got.body)
			assert.Equal(t, "1", got.header.Get("X-One"))
			assert.Empty(t, got.header.Get("X-Late"))
			assert.Equal(t, rules == nil, deadline == nil)
		})
	}
}

// The other side that goes away while an answer is written is in the history.
func TestReceivedNotWritten(t *testing.T) {
	for name, rules := range map[string][]control.Rule{
		"no rules": nil, "held": {{Change: &control.Change{Status: 201}}}, "throttled": {{Throttle: 1 << 40}},
	} {
		t.Run(name, func(t *testing.T) {
			e := New(Options{})
			for _, r := range rules {
				_, err := e.Add(r)
				require.NoError(t, err)
			}
			handler := e.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, patient) }))
			func() {
				defer func() { _ = recover() }() // http.ErrAbortHandler: the connection is closed
				handler.ServeHTTP(&broken{httptest.NewRecorder()}, httptest.NewRequest("GET", "/", nil))
			}()
			ex := e.History(control.HistoryQuery{})[0]
			assert.False(t, ex.Pending)
			assert.Equal(t, "the answer could not be written: broken", ex.Error)
		})
	}
}

// broken is an answer whose connection is gone.
type broken struct{ *httptest.ResponseRecorder }

func (*broken) Write([]byte) (int, error) { return 0, errors.New("broken") }
