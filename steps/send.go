package steps

import (
	"context"
	"fmt"
)

// send sends a draft in a caller's name; the answer becomes "it".
func (w *world) send(ctx context.Context, d *draft, caller string) error {
	var c call
	var err error
	if d.flow != nil {
		w.flow = d.flow
	}
	switch d.kind {
	case aConsent:
		c, err = w.consentCall(ctx, d, caller)
	case anAuthorize:
		c, err = w.authorizeCall(ctx, d, caller)
	case aToken, aCode, aRefresh:
		c, err = w.tokenCall(ctx, d, caller)
	case aSignIn:
		return w.browse(ctx, d, true)
	case aConnect:
		c, err = w.connectCall(ctx, d, caller)
	case aQuestion:
		c, err = w.questionDraftCall(ctx, d)
	default:
		err = fmt.Errorf("the request at hand can't be sent")
	}
	if err != nil {
		return err
	}
	if d.charset {
		c.header.Set("Content-Type", c.header.Get("Content-Type")+"; charset=UTF-8")
	}
	d.spoil(&c)
	if c.size > 0 {
		return w.pour(ctx, c)
	}
	return w.attempt(ctx, c)
}

// sender is who sends a draft unless a step says otherwise.
func (d *draft) sender() string {
	switch d.kind {
	case aToken, aQuestion:
		return "the application"
	case aConnect:
		// The person's app, also for another patient: a judge sends the
		// consumer's bearer with all three (protocol 1.9).
		return "the person's app"
	}
	return orElse(d.flow.caller, "the person's app")
}

// filled is a draft's fields with the JWT, faulty if so asked, and all else that
// stands in braces.
func (w *world) filled(ctx context.Context, d *draft) (map[string]any, error) {
	good := d.flow.jwt
	bad, err := w.faulty(ctx, good, d.fault, d.to)
	if err != nil {
		return nil, err
	}
	d.flow.jwt = bad // for {jwt}
	defer func() { d.flow.jwt = good }()
	out := clone(d.fields)
	for name, v := range out {
		text, ok := v.(string)
		if !ok {
			continue
		}
		if out[name], err = w.expand(ctx, text); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (w *world) sendAtHand(ctx context.Context, change func(*draft), caller string, to *node) error {
	d, err := w.atHand()
	if err != nil {
		return err
	}
	if to != nil {
		d.to = to
	}
	if change != nil {
		change(d)
	}
	return w.send(ctx, d, orElse(caller, d.sender()))
}

func (w *world) sent(ctx context.Context) error { return w.sendAtHand(ctx, nil, "", nil) }

func (w *world) sentTo(ctx context.Context, title string) error { return w.sentByTo(ctx, "", title) }

func (w *world) sentBy(ctx context.Context, caller string) error {
	return w.sendAtHand(ctx, nil, caller, nil)
}

func (w *world) sentByTo(ctx context.Context, caller, title string) error {
	to, err := w.role(ctx, title)
	if err != nil {
		return err
	}
	return w.sendAtHand(ctx, nil, caller, to)
}

func (w *world) sentAsParameters(ctx context.Context) error {
	return w.sendAtHand(ctx, func(d *draft) { d.asParts = true }, "", nil)
}

func (w *world) sentWithCharset(ctx context.Context) error {
	return w.sendAtHand(ctx, func(d *draft) { d.charset = true }, "", nil)
}

func (w *world) sentUnchanged(ctx context.Context) error {
	d, err := w.atHand()
	if err != nil {
		return err
	}
	w.thing = d.unchanged()
	return w.send(ctx, w.thing, w.thing.sender())
}

func (w *world) forConsent(_ context.Context, id string) error {
	d, err := w.atHand()
	if err == nil {
		d.consent = id
	}
	return err
}
