package steps

import (
	"context"
	"fmt"
	"time"

	"example.org/ccde/mockehr/control"
)

func timeSteps() []step {
	return []step{
		{`{duration} pass(es)`, "Lets time pass: all clocks of the mocks go on, from one thing that is due to the next, until all have nothing more to do. With an outside system in the scenario the time really passes, if the timeouts allow it.",
			`When 25 hours pass`, (*world).passes},
		{`all clocks stand still, at a whole second`, "The clocks of the mocks are held: time passes only where a step says so, to the nanosecond. With an outside system in the scenario nothing more is played.",
			`Given all clocks stand still, at a whole second`, (*world).standStill},
		{`the clock of {role} goes {duration} forward`, "That mock's clock jumps, no other. What its timers wait for comes due.",
			`When the clock of the source EHR goes 10 minutes forward`, (*world).forward},
		{`the clock of {role} goes {duration} back`, "The same, back.",
			`When the clock of the source EHR goes 10 minutes back`, (*world).back},
		{`{role} asks the CAVS`, "Tells the mock to ask the CAVS at $authorize.",
			`Given the source EHR asks the CAVS`, (*world).asksCAVS},
	}
}

func (w *world) passes(ctx context.Context, text string) error {
	d, err := parseDuration(text)
	if err != nil {
		return err
	}
	return w.pass(ctx, d)
}

// pass lets time pass, and remembers where each node's history stood before.
func (w *world) pass(ctx context.Context, d time.Duration) error {
	if err := w.settle(ctx); err != nil {
		return err
	}
	for _, n := range w.nodes {
		if n.control == nil {
			continue
		}
		last, err := n.control.History(ctx, control.HistoryQuery{Last: 1})
		if err != nil || len(last) == 0 {
			continue // a node that is down has no history
		}
		w.since[n.name] = last[0].Seq
	}
	if w.ours() {
		if err := w.cluster.Advance(ctx, d); err != nil {
			return fmt.Errorf("time could not pass: %w", err)
		}
		return nil
	}
	if d > w.env.Timeouts.copy() {
		return w.beyond(fmt.Sprintf("%s would really have to pass for an outside system, and timeouts.copy lets no more than %s", d, w.env.Timeouts.copy()))
	}
	select {
	case <-ctx.Done():
		return ranOut(ctx, fmt.Sprintf("%s to pass", d))
	case <-time.After(d):
		return nil
	}
}

// settle waits for what is in hand, so that it counts as done before time passes.
func (w *world) settle(ctx context.Context) error {
	if w.ours() && w.cluster != nil {
		return w.cluster.Idle(ctx)
	}
	return nil
}

// standStill holds every clock. Instants on the wire have whole seconds, so at a
// whole second what ends then ends at its very nanosecond.
func (w *world) standStill(ctx context.Context) error {
	if !w.ours() {
		return w.beyond("all clocks have to stand still here, which only mocks' can; nothing is missing at an outside system's side")
	}
	if err := w.cluster.WakeAll(ctx); err != nil {
		return err
	}
	for _, n := range w.cluster.Nodes() {
		now, err := n.Control.HoldClock(ctx)
		if err == nil {
			_, err = n.Control.SetClock(ctx, now.Now.Truncate(time.Second).Add(time.Second))
		}
		if err != nil {
			return fmt.Errorf("the clock of %s: %w", n.Name, err)
		}
	}
	return nil
}

func (w *world) forward(ctx context.Context, title, text string) error {
	return w.jump(ctx, title, text, 1)
}

func (w *world) back(ctx context.Context, title, text string) error {
	return w.jump(ctx, title, text, -1)
}

func (w *world) jump(ctx context.Context, title, text string, direction time.Duration) error {
	if !w.ours() {
		return w.beyond("the clock of an outside system can't be moved, and goes right; a mock's is not to disagree with it")
	}
	d, err := parseDuration(text)
	if err != nil {
		return err
	}
	n, err := w.controlled(ctx, title)
	if err != nil {
		return err
	}
	if _, err := n.control.AddClock(ctx, direction*d); err != nil {
		return fmt.Errorf("the clock of %s: %w", n.title(), err)
	}
	return nil
}

func (w *world) asksCAVS(ctx context.Context, title string) error {
	n, err := w.role(ctx, title)
	if err != nil {
		return err
	}
	if n.outside != nil {
		return w.outsideAsksCAVS(n)
	}
	cavs, err := w.role(ctx, "the CAVS")
	if err != nil {
		return err
	}
	s, err := n.control.Settings(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", n.title(), err)
	}
	s.CAVS = cavs.cavs
	if err := n.control.SetSettings(ctx, s); err != nil {
		return fmt.Errorf("%s: %w", n.title(), err)
	}
	return nil
}

// outsideAsksCAVS looks up whom an outside source asks at $authorize.
func (w *world) outsideAsksCAVS(n *node) error {
	switch n.outside.AsksCAVS {
	case "none":
		return w.beyond(n.title() + " asks no CAVS (source.cavs: none)")
	case "ours":
		return nil // its vendor entered the URL of our CAVS
	case "theirs":
		if _, outside := w.env.Roles["cavs"]; outside {
			return nil
		}
		return w.unjudged("source.cavs is theirs, and the config has no cavs section that says where that is")
	}
	return w.unjudged("the config does not say whom " + n.title() + " asks (source.cavs: ours, theirs or none)")
}
