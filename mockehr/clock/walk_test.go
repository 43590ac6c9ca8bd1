package clock

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// walk moves the clocks together from timer to timer until end, as a harness does.
func walk(ctx context.Context, end time.Time, clocks ...*Clock) error {
	for {
		to := end
		for _, c := range clocks {
			if due, found := c.Due(); found && due.Before(to) {
				to = due
			}
		}
		for _, c := range clocks {
			c.Set(to)
		}
		for _, c := range clocks {
			if err := c.Idle(ctx); err != nil {
				return err
			}
		}
		if to.Equal(end) {
			return nil
		}
	}
}

// schedule is the rounds that one node has begun, by its own clock.
type schedule struct {
	c      *Clock
	rounds []time.Duration // after start
}

// loop sleeps between rounds until ctx ends.
func (s *schedule) loop(ctx context.Context, every time.Duration, round func()) {
	a := s.c.Begin()
	go func() {
		defer a.End()
		for a.Sleep(ctx, every) == nil {
			s.rounds = append(s.rounds, s.c.Now().Sub(start))
			round()
		}
	}()
}

// timer sets a timer from round to round until ctx ends.
func (s *schedule) timer(ctx context.Context, every time.Duration, round func()) {
	s.c.AfterFunc(every, func() {
		if ctx.Err() != nil {
			return
		}
		s.rounds = append(s.rounds, s.c.Now().Sub(start))
		round()
		s.timer(ctx, every, round)
	})
}

// multiples are the times of a schedule's rounds within an hour.
func multiples(every time.Duration) []time.Duration {
	var list []time.Duration
	for at := every; at <= time.Hour; at += every {
		list = append(list, at)
	}
	return list
}

func TestWalk(t *testing.T) {
	type begin = func(s *schedule, ctx context.Context, every time.Duration, round func())
	loop, timer := begin((*schedule).loop), begin((*schedule).timer)
	tests := map[string]struct {
		begin begin
		every []time.Duration // of each node
		want  []int           // rounds in an hour
	}{
		"one node":                {loop, []time.Duration{5 * time.Minute}, []int{12}},
		"one node, by timer":      {timer, []time.Duration{5 * time.Minute}, []int{12}},
		"three in step":           {loop, []time.Duration{5 * time.Minute, 5 * time.Minute, 5 * time.Minute}, []int{12, 12, 12}},
		"three in step, by timer": {timer, []time.Duration{5 * time.Minute, 5 * time.Minute, 5 * time.Minute}, []int{12, 12, 12}},
		"out of step":             {loop, []time.Duration{5 * time.Minute, 7 * time.Minute, 45 * time.Minute}, []int{12, 8, 1}},
		"out of step, by timer":   {timer, []time.Duration{5 * time.Minute, 7 * time.Minute, time.Second}, []int{12, 8, 3600}},
		"beside one that is late": {loop, []time.Duration{5 * time.Minute, 2 * time.Hour}, []int{12, 0}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ctx, cancel := context.WithCancel(t.Context())
				nodes := make([]*schedule, len(tt.every))
				clocks := make([]*Clock, len(tt.every))
				for i := range nodes {
					clocks[i] = heldAt(start)
					nodes[i] = &schedule{c: clocks[i]}
				}
				for i, s := range nodes {
					peer := clocks[(i+1)%len(clocks)]
					tt.begin(s, ctx, tt.every[i], func() {
						// The peer answers, and the round waits for it.
						a, answered := peer.Begin(), make(chan struct{})
						go func() {
							defer a.End()
							close(answered)
						}()
						<-answered
					})
				}
				for _, c := range clocks {
					require.NoError(t, c.Idle(ctx))
				}
				require.NoError(t, walk(ctx, start.Add(time.Hour), clocks...))
				for i, s := range nodes {
					assert.Len(t, s.rounds, tt.want[i])
					assert.Equal(t, multiples(tt.every[i]), s.rounds)
					assert.Equal(t, start.Add(time.Hour), s.c.Now())
				}
				assert.Zero(t, time.Since(began), "no real time passes")

				cancel()
				require.NoError(t, walk(t.Context(), start.Add(4*time.Hour), clocks...))
				for i, s := range nodes {
					assert.Len(t, s.rounds, tt.want[i], "no round after the end")
				}
			})
		})
	}
}

// One jump over many rounds is one round late: the walk is what gives each round its time.
func TestJumpSkipsRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := &schedule{c: heldAt(start)}
		s.loop(ctx, 5*time.Minute, func() {})
		require.NoError(t, s.c.Idle(ctx))
		s.c.Add(time.Hour)
		require.NoError(t, s.c.Idle(ctx))
		assert.Equal(t, []time.Duration{time.Hour}, s.rounds)
	})
}
