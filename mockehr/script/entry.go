package script

import (
	"encoding/base64"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"example.org/ccde/mockehr/control"
)

// entry is one exchange in the history, written while it goes on. Its methods may be called from any
// goroutine, also after it has ended or is forgotten.
type entry struct {
	history *history
	seq     int64 // never changes

	bytes     int64 // that it keeps; guarded by the history's lock
	forgotten bool  // no longer in the history; guarded by the history's lock

	mu                sync.Mutex
	ex                control.Exchange // all but the bodies
	request, response kept
}

// kept is what the history keeps of a body.
type kept struct {
	data      []byte // at most maxKept bytes of its beginning
	size      int64  // bytes that went by
	announced int64  // its whole length, by its head; -1: not known
	ended     bool   // its end went by
}

// wanted says whether a query, its place in the history aside, asks for the exchange.
func (en *entry) wanted(q control.HistoryQuery) bool {
	en.mu.Lock()
	defer en.mu.Unlock()
	return (q.Side == "" || q.Side == en.ex.Side) && (q.NotBy == "" || !slices.Contains(en.ex.RequestHeader["User-Agent"], q.NotBy))
}

// acted notes that a rule acts on the exchange.
func (en *entry) acted(id string) {
	en.mu.Lock()
	defer en.mu.Unlock()
	en.ex.Rules = append(en.ex.Rules, id)
}

// fault notes what a rule could not do.
func (en *entry) fault(id string, err error) {
	en.mu.Lock()
	defer en.mu.Unlock()
	en.ex.Faults = append(en.ex.Faults, id+": "+err.Error())
}

// takes notes what the head of a request says of its body, and tells whether there is one.
func (en *entry) takes(r *http.Request) bool {
	en.mu.Lock()
	defer en.mu.Unlock()
	en.request.announced, en.request.ended = r.ContentLength, r.Body == nil || r.Body == http.NoBody
	if r.ContentLength == 0 && !en.request.ended { // what a client says of a length that it doesn't know
		en.request.announced = -1
	}
	return !en.request.ended
}

// leaves notes a request as it leaves, after rules have changed it; its body is recorded as it is sent.
func (en *entry) leaves(r *http.Request) {
	url, header := r.URL.String(), r.Header.Clone()
	en.mu.Lock()
	en.ex.Method, en.ex.URL, en.ex.Peer, en.ex.RequestHeader = r.Method, url, peerOf(r), control.Header(header)
	en.mu.Unlock()
	if !en.takes(r) {
		return
	}
	r.Body = &tee{ReadCloser: r.Body, en: en, to: &en.request}
	if again := r.GetBody; again != nil {
		r.GetBody = func() (io.ReadCloser, error) { // the transport starts anew on another connection
			body, err := again()
			if err != nil {
				return nil, err
			}
			en.restart(&en.request)
			return &tee{ReadCloser: body, en: en, to: &en.request}, nil
		}
	}
}

// answers notes the head of an answer. length is that of the body, -1 if it isn't known.
func (en *entry) answers(status int, header http.Header, length int64) {
	header = header.Clone()
	size := headSize("", header)
	en.mu.Lock()
	en.ex.Status, en.ex.ResponseHeader = status, control.Header(header)
	en.response.announced, en.response.ended = length, length == 0
	en.mu.Unlock()
	en.history.grown(en, size)
}

// end ends the exchange; err is why there is no answer, or not all of it. Only the first call counts.
func (en *entry) end(err error) {
	en.mu.Lock()
	defer en.mu.Unlock()
	if !en.ex.Pending {
		return
	}
	en.ex.Pending = false
	en.ex.Took = control.Duration(time.Since(en.ex.Real))
	if err != nil {
		en.ex.Error = err.Error()
	}
}

// breaks ends the exchange with why its answer could not be written, also one that has ended because
// all of it was about to be.
func (en *entry) breaks(err error) {
	en.end(err)
	en.mu.Lock()
	defer en.mu.Unlock()
	if en.ex.Error == "" {
		en.ex.Error = err.Error()
	}
}

// passed records a part of a body that goes by.
func (en *entry) passed(to *kept, part []byte, last bool) {
	en.mu.Lock()
	to.size += int64(len(part))
	to.ended = to.ended || last
	part = part[:min(len(part), maxKept-len(to.data))]
	to.data = append(to.data, part...)
	en.mu.Unlock()
	if len(part) > 0 {
		en.history.grown(en, int64(len(part)))
	}
}

// complete tells whether as much of the answer's body went by as its head announced.
func (en *entry) complete() bool {
	en.mu.Lock()
	defer en.mu.Unlock()
	return en.response.size == en.response.announced
}

// restart forgets what went by of a body that starts anew.
func (en *entry) restart(to *kept) {
	en.mu.Lock()
	gone := len(to.data)
	*to = kept{announced: to.announced}
	en.mu.Unlock()
	en.history.grown(en, int64(-gone))
}

// snapshot is the exchange as far as it has come; nothing in it is shared with the entry.
func (en *entry) snapshot() control.Exchange {
	en.mu.Lock()
	defer en.mu.Unlock()
	ex := en.ex
	ex.Rules, ex.Faults = slices.Clone(ex.Rules), slices.Clone(ex.Faults)
	ex.RequestBody, ex.ResponseBody = en.request.body(!ex.Pending), control.Body{}
	if ex.Status != 0 {
		ex.ResponseBody = en.response.body(!ex.Pending)
	}
	return ex
}

// body is the body as far as it went by. It is truncated if not all that went by is kept, or, in an
// exchange that is over, if not all of it went by: nobody asked for the rest, or it was cut short.
func (k *kept) body(over bool) control.Body {
	b := control.Body{Size: k.size, Truncated: k.size > int64(len(k.data))}
	if over && k.announced > k.size {
		b.Size, b.Truncated = k.announced, true
	} else if over && k.announced < 0 && !k.ended {
		b.Truncated = true
	}
	text := k.data
	if b.Truncated {
		text = wholeRunes(text)
	}
	if utf8.Valid(text) {
		b.Text = string(text)
	} else {
		b.Text, b.Base64 = base64.StdEncoding.EncodeToString(k.data), true
	}
	return b
}

// wholeRunes leaves away the part of a rune at the end of a text that was cut off there.
func wholeRunes(text []byte) []byte {
	for i := len(text) - 1; i >= 0 && i >= len(text)-utf8.UTFMax; i-- {
		if utf8.RuneStart(text[i]) {
			if !utf8.FullRune(text[i:]) {
				return text[:i]
			}
			break
		}
	}
	return text
}

// tee records a body as it is read.
type tee struct {
	io.ReadCloser
	en *entry
	to *kept
}

func (t *tee) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if n > 0 || err == io.EOF {
		t.en.passed(t.to, p[:n], err == io.EOF)
	}
	return n, err
}

// lengthOf is the length of a body by its head; -1 if that doesn't say.
func lengthOf(method string, status int, header http.Header) int64 {
	if method == http.MethodHead || !allowsBody(status) {
		return 0
	}
	n, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

func allowsBody(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}
