package script

import (
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"example.org/ccde/mockehr/clock"
	"example.org/ccde/mockehr/control"
)

// Bounds of the history. What is judged must be kept whole: a token answer, Parameters, a page of 50
// resources are far below maxKept.
const (
	maxExchanges = 10000
	maxBytes     = 64 << 20 // of all bodies and heads
	maxKept      = 1 << 20  // of one body
)

// history is what a node received and sent: the latest exchanges, bounded by number and by bytes.
type history struct {
	clock *clock.Clock

	mu    sync.Mutex
	seq   int64
	list  []*entry // by seq
	bytes int64    // that the list keeps
}

// History is what the node received and sent, in the order in which it began. Never nil.
func (e *Engine) History(q control.HistoryQuery) []control.Exchange {
	entries := slices.DeleteFunc(e.history.since(q.Since), func(en *entry) bool { return !en.wanted(q) })
	if q.Last > 0 && len(entries) > q.Last {
		entries = entries[len(entries)-q.Last:]
	}
	list := make([]control.Exchange, len(entries))
	for i, en := range entries {
		list[i] = en.snapshot()
	}
	return list
}

// ClearHistory forgets all exchanges, also those that are not over yet. Seq goes on from where it is.
func (e *Engine) ClearHistory() {
	h := &e.history
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, en := range h.list {
		en.forgotten = true
	}
	h.list, h.bytes = nil, 0
}

func (h *history) since(seq int64) []*entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	// The list has no gaps: nothing is forgotten but from its beginning.
	skip := 0
	if n := len(h.list); n > 0 {
		skip = int(min(max(seq+1-h.list[0].seq, 0), int64(n)))
	}
	return append([]*entry{}, h.list[skip:]...)
}

// begins begins the exchange of a request that came in. What goes by of its body is for the caller to
// record.
func (h *history) begins(r *http.Request) *entry {
	scheme := "http://"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" { // behind a front door that speaks TLS
		scheme = "https://"
	}
	url := r.RequestURI
	if !r.URL.IsAbs() {
		url = scheme + r.Host + url
	}
	en := h.begin(control.Received, r.RemoteAddr, r, url)
	en.takes(r)
	return en
}

func (h *history) begin(side, peer string, r *http.Request, url string) *entry {
	en := &entry{history: h}
	en.ex = control.Exchange{Side: side, At: h.clock.Now(), Real: time.Now(), Peer: peer, Method: r.Method, URL: url,
		Proto: r.Proto, RequestHeader: control.Header(r.Header.Clone()), Pending: true}
	size := headSize(url, r.Header)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seq++
	en.seq, en.ex.Seq = h.seq, h.seq
	h.list = append(h.list, en)
	h.grow(en, size)
	return en
}

// grown counts bytes that an entry keeps from now on.
func (h *history) grown(en *entry, size int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.grow(en, size)
}

// grow counts bytes of an entry, and forgets the oldest ones beyond the bounds. The latest always stays.
func (h *history) grow(en *entry, size int64) {
	if en.forgotten {
		return
	}
	en.bytes += size
	h.bytes += size
	for len(h.list) > 1 && (len(h.list) > maxExchanges || h.bytes > maxBytes) {
		oldest := h.list[0]
		oldest.forgotten = true
		h.bytes -= oldest.bytes
		h.list[0] = nil
		h.list = h.list[1:]
	}
}

func headSize(url string, header http.Header) int64 {
	n := len(url)
	for name, values := range header {
		for _, value := range values {
			n += len(name) + len(value)
		}
	}
	return int64(n)
}

// peerOf is the host:port that a request goes to.
func peerOf(r *http.Request) string {
	port := r.URL.Port()
	switch {
	case port != "":
	case r.URL.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return net.JoinHostPort(r.URL.Hostname(), port)
}
