package exchange

import (
	"testing"
	"time"

	"example.org/ccde/mockehr/clock"

	"github.com/stretchr/testify/assert"
)

// Clocks of source and target that are set to another time while the connection rests: the next round
// is not delayed by more than it would have been, and finds what was recorded after the jump.
func TestClocksJumpBetweenRounds(t *testing.T) {
	for name, c := range map[string]struct{ source, target time.Duration }{
		"the target's back":       {0, -10 * time.Minute},
		"the target's forward":    {0, 10 * time.Minute},
		"the source's back":       {-10 * time.Minute, 0},
		"the source's a bit back": {-3 * time.Minute, 0},
		"the source's forward":    {10 * time.Minute, 0},
		"both back":               {-20 * time.Minute, -20 * time.Minute},
		"apart":                   {-20 * time.Minute, 20 * time.Minute},
		"towards each other":      {20 * time.Minute, -20 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			theirs, ours := heldClock(), heldClock()
			s, tg := newSource(t, theirs), newTarget(t, ours)
			s.fill("p1", 3)
			conn := tg.connect(s, "auth-1")
			tg.idle()
			theirs.Add(c.source)
			ours.Add(c.target)
			tg.Refresh()
			tg.idle()
			for round := 2; round <= 4; round++ {
				s.put(`{"resourceType":"Condition","id":"p1-new-` + itoa(round) + `","subject":{"reference":"Patient/p1"}}`)
				together(tg, theirs, 301*time.Second)
				assert.GreaterOrEqual(t, tg.get(conn.ID).Round, round)
				tg.equal(s, record(s, "p1")...)
			}
			assert.Empty(t, tg.get(conn.ID).Message)
		})
	}
}

// together lets time pass at both; a target that is told of its clock with each move, as the control port
// does, is not put off by that.
func together(tg *target, other *clock.Clock, d time.Duration) {
	tg.t.Helper()
	for range 7 {
		other.Add(d / 7)
		tg.pass(d / 7)
		tg.Refresh()
		tg.idle()
	}
}
