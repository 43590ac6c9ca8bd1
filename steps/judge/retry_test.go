package judge

import (
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
