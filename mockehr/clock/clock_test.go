package clock

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// start is where the tests' clocks stand.
var start = time.Date(2017, 9, 9, 10, 0, 0, 0, time.UTC)

// heldAt returns a clock that stands at t.
func heldAt(t time.Time) *Clock {
	c := New()
	c.Hold()
	c.Set(t)
	return c
}

func TestNowIsPlainUTC(t *testing.T) {
	east := time.FixedZone("east", 2*60*60)
	tests := map[string]func(c *Clock){
		"new":                   func(*Clock) {},
		"held":                  (*Clock).Hold,
		"set, running":          func(c *Clock) { c.Set(time.Now().Add(time.Hour)) },
		"set, held":             func(c *Clock) { c.Hold(); c.Set(time.Now().Add(time.Hour)) },
		"set from another zone": func(c *Clock) { c.Set(start.In(east)) },
		"held, another zone":    func(c *Clock) { c.Hold(); c.Set(start.In(east)) },
		"moved":                 func(c *Clock) { c.Add(-time.Hour) },
		"running again":         func(c *Clock) { c.Hold(); c.Set(time.Now()); c.Run() },
		"reset":                 func(c *Clock) { c.Set(start); c.Reset() },
	}
	for name, do := range tests {
		t.Run(name, func(t *testing.T) {
			c := New()
			do(c)
			now := c.Now()
			assert.Same(t, time.UTC, now.Location())
			// == compares the monotonic part too, and Round(0) strips it.
			assert.True(t, now == now.Round(0), "%v has a monotonic part", now)
		})
	}
}

func TestMoves(t *testing.T) {
	type move = func(c *Clock)
	var (
		hold  = (*Clock).Hold
		run   = (*Clock).Run
		reset = (*Clock).Reset
		set   = func(to time.Time) move { return func(c *Clock) { c.Set(to) } }
		add   = func(d time.Duration) move { return func(c *Clock) { c.Add(d) } }
		pass  = func(d time.Duration) move { return func(*Clock) { time.Sleep(d) } }

		// Where every test begins in real time: a bubble's clock starts there.
		origin = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		year1  = time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC)
		last   = time.Date(9999, 12, 31, 23, 0, 0, 0, time.UTC)
	)
	tests := map[string]struct {
		moves []move
		want  time.Time
		held  bool
	}{
		"new shows real time":           {nil, origin, false},
		"new runs":                      {[]move{pass(time.Hour)}, origin.Add(time.Hour), false},
		"held stands":                   {[]move{hold, pass(time.Hour)}, origin, true},
		"held twice":                    {[]move{hold, pass(time.Hour), hold}, origin, true},
		"run goes on from where it was": {[]move{hold, pass(time.Hour), run, pass(time.Minute)}, origin.Add(time.Minute), false},
		"run while running":             {[]move{set(start), pass(time.Minute), run, pass(time.Minute)}, start.Add(2 * time.Minute), false},
		"set while running":             {[]move{set(start), pass(time.Minute)}, start.Add(time.Minute), false},
		"set while held":                {[]move{hold, set(start), pass(time.Minute)}, start, true},
		"set back while running":        {[]move{set(start), pass(time.Hour), set(start), pass(time.Second)}, start.Add(time.Second), false},
		"set back while held":           {[]move{hold, set(start), set(start.Add(-time.Hour))}, start.Add(-time.Hour), true},
		"add while running":             {[]move{set(start), pass(time.Minute), add(time.Hour)}, start.Add(61 * time.Minute), false},
		"add back while running":        {[]move{set(start), pass(time.Minute), add(-time.Hour)}, start.Add(-59 * time.Minute), false},
		"add while held":                {[]move{hold, set(start), add(time.Hour), add(time.Nanosecond)}, start.Add(time.Hour + 1), true},
		"add back while held":           {[]move{hold, set(start), add(-48 * time.Hour)}, start.Add(-48 * time.Hour), true},
		"add nothing":                   {[]move{hold, set(start), add(0)}, start, true},
		"hold a shifted clock":          {[]move{set(start), pass(time.Minute), hold, pass(time.Minute)}, start.Add(time.Minute), true},
		"set, then run":                 {[]move{hold, set(start), pass(time.Minute), run, pass(time.Second)}, start.Add(time.Second), false},
		"reset a held clock":            {[]move{hold, set(start), pass(time.Minute), reset}, origin.Add(time.Minute), false},
		"reset a shifted clock":         {[]move{add(time.Hour), pass(time.Minute), reset, pass(time.Minute)}, origin.Add(2 * time.Minute), false},
		"far past while running":        {[]move{set(year1), pass(time.Minute)}, year1.Add(time.Minute), false},
		"far future while running":      {[]move{set(last), pass(time.Minute)}, last.Add(time.Minute), false},
		"far future, then run":          {[]move{hold, set(last), run, pass(time.Minute)}, last.Add(time.Minute), false},
		"back from the far future":      {[]move{set(last), set(start), pass(time.Minute)}, start.Add(time.Minute), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := New()
				for _, m := range tt.moves {
					m(c)
				}
				assert.Equal(t, tt.want, c.Now())
				assert.Equal(t, tt.held, c.Held())
			})
		})
	}
}
