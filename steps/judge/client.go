package judge

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"example.org/ccde/reports"
)

// UserAgent is what the harness calls itself, so that a request of its own can be
// told from others in a node's history.
const UserAgent = "ccde-judge"

// maxBody bounds what is read of an answer; maxKept what a report shows of a body
// that a finding is about, maxBeside of any other.
const (
	maxBody   = 64 << 20
	maxKept   = 64 << 10
	maxBeside = 12 << 10
)

// kept is an exchange as it was, unmasked. It never leaves the package.
type kept struct {
	reports.Exchange
	number int  // stays, while Seq is drawn when the exchanges are put in order
	own    bool // sent by the harness
}

// Request is one request that the harness sends in somebody's name.
type Request struct {
	From, To string // who calls whom, for the report
	Method   string
	URL      string
	Header   http.Header
	Body     []byte
	// Size is, in place of Body, that of a body of white space, which is made
	// while it is sent and not kept.
	Size int64
}

// Response is an answer, read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	// Number names the exchange for Record.About.
	Number int
	// Began and Took are real time.
	Began time.Time
	Took  time.Duration
}

// Do sends a request and records the exchange, also one that got no answer.
// Redirects are not followed. The client's transport decides how hosts are found.
func (r *Record) Do(ctx context.Context, client *http.Client, q Request) (*Response, error) {
	var body io.Reader = bytes.NewReader(q.Body)
	if q.Size > 0 {
		body = &blank{q.Size}
	}
	req, err := http.NewRequestWithContext(ctx, q.Method, q.URL, body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", q.Method, q.URL, err)
	}
	if q.Size > 0 {
		req.ContentLength = q.Size
	}
	for name, values := range q.Header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", UserAgent)
	once := *client
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

	k := kept{own: true, Exchange: reports.Exchange{
		At: time.Now().UTC(), From: q.From, To: q.To, Method: q.Method, URL: q.URL,
		RequestHeaders: ordered(req.Header), RequestBody: string(q.Body)}}
	out := &Response{Began: k.At}
	answer, err := once.Do(req)
	if err == nil {
		out.Status, out.Header = answer.StatusCode, answer.Header
		out.Body, err = io.ReadAll(io.LimitReader(answer.Body, maxBody))
		answer.Body.Close()
		k.Status, k.ResponseHeaders, k.ResponseBody = out.Status, ordered(out.Header), string(out.Body)
	}
	out.Took = time.Since(k.At)
	k.DurationMS = float64(out.Took.Microseconds()) / 1000
	if err != nil {
		k.Error = err.Error()
		err = fmt.Errorf("no answer from %s to %s %s: %w", q.To, q.Method, q.URL, err)
	}
	out.Number = r.keep(k)
	return out, err
}

// blank is white space of a size.
type blank struct{ left int64 }

func (b *blank) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), b.left))
	for i := range p[:n] {
		p[i] = ' '
	}
	b.left -= int64(n)
	return n, nil
}

// Add records an exchange that the harness did not send: what a mock's history
// holds. It returns the number for About.
func (r *Record) Add(e reports.Exchange) int { return r.keep(kept{Exchange: e}) }

func (r *Record) keep(k kept) int {
	r.learn(&k)
	r.mu.Lock()
	defer r.mu.Unlock()
	k.number = len(r.exchanges) + 1
	r.exchanges = append(r.exchanges, k)
	return k.number
}

// Exchanges are all exchanges in order of time, masked, numbered from 1.
func (r *Record) Exchanges() []reports.Exchange {
	m, about := r.masker(), r.shown()
	all := r.inTime()
	out := make([]reports.Exchange, 0, len(all))
	for i, k := range all {
		e := k.Exchange
		e.Seq = i + 1
		e.URL = maskURL(e.URL, m)
		e.RequestHeaders = r.hideHeaders(e.RequestHeaders, m)
		e.ResponseHeaders = r.hideHeaders(e.ResponseHeaders, m)
		limit := maxBeside
		if about[k.number] {
			limit = maxKept
		}
		// A short secret at a form's end is found by the "&" that follows it.
		e.RequestBody = shorten(strings.TrimSuffix(m.mask(e.RequestBody+"&"), "&"), limit)
		e.ResponseBody = shorten(m.mask(e.ResponseBody), limit)
		e.Error = m.mask(e.Error)
		out = append(out, e)
	}
	return out
}

func (r *Record) hideHeaders(headers [][2]string, m masked) [][2]string {
	out := make([][2]string, 0, len(headers))
	for _, h := range headers {
		out = append(out, [2]string{h[0], r.hideHeader(h[0], h[1], m)})
	}
	return out
}

func (r *Record) inTime() []kept {
	r.mu.Lock()
	all := slices.Clone(r.exchanges)
	r.mu.Unlock()
	slices.SortStableFunc(all, func(a, b kept) int { return a.At.Compare(b.At) })
	return all
}

// order gives each exchange's Seq by its number.
func (r *Record) order() map[int]int {
	out := map[int]int{}
	for i, k := range r.inTime() {
		out[k.number] = i + 1
	}
	return out
}

func maskURL(text string, m masked) string {
	return strings.TrimSuffix(m.mask(text+"&"), "&")
}

func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + fmt.Sprintf("\n... and %d bytes more", len(text)-limit)
}

// shown are the numbers of the exchanges that a finding is about which is no pass.
func (r *Record) shown() map[int]bool {
	all := r.inTime()
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[int]bool{}
	for _, f := range r.findings {
		for _, n := range f.numbers(all) {
			out[n] = out[n] || f.Verdict != reports.Passed
		}
	}
	return out
}

// ordered lists headers by name.
func ordered(h http.Header) [][2]string {
	var out [][2]string
	for name, values := range h {
		for _, v := range values {
			out = append(out, [2]string{name, v})
		}
	}
	slices.SortStableFunc(out, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return out
}

// Redact is a text as a report may show it.
func (r *Record) Redact(text string) string { return r.masker().mask(text) }

// RedactURL is Redact for a URL.
func (r *Record) RedactURL(text string) string {
	if _, err := url.Parse(text); err != nil {
		return r.Redact(text)
	}
	return maskURL(text, r.masker())
}
