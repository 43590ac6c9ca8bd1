package script

import (
	"net/http"
	"net/url"
	"strings"

	"example.org/ccde/mockehr/control"
)

// matcher is a compiled [control.Match].
type matcher struct {
	all  bool // fits anything
	want control.Match
	path []string // segments of the glob
	root string   // path that received paths are below
}

func compile(m control.Match, root string) matcher {
	return matcher{
		all:  m.Method == "" && m.Host == "" && m.Path == "" && len(m.Query) == 0 && len(m.Header) == 0 && m.Body == "" && m.Status == 0,
		want: m, path: segments(m.Path), root: root,
	}
}

// call tells whether a call fits, its answer too if there is one.
func (m matcher) call(c *Call) bool {
	return m.all || m.request(c) && (m.want.Status == 0 || c.Response != nil && c.Response.Status == m.want.Status)
}

// request tells whether a call's request fits.
func (m matcher) request(c *Call) bool {
	return m.all || m.head(c) && (m.want.Body == "" || c.contains(m.want.Body))
}

// head tells whether a request fits, as it is or, if it is a search by POST, as
// the GET that it stands for (FHIR http.html#search).
func (m matcher) head(c *Call) bool {
	r := c.Request
	if m.fits(r, r.Method, r.URL.Path, queryOf(r.URL)) {
		return true
	}
	path, search := strings.CutSuffix(r.URL.Path, "/_search")
	return search && m.want.Path != "" && r.Method == http.MethodPost && m.fits(r, http.MethodGet, path, c.parameters())
}

func (m matcher) fits(r *http.Request, method, path string, query func(name string) []string) bool {
	w := m.want
	host := r.URL.Host
	if host == "" {
		host = r.Host
	}
	switch {
	case w.Method != "" && !strings.EqualFold(w.Method, method), w.Host != "" && !glob(w.Host, host):
		return false
	case w.Path != "" && !globPath(m.path, segments(below(path, m.root))):
		return false
	case len(w.Query) > 0 && !hasAll(w.Query, query):
		return false
	}
	return len(w.Header) == 0 || hasAll(w.Header, r.Header.Values)
}

func queryOf(u *url.URL) func(name string) []string {
	values := u.Query()
	return func(name string) []string { return values[name] }
}

// hasAll tells whether each name has a value that fits its glob.
func hasAll(want map[string]string, values func(name string) []string) bool {
	for name, pattern := range want {
		found := false
		for _, value := range values(name) {
			found = found || glob(pattern, value)
		}
		if !found {
			return false
		}
	}
	return true
}

// below is what follows root in a path; the whole path if it is not below root.
func below(path, root string) string {
	if rest, ok := strings.CutPrefix(path, root); ok && (rest == "" || rest[0] == '/') {
		return rest
	}
	return path
}

func segments(path string) []string { return strings.Split(strings.Trim(path, "/"), "/") }

// globPath matches the segments of a path: ** is any number of them. It takes no more steps than the
// product of the two lengths.
func globPath(pattern, path []string) bool {
	return wild(len(pattern), len(path),
		func(i int) bool { return pattern[i] == "**" },
		func(i, j int) bool { return glob(pattern[i], path[j]) })
}

// glob matches a text: * is any part of it.
func glob(pattern, text string) bool {
	return wild(len(pattern), len(text),
		func(i int) bool { return pattern[i] == '*' },
		func(i, j int) bool { return pattern[i] == text[j] })
}

// wild matches a pattern of n parts with m parts: where star says so, a part fits any number of them,
// else one for which same says so. On a mismatch only the last star is tried again with one more: what
// an earlier one could do, a later one can too.
func wild(n, m int, star func(i int) bool, same func(i, j int) bool) bool {
	i, j, last, from := 0, 0, -1, 0
	for j < m {
		switch {
		case i < n && star(i):
			last, from = i, j
			i++
		case i < n && same(i, j):
			i++
			j++
		case last >= 0:
			from++
			i, j = last+1, from
		default:
			return false
		}
	}
	for i < n && star(i) {
		i++
	}
	return i == n
}
