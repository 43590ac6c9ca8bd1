package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"example.org/ccde/mockehr/check"
)

const (
	acceptFHIR = "application/fhir+json, application/json;q=0.9"
	acceptJSON = "application/json"

	maxBody      = 64 << 20 // bytes of one answer
	maxRedirects = 5
)

// answer is what a source sent.
type answer struct {
	url    *url.URL
	status int
	header http.Header
	body   []byte
}

// json tells whether the answer says that it is JSON of some kind, or says nothing.
func (a *answer) json() bool {
	t := strings.ToLower(a.header.Get("Content-Type"))
	return t == "" || strings.Contains(t, "json")
}

// kindOf is what the body claims to be, for messages.
func (a *answer) kindOf() string {
	t, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	if t == "" {
		return "something without a Content-Type"
	}
	return t
}

// send sends one request and reads the whole answer. Nobody asks a source but through here.
func (w *worker) send(ctx context.Context, r *http.Request) (*answer, error) {
	if err := w.alive(ctx); err != nil {
		return nil, err
	}
	timeout := w.settings().RequestTimeout
	inner, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resp, err := w.client.Do(r.WithContext(inner))
	if err != nil {
		return nil, w.noAnswer(ctx, inner, r, timeout, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return nil, w.noAnswer(ctx, inner, r, timeout, err)
	}
	w.misses = 0
	if len(body) > maxBody {
		return nil, fail(broken, "the answer of %s is over %d MiB", where(r.URL), maxBody>>20)
	}
	return &answer{url: r.URL, status: resp.StatusCode, header: resp.Header, body: body}, nil
}

// noAnswer says what went wrong on the wire, without the URL's query, which net/http's errors show.
func (w *worker) noAnswer(ctx, inner context.Context, r *http.Request, timeout time.Duration, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	w.misses++
	var op *net.OpError
	var ue *url.Error
	reason := err
	if errors.As(err, &ue) {
		reason = ue.Err
	}
	if errors.As(err, &op) {
		reason = op.Err
	}
	f := fail(passing, "%s can't be reached: %v", where(r.URL), reason)
	switch {
	case inner.Err() != nil:
		f.text = fmt.Sprintf("%s gave no answer within %v", where(r.URL), timeout)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		f.text = fmt.Sprintf("the answer of %s broke off", where(r.URL))
	}
	f.transport = true
	return f
}

// where is a URL for a message: without user, query and fragment.
func where(u *url.URL) string {
	short := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return short.String()
}

// open gets something without any secret: metadata. It follows redirects on the source's origin.
func (w *worker) open(ctx context.Context, target, accept string) (*answer, error) {
	return w.follow(ctx, target, func(u *url.URL, hop int) (*http.Request, error) {
		if hop > 0 && !sameOrigin(u, w.base()) {
			return nil, fail(broken, "%s redirects to %s, which is another host", target, where(u))
		}
		r, err := http.NewRequest(http.MethodGet, u.String(), nil)
		if err == nil {
			r.Header.Set("Accept", accept)
		}
		return r, err
	})
}

// Why a URL gets the access token.
const (
	byPlan     = "query"
	byNext     = "next"
	byRedirect = "redirect"
)

// ask gets something with the access token, where it may go.
func (w *worker) ask(ctx context.Context, target, token, by string) (*answer, error) {
	return w.follow(ctx, target, func(u *url.URL, hop int) (*http.Request, error) {
		if hop > 0 {
			by = byRedirect
		}
		if err := w.permit(ctx, u, by); err != nil {
			return nil, err
		}
		r, err := http.NewRequest(http.MethodGet, u.String(), nil)
		if err != nil {
			return nil, err
		}
		r.Header.Set("Accept", acceptFHIR)
		switch check.Value(ctx, w.Checks, "TGT-22", check.Inputs{"url": u.String(), "token": token}, "header") {
		case "header":
			r.Header.Set("Authorization", "Bearer "+token)
		case "query":
			q := r.URL.Query()
			q.Set("access_token", token)
			r.URL.RawQuery = q.Encode()
		}
		return r, nil
	})
}

// follow sends the request that makes gives for the target, and for each place that it redirects to.
func (w *worker) follow(ctx context.Context, target string, request func(u *url.URL, hop int) (*http.Request, error)) (*answer, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, fail(broken, "the URL %q can't be read", target)
	}
	for hop := 0; ; hop++ {
		r, err := request(u, hop)
		if err != nil {
			return nil, err
		}
		a, err := w.send(ctx, r)
		if err != nil {
			return nil, err
		}
		location := a.header.Get("Location")
		switch a.status {
		case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		default:
			return a, nil
		}
		next, err := u.Parse(location)
		if err != nil || location == "" {
			return nil, fail(broken, "%s redirects to nowhere", where(u))
		}
		if hop == maxRedirects {
			return nil, fail(broken, "%s redirects too often", target)
		}
		u = next
	}
}

// permit tells whether a URL may get the access token (TGT-23): the source's FHIR base, and what a next
// link names on its origin.
func (w *worker) permit(ctx context.Context, u *url.URL, by string) error {
	base := w.base()
	var verdict error
	switch {
	case !sameOrigin(u, base):
		verdict = fail(broken, "a %s link leads to another host, %s; it gets no token", by, where(u))
	case u.User != nil:
		verdict = fail(broken, "a %s link to %s carries a user", by, where(u))
	case by != byNext && !below(u, base):
		verdict = fail(broken, "a %s link leads out of the source's base, to %s; it gets no token", by, where(u))
	}
	in := check.Inputs{"url": u.String(), "source": base.String(), "by": by, "secret": "access_token"}
	return refusal(w.Checks.Do(ctx, "TGT-23", in, verdict), broken)
}

// refusal is err as a failure: one that came of an override is of the given kind.
func refusal(err error, k kind) error {
	if err == nil || asFailure(err) != nil {
		return err
	}
	return fail(k, "%s", err.Error())
}

func (w *worker) base() *url.URL {
	u, err := url.Parse(w.state().Base)
	if err != nil {
		return &url.URL{} // matches nothing
	}
	return u
}

func sameOrigin(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b) && a.Hostname() != ""
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if strings.EqualFold(u.Scheme, "https") {
		return "443"
	}
	return "80"
}

// below tells whether u's path is the base's or under it, dots resolved: a server may resolve them too.
func below(u, base *url.URL) bool {
	at, root := path.Clean("/"+u.Path), strings.TrimRight(base.Path, "/")
	return at == root || strings.HasPrefix(at, root+"/")
}

// failureOf turns an answer that isn't 200 into a failure; nil for 200.
func (w *worker) failureOf(a *answer) *failure {
	f := &failure{status: a.status, text: fmt.Sprintf("%s answers %d", where(a.url), a.status)}
	switch {
	case a.status == http.StatusOK:
		return nil
	case a.status == http.StatusTooManyRequests, a.status == http.StatusServiceUnavailable:
		f.kind, f.after = passing, w.retryAfter(a.header)
	case a.status >= 500, a.status == http.StatusRequestTimeout, a.status == http.StatusTooEarly:
		f.kind = passing
	case a.status >= 400:
		f.kind = refused
	default:
		f.kind = broken
	}
	return f
}

// retryAfter reads Retry-After, seconds or a date; a date counts from the source's own, so that clocks
// that disagree do no harm.
func (w *worker) retryAfter(h http.Header) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	from, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		from = w.Clock.Now()
	}
	return max(0, at.Sub(from))
}
