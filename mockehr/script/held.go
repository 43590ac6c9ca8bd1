package script

import (
	"context"
	"io"
	"maps"
	"net/http"
	"time"

	"example.org/ccde/mockehr/control"
)

// held is an http.ResponseWriter that holds an answer whole, for rules to act on.
type held struct {
	to      *recorder
	header  http.Header // the handler's
	status  int
	head    http.Header // as it was when the handler wrote the status; what it sets later doesn't count
	body    []byte
	spilled bool // it was too large, and leaves as it comes
}

// Header is the header that the answer will have.
func (h *held) Header() http.Header {
	if h.spilled {
		return h.to.Header()
	}
	return h.header
}

// WriteHeader keeps the status; what comes before the answer (1xx) is left away.
func (h *held) WriteHeader(status int) {
	if h.status == 0 && status >= 200 {
		h.status, h.head = status, h.header.Clone()
	}
}

// Write keeps a part of the body.
func (h *held) Write(part []byte) (int, error) {
	if h.spilled {
		return h.to.Write(part)
	}
	h.WriteHeader(http.StatusOK)
	if len(h.body)+len(part) <= maxBody {
		h.body = append(h.body, part...)
		return len(part), nil
	}
	if err := h.spill(); err != nil {
		return 0, err
	}
	return h.to.Write(part)
}

// Flush does nothing: the answer is held.
func (h *held) Flush() {}

func (h *held) spill() error {
	h.spilled = true
	to := h.to.Header()
	clear(to)
	maps.Copy(to, h.head)
	h.to.WriteHeader(h.status)
	_, err := h.to.Write(h.body)
	h.body = nil
	return err
}

func (h *held) response() *Response {
	h.WriteHeader(http.StatusOK) // what it is if the handler wrote nothing
	return &Response{Status: h.status, Header: h.head, Body: h.body}
}

// tooLarge notes with each rule that would have acted on the answer that it could not.
func (c *Call) tooLarge(rules []*installed) {
	for _, in := range rules {
		if in.rule.Phase == control.OnAnswer && !in.spent() && in.match.request(c) {
			c.entry.fault(in.rule.ID, errTooLarge)
		}
	}
}

// rest is what is given of the answer's body; short if that is not all.
func (c *Call) rest() (body []byte, short bool) {
	body = c.Response.Body
	if c.cut >= 0 && c.cut < int64(len(body)) {
		return body[:c.cut], true
	}
	return body, false
}

// maxStep is the most that a throttled body gives at once, in bytes.
const maxStep = 32 << 10

// slow gives a body at the call's throttle, in steps of a twentieth of a second if that is more than a
// byte. The waits are those of [Call.Wait].
type slow struct {
	io.Reader
	wait func(time.Duration) error
	step int64 // bytes
	each time.Duration
	left int64 // of this step
}

func (c *Call) slow(ctx context.Context, body io.Reader) io.Reader {
	step := min(max(c.throttle/20, 1), maxStep)
	return &slow{Reader: body, step: step, each: time.Duration(step) * time.Second / time.Duration(c.throttle),
		wait: func(d time.Duration) error { return c.Wait(ctx, d) }}
}

func (s *slow) Read(p []byte) (int, error) {
	if s.left == 0 {
		if err := s.wait(s.each); err != nil {
			return 0, err
		}
		s.left = s.step
	}
	n, err := s.Reader.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	return n, err
}
