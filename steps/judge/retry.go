package judge

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// patience is the longest wait that a system may ask a judge for.
const patience = 30 * time.Second

// moreTries is how often a request is sent again.
const moreTries = 3

// Patiently sends a request, and again where the system asks for some time: what
// a target must do (TGT-30), a judge does too. head is an answer's status and
// header. The error is that of send, or of ctx.
func Patiently[T any](ctx context.Context, send func() (T, error), head func(T) (int, http.Header)) (T, error) {
	answer, err := send()
	for range moreTries {
		if err != nil {
			break
		}
		wait, later := RetryAfter(head(answer))
		if !later {
			break
		}
		select {
		case <-ctx.Done():
			var none T
			return none, ctx.Err()
		case <-time.After(wait):
		}
		answer, err = send()
	}
	return answer, err
}

// RetryAfter is how long a system that answers 429 or 503 wants to be left
// alone, if it says so in seconds and that is not too long (RFC 9110 10.2.3).
func RetryAfter(status int, header http.Header) (time.Duration, bool) {
	seconds, err := strconv.Atoi(header.Get("Retry-After"))
	wait := time.Duration(seconds) * time.Second
	return wait, (status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable) && err == nil && seconds >= 0 && wait <= patience
}
