package judge

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		status int
		header string
		want   time.Duration
		later  bool
	}{
		{429, "1", time.Second, true}, {503, "30", 30 * time.Second, true}, {429, "0", 0, true},
		{429, "31", 0, false}, {429, "", 0, false}, {429, "soon", 0, false}, {429, "-1", 0, false}, {401, "1", 0, false}, {200, "1", 0, false},
	} {
		wait, later := RetryAfter(c.status, http.Header{"Retry-After": {c.header}})
		assert.Equal(t, c.later, later, c)
		if c.later {
			assert.Equal(t, c.want, wait, c)
		}
	}
}

func TestPatiently(t *testing.T) {
	busy := http.Header{"Retry-After": {"0"}}
	for name, c := range map[string]struct {
		statuses []int
		want     int
		sent     int
	}{
		"at once":        {[]int{200}, 200, 1},
		"the third time": {[]int{429, 503, 201}, 201, 3},
		"never":          {[]int{429, 429, 429, 429, 200}, 429, 4},
		"refused":        {[]int{401, 200}, 401, 1},
	} {
		sent := 0
		got, err := Patiently(t.Context(), func() (int, error) { sent++; return c.statuses[sent-1], nil }, func(status int) (int, http.Header) { return status, busy })
		assert.NoError(t, err, name)
		assert.Equal(t, c.want, got, name)
		assert.Equal(t, c.sent, sent, name)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Patiently(ctx, func() (int, error) { return 429, nil }, func(status int) (int, http.Header) { return status, http.Header{"Retry-After": {"9"}} })
	assert.ErrorIs(t, err, context.Canceled)
}
