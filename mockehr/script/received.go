package script

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"example.org/ccde/mockehr/control"
)

// Why the history has no answer, or not all of it.
var (
	errDropped = errors.New("dropped by a rule")
	errGivenUp = errors.New("the handler gave up (it panicked)")
)

// Middleware records what the node receives and what it answers, and lets the rules act on it. It
// stands around everything else, so that the history shows what came and what left.
func (e *Engine) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		en := e.history.begins(r)
		if r.Body != nil && r.Body != http.NoBody {
			// In a copy: net/http looks at the type of its own request's body to tell what it must drain.
			in := *r
			in.Body = &tee{ReadCloser: r.Body, en: en, to: &en.request}
			r = &in
		}
		rec := &recorder{ResponseWriter: w, en: en, method: r.Method}
		defer en.end(errGivenUp) // the first end counts: without one before, it is a panic that passes here
		rules, cleared := e.begin(control.Received)
		if len(rules) == 0 {
			next.ServeHTTP(rec, r)
			rec.finish()
			return
		}
		if err := handle(rec, r, next, rules, cleared); err != nil {
			en.end(err)
			panic(http.ErrAbortHandler) // closes the connection
		}
		rec.finish()
	})
}

// handle answers a request in the hands of rules. An error means that the connection must be closed.
func handle(w *recorder, r *http.Request, next http.Handler, rules []*installed, cleared <-chan struct{}) error {
	ctx := r.Context()
	c := newCall(control.Received, r, w.en, cleared, w.Header())
	c.Request = r.WithContext(context.WithValue(ctx, callKey{}, c))
	err := run(ctx, rules, control.OnRequest, c)
	if c.dropped || c.answered {
		c.settle()
	}
	switch {
	case err != nil:
		return err
	case c.dropped:
		return errDropped
	case c.answered:
	case !holds(rules, c) && c.cut < 0 && c.throttle == 0:
		if slices.ContainsFunc(rules, func(in *installed) bool { return in.keeps }) {
			c.keep()
		}
		next.ServeHTTP(w, c.Request)
		return nil
	default:
		c.keep()
		h := &held{to: w, header: w.Header().Clone()}
		next.ServeHTTP(h, c.Request)
		if h.spilled {
			c.tooLarge(rules)
			return nil
		}
		c.Response = h.response()
	}
	if err := run(ctx, rules, control.OnAnswer, c); err != nil {
		return err
	}
	if c.dropped {
		return errDropped
	}
	return c.send(ctx, w)
}

// send gives the answer as the rules left it.
func (c *Call) send(ctx context.Context, w *recorder) error {
	res := c.Response
	h := w.Header()
	clear(h)
	maps.Copy(h, res.Header)
	switch {
	case !allowsBody(res.Status):
		h.Del("Content-Length")
		w.WriteHeader(res.Status)
		return nil
	case c.Request.Method == http.MethodHead:
		w.WriteHeader(res.Status)
		return nil
	}
	h.Set("Content-Length", strconv.Itoa(len(res.Body)))
	w.WriteHeader(res.Status)
	body, short := c.rest()
	if c.throttle > 0 {
		if err := w.slowly(c.slow(ctx, bytes.NewReader(body))); err != nil {
			return err
		}
	} else if _, err := w.Write(body); err != nil {
		return err
	}
	if !short {
		return nil
	}
	if err := w.FlushError(); err != nil {
		return err
	}
	return fmt.Errorf("cut short by a rule: %d of %d bytes", len(body), len(res.Body))
}

// recorder records an answer as it leaves: each part before it is written, so that whoever has read an
// answer finds it in the history.
type recorder struct {
	http.ResponseWriter
	en     *entry
	method string
	wrote  bool // the head
	none   bool // the answer has no body
}

// WriteHeader writes the head of the answer.
func (w *recorder) WriteHeader(status int) {
	if !w.wrote && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.wrote = true
		length := lengthOf(w.method, status, w.Header())
		w.none = w.method == http.MethodHead || !allowsBody(status)
		w.en.answers(status, w.Header(), length)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write writes a part of the body.
func (w *recorder) Write(part []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if !w.none {
		w.en.passed(&w.en.response, part, false)
		if w.en.complete() {
			w.en.end(nil) // the other side may have it all before the handler is through
		}
	}
	n, err := w.ResponseWriter.Write(part)
	if err != nil && !w.none {
		w.en.breaks(fmt.Errorf("the answer could not be written: %w", err))
	}
	return n, err
}

// Flush sends what was written so far.
func (w *recorder) Flush() { _ = w.FlushError() } // http.Flusher has no way to tell; the next Write will

// FlushError sends what was written so far.
func (w *recorder) FlushError() error {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap lets http.ResponseController reach what is below.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// finish ends the exchange once the handler has returned.
func (w *recorder) finish() {
	if !w.wrote {
		w.wrote = true
		w.en.answers(http.StatusOK, w.Header(), 0)
	}
	w.en.passed(&w.en.response, nil, true)
	w.en.end(nil)
}

// slowly writes a body as fast as it can be read.
func (w *recorder) slowly(body io.Reader) error {
	part := make([]byte, maxStep)
	if err := w.FlushError(); err != nil {
		return err
	}
	for {
		n, err := body.Read(part)
		if n > 0 {
			if _, err := w.Write(part[:n]); err != nil {
				return err
			}
			if err := w.FlushError(); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
