package exchange

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// times lets a hook answer the first n requests only.
func times(n int32, hook func(http.ResponseWriter, *http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
	var count atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) bool {
		if count.Load() >= n || !hook(w, r) {
			return false
		}
		count.Add(1)
		return true
	}
}

func TestWaits(t *testing.T) {
	seconds := func(list ...float64) []float64 { return list }
	after := func(status int, value string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", value)
			w.WriteHeader(status)
		}
	}
	date := func(d time.Duration) string { return start.Add(d).Format(http.TimeFormat) }
	for name, c := range map[string]struct {
		n      int32
		answer http.HandlerFunc
		waits  []float64
		whole  bool // the connection asks nothing else meanwhile
	}{
		"500 twice":               {2, text(500, "text/plain", ""), seconds(1, 2), false},
		"503 twice, no hint":      {2, text(503, "text/plain", ""), seconds(1, 2), false},
		"502 six times":           {6, text(502, "text/plain", ""), seconds(1, 2, 4, 8, 16, 32), false},
		"429 with seconds":        {1, after(429, "37"), seconds(37), true},
		"503 with seconds, twice": {2, after(503, "37"), seconds(37, 37), true},
		"429 with a date":         {1, after(429, date(90*time.Second)), seconds(90), true},
		"503 with five minutes":   {1, after(503, "300"), seconds(300), true},
		"503 with an hour":        {1, after(503, "3600"), seconds(300), true},
		"429 with nonsense":       {1, after(429, "later"), seconds(1), false},
		"429 with the past":       {1, after(429, date(-time.Hour)), seconds(1), false},
	} {
		t.Run(name, func(t *testing.T) {
			clk := heldClock()
			s, tg := newSource(t, clk), newTarget(t, clk)
			tg.updateEvery.Store(int64(time.Hour))
			s.fill("p1", 3)
			s.answer(times(c.n, on(condition, c.answer)))
			conn := tg.connect(s, "auth-1")
			tg.pass(30 * time.Minute)
			var waits []float64
			asked := s.seen(condition)
			for i := 1; i < len(asked); i++ {
				waits = append(waits, asked[i].At.Sub(asked[i-1].At).Seconds())
			}
			assert.Equal(t, c.waits, waits)
			got := tg.get(conn.ID)
			assert.Empty(t, got.Message)
			assert.Equal(t, 1, got.Copied["Condition"])
			other := s.seen("/r3/Coverage?")[0].At
			if c.whole {
				assert.NotEqual(t, start, other)
			} else {
				assert.Equal(t, start, other, "others don't wait")
			}
		})
	}
}

func TestSourceVanishesAndComesBack(t *testing.T) {
	clk := heldClock()
	s, tg := newSource(t, clk), newTarget(t, clk)
	s.fill("p1", 200)
	var down atomic.Bool
	var pages atomic.Int32
	s.answer(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.RawQuery, "laboratory") && pages.Add(1) == 2 {
			down.Store(true)
		}
		if down.Load() {
			panic(http.ErrAbortHandler)
		}
		return false
	})
	conn := tg.connect(s, "auth-1")
	tg.pass(30 * time.Second)
	asked := len(s.seen(""))
	got := tg.get(conn.ID)
	assert.Equal(t, Copying, got.Status)
	assert.NotEmpty(t, got.Message)
	tg.pass(time.Minute)
	assert.LessOrEqual(t, len(s.seen(""))-asked, 3, "one tries for all")
	tg.pass(10 * time.Minute)
	assert.Equal(t, Waiting, tg.get(conn.ID).Status)
	down.Store(false)
	tg.pass(5 * time.Minute)
	assert.Empty(t, tg.get(conn.ID).Message)
	tg.equal(s, record(s, "p1")...)
}
