package script

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/control"
)

func TestMatch(t *testing.T) {
	const root = "http://node.example:8080/n1"
	search := `POST ` + root + `/r3/Patient/_search?a=1&a=2&b=x%20y`
	for _, c := range []struct {
		name  string
		call  string // method and URL
		match control.Match
		side  string // received
		want  bool
	}{
		{"nothing asked", search, control.Match{}, "", true},
		{"method", search, control.Match{Method: "POST"}, "", true},
		{"method, small", search, control.Match{Method: "post"}, "", true},
		{"another method", search, control.Match{Method: "GET"}, "", false},
		{"host", search, control.Match{Host: "node.example:8080"}, "", true},
		{"host glob", search, control.Match{Host: "node.*:80*"}, "", true},
		{"another host", search, control.Match{Host: "node.example"}, "", false},
		{"path", search, control.Match{Path: "/r3/Patient/_search"}, "", true},
		{"path glob", search, control.Match{Path: "/r3/*/_search"}, "", true},
		{"path part glob", search, control.Match{Path: "/r3/Pat*/_search"}, "", true},
		{"path one segment", "POST " + root + "/r3/Patient/1", control.Match{Path: "/r3/*"}, "", false},
		{"search by POST", search, control.Match{Method: "GET", Path: "/r3/*", Query: map[string]string{"a": "2", "grant_type": "x"}}, "", true},
		{"search by POST, another type", search, control.Match{Path: "/r3/Condition"}, "", false},
		{"search by POST, another parameter", search, control.Match{Path: "/r3/Patient", Query: map[string]string{"grant_type": "y"}}, "", false},
		{"path all segments", search, control.Match{Path: "/r3/**"}, "", true},
		{"path any depth", search, control.Match{Path: "**/_search"}, "", true},
		{"path no depth", search, control.Match{Path: "/r3/**/Patient/_search"}, "", true},
		{"path above the root", search, control.Match{Path: "/n1/r3/Patient/_search"}, "", false},
		{"path of the root", "GET " + root, control.Match{Path: "/"}, "", true},
		{"path near the root", "GET " + root + "2/r3/metadata", control.Match{Path: "/r3/metadata"}, "", false},
		{"path outside the root", "GET " + root + "2/r3/metadata", control.Match{Path: "/n12/r3/metadata"}, "", true},
		{"path sent, whole", search, control.Match{Path: "/n1/r3/Patient/_search"}, control.Sent, true},
		{"path sent, below", search, control.Match{Path: "/r3/Patient/_search"}, control.Sent, false},
		{"path sent, any depth", search, control.Match{Path: "**/Patient/*"}, control.Sent, true},
		{"operation", "POST " + root + "/r3/Consent/c1/$authorize", control.Match{Path: "/r3/Consent/*/$authorize"}, "", true},
		{"letter case of a path", search, control.Match{Path: "/r3/patient/_search"}, "", false},
		{"query", search, control.Match{Query: map[string]string{"a": "1", "b": "x y"}}, "", true},
		{"query, second value", search, control.Match{Query: map[string]string{"a": "2"}}, "", true},
		{"query, glob", search, control.Match{Query: map[string]string{"b": "x*"}}, "", true},
		{"query, any value", search, control.Match{Query: map[string]string{"b": "*"}}, "", true},
		{"query, another value", search, control.Match{Query: map[string]string{"a": "3"}}, "", false},
		{"query, not there", search, control.Match{Query: map[string]string{"c": "*"}}, "", false},
		{"header", search, control.Match{Header: map[string]string{"accept": "*json*", "X-Two": "b"}}, "", true},
		{"another header", search, control.Match{Header: map[string]string{"Accept": "*xml"}}, "", false},
		{"header not there", search, control.Match{Header: map[string]string{"X-Three": "*"}}, "", false},
		{"body", search, control.Match{Body: "type=x"}, "", true},
		{"body, not there", search, control.Match{Body: "type=y"}, "", false},
		{"body, none", "GET " + root, control.Match{Body: "type=x"}, "", false},
		{"all", search, control.Match{Method: "POST", Path: "/r3/**", Query: map[string]string{"a": "2"}, Body: "grant"}, "", true},
		{"all but one", search, control.Match{Method: "POST", Path: "/r3/**", Query: map[string]string{"a": "2"}, Body: "no"}, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := New(Options{Root: root})
			method, target, _ := strings.Cut(c.call, " ")
			var body io.Reader
			if method == "POST" {
				body = strings.NewReader("grant_type=x")
			}
			hit := false
			wire, err := e.Add(control.Rule{Side: c.side, Match: c.match, Answer: &control.Answer{Status: 418}})
			require.NoError(t, err)
			if c.side == control.Sent {
				r, err := http.NewRequest(method, target, body)
				require.NoError(t, err)
				r.Header = http.Header{"Accept": {"application/fhir+json"}, "X-Two": {"a", "b"}}
				_, err = e.Transport(roundTripper(func(*http.Request) (*http.Response, error) { return nil, io.EOF })).RoundTrip(r)
				hit = err == nil
			} else {
				r := httptest.NewRequest(method, target, body)
				r.Header = http.Header{"Accept": {"application/fhir+json"}, "X-Two": {"a", "b"}}
				w := httptest.NewRecorder()
				e.Middleware(http.NotFoundHandler()).ServeHTTP(w, r)
				hit = w.Code == 418
			}
			assert.Equal(t, c.want, hit)
			if c.want {
				assert.Equal(t, []string{wire.ID}, e.History(control.HistoryQuery{})[0].Rules)
			}
		})
	}
}

