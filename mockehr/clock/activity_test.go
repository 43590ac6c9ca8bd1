package clock

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sleeper begins an activity that sleeps for d in a goroutine, and hands over what Sleep says.
func sleeper(c *Clock, ctx context.Context, d time.Duration) <-chan error {
	a, slept := c.Begin(), make(chan error, 1)
	go func() {
		defer a.End()
		slept <- a.Sleep(ctx, d)
	}()
	return slept
}

func TestSleepReturnsAtOnce(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	tests := map[string]struct {
		ctx   context.Context
		sleep func(ctx context.Context, a *Activity) error
		want  error
	}{
		"for nothing":       {t.Context(), func(ctx context.Context, a *Activity) error { return a.Sleep(ctx, 0) }, nil},
		"for less":          {t.Context(), func(ctx context.Context, a *Activity) error { return a.Sleep(ctx, -time.Hour) }, nil},
		"until now":         {t.Context(), func(ctx context.Context, a *Activity) error { return a.SleepUntil(ctx, start) }, nil},
		"until before":      {t.Context(), func(ctx context.Context, a *Activity) error { return a.SleepUntil(ctx, start.Add(-1)) }, nil},
		"context is over":   {over, func(ctx context.Context, a *Activity) error { return a.Sleep(ctx, time.Hour) }, context.Canceled},
		"over, for nothing": {over, func(ctx context.Context, a *Activity) error { return a.Sleep(ctx, 0) }, context.Canceled},
		"over, until later": {over, func(ctx context.Context, a *Activity) error { return a.SleepUntil(ctx, start.Add(1)) }, context.Canceled},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := heldAt(start)
			a := c.Begin()
			assert.ErrorIs(t, tt.sleep(tt.ctx, a), tt.want)
			assert.False(t, c.IsIdle(), "the activity is still in hand")
			_, found := c.Due()
			assert.False(t, found, "no timer is left")
			a.End()
			assert.True(t, c.IsIdle())
		})
	}
	t.Run("ended activity", func(t *testing.T) {
		c := heldAt(start)
		a := c.Begin()
		a.End()
		require.NoError(t, a.Sleep(t.Context(), time.Hour))
		assert.True(t, c.IsIdle())
	})
}

func TestSleepUntilItsTime(t *testing.T) {
	east := time.FixedZone("east", 2*60*60)
	tests := map[string]struct {
		sleep func(ctx context.Context, a *Activity) error
		due   time.Duration
	}{
		"sleep":                    {func(ctx context.Context, a *Activity) error { return a.Sleep(ctx, time.Minute) }, time.Minute},
		"sleep until":              {func(ctx context.Context, a *Activity) error { return a.SleepUntil(ctx, start.Add(1)) }, 1},
		"sleep until another zone": {func(ctx context.Context, a *Activity) error { return a.SleepUntil(ctx, start.Add(time.Hour).In(east)) }, time.Hour},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := heldAt(start)
				a, woken := c.Begin(), make(chan time.Time)
				go func() {
					assert.NoError(t, tt.sleep(t.Context(), a))
					woken <- c.Now()
					a.End()
				}()
				require.NoError(t, c.Idle(t.Context()), "a sleeper is idle")
				due, found := c.Due()
				require.True(t, found)
				require.Equal(t, start.Add(tt.due), due)

				c.Set(due.Add(-1))
				c.Set(start.Add(-time.Hour))
				synctest.Wait()
				require.True(t, c.IsIdle(), "it sleeps on")

				c.Set(due)
				require.False(t, c.IsIdle(), "from the moment of waking")
				require.Equal(t, due, <-woken)
				require.NoError(t, c.Idle(t.Context()))
			})
		})
	}
}

func TestSleepOnRunningClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, began := New(), time.Now()
		a := c.Begin()
		require.NoError(t, a.Sleep(t.Context(), time.Hour))
		assert.Equal(t, time.Hour, time.Since(began))
		require.NoError(t, a.SleepUntil(t.Context(), c.Now().Add(time.Minute)))
		assert.Equal(t, time.Hour+time.Minute, time.Since(began))
		a.End()
	})
}

func TestSleepEndsWithContext(t *testing.T) {
	tests := map[string]struct {
		ctx  func(ctx context.Context) (context.Context, context.CancelFunc)
		want error
	}{
		"cancelled": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		}, context.Canceled},
		"deadline": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		}, context.DeadlineExceeded},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := heldAt(start)
				ctx, cancel := tt.ctx(t.Context())
				defer cancel()
				a := c.Begin()
				require.ErrorIs(t, a.Sleep(ctx, time.Hour), tt.want)
				assert.False(t, c.IsIdle(), "the activity is in hand again")
				c.Add(2 * time.Hour) // must not wake it a second time
				a.End()
				assert.True(t, c.IsIdle())
				assert.Zero(t, c.busy)
			})
		})
	}
}

// Between the end of a context and the moment its sleeper runs again the clock isn't idle.
func TestEndingContextIsNotIdle(t *testing.T) {
	c := heldAt(start)
	for range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		a, on, ended := c.Begin(), make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			assert.ErrorIs(t, a.Sleep(ctx, time.Hour), context.Canceled)
			<-on
			a.End()
		}()
		require.NoError(t, c.Idle(t.Context()))
		cancel()
		require.False(t, c.IsIdle())
		close(on)
		require.NoError(t, c.Idle(t.Context()))
		<-ended
	}
}

// lateContext keeps a sleeper from looking whether it is over until on is closed.
type lateContext struct {
	context.Context
	on chan struct{}
}

func (c lateContext) Done() <-chan struct{} {
	<-c.on
	return c.Context.Done()
}

// The first of the two decides, however late the sleeper's goroutine comes to run.
func TestFirstOfDueAndEndOfContext(t *testing.T) {
	tests := map[string]struct {
		do   func(c *Clock, cancel func())
		want error
	}{
		"due, then over": {func(c *Clock, cancel func()) { c.Add(time.Minute); cancel() }, nil},
		"over, then due": {func(c *Clock, cancel func()) { cancel(); c.Add(time.Minute) }, context.Canceled},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := heldAt(start)
			for range 200 { // a select among two ready channels takes either
				ctx, cancel := context.WithCancel(t.Context())
				late := lateContext{ctx, make(chan struct{})}
				slept := sleeper(c, late, time.Minute)
				require.NoError(t, c.Idle(t.Context()))
				tt.do(c, cancel)
				close(late.on)
				require.ErrorIs(t, <-slept, tt.want)
				require.NoError(t, c.Idle(t.Context()))
			}
		})
	}
}

// Due time and end of the context at once: the activity counts once all the same.
func TestDueMeetsEndOfContext(t *testing.T) {
	c := heldAt(start)
	for range 500 {
		ctx, cancel := context.WithCancel(t.Context())
		slept := sleeper(c, ctx, time.Minute)
		require.NoError(t, c.Idle(t.Context()))
		go cancel()
		c.Add(time.Minute)
		if err := <-slept; err != nil {
			require.ErrorIs(t, err, context.Canceled)
		}
		cancel()
		require.NoError(t, c.Idle(t.Context()))
		require.Zero(t, c.busy)
		require.Empty(t, c.timers)
	}
}
