package steps

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// This file waits: for a copy that comes to rest, an update that is over, a request that comes.

func (w *world) comesToRest(ctx context.Context) error {
	for _, f := range w.flows {
		if f.target != nil {
			if err := w.rest(ctx, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// rest waits until a passage's target has nothing more to do now. An outside
// target is at rest when its own status says so, or the source has heard
// nothing for a while.
func (w *world) rest(ctx context.Context, f *passage) error {
	if w.ours() {
		return w.cluster.Idle(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, w.env.Timeouts.copy())
	defer cancel()
	quiet := 3 * time.Second
	if f.connection == "" {
		quiet = 500 * time.Millisecond // nothing was accepted, so that nothing should come
	}
	seenLast, since := -1, time.Now()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		over, known := w.copyOver(ctx, f)
		if over {
			return nil
		}
		if known {
			since = time.Now() // it says that it is copying
		} else if f.source.control != nil {
			all, err := w.received(ctx, f.source)
			if ctx.Err() != nil {
				return nil // what follows judges what is there by now
			}
			if err != nil {
				return err
			}
			if len(all) != seenLast {
				seenLast, since = len(all), time.Now()
			}
		}
		if time.Since(since) > quiet {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil // what follows judges what is there by now
		case <-tick.C:
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
	status, bearer := "", f.target.consumer
	if a, err := w.status(ctx, f, bearer); err == nil {
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
	for f, was := range before {
		w.roundOver(ctx, f, was)
	}
	return nil
}

// lastCheck is when a passage's last round began, as its outside target tells
// it; "" where it does not tell, or where the connection is over.
func (w *world) lastCheck(ctx context.Context, f *passage) string {
	if f.target == nil || f.target.outside == nil || f.connection == "" {
		return ""
	}
	a, err := w.status(ctx, f, f.target.consumer)
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
// where a system is slow; what follows judges what is there by then.
func (w *world) roundOver(ctx context.Context, f *passage, was string) {
	if was == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, w.env.Timeouts.copy())
	defer cancel()
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
	ctx, cancel := context.WithTimeout(ctx, w.env.Timeouts.copy())
	defer cancel()
	for {
		all, err := w.received(ctx, w.flow.source)
		if ctx.Err() != nil {
			return nil // what follows judges what is there by now
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
			return w.rest(ctx, w.flow)
		}
		select {
		case <-ctx.Done():
			return nil // what follows judges what is there by now
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func (w *world) hasAskedFor(ctx context.Context, _, path string) error {
	ctx, cancel := context.WithTimeout(ctx, w.env.Timeouts.request())
	defer cancel()
	for {
		all, err := w.received(ctx, w.flow.source)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(all, func(e seen) bool { return e.matches(path) }) {
			return nil
		}
		select {
		case <-ctx.Done():
			return w.rec.Fail(w.subject, "a request for "+path, "none")
		case <-time.After(20 * time.Millisecond):
		}
	}
}