func TestMatchStatus(t *testing.T) {
	for status, want := range map[int]int{404: 502, 200: 404, 0: 502} {
		n := newNode(t, http.NotFound)
		n.add(control.Rule{Phase: control.OnAnswer, Match: control.Match{Status: status}, Answer: &control.Answer{Status: 502}})
		assert.Equal(t, want, n.do(n.plain, "GET", "/", "").status, status)
	}
}

// The body is looked into before the node reads it, whatever other rules there are, and the node still
// gets it whole.
func TestMatchBodyAtAnswer(t *testing.T) {
	big := strings.Repeat("x", 3<<20)
	for name, c := range map[string]struct {
		body, acted string
	}{
		"hit":             {"this " + big, "it"},
		"miss":            {"that " + big, ""},
		"too far back":    {big + "this", ""},
		"at the far edge": {big[:maxSearch-4] + "this" + big, "it"},
	} {
		for _, side := range []string{control.Received, control.Sent} {
			t.Run(name+" "+side, func(t *testing.T) {
				n := newNode(t, echo)
				client := n.plain
				if side == control.Sent {
					client = n.client
				}
				n.add(control.Rule{ID: "all", Side: side, Change: &control.Change{Status: 201}},
					control.Rule{ID: "it", Side: side, Match: control.Match{Body: "this"}, Change: &control.Change{Status: 202}})
				got := n.do(client, "POST", "/", c.body)
				require.NoError(t, got.err)
				assert.True(t, c.body == got.body, "%d bytes came back", len(got.body))
				ex := n.last(side)
				want := []string{"all"}
				if c.acted != "" {
					want = append(want, c.acted)
				}
				assert.Equal(t, want, ex.Rules)
				assert.Empty(t, ex.Faults)
				assert.EqualValues(t, len(c.body), ex.RequestBody.Size)
			})
		}
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"a", "", false}, {"*", "", true}, {"*", "a/b", true}, {"a*b", "ab", true}, {"a*b", "axxb", true},
		{"a*b", "axxc", false}, {"*a*a", "aa", true}, {"*a*a", "a", false}, {"**", "x", true}, {"a*b*c", "abbbc", true}, {"*.example", "a.b.example", true},
		{"ä*", "äb", true}, {"*\x00", "a\x00", true},
	} {
		assert.Equal(t, c.want, glob(c.pattern, c.text), "%q %q", c.pattern, c.text)
	}
	assert.False(t, glob(strings.Repeat("*a", 5000), strings.Repeat("a", 4999)), "and not in exponential time")
}
