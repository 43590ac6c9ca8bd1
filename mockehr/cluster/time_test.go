package cluster

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/clock"
	"example.org/ccde/mockehr/control"
)

// diary notes what happened, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

// every runs work each d of a clock, until ctx ends, and it counts as work in hand.
func every(ctx context.Context, c *clock.Clock, d time.Duration, work func()) {
	a := c.Begin()
	go func() {
		defer a.End()
		for a.Sleep(ctx, d) == nil {
			work()
		}
	}()
}

func TestAdvanceGoesFromTimerToTimer(t *testing.T) {
	ctx := testContext(t)
	f := newTestFake(t, Options{})
	c := startFake(t, f, Spec{Name: "a"}, Spec{Name: "b"})
	a, b := f.Node(c, "a"), f.Node(c, "b")
	// Clocks disagree: what counts is how long it is until a timer is due.
	b.Clock().Set(a.Clock().Now().Add(-48 * time.Hour))
	fromA, fromB := a.Clock().Now(), b.Clock().Now()

	var d diary
	every(ctx, a.Clock(), 5*time.Minute, func() { d.note("a") })
	every(ctx, b.Clock(), 12*time.Minute+time.Second, func() { d.note("b") })
	require.NoError(t, c.Advance(ctx, 30*time.Minute))
	assert.Equal(t, []string{"a", "a", "b", "a", "a", "b", "a"}, d.lines[:7])
	assert.Len(t, d.lines, 7+1, "5, 10, 12, 15, 20, 24, 25 and 30 minutes")
	for clk, from := range map[*clock.Clock]time.Time{a.Clock(): fromA, b.Clock(): fromB} {
		assert.False(t, clk.Held())
		assert.WithinDuration(t, from.Add(30*time.Minute), clk.Now(), 10*time.Second)
	}
}

func TestAdvanceWaitsForWorkThatOneNodeGivesAnother(t *testing.T) {
	ctx := testContext(t)
	f := newTestFake(t, Options{})
	c := startFake(t, f, Spec{Name: "a"}, Spec{Name: "b"})
	a, b := f.Node(c, "a"), f.Node(c, "b")
	var d diary
	a.Clock().AfterFunc(time.Minute, func() {
		work := b.Clock().Begin() // as a request that b accepts and goes on with
		go func() {
			defer work.End()
			time.Sleep(20 * time.Millisecond) // real work takes real time
			d.note("b did it")
		}()
	})
	require.NoError(t, c.Advance(ctx, time.Minute))
	assert.Equal(t, []string{"b did it"}, d.lines)
}

func TestAdvanceLeavesHeldClocksHeld(t *testing.T) {
	ctx := testContext(t)
	f := newTestFake(t, Options{})
	c := startFake(t, f, Spec{Name: "a"}, Spec{Name: "b"})
	a, b := f.Node(c, "a"), f.Node(c, "b")
	a.Clock().Hold()
	from := a.Clock().Now()
	require.NoError(t, c.Advance(ctx, time.Hour))
	assert.True(t, a.Clock().Held())
	assert.Equal(t, from.Add(time.Hour), a.Clock().Now())
	assert.False(t, b.Clock().Held())
	assert.Error(t, c.Advance(ctx, -time.Second))
}

func TestAdvanceLetsClocksRunAgainAfterAnError(t *testing.T) {
	f := newTestFake(t, Options{})
	c := startFake(t, f, Spec{Name: "a"})
	a := f.Node(c, "a")
	work := a.Clock().Begin() // never done
	defer work.End()
	ctx, cancel := context.WithTimeout(testContext(t), 50*time.Millisecond)
	defer cancel()
	require.Error(t, c.Advance(ctx, time.Hour))
	assert.False(t, a.Clock().Held())
}

func TestANodeThatWasDownIsGivenItsTime(t *testing.T) {
	for _, how := range []string{"killed", "paused"} {
		t.Run(how, func(t *testing.T) {
			ctx := testContext(t)
			f := newTestFake(t, Options{})
			c := startFake(t, f, Spec{Name: "a"}, Spec{Name: "b"})
			require.NoError(t, c.Advance(ctx, time.Hour))
			a, err := c.Node(t.Context(), "a")
			require.NoError(t, err)
			want := control.Settings{Dialect: "test.fhir.org", CAVS: "http://cavs.fake/auth/cavs"}
			require.NoError(t, a.Control.SetSettings(ctx, want))
			down, up := c.Kill, c.Restart
			if how == "paused" {
				down, up = c.Pause, c.Resume
			}
			require.NoError(t, down(ctx, "a"))
			require.NoError(t, down(ctx, "a"), "twice is once")
			require.NoError(t, c.Advance(ctx, time.Hour))
			require.NoError(t, up(ctx, "a"))
			assert.WithinDuration(t, time.Now().Add(2*time.Hour), f.Node(c, "a").Clock().Now(), 10*time.Second)
			assert.WithinDuration(t, time.Now().Add(2*time.Hour), f.Node(c, "b").Clock().Now(), 10*time.Second)
			assert.Equal(t, want, f.Node(c, "a").Settings())
		})
	}
}

func TestEarliest(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(now time.Time, d time.Duration) control.ClockState {
		due := now.Add(d)
		return control.ClockState{Now: now, Due: &due}
	}
	for name, c := range map[string]struct {
		states []control.ClockState
		in     time.Duration
		found  bool
	}{
		"none":           {[]control.ClockState{{Now: now}}, 0, false},
		"by own clock":   {[]control.ClockState{at(now, time.Hour), at(now.Add(9*time.Hour), time.Minute)}, time.Minute, true},
		"overdue is now": {[]control.ClockState{at(now, -time.Hour), {Now: now}}, 0, true},
	} {
		in, found := earliest(c.states)
		assert.Equal(t, c.in, in, name)
		assert.Equal(t, c.found, found, name)
	}
}
