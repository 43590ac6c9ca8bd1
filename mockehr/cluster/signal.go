package cluster

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// sameSignal is how long further signals count as the first one: what ends a
// process group (timeout, make, a terminal) often sends it to a process twice.
const sameSignal = 2 * time.Second

// Interrupted is the cause of a context that a signal ended.
type Interrupted struct{ Signal os.Signal }

func (i Interrupted) Error() string { return fmt.Sprintf("interrupted by a signal: %s", i.Signal) }

// SignalContext ends with the first SIGINT or SIGTERM, so that whoever runs
// under it comes to its Close calls, which do not end with it: that is how
// containers, networks and images go on Ctrl-C too. notice, if not nil, is
// called once when that happens. Once [sameSignal] is over, another signal ends
// the process at once, as it does without us; what is left then, a later run
// removes.
func SignalContext(parent context.Context, notice func(os.Signal)) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case s := <-signals:
			time.AfterFunc(sameSignal, func() { signal.Stop(signals) })
			if notice != nil {
				notice(s)
			}
			cancel(Interrupted{s})
		case <-ctx.Done():
			signal.Stop(signals)
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}
