package clock

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Functions of one Set run side by side, so that only the clock itself knows the order of firing.
func TestTimersFireEarliestFirst(t *testing.T) {
	tests := map[string]struct {
		set  []time.Duration // due times, in the order of setting
		want []int           // indexes into set
	}{
		"in order":           {[]time.Duration{1, 2, 3}, []int{0, 1, 2}},
		"in reverse":         {[]time.Duration{3, 2, 1}, []int{2, 1, 0}},
		"mixed":              {[]time.Duration{5, 1, 4, 2, 3}, []int{1, 3, 4, 2, 0}},
		"same: as they came": {[]time.Duration{2, 1, 2, 1, 2}, []int{1, 3, 0, 2, 4}},
		"only what is due":   {[]time.Duration{11, 10, 9}, []int{2, 1}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := heldAt(start)
			var fired []int
			for i, d := range tt.set {
				c.push(&timer{at: start.Add(d), fire: func() {
					fired = append(fired, i)
					assert.Equal(t, start.Add(10), c.now())
				}})
			}
			c.Set(start.Add(10))
			assert.Equal(t, tt.want, fired)
			assert.Len(t, c.timers, len(tt.set)-len(tt.want))
		})
	}
}

func TestAfterFuncOnHeldClock(t *testing.T) {
	const d = 5 * time.Minute
	to := func(after time.Duration) func(*Clock) { return func(c *Clock) { c.Set(start.Add(after)) } }
	tests := map[string]struct {
		after time.Duration
		moves []func(*Clock)
		want  []time.Duration // what the clock shows, after start, in each call of f
	}{
		"not yet":                 {d, []func(*Clock){to(d - 1)}, nil},
		"on time":                 {d, []func(*Clock){to(d)}, []time.Duration{d}},
		"jumped over":             {d, []func(*Clock){to(time.Hour)}, []time.Duration{time.Hour}},
		"by adding":               {d, []func(*Clock){func(c *Clock) { c.Add(d) }}, []time.Duration{d}},
		"once only":               {d, []func(*Clock){to(d), to(0), to(time.Hour)}, []time.Duration{d}},
		"back keeps the due time": {d, []func(*Clock){to(-time.Hour), to(d - 1)}, nil},
		"back, and there again":   {d, []func(*Clock){to(-time.Hour), to(d)}, []time.Duration{d}},
		"real time doesn't count": {d, []func(*Clock){func(*Clock) { time.Sleep(time.Hour) }}, nil},
		"at once":                 {0, nil, []time.Duration{0}},
		"overdue":                 {-d, nil, []time.Duration{0}},
		"reset to an earlier day": {d, []func(*Clock){(*Clock).Reset}, nil}, // the bubble is in 2000
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := heldAt(start)
				var got []time.Duration
				c.AfterFunc(tt.after, func() { got = append(got, c.Now().Sub(start)) })
				require.NoError(t, c.Idle(t.Context()))
				for _, move := range tt.moves {
					move(c)
					require.NoError(t, c.Idle(t.Context()))
				}
				assert.Equal(t, tt.want, got)
			})
		})
	}
}

func TestTimersOnRunningClock(t *testing.T) {
	const d = 5 * time.Minute
	tests := map[string]struct {
		before func(c *Clock) // what happens once the timer is set
		quiet  time.Duration  // real time in which nothing fires
		want   time.Duration  // what the clock shows when it fires, after start
	}{
		"comes due":         {func(*Clock) {}, d - 1, d},
		"set forward":       {func(c *Clock) { c.Set(start.Add(3 * time.Minute)) }, 2*time.Minute - 1, d},
		"set back":          {func(c *Clock) { c.Add(-time.Hour) }, time.Hour + d - 1, d},
		"held for a while":  {func(c *Clock) { c.Hold(); time.Sleep(time.Hour); c.Run() }, d - 1, d},
		"beside an earlier": {func(c *Clock) { c.AfterFunc(time.Minute, func() {}) }, d - 1, d},
		"beside a stopped":  {func(c *Clock) { c.AfterFunc(time.Minute, func() {})() }, d - 1, d},
		"beside a later":    {func(c *Clock) { c.AfterFunc(time.Hour, func() {}) }, d - 1, d},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := New()
				c.Set(start)
				fired := make(chan time.Duration, 2)
				c.AfterFunc(d, func() { fired <- c.Now().Sub(start) })
				tt.before(c)
				time.Sleep(tt.quiet)
				synctest.Wait()
				require.Empty(t, fired)
				time.Sleep(time.Nanosecond)
				synctest.Wait()
				require.Len(t, fired, 1)
				require.Equal(t, tt.want, <-fired)
			})
		})
	}
}

