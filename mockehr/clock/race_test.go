package clock

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Many use one clock at once, and others move it; a bubble doesn't end while a goroutine is left.
func TestManyGoroutines(t *testing.T) {
	const workers, turns = 32, 100
	synctest.Test(t, func(t *testing.T) {
		c := heldAt(start)
		ctx, cancel := context.WithCancel(t.Context())
		var (
			users, movers                sync.WaitGroup
			slept, fired, stopped, ended atomic.Int32
		)
		for i := range workers {
			users.Go(func() {
				for turn := range turns {
					a := c.Begin()
					if err := a.Sleep(ctx, time.Duration(i+turn)*time.Second); err == nil {
						slept.Add(1)
					}
					a.End()
				}
			})
			users.Go(func() {
				for turn := range turns {
					stop := c.AfterFunc(time.Duration(turn)*time.Second, func() { fired.Add(1) })
					if turn%2 == 0 && stop() {
						stopped.Add(1)
					}
				}
			})
			users.Go(func() {
				for range turns {
					short, cancel := context.WithTimeout(ctx, time.Second)
					a := c.Begin()
					if a.SleepUntil(short, start.Add(1000*time.Hour)) != nil {
						ended.Add(1)
					}
					a.End()
					cancel()
				}
			})
		}
		moving, enough := context.WithCancel(t.Context())
		for range 4 {
			movers.Go(func() {
				for moving.Err() == nil {
					c.Run()
					c.Hold()
					if due, found := c.Due(); found && due.Before(start.Add(900*time.Hour)) {
						c.Set(due)
					}
					c.Add(-time.Second)
					c.Add(time.Second)
					_, _, _ = c.Now(), c.Held(), c.IsIdle()
					time.Sleep(50 * time.Millisecond) // the bubble's: lets deadlines come
				}
			})
		}
		users.Wait()
		enough()
		movers.Wait()
		cancel()
		c.Hold()
		c.Add(time.Hour)
		require.NoError(t, c.Idle(t.Context()))

		assert.EqualValues(t, workers*turns, slept.Load())
		assert.EqualValues(t, workers*turns, ended.Load())
		assert.EqualValues(t, workers*turns, fired.Load()+stopped.Load(), "each is called or stopped")
		assert.Zero(t, c.busy)
		assert.Empty(t, c.timers)
		assert.Nil(t, c.wake)
	})
}
