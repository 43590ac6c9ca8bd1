package fhir

import "io"

// lineReader passes a stream on and remembers where its lines begin, as far as
// its reader may still ask for them.
type lineReader struct {
	r      io.Reader
	offset func() int64 // how far the stream is understood
	read   int64
	line   int     // the line of the first item of starts, from 1
	starts []int64 // offsets at which lines begin, ascending, never empty
}

func newLineReader(r io.Reader, offset func() int64) *lineReader {
	return &lineReader{r: r, offset: offset, line: 1, starts: []int64{0}}
}

func (l *lineReader) Read(p []byte) (int, error) {
	l.forget(l.offset())
	n, err := l.r.Read(p)
	for i, c := range p[:n] {
		if c == '\n' {
			l.starts = append(l.starts, l.read+int64(i)+1)
		}
	}
	l.read += int64(n)
	return n, err
}

// forget drops the lines that end before offset.
func (l *lineReader) forget(offset int64) {
	n := l.upTo(offset)
	l.line += n
	l.starts = append(l.starts[:0], l.starts[n:]...)
}

// upTo is the index in starts of the line that offset is in.
func (l *lineReader) upTo(offset int64) int {
	n := 0
	for n+1 < len(l.starts) && l.starts[n+1] <= offset {
		n++
	}
	return n
}

// position turns an offset into a line and a column in bytes, both from 1.
func (l *lineReader) position(offset int64) (line, column int) {
	n := l.upTo(offset)
	return l.line + n, int(max(offset-l.starts[n], 0)) + 1
}
