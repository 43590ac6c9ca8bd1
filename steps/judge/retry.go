package judge

import (
	"net/http"
	"strconv"
	"time"
)

// patience is the longest wait that a system may ask a judge for.
const patience = 30 * time.Second

// RetryAfter is how long a system that answers 429 or 503 wants to be left
// alone, if it says so in seconds and that is not too long (RFC 9110 10.2.3).
func RetryAfter(status int, header http.Header) (time.Duration, bool) {
	seconds, err := strconv.Atoi(header.Get("Retry-After"))
	wait := time.Duration(seconds) * time.Second
	return wait, (status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable) && err == nil && seconds >= 0 && wait <= patience
}