func TestRealTimerOnlyWhileNeeded(t *testing.T) {
	c := New()
	assert.Nil(t, c.wake, "nothing to wait for")
	stop := c.AfterFunc(time.Hour, func() {})
	assert.NotNil(t, c.wake)
	armed := c.wake
	c.Hold()
	assert.Nil(t, c.wake, "a held clock waits for nobody")
	assert.False(t, armed.Stop(), "it has been stopped already")
	c.Run()
	assert.NotNil(t, c.wake)
	assert.True(t, stop())
	assert.Nil(t, c.wake, "the last one has gone")

	ctx, cancel := context.WithCancel(t.Context())
	slept := sleeper(c, ctx, time.Hour)
	require.NoError(t, c.Idle(t.Context()))
	assert.NotNil(t, c.wake)
	cancel()
	require.ErrorIs(t, <-slept, context.Canceled)
	require.NoError(t, c.Idle(t.Context()))
	assert.Nil(t, c.wake, "nobody sleeps any more")
}

// The runtime's timer may come late or for a timer that has gone: it must do no harm.
func TestStaleTick(t *testing.T) {
	c := heldAt(start)
	called := false
	c.AfterFunc(time.Minute, func() { called = true })
	c.tick()
	require.NoError(t, c.Idle(t.Context()))
	assert.False(t, called)
}

func TestStop(t *testing.T) {
	tests := map[string]struct {
		before func(c *Clock, stop func() bool)
		want   bool // what stop says
		calls  int32
	}{
		"in time":       {func(*Clock, func() bool) {}, true, 0},
		"after a while": {func(c *Clock, _ func() bool) { c.Add(time.Minute - 1) }, true, 0},
		"too late":      {func(c *Clock, _ func() bool) { c.Add(time.Minute) }, false, 1},
		"again":         {func(_ *Clock, stop func() bool) { stop() }, false, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := heldAt(start)
			var calls atomic.Int32
			c.AfterFunc(2*time.Hour, func() {}) // stays, so that the heap isn't empty
			stop := c.AfterFunc(time.Minute, func() { calls.Add(1) })
			c.AfterFunc(3*time.Hour, func() {})
			tt.before(c, stop)
			assert.Equal(t, tt.want, stop())
			c.Add(time.Hour)
			require.NoError(t, c.Idle(t.Context()))
			assert.Equal(t, tt.calls, calls.Load())
			due, found := c.Due()
			assert.True(t, found)
			assert.Equal(t, start.Add(2*time.Hour), due)
		})
	}
}

func TestAfterFuncSetsTheNext(t *testing.T) {
	c := heldAt(start)
	var at []time.Duration
	var again func()
	again = func() {
		at = append(at, c.Now().Sub(start))
		c.AfterFunc(time.Minute, again)
	}
	c.AfterFunc(time.Minute, again)
	for range 3 {
		due, found := c.Due()
		require.True(t, found)
		c.Set(due)
		require.NoError(t, c.Idle(t.Context()))
	}
	assert.Equal(t, []time.Duration{time.Minute, 2 * time.Minute, 3 * time.Minute}, at)
}

func TestDue(t *testing.T) {
	c := heldAt(start)
	due := func(want time.Duration) {
		t.Helper()
		at, found := c.Due()
		require.True(t, found)
		require.Equal(t, start.Add(want), at)
	}
	_, found := c.Due()
	require.False(t, found, "none is set")

	c.AfterFunc(3*time.Minute, func() {})
	due(3 * time.Minute)
	stop := c.AfterFunc(time.Minute, func() {})
	due(time.Minute)
	c.AfterFunc(2*time.Minute, func() {})
	due(time.Minute)
	require.True(t, stop())
	due(2 * time.Minute)
	c.Add(-time.Hour)
	due(2 * time.Minute)
	c.Set(start.Add(2 * time.Minute))
	due(3 * time.Minute)

	// A sleeper whose context has ended waits for nothing, whether it has noticed yet or not.
	ctx, cancel := context.WithCancel(t.Context())
	slept := sleeper(c, ctx, 10*time.Second)
	require.NoError(t, c.Idle(t.Context()))
	due(2*time.Minute + 10*time.Second)
	cancel()
	due(3 * time.Minute)
	require.ErrorIs(t, <-slept, context.Canceled)
	due(3 * time.Minute)

	c.Set(start.Add(time.Hour))
	_, found = c.Due()
	require.False(t, found, "all have fired")
}
