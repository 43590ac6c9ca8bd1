package clock

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestIsIdle(t *testing.T) {
	tests := map[string]struct {
		do   func(c *Clock)
		want bool
	}{
		"new":                 {func(*Clock) {}, true},
		"begun":               {func(c *Clock) { c.Begin() }, false},
		"begun and ended":     {func(c *Clock) { c.Begin().End() }, true},
		"ended twice":         {func(c *Clock) { a := c.Begin(); c.Begin(); a.End(); a.End() }, false},
		"one of two ended":    {func(c *Clock) { c.Begin(); c.Begin().End() }, false},
		"both ended":          {func(c *Clock) { a, b := c.Begin(), c.Begin(); a.End(); b.End() }, true},
		"timer set":           {func(c *Clock) { c.AfterFunc(time.Hour, func() {}) }, true},
		"timer stopped":       {func(c *Clock) { c.AfterFunc(time.Hour, func() {})() }, true},
		"moved while in hand": {func(c *Clock) { c.Begin(); c.Add(time.Hour) }, false},
		"reset while in hand": {func(c *Clock) { c.Begin(); c.Reset() }, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := heldAt(start)
			tt.do(c)
			assert.Equal(t, tt.want, c.IsIdle())

			// Idle agrees: with a context that is over it says nil only if there is nothing to wait for.
			over, cancel := context.WithCancel(t.Context())
			cancel()
			err := c.Idle(over)
			if tt.want {
				assert.NoError(t, err)
			} else {
				assert.ErrorIs(t, err, context.Canceled)
			}
		})
	}
}

func TestIdleWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := heldAt(start)
		a, b := c.Begin(), c.Begin()
		var wg sync.WaitGroup
		idle := make(chan error, 3)
		for range cap(idle) {
			wg.Go(func() { idle <- c.Idle(t.Context()) })
		}
		short, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, c.Idle(short), context.DeadlineExceeded)

		a.End()
		synctest.Wait()
		require.Empty(t, idle, "b is still in hand")
		b.End()
		wg.Wait()
		for range cap(idle) {
			require.NoError(t, <-idle)
		}
		require.NoError(t, c.Idle(t.Context()))
	})
}

func TestIdleWaitsForFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := heldAt(start)
		on := make(chan struct{})
		c.AfterFunc(time.Minute, func() { <-on })
		c.Add(time.Minute)
		require.False(t, c.IsIdle(), "from the moment of firing")
		synctest.Wait()
		require.False(t, c.IsIdle())
		close(on)
		require.NoError(t, c.Idle(t.Context()))
	})
}

// Work that goes from hand to hand leaves no moment in which the clock is idle.
func TestHandOver(t *testing.T) {
	tests := map[string]func(c *Clock, work func(a *Activity)){
		"the activity itself": func(c *Clock, work func(a *Activity)) {
			a := c.Begin()
			go work(a)
		},
		"a second begun before the first ends": func(c *Clock, work func(a *Activity)) {
			first := c.Begin()
			second := c.Begin()
			go work(second)
			first.End()
		},
		"through a queue": func(c *Clock, work func(a *Activity)) {
			queue := make(chan *Activity)
			go func() { work(<-queue) }()
			queue <- c.Begin()
		},
		"from a timer": func(c *Clock, work func(a *Activity)) {
			c.AfterFunc(time.Minute, func() {
				a := c.Begin()
				go work(a)
			})
			c.Add(time.Minute)
		},
		"from a sleeper": func(c *Clock, work func(a *Activity)) {
			a := c.Begin()
			go func() {
				if a.Sleep(context.Background(), time.Minute) == nil {
					go work(a)
				}
			}()
			if c.Idle(context.Background()) == nil {
				c.Add(time.Minute)
			}
		},
	}
	for name, hand := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := heldAt(start)
				on, done := make(chan struct{}), false
				hand(c, func(a *Activity) {
					<-on
					done = true // Idle must order this before the test's reading
					a.End()
				})
				require.False(t, c.IsIdle())
				synctest.Wait()
				require.False(t, c.IsIdle())
				close(on)
				require.NoError(t, c.Idle(t.Context()))
				require.True(t, done)
			})
		})
	}
}
