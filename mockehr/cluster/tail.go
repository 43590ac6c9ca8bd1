package cluster

import (
	"bytes"
	"sync"
)

// tail keeps the last bytes written to it: what a node said before it failed.
type tail struct {
	limit int

	mu      sync.Mutex
	buf     []byte
	skipped bool
}

func newTail() *tail { return &tail{limit: 64 << 10} }

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	// Trimmed only at twice the limit, so that a write costs no copy of all.
	if len(t.buf) > 2*t.limit {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-t.limit:]...)
		t.skipped = true
	}
	return len(p), nil
}

// String is what is kept, from the beginning of a line.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	buf := t.buf
	skipped := t.skipped
	if len(buf) > t.limit {
		buf, skipped = buf[len(buf)-t.limit:], true
	}
	if skipped {
		if i := bytes.IndexByte(buf, '\n'); i >= 0 {
			buf = buf[i+1:]
		}
		return "...\n" + string(buf)
	}
	return string(buf)
}
