package steps

import (
	"context"
	"errors"
	"fmt"
	"time"

	"example.org/ccde/mockehr/control"
	"example.org/ccde/steps/judge"
)

func networkSteps() []step {
	return []step{
		{`the link between {role} and {role} is cut`, "Neither reaches the other, and what they had in hand breaks off; the harness still reaches both.",
			`When the link between the source EHR and the CAVS is cut`, (*world).cut},
		{`the link between {role} and {role} is mended`, "They reach each other again.",
			`When the link between the source EHR and the CAVS is mended`, (*world).mend},
		{`{role} is killed`, "SIGKILL.",
			`When the target EHR is killed`, (*world).kill},
		{`{role} is started again`, "Starts a killed node with what it had stored.",
			`And the target EHR is started again`, (*world).restart},
		{`{role} is paused`, "It stands still where it is (SIGSTOP): its connections stay, and nothing answers.",
			`When the source EHR is paused`, (*world).pause},
		{`{role} goes on`, "A paused node goes on.",
			`And the source EHR goes on`, (*world).goOn},
		{`{role} holds back its answer to the next request for "{path}"`, "The mock has done what was asked, and its answer does not leave: until the link is cut, one of the two is killed, or it lets go. The path is as in faults.",
			`Given the source EHR holds back its answer to the next request for "/auth/token"`, (*world).holdsBack},
		{`{role} lets go of what it held back`, "All of the mock's rules end, what waits goes on.",
			`When the source EHR lets go of what it held back`, (*world).letsGo},
		{`it is sent, and the answer is lost`, "Sends the request at hand to a mock, which does what is asked; the connection closes before the answer leaves.",
			`When it is sent, and the answer is lost`, (*world).sentAndLost},
	}
}

// link cuts or mends the link between two EHRs. An outside system is kept from
// the mock at the front door.
func (w *world) link(ctx context.Context, a, b string, cut bool) error {
	x, err := w.role(ctx, a)
	if err != nil {
		return err
	}
	y, err := w.role(ctx, b)
	if err != nil {
		return err
	}
	if y.control == nil {
		x, y = y, x
	}
	switch {
	case x.control != nil && cut:
		return w.cluster.Cut(ctx, x.name, y.name)
	case x.control != nil:
		return w.cluster.Mend(ctx, x.name, y.name)
	case y.control != nil && w.env.CutDoor != nil:
		return w.env.CutDoor(w.cluster, y.name, cut)
	}
	return w.beyond("the link between " + x.title() + " and " + y.title() + " is not the harness's to cut")
}

func (w *world) cut(ctx context.Context, a, b string) error { return w.link(ctx, a, b, true) }

func (w *world) mend(ctx context.Context, a, b string) error { return w.link(ctx, a, b, false) }

// process is what kills and starts an EHR.
func (w *world) process(ctx context.Context, title string) (kill, start func(context.Context) error, err error) {
	n, err := w.role(ctx, title)
	switch {
	case err != nil:
		return nil, nil, err
	case n.control != nil:
		return func(ctx context.Context) error { return w.cluster.Kill(ctx, n.name) },
			func(ctx context.Context) error { return w.cluster.Restart(ctx, n.name) }, nil
	case n.outside != nil && n.outside.Process != nil:
		return n.outside.Process.Kill, n.outside.Process.Start, nil
	}
	return nil, nil, w.beyond("the harness did not start " + n.title() + ", so it can't kill it (command.start)")
}

func (w *world) kill(ctx context.Context, title string) error {
	kill, _, err := w.process(ctx, title)
	if err != nil {
		return err
	}
	return kill(ctx)
}

func (w *world) restart(ctx context.Context, title string) error {
	_, start, err := w.process(ctx, title)
	if err != nil {
		return err
	}
	return start(ctx)
}

func (w *world) pause(ctx context.Context, title string) error {
	n, err := w.controlled(ctx, title)
	if err != nil {
		return err
	}
	return w.cluster.Pause(ctx, n.name)
}

func (w *world) goOn(ctx context.Context, title string) error {
	n, err := w.controlled(ctx, title)
	if err != nil {
		return err
	}
	return w.cluster.Resume(ctx, n.name)
}

// heldBack is how long an answer is held back if nothing ends the wait: longer
// than anybody waits for one, and not forever.
const heldBack = time.Minute

func (w *world) holdsBack(ctx context.Context, title, path string) error {
	n, err := w.controlled(ctx, title)
	if err != nil {
		return err
	}
	return w.rule(ctx, n, control.Rule{Match: matchOf(path), Phase: control.OnAnswer, Times: 1, Wait: control.Duration(heldBack)})
}

func (w *world) letsGo(ctx context.Context, title string) error {
	n, err := w.controlled(ctx, title)
	if err != nil {
		return err
	}
	if err := n.control.ClearRules(ctx); err != nil {
		return fmt.Errorf("%s: %w", n.title(), err)
	}
	return nil
}

// errLost is what becomes of a request whose answer is to be lost.
var errLost = errors.New("the answer was lost, as the scenario wants it")

func (w *world) sentAndLost(ctx context.Context) error {
	d, err := w.atHand()
	if err != nil {
		return err
	}
	if d.to.control == nil {
		return w.beyond(d.to.title() + " is an outside system; only a mock can be told to lose an answer")
	}
	own := control.Match{Header: map[string]string{"User-Agent": judge.UserAgent}}
	if err := w.rule(ctx, d.to, control.Rule{Match: own, Phase: control.OnAnswer, Times: 1, Drop: true}); err != nil {
		return err
	}
	w.losing = true
	err = w.sent(ctx)
	w.losing = false
	switch {
	case errors.Is(err, errLost):
		return nil
	case err == nil:
		err = fmt.Errorf("%s answered, though the answer was to be lost", d.to.title())
	}
	return err
}
