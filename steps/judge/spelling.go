package judge

import (
	"html"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// This file finds a text however its characters are written. A server may
// write "/" as it is, "\/" or "\u002f" in JSON, "%2F" in a URL, "&#47;" in XML
// or a page, and one of these within another, such as a URL in JSON.

// layers is how many of these may lie one within another.
const layers = 2

// maxTried bounds the search for one text at one place: one of hundreds of
// backslashes could be read in too many ways.
const maxTried = 1000

// maxEntity is how long an entity may be, from "&" to ";".
const maxEntity = 16

// escapes says whether an escape may begin with c.
func escapes(c byte) bool { return c == '\\' || c == '%' || c == '&' }

// singles holds each byte, so that reading one makes no new string.
var singles = func() string {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	return string(all)
}()

func single(b byte) string { return singles[b : int(b)+1] }

// read is the character at i with so many layers of escapes taken off, and
// where it ends. It may be several bytes.
func read(text string, i, layer int) (plain string, end int) {
	if layer == 0 || i >= len(text) || !escapes(text[i]) {
		return text[i:min(i+1, len(text))], i + 1
	}
	lead, end := read(text, i, layer-1)
	switch lead {
	case "%":
		if n, after, ok := readHex(text, end, 2, layer-1); ok {
			return single(byte(n)), after
		}
	case `\`:
		if plain, after, ok := readBackslash(text, end, layer-1); ok {
			return plain, after
		}
	case "&":
		if plain, after, ok := readEntity(text, end, layer-1); ok {
			return plain, after
		}
	}
	return lead, end
}

func readHex(text string, i, digits, layer int) (n rune, end int, ok bool) {
	var all [4]byte
	for d := range digits {
		if i >= len(text) {
			return 0, 0, false
		}
		digit, after := read(text, i, layer)
		if len(digit) != 1 {
			return 0, 0, false
		}
		all[d], i = digit[0], after
	}
	v, err := strconv.ParseUint(string(all[:digits]), 16, 16)
	return rune(v), i, err == nil
}

// readBackslash reads what follows a "\" in JSON, or in a text as Go or
// JavaScript quotes it.
func readBackslash(text string, i, layer int) (plain string, end int, ok bool) {
	if i >= len(text) {
		return "", 0, false
	}
	kind, i := read(text, i, layer)
	switch kind {
	case "x":
		n, end, ok := readHex(text, i, 2, layer)
		return single(byte(n)), end, ok
	case "u":
		n, end, ok := readHex(text, i, 4, layer)
		if !ok {
			return "", 0, false
		}
		if utf16.IsSurrogate(n) { // the other half follows
			for _, want := range []string{`\`, "u"} {
				if end >= len(text) {
					return "", 0, false
				}
				got, after := read(text, end, layer)
				if got != want {
					return "", 0, false
				}
				end = after
			}
			var low rune
			if low, end, ok = readHex(text, end, 4, layer); !ok {
				return "", 0, false
			}
			n = utf16.DecodeRune(n, low)
		}
		return string(n), end, true
	case `"`, `\`, "/", "'":
		return kind, i, true
	}
	if at := strings.Index("bfnrt", kind); at >= 0 {
		return "\b\f\n\r\t"[at : at+1], i, true
	}
	return "", 0, false
}

func readEntity(text string, i, layer int) (plain string, end int, ok bool) {
	name := make([]byte, 0, maxEntity)
	name = append(name, '&')
	for len(name) < maxEntity && i < len(text) {
		c, after := read(text, i, layer)
		name, i = append(name, c...), after
		if c == ";" {
			plain = html.UnescapeString(string(name))
			return plain, i, plain != string(name)
		}
		if len(c) != 1 || !(c == "#" || '0' <= c[0] && c[0] <= '9' || 'a' <= c[0]|0x20 && c[0]|0x20 <= 'z') {
			break
		}
	}
	return "", 0, false
}

// readings are the ways to read the character at i, each once.
func readings(text string, i int) (plain [layers + 1]string, ends [layers + 1]int, n int) {
	if !escapes(text[i]) {
		plain[0], ends[0] = text[i:i+1], i+1
		return plain, ends, 1
	}
	for layer := range layers + 1 {
		c, end := read(text, i, layer)
		if n > 0 && ends[n-1] == end {
			continue // this layer has no escape here
		}
		plain[n], ends[n] = c, end
		n++
	}
	return plain, ends, n
}

// spelt says where want ends in text if it stands at i, however it is written;
// -1 if it does not.
func spelt(text string, i int, want string) int { return speltFrom(text, i, want, 0, nil) }

// speltFrom looks for want[j:]. Where a character can be read in several ways
// that all fit, tried keeps what led nowhere.
func speltFrom(text string, i int, want string, j int, tried map[[2]int]bool) int {
	for j < len(want) {
		if i >= len(text) {
			return -1
		}
		if c := text[i]; !escapes(c) {
			if c != want[j] && (c != '+' || want[j] != ' ') { // "+" is a space in a form
				return -1
			}
			i, j = i+1, j+1
			continue
		}
		plain, ends, n := readings(text, i)
		fits := make([]int, 0, layers+1)
		for k := range n {
			if plain[k] != "" && strings.HasPrefix(want[j:], plain[k]) {
				fits = append(fits, k)
			}
		}
		if len(fits) == 0 {
			return -1
		}
		if len(fits) > 1 {
			if tried == nil {
				tried = map[[2]int]bool{}
			}
			// The longest first: the whole of it is to go.
			for _, k := range slices.Backward(fits) {
				at := [2]int{ends[k], j + len(plain[k])}
				if tried[at] || len(tried) > maxTried {
					continue
				}
				if end := speltFrom(text, at[0], want, at[1], tried); end >= 0 {
					return end
				}
				tried[at] = true
			}
			return -1
		}
		i, j = ends[fits[0]], j+len(plain[fits[0]])
	}
	return i
}

// Shows says whether a text holds a secret, however it is written, base64
// included. A secret of few characters counts where it stands alone.
func Shows(text, secret string) bool {
	if secret == "" || text == "" {
		return false
	}
	for _, want := range spellings(secret) {
		for i := range len(text) {
			end := spelt(text, i, want)
			if end >= 0 && (len(secret) >= minPlain || !wordAt(text, i-1, -1) && !wordAt(text, end, 1)) {
				return true
			}
		}
	}
	return false
}

// wordAt says whether a letter or digit stands at i, or ends there.
func wordAt(text string, i, direction int) bool {
	if i < 0 || i >= len(text) {
		return false
	}
	r, _ := utf8.DecodeRuneInString(text[i:])
	if direction < 0 {
		r, _ = utf8.DecodeLastRuneInString(text[:i+1])
	}
	return r == '_' || '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z' || r > utf8.RuneSelf
}

// pattern is a text to find and what it is replaced by. What stands before and
// after it must be there and stays, as it is written.
type pattern struct{ before, want, after, label string }

// at says where the pattern begins and ends if it stands at i.
func (p *pattern) at(text string, i int) (begin, end int, ok bool) {
	if begin = spelt(text, i, p.before); begin < 0 {
		return 0, 0, false
	}
	if end = spelt(text, begin, p.want); end < 0 {
		return 0, 0, false
	}
	return begin, end, p.after == "" || spelt(text, end, p.after) >= 0
}

// finder replaces patterns, the first of a list that fits at a place. Most
// places of a text are passed over by a look at two bytes.
type finder struct {
	patterns []pattern
	begins   [256][]int // by the first byte
	class    [256]uint8
	pairs    [1 << 16 / 64]uint64 // the first two bytes
}

// What a byte of a text can be to a finder.
const (
	mayBegin = 1 << iota
	otherToo // it may stand for another
)

func newFinder(patterns []pattern) *finder {
	f := &finder{patterns: patterns}
	for c := range f.class {
		if escapes(byte(c)) || c == '+' {
			f.class[c] = otherToo
		}
	}
	for i := range patterns {
		whole := patterns[i].before + patterns[i].want + patterns[i].after
		first := whole[0]
		f.begins[first] = append(f.begins[first], i)
		f.class[first] |= mayBegin
		pair := uint16(first)<<8 | uint16(whole[1])
		f.pairs[pair/64] |= 1 << (pair % 64)
	}
	return f
}

func (f *finder) replace(text string) string {
	var out strings.Builder
	done := 0
	for i := 0; i < len(text); i++ {
		class := f.class[text[i]]
		if class == 0 || class == mayBegin && i+1 < len(text) && f.class[text[i+1]]&otherToo == 0 && !f.pair(text[i], text[i+1]) {
			continue
		}
		p, begin, end := f.find(text, i)
		if p == nil {
			continue
		}
		out.WriteString(text[done:begin])
		out.WriteString(p.label)
		done = end
		i = max(i, end-1)
	}
	if done == 0 {
		return text
	}
	out.WriteString(text[done:])
	return out.String()
}

// goesOn says whether what stands at i can be a pattern's second byte.
func (f *finder) goesOn(first byte, text string, i int) bool {
	if i >= len(text) {
		return false
	}
	if f.class[text[i]]&otherToo == 0 {
		return f.pair(first, text[i])
	}
	if text[i] == '+' && f.pair(first, ' ') {
		return true
	}
	plain, _, n := readings(text, i)
	for k := range n {
		if f.pair(first, plain[k][0]) {
			return true
		}
	}
	return false
}

func (f *finder) pair(first, second byte) bool {
	pair := uint16(first)<<8 | uint16(second)
	return f.pairs[pair/64]&(1<<(pair%64)) != 0
}

// find is the first pattern that stands at i, nil if none does.
func (f *finder) find(text string, i int) (p *pattern, begin, end int) {
	best := len(f.patterns)
	try := func(first byte) {
		for _, k := range f.begins[first] {
			if k >= best {
				return
			}
			if from, to, ok := f.patterns[k].at(text, i); ok {
				best, begin, end = k, from, to
				return
			}
		}
	}
	plain, ends, n := readings(text, i)
	for k := range n {
		// A character of several bytes is looked at as a whole.
		if len(plain[k]) > 1 || f.goesOn(plain[k][0], text, ends[k]) {
			try(plain[k][0])
		}
	}
	if text[i] == '+' {
		try(' ')
	}
	if best == len(f.patterns) {
		return nil, 0, 0
	}
	return &f.patterns[best], begin, end
}
