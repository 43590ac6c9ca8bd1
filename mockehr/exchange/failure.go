package exchange

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"sort"
	"strings"
	"time"
	"unicode"

	"example.org/ccde/mockehr/check"
)

// kind is what a failure means for what comes next.
type kind int

const (
	passing kind = iota // may be gone in a moment: no answer, 429, 5xx
	broken              // what came can't be used: HTML, half a Bundle, a wrong type
	refused             // the source won't: 401, 403, 404, 410 and other 4xx
	fatal               // the connection can't go on
)

// failure is why something asked of a source didn't work. Its text may quote the source, so it goes
// through worker.clean before anybody sees it.
type failure struct {
	kind      kind
	text      string
	status    int           // HTTP status; 0: there was no answer
	after     time.Duration // Retry-After; 0: none
	transport bool          // there was no whole answer
}

func (f *failure) Error() string { return f.text }

func fail(k kind, format string, args ...any) *failure {
	return &failure{kind: k, text: fmt.Sprintf(format, args...)}
}

// Ends of work that are no failure of the source.
var (
	errExpired = errors.New("expires_in has passed")
	errOver    = errors.New("the connection is over")
)

// asFailure returns err as a failure; nil if it is something else: an end of work, or the store's.
func asFailure(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	return nil
}

// Bounds of what a message shows of one problem, and in all.
const (
	maxProblem  = 300
	maxMessage  = 1500
	minToScrub  = 4 // shorter secrets are no secrets, and would blank out plain words
	placeholder = "[secret]"
)

var secretLooking = regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?|(?i:\b(?:bearer|basic)\s+)[^\s,;"']+|urn:oauth:[^\s,;"'<>]+`)

// clean is text as it may be shown (TGT-42): without any secret of the connection, in the forms that a
// source may echo them, and of bounded length. It is scrubbed before it is cut, so that no half of a
// secret stays.
func (w *worker) clean(ctx context.Context, text string) string {
	scrubbed := text
	for _, s := range w.secrets() {
		scrubbed = strings.ReplaceAll(scrubbed, s, placeholder)
	}
	scrubbed = secretLooking.ReplaceAllString(scrubbed, placeholder)
	scrubbed = strings.Join(strings.FieldsFunc(scrubbed, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	scrubbed = shorten(strings.ToValidUTF8(scrubbed, "?"), maxProblem)
	st := w.state()
	in := check.Inputs{"connection": st.ID, "text": text, "jwt": st.JWT, "authorization": st.Authorization, "token": st.Token.Value}
	return check.Value(ctx, w.Checks, "TGT-42", in, scrubbed)
}

// secrets are the texts that must not be shown, the longest first, so that none leaves the rest of
// another behind.
func (w *worker) secrets() []string {
	st := w.state()
	w.seen[st.JWT], w.seen[st.Authorization], w.seen[st.Token.Value] = true, true, true
	forms := map[string]bool{}
	for s := range w.seen {
		forms[s], forms[url.QueryEscape(s)], forms[url.PathEscape(s)] = true, true, true
		forms[strings.TrimPrefix(s, "urn:oauth:")] = true
		forms[strings.TrimPrefix(s, "urn:uuid:")] = true
	}
	for _, part := range strings.Split(st.JWT, ".") {
		forms[part] = true
	}
	list := make([]string, 0, len(forms))
	for s := range forms {
		if len(s) >= minToScrub {
			list = append(list, s)
		}
	}
	sort.Slice(list, func(i, j int) bool { return len(list[i]) > len(list[j]) })
	return list
}

// shorten cuts text to at most n bytes, between runes.
func shorten(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + ".."
}

// problems are what is wrong at the moment, by what it is about, in the order in which it came.
type problems struct {
	about []string
	text  map[string]string
}

func (p *problems) set(about, text string) {
	if p.text == nil {
		p.text = map[string]string{}
	}
	if _, ok := p.text[about]; !ok {
		p.about = append(p.about, about)
	}
	p.text[about] = text
}

func (p *problems) clear(about string) {
	if _, ok := p.text[about]; !ok {
		return
	}
	delete(p.text, about)
	left := p.about[:0]
	for _, a := range p.about {
		if a != about {
			left = append(left, a)
		}
	}
	p.about = left
}

func (p *problems) String() string {
	parts := make([]string, 0, len(p.about))
	for _, a := range p.about {
		parts = append(parts, a+": "+p.text[a])
	}
	return shorten(strings.Join(parts, "; "), maxMessage)
}
