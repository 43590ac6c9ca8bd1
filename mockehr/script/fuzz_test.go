package script

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/control"
)

// FuzzLoad holds any text to the bounds: it loads or is refused with its place, in bounded time, and what
// it installed handles a request without taking the node with it.
func FuzzLoad(f *testing.F) {
	page, err := os.ReadFile("README.md")
	require.NoError(f, err)
	for _, block := range regexp.MustCompile("(?s)```python\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		f.Add(block[1])
	}
	scripts, err := filepath.Glob("../../fixtures/scripts/*.star")
	require.NoError(f, err)
	for _, file := range scripts {
		text, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(string(text))
	}
	for _, seed := range []string{
		"", "(", "x = 'a' * 99999999999", "while True:\n  pass", "skip('SRC-14')\noverride('SRC-31', lambda i, v: v + v)", "\xff\x00", "def f(r):\n  return f(r)\non_request(f)",
		"x = [0]\nx += x * 200000\non_answer(lambda r, a: answer(json=x))", strings.Repeat("[", 5000), strings.Repeat("not ", 9000) + "x", strings.Repeat("if 1:\n", 300),
		"x = {}\nx['x'] = x\non_request(lambda r: answer(json=x))", "on_request(lambda r: cut(1), every=2, skip=-1)", "load('a', 'b')",
	} {
		f.Add(seed)
	}
	slow := regexp.MustCompile(`wait|http\.|throttle|fresh`) // these take time as they are told to
	f.Fuzz(func(t *testing.T, text string) {
		if slow.MatchString(text) {
			t.Skip()
		}
		e := New(Options{Root: "http://node.example"})
		began := time.Now()
		_, err := e.Load(t.Context(), control.Script{Name: "f.star", Text: text})
		require.Less(t, time.Since(began), time.Minute, "a bound that isn't one")
		if err != nil {
			require.Contains(t, err.Error(), map[bool]string{true: "f.star", false: "text: "}[len(text) <= control.MaxScript])
			require.Empty(t, e.Rules())
			return
		}
		handler := e.Middleware(http.HandlerFunc(echo))
		for _, method := range []string{"POST"} {
			func() {
				defer func() { _ = recover() }() // a connection that is dropped
				r := httptest.NewRequest(method, "http://node.example/r3/Observation?patient=example", strings.NewReader(`{"a":[1.50]}`))
				handler.ServeHTTP(httptest.NewRecorder(), r)
			}()
		}
		_ = check.Value(t.Context(), e.opt.Checks, "SRC-31", nil, "own")
		_ = e.opt.Checks.Do(t.Context(), "SRC-14", nil, nil)
		e.Clear()
		require.Empty(t, e.Scripts())
	})
}
