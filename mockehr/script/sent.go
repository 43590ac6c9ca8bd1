package script

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"example.org/ccde/mockehr/control"
)

// Transport records what the node sends and what it gets for an answer, and lets the rules act on it.
// base sends the requests; nil is http.DefaultTransport.
func (e *Engine) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{engine: e, base: base}
}

type transport struct {
	engine *Engine
	base   http.RoundTripper
}

// RoundTrip sends a request; the request itself stays as it is.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	en := t.engine.history.begin(control.Sent, peerOf(r), r, r.URL.String())
	rules, cleared := t.engine.begin(control.Sent)
	if r.Context().Value(unruled{}) != nil {
		rules = nil
	}
	if len(rules) == 0 {
		out := *r
		en.leaves(&out)
		resp, err := t.base.RoundTrip(&out)
		if err != nil {
			en.end(err)
			return nil, err
		}
		return en.reads(r, resp, nil), nil
	}
	resp, err := t.inHands(r, en, rules, cleared)
	if err != nil {
		en.end(err)
		return nil, err
	}
	return resp, nil
}

// inHands sends a request in the hands of rules.
func (t *transport) inHands(r *http.Request, en *entry, rules []*installed, cleared <-chan struct{}) (*http.Response, error) {
	ctx := r.Context()
	c := newCall(control.Sent, r.Clone(ctx), en, cleared, nil)
	err := run(ctx, rules, control.OnRequest, c)
	goes := err == nil && !c.dropped && !c.answered
	hold := goes && (holds(rules, c) || c.cut >= 0 || c.throttle > 0)
	if hold || c.answered {
		c.freeze()
	}
	en.leaves(c.Request)
	if !goes && c.Request.Body != nil {
		_, _ = io.CopyN(io.Discard, c.Request.Body, maxKept) // for the history: this would have left
		_ = c.Request.Body.Close()                           // whoever sends must; there is nobody to tell
	}
	var resp *http.Response
	switch {
	case err != nil:
		return nil, err
	case c.dropped:
		return nil, c.lost()
	case goes:
		if resp, err = t.base.RoundTrip(c.Request); err != nil {
			return nil, err
		}
		if !hold || !c.hold(rules, resp) {
			return en.reads(r, resp, nil), nil
		}
	}
	if err := run(ctx, rules, control.OnAnswer, c); err != nil {
		return nil, err
	}
	if c.dropped {
		return nil, c.lost()
	}
	resp, short := c.give(ctx, r, resp)
	return en.reads(r, resp, short), nil
}

// freeze reads the request's body whole, for rules that look at it while, or after, it is sent.
func (c *Call) freeze() {
	if c.body.source == nil {
		return // there is none, or a rule made it
	}
	data, whole, err := c.peek(maxBody)
	if !whole && err == nil {
		err = errTooLarge
	}
	c.body = &replay{data: data, whole: whole, err: err} // the one that is being sent is another's from here on
}

// hold reads an answer whole. If that can't be done it leaves the answer as it comes, and tells so.
func (c *Call) hold(rules []*installed, resp *http.Response) bool {
	body := &replay{source: resp.Body}
	data, whole, err := body.read(maxBody)
	if !whole {
		resp.Body = body.reader()
		if err == nil {
			c.tooLarge(rules)
		}
		return false // what broke off is told by the reader
	}
	_ = resp.Body.Close() // it has been read to its end
	c.Response = &Response{Status: resp.StatusCode, Header: resp.Header, Body: data}
	return true
}

// lost is what a client sees of a connection that is closed without an answer.
func (c *Call) lost() error {
	c.entry.end(errDropped)
	return &net.OpError{Op: "read", Net: "tcp", Err: io.EOF}
}

// give makes the answer that the node reads from what the rules left of it; resp is the one that came,
// nil if none did. short is why it will not be whole.
func (c *Call) give(ctx context.Context, r *http.Request, resp *http.Response) (out *http.Response, short error) {
	if resp == nil {
		resp = &http.Response{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r}
	}
	res := c.Response
	resp.Status = strings.TrimSpace(strconv.Itoa(res.Status) + " " + http.StatusText(res.Status))
	resp.StatusCode, resp.Header = res.Status, res.Header
	if r.Method == http.MethodHead || !allowsBody(res.Status) {
		resp.Body = http.NoBody
		return resp, nil
	}
	resp.ContentLength, resp.TransferEncoding = int64(len(res.Body)), nil
	if resp.Header.Get("Content-Length") != "" || c.answered {
		resp.Header.Set("Content-Length", strconv.Itoa(len(res.Body)))
	}
	part, cut := c.rest()
	var body io.Reader = bytes.NewReader(part)
	if cut {
		short = fmt.Errorf("cut short by a rule: %d of %d bytes", len(part), len(res.Body))
		body = io.MultiReader(body, failing{io.ErrUnexpectedEOF})
	}
	if c.throttle > 0 {
		body = c.slow(ctx, body)
	}
	resp.Body = io.NopCloser(body)
	return resp, short
}

// reads records an answer as the node reads it; the exchange ends with its body. short is why that will
// not be whole, nil where the reader's own error tells.
func (en *entry) reads(r *http.Request, resp *http.Response, short error) *http.Response {
	resp.Request = r // where a rule has sent it instead is nothing that the node knows
	length := resp.ContentLength
	if r.Method == http.MethodHead || !allowsBody(resp.StatusCode) || resp.Body == http.NoBody {
		length = 0
	}
	en.answers(resp.StatusCode, resp.Header, length)
	if length == 0 {
		en.end(nil)
		return resp
	}
	resp.Body = &answerBody{tee: tee{ReadCloser: resp.Body, en: en, to: &en.response}, short: short}
	return resp
}

// answerBody is the body of an answer that the node reads.
type answerBody struct {
	tee
	short error
}

// Read reads a part of it, and ends the exchange with the last.
func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.tee.Read(p)
	switch {
	case err == io.EOF:
		b.en.end(nil)
	case err != nil && b.short != nil && errors.Is(err, io.ErrUnexpectedEOF):
		b.en.end(b.short)
	case err != nil:
		b.en.end(fmt.Errorf("the answer broke off: %w", err))
	}
	return n, err
}

// Close ends the exchange where it stands.
func (b *answerBody) Close() error {
	b.en.end(nil)
	return b.tee.Close()
}
