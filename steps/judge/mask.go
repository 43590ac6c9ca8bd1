package judge

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Masker gives every secret of a run a label that shows nothing of it and stays
// the same through the run, such as "jwt-1 sha256:ab12cd34ef56", so that "the
// same one" and "another one" can still be told. It is safe for concurrent use.
type Masker struct {
	mu       sync.Mutex
	labels   map[string]string // secret to label
	counts   map[string]int
	standing map[string]string // secrets of the whole run, such as the bearers
}

// NewMasker makes a masker that knows no secret yet.
func NewMasker() *Masker {
	return &Masker{labels: map[string]string{}, counts: map[string]int{}, standing: map[string]string{}}
}

// Standing names a secret that is one in every scenario. The kind is a short
// word for people: "bearer", "secret".
func (m *Masker) Standing(kind, secret string) {
	if secret == "" {
		return
	}
	label := m.label(kind, secret)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.standing[secret] = label
}

// label is the secret's label; the first kind that it came as stays.
func (m *Masker) label(kind, secret string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l, ok := m.labels[secret]; ok {
		return l
	}
	m.counts[kind]++
	sum := sha256.Sum256([]byte(secret))
	l := fmt.Sprintf("%s-%d sha256:%s", kind, m.counts[kind], hex.EncodeToString(sum[:6]))
	m.labels[secret] = l
	return l
}

// minPlain is the length from which a secret is masked wherever it stands. A
// shorter one (an authorization may be a single letter) is masked only as a whole
// value: else it would tear words apart.
const minPlain = 8

// masked replaces a fixed set of secrets.
type masked struct{ finder *finder }

func (m masked) mask(text string) string {
	if text == "" || m.finder == nil {
		return text
	}
	return m.finder.replace(text)
}

// masker is the replacer for all that this scenario and the run know by now.
func (r *Record) masker() masked {
	r.mu.Lock()
	all := make(map[string]string, len(r.learnt)+2)
	for s, l := range r.learnt {
		all[s] = l
	}
	r.mu.Unlock()
	r.opts.Masker.mu.Lock()
	for s, l := range r.opts.Masker.standing {
		all[s] = l
	}
	r.opts.Masker.mu.Unlock()
	if len(all) == 0 {
		return masked{}
	}
	secrets := make([]string, 0, len(all))
	for s := range all {
		secrets = append(secrets, s)
	}
	// The longest first: a secret within another must not spoil it.
	slices.SortFunc(secrets, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	var patterns []pattern
	for _, s := range secrets {
		if len(s) < minPlain {
			patterns = append(patterns, pattern{before: `"`, want: s, after: `"`, label: all[s]}, pattern{before: "=", want: s, after: "&", label: all[s]})
			continue
		}
		for _, want := range spellings(s) {
			patterns = append(patterns, pattern{want: want, label: all[s]})
		}
	}
	return masked{newFinder(patterns)}
}

// spellings are the texts that give a secret away: itself, and its base64.
func spellings(secret string) []string {
	out := []string{secret}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		for _, text := range inBase64(enc, secret) {
			if !slices.Contains(out, text) {
				out = append(out, text)
			}
		}
	}
	return out
}

// inBase64 is the part of the secret's base64 text that doesn't depend on what
// stands before and after it, for each of the three places it can begin at.
func inBase64(enc *base64.Encoding, secret string) []string {
	var out []string
	for shift := range 3 {
		text := enc.EncodeToString([]byte(strings.Repeat("\x00", shift) + secret))
		first := (shift*8 + 5) / 6 // the characters that hold bits of what stands before
		last := len(text)
		if tail := (shift + len(secret)) % 3; tail != 0 {
			last -= 4 - tail // padding, and the character that shares bits with what follows
		}
		if last-first >= minPlain {
			out = append(out, text[first:last])
		}
	}
	return out
}
