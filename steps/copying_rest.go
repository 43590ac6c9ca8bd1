package steps

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// This file waits: for a copy that comes to rest, an update that is over, a request that comes.

func (w *world) comesToRest(ctx context.Context) error {
	var all []*passage
	for _, f := range w.flows {
		if f.target != nil {
			all = append(all, f)
		}
	}
	return w.rest(ctx, all...)
}

// ranOut is the error of a wait that the end of the scenario cut short: then
// nothing can be judged. A wait whose own time is over has none: what follows
// judges what is there by then.
func ranOut(scenario context.Context, waitedFor string) error {
	if err := scenario.Err(); err != nil {
		return fmt.Errorf("waiting for %s: %w", waitedFor, err)
	}
	return nil
}

// rest waits until the targets of passages have nothing more to do now, as long
// as a copy may take: they copy at the same time.
func (w *world) rest(ctx context.Context, flows ...*passage) error {
	if w.ours() {
		return w.cluster.Idle(ctx)
	}
	within, cancel := context.WithTimeout(ctx, w.env.Timeouts.copy())
	defer cancel()
	for _, f := range flows {
		if err := w.restOf(within, f); err != nil {
			return err
		}
	}
	return ranOut(ctx, "the copying to come to rest")
}

// restOf waits for one outside target, as long as ctx goes. It is at rest when
// its own status says so. One that does not tell is so when the source, which
// must have heard of it at all, has heard nothing for a while; or, as a target
// with a short schedule is never quiet, when it has gone through a whole update.
func (w *world) restOf(ctx context.Context, f *passage) error {
	accepted := !f.connected.IsZero()
	quiet := quietRefused
	if accepted {
		quiet = quietCopy
	}
	begun := time.Now()
	var all []seen
	count, since := -1, begun
	for {
		over, known := w.copyOver(ctx, f)
		if over {
			return nil
		}
		if known {
			since = time.Now() // it says that it is copying
			if len(f.tokens) == 0 && f.source.control != nil {
				// So that the token is known before a target that asks without end drives it out of the history.
				if _, _, err := w.passageRequests(ctx, f); err != nil && ctx.Err() == nil {
					return err
				}
			}
		} else if f.source.control != nil {
			var err error
			all, err = w.heard(ctx, f)
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return err
			}
			if len(all) != count {
				count, since = len(all), time.Now()
				if updatedTwice(all, begun) {
					return nil
				}
			}
			if accepted && count == 0 && !w.isOver(f) {
				since = time.Now() // it has not begun yet
			}
		}
		if still := time.Since(since); still > quiet {
			if !accepted || still > quietFailed || w.isOver(f) || !failing(all) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// copyOver asks a target's own status whether it is copying; known says that
// it tells.
func (w *world) copyOver(ctx context.Context, f *passage) (over, known bool) {
	if f.connection == "" {
		return false, false
	}
	if f.target.control != nil {
		_, err := f.target.control.Idle(ctx)
		return err == nil, err == nil
	}
	status := ""
	if a, err := w.status(ctx, f, f.owner()); err == nil {
		status = textParameter(a.json(), "status")
	}
	switch status {
	case "waiting", "stopped", "expired", "failed":
		return true, true
	}
	return false, status != ""
}

func (w *world) nextUpdate(ctx context.Context) error {
	if !w.ours() && w.env.UpdateEvery == 0 {
		return w.beyond("the config does not say how often the target EHR asks for what is new (target.update.every)")
	}
	before := map[*passage]string{}
	if !w.ours() {
		for _, f := range w.flows {
			before[f] = w.lastCheck(ctx, f)
		}
	}
	if err := w.pass(ctx, w.env.updateEvery()+time.Second); err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, w.env.Timeouts.copy()) // for all of them, as they ask at the same time
	defer cancel()
	for f, was := range before {
		if f.target != nil && f.connection == "" { // it tells nothing
			if err := w.restOf(within, f); err != nil {
				return err
			}
		}
		w.roundOver(within, f, was)
	}
	return ranOut(ctx, "the next update to be over")
}

// lastCheck is when a passage's last round began, as its outside target tells
// it; "" where it does not tell, or where the connection is over.
func (w *world) lastCheck(ctx context.Context, f *passage) string {
	if f.target == nil || f.target.outside == nil || f.connection == "" {
		return ""
	}
	a, err := w.status(ctx, f, f.owner())
	if err != nil {
		return ""
	}
	switch textParameter(a.json(), "status") {
	case "stopped", "expired", "failed":
		return ""
	}
	return textParameter(a.json(), "lastCheck")
}

// roundOver waits until a round that began after the last one is over, for
// where a system is slow, as long as ctx goes; what follows judges what is there by then.
func (w *world) roundOver(ctx context.Context, f *passage, was string) {
	if was == "" {
		return
	}
	for {
		now := w.lastCheck(ctx, f)
		if over, known := w.copyOver(ctx, f); now == "" || now != was && over || !known {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// connectionOver lets the rest of the connection's time pass.
func (w *world) connectionOver(ctx context.Context) error {
	f := w.flow
	if f == nil || f.target == nil {
		return fmt.Errorf("no target EHR is connected")
	}
	now, err := w.now(ctx, f.target)
	if err != nil {
		return err
	}
	return w.pass(ctx, max(f.connected.Add(time.Duration(f.expiresIn)*time.Second).Sub(now), 0)+time.Second)
}

// hasAskedTimes waits until the source has heard a request so often, for ten
// minutes of the mocks' time, or as long as a copy may take.
func (w *world) hasAskedTimes(ctx context.Context, _, path, times string) error {
	if w.ours() {
		return w.pass(ctx, 10*time.Minute)
	}
	scenario, waited := ctx, times+" requests for "+path
	ctx, cancel := context.WithTimeout(ctx, w.env.Timeouts.copy())
	defer cancel()
	for {
		all, err := w.received(ctx, w.flow.source)
		if ctx.Err() != nil {
			return ranOut(scenario, waited)
		}
		if err != nil {
			return err
		}
		asked := 0
		for _, e := range all {
			if e.matches(path) {
				asked++
			}
		}
		if asked >= number(times) {
			return w.rest(scenario, w.flow)
		}
		select {
		case <-ctx.Done():
			return ranOut(scenario, waited)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// hasAskedFor waits until the source has heard a request, which comes with the
// copy: from a mock at once, from an outside target when it gets there.
func (w *world) hasAskedFor(ctx context.Context, _, path string) error {
	limit := w.env.Timeouts.request()
	if !w.ours() {
		limit = w.env.Timeouts.copy()
	}
	scenario := ctx
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		all, err := w.received(ctx, w.flow.source)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if slices.ContainsFunc(all, func(e seen) bool { return e.matches(path) }) {
			return nil
		}
		select {
		case <-ctx.Done():
			if err := ranOut(scenario, "a request for "+path); err != nil {
				return err
			}
			return w.rec.Fail(w.subject, "a request for "+path, fmt.Sprintf("none within %s", limit))
		case <-time.After(20 * time.Millisecond):
		}
	}
}
