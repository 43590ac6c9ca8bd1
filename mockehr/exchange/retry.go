package exchange

import (
	"context"
	"time"

	"example.org/ccde/mockehr/check"

	"github.com/cenkalti/backoff/v5"
)

// keptRetryAfter is the longest Retry-After that is kept to the end (protocol 1.6).
const keptRetryAfter = 5 * time.Minute

// missesAway is after how many requests in a row without an answer the source, or the way to it, counts
// as down: then all wait, and one tries.
const missesAway = 3

// attempts is how often something is tried in one round, by how it fails: with waits of 1, 2, 4.. s.
// What still fails then is left until the next round.
func attempts(k kind) int {
	switch k {
	case passing:
		return 7
	case broken:
		return 3
	case refused:
		return 2
	default:
		return 0
	}
}

// retries are the attempts at one thing.
type retries struct {
	made  int
	waits *backoff.ExponentialBackOff
}

func newRetries() *retries {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.Multiplier, b.MaxInterval, b.RandomizationFactor = time.Second, 2, time.Minute, 0
	b.Reset()
	return &retries{waits: b}
}

// next tells how long to wait after a failure before the next attempt (TGT-30), and false when it was
// the last one of this round.
func (w *worker) next(ctx context.Context, r *retries, about string, f *failure) (time.Duration, bool) {
	r.made++
	wait := r.waits.NextBackOff()
	if f.after > 0 {
		wait = min(f.after, keptRetryAfter)
	}
	if r.made >= attempts(f.kind) {
		wait = -time.Second
	}
	in := check.Inputs{"connection": w.state().ID, "query": about, "status": f.status, "retryAfter": f.after.Seconds(), "attempt": r.made}
	seconds := check.Value(ctx, w.Checks, "TGT-30", in, wait.Seconds())
	if seconds < 0 {
		return 0, false
	}
	return time.Duration(min(seconds, 24*60*60) * float64(time.Second)), true
}
