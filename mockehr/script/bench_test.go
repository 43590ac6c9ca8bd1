package script

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.org/ccde/mockehr/control"
)

// BenchmarkMiddleware compares a handler behind the engine with the bare one, over HTTP and without.
func BenchmarkMiddleware(b *testing.B) {
	bundle := `{"resourceType":"Bundle","entry":[` + strings.Repeat(patient+",", 99) + patient + `]}`
	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/fhir+json")
		_, _ = io.WriteString(w, bundle)
	}))
	engine := func(rules ...control.Rule) http.Handler {
		e := New(Options{})
		for _, r := range rules {
			if _, err := e.Add(r); err != nil {
				b.Fatal(err)
			}
		}
		return e.Middleware(handler)
	}
	for _, c := range []struct {
		name    string
		handler http.Handler
	}{
		{"bare", handler},
		{"no rules", engine()},
		{"a rule elsewhere", engine(control.Rule{Match: control.Match{Path: "/auth/token"}, Drop: true})},
		{"a rule that changes", engine(control.Rule{Change: &control.Change{Headers: map[string]string{"X": "y"}}})},
		{"a rule that edits", engine(control.Rule{Change: &control.Change{Set: map[string]any{"entry[-1].id": "p2"}}})},
	} {
		b.Run("handler/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			r := httptest.NewRequest("GET", "/r3/Patient?name=x", nil)
			for b.Loop() {
				c.handler.ServeHTTP(&nowhere{header: http.Header{}}, r)
			}
		})
	}
	for _, c := range []struct {
		name    string
		handler http.Handler
	}{{"bare", handler}, {"no rules", engine()}} {
		b.Run("http/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			server := httptest.NewServer(c.handler)
			defer server.Close()
			for b.Loop() {
				resp, err := server.Client().Get(server.URL)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		})
	}
}

// nowhere is an http.ResponseWriter that keeps nothing.
type nowhere struct{ header http.Header }

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) WriteHeader(int)             {}
func (n *nowhere) Write(p []byte) (int, error) { return len(p), nil }
