package script

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/clock"
	"example.org/ccde/mockehr/control"
)

// node is an engine around a handler that is served over HTTP, and an HTTP client that sends through
// the same engine.
type node struct {
	*Engine
	t      *testing.T
	checks *check.Checks
	clock  *clock.Clock
	url    string
	plain  *http.Client // the outside's
	client *http.Client // the node's own
	close  func()       // stops serving, once all that is under way is done
}

const patient = `{"resourceType":"Patient","id":"p1","active":true}`

// echo answers with a Patient, or with what it was sent.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if len(body) == 0 {
		body = []byte(patient)
	}
	w.Header().Set("Content-Type", "application/fhir+json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("X-Method", r.Method)
	w.Header().Set("X-Seen", r.Header.Get("X-Ask"))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body)
}

func newNode(t *testing.T, handler http.HandlerFunc) *node {
	n := &node{t: t, checks: check.New(""), clock: clock.New()}
	var engine http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { engine.ServeHTTP(w, r) }))
	n.url = server.URL
	n.Engine = New(Options{Checks: n.checks, Clock: n.clock, Root: server.URL})
	engine = n.Middleware(handler)
	n.plain = &http.Client{Transport: &http.Transport{}}
	n.client = &http.Client{Transport: n.Transport(&http.Transport{}),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	n.plain.CheckRedirect = n.client.CheckRedirect
	n.close = server.Close
	t.Cleanup(server.Close)
	t.Cleanup(n.plain.CloseIdleConnections)
	t.Cleanup(n.client.CloseIdleConnections)
	return n
}

func (n *node) add(rules ...control.Rule) {
	n.t.Helper()
	for _, r := range rules {
		_, err := n.Add(r)
		require.NoError(n.t, err)
	}
}

// reply is an answer as it was read.
type reply struct {
	status int
	header http.Header
	length int64
	body   string
	err    error // of the request, or of reading the body
}

func (n *node) do(client *http.Client, method, path, body string, header ...string) reply {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var in io.Reader
	if body != "" {
		in = bytes.NewReader([]byte(body))
	}
	r, err := http.NewRequestWithContext(ctx, method, n.url+path, in)
	require.NoError(n.t, err)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := client.Do(r)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, resp.ContentLength, string(data), err}
}

// last is the latest exchange of a side.
func (n *node) last(side string) control.Exchange {
	n.t.Helper()
	all := n.History(control.HistoryQuery{})
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Side == side {
			return all[i]
		}
	}
	require.Fail(n.t, "nothing was "+side)
	return control.Exchange{}
}

func raw(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

func text(s string) *string { return &s }
