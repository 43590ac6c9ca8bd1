package script

import "io"

// replay is a body that keeps what was read of it, so that it can be read again from its beginning. It
// belongs to one goroutine at a time.
type replay struct {
	source io.ReadCloser // nil for one that was made here
	data   []byte        // what was read, up to a little over maxBody
	whole  bool          // that is all
	err    error         // what the source said after it
}

// read reads until limit bytes are there, and returns all that are; whole if there are no more.
func (b *replay) read(limit int) (data []byte, whole bool, err error) {
	if want := limit + 1 - len(b.data); want > 0 && !b.whole && b.err == nil {
		more, err := io.ReadAll(io.LimitReader(b.source, int64(want)))
		b.data = append(b.data, more...)
		b.err, b.whole = err, err == nil && len(more) < want
	}
	if len(b.data) > limit {
		return b.data[:limit], false, nil
	}
	return b.data, b.whole, b.err
}

// reader gives the whole body from its beginning, and keeps what it reads of the source. Of all readers
// only the latest may be read.
func (b *replay) reader() io.ReadCloser { return &rereader{b: b} }

func (b *replay) close() {
	if b.source != nil {
		_ = b.source.Close() // it is given up; nobody waits for the rest
	}
}

type rereader struct {
	b  *replay
	at int // read so far, of data
}

func (r *rereader) Read(p []byte) (int, error) {
	b := r.b
	switch {
	case r.at < len(b.data):
		n := copy(p, b.data[r.at:])
		r.at += n
		return n, nil
	case b.err != nil:
		return 0, b.err
	case b.whole:
		return 0, io.EOF
	}
	n, err := b.source.Read(p)
	if len(b.data) <= maxBody { // beyond that no rule sees it
		b.data = append(b.data, p[:n]...)
		r.at = len(b.data)
	}
	switch err {
	case nil:
	case io.EOF:
		b.whole = len(b.data) <= maxBody
		b.err = nil
	default:
		b.err = err
	}
	return n, err
}

// Close closes the source.
func (r *rereader) Close() error {
	if r.b.source == nil {
		return nil
	}
	return r.b.source.Close()
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
