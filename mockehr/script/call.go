package script

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"example.org/ccde/mockehr/control"
)

// Bounds of what the engine holds of one body.
const (
	maxBody   = 64 << 20 // a body that a rule reads or changes whole
	maxSearch = 1 << 20  // the part of a body in which a match looks for a text
)

var errTooLarge = errors.New("the body is over 64 MiB, too large for a rule")

// Call is one exchange in the hands of the rules.
type Call struct {
	Side     string
	Request  *http.Request // may be changed at the request phase; its body by SetBody
	Response *Response     // nil at the request phase

	entry    *entry
	cleared  <-chan struct{}
	head     http.Header // that an answer made here starts from
	body     *replay
	over     bool // the phase ends
	dropped  bool
	answered bool  // Response was made by a rule
	cut      int64 // -1: not cut
	throttle int64 // bytes a second; 0: as it comes
}

// Response is an answer, held whole.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

func newCall(side string, r *http.Request, en *entry, cleared <-chan struct{}, head http.Header) *Call {
	c := &Call{Side: side, Request: r, entry: en, cleared: cleared, head: head, cut: -1, body: &replay{whole: true}}
	if r.Body != nil && r.Body != http.NoBody { // none must stay none: a transport knows it by its identity
		c.body = &replay{source: r.Body}
	}
	return c
}

// Body is the request's body, whole. The node, or the other side, still gets it.
func (c *Call) Body() ([]byte, error) {
	data, whole, err := c.peek(maxBody)
	if err == nil && !whole {
		err = errTooLarge
	}
	return data, err
}

// SetBody replaces the request's body; only at the request phase.
func (c *Call) SetBody(data []byte) {
	if c.Side == control.Received {
		c.settle() // the history shows what came
	}
	c.body.close()
	c.body = &replay{data: data, whole: true}
	again := func() (io.ReadCloser, error) {
		if len(data) == 0 {
			return http.NoBody, nil
		}
		return io.NopCloser(bytes.NewReader(data)), nil
	}
	c.Request.Body, _ = again()
	c.Request.GetBody = again
	c.Request.ContentLength = int64(len(data))
	c.Request.Header.Del("Content-Length")
	c.Request.TransferEncoding = nil
}

// Answer gives this in place of what would have been said, and ends the phase. What header lacks is
// HTTP's usual.
func (c *Call) Answer(status int, header http.Header, body []byte) {
	h := http.Header{}
	if c.head != nil {
		h = c.head.Clone()
	}
	for name, values := range header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	c.Response = &Response{Status: status, Header: h, Body: body}
	c.answered, c.over = true, true
}

// Drop closes the connection without an answer, and ends the phase.
func (c *Call) Drop() { c.dropped, c.over = true, true }

// Cut stops the answer after so many bytes of its body, though its whole length is announced, and ends
// the phase.
func (c *Call) Cut(after int64) { c.cut, c.over = after, true }

// Throttle gives the answer's body at so many bytes a second.
func (c *Call) Throttle(perSecond int64) { c.throttle = perSecond }

// Wait waits in real time, until ctx ends or all rules are cleared.
func (c *Call) Wait(ctx context.Context, d time.Duration) error {
	return waitFor(ctx, c.cleared, d)
}

func waitFor(ctx context.Context, cleared <-chan struct{}, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-cleared:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// peek reads up to limit bytes of the request's body and puts them before the rest again.
func (c *Call) peek(limit int) (data []byte, whole bool, err error) {
	data, whole, err = c.body.read(limit)
	if c.body.source != nil {
		c.Request.Body = c.body.reader()
	}
	return data, whole, err
}

// contains tells whether the request's body has a text in its first part.
func (c *Call) contains(text string) bool {
	data, _, _ := c.peek(maxSearch) // what could be read before an error still counts
	return bytes.Contains(data, []byte(text))
}

// parameters are those of a search by POST: of its form and of its URL.
func (c *Call) parameters() func(name string) []string {
	var form url.Values
	return func(name string) []string {
		if form == nil {
			data, _, _ := c.peek(maxSearch)        // as in contains
			form, _ = url.ParseQuery(string(data)) // what can't be read is not there
		}
		return append(c.Request.URL.Query()[name], form[name]...)
	}
}

// settle reads what the history keeps of a request whose body nobody else will read. One that its
// sender holds back until it is asked for is not asked for.
func (c *Call) settle() {
	if !strings.EqualFold(c.Request.Header.Get("Expect"), "100-continue") {
		_, _, _ = c.peek(maxKept) // an early end is what the history shows
	}
}

// keep lets rules of the answer phase see the request's body, though the node reads it before.
func (c *Call) keep() {
	if c.body.source != nil {
		c.Request.Body = c.body.reader()
	}
}

// holds tells whether a rule may act on this call's answer, which must then be held whole. It asks all
// of them: a match that looks into the request's body must do so before the node reads it.
func holds(rules []*installed, c *Call) bool {
	any := false
	for _, in := range rules {
		if in.rule.Phase == control.OnAnswer && in.rule.Act != nil && !in.spent() && in.match.request(c) {
			any = true
		}
	}
	return any
}
