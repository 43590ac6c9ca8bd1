package steps

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// This file judges what a target does once it was refused: a new token, another try.

func (w *world) oneNewToken(ctx context.Context) error {
	f, tokens, data, err := w.ofFlow(ctx)
	if err != nil {
		return err
	}
	tokens, data = afterRefusal(w.sinceMark(f.source, tokens), w.sinceMark(f.source, data))
	if len(tokens) != 1 {
		return w.rec.Fail(w.subject, "one token request after the 401, before the next good answer", fmt.Sprintf("%d", len(tokens)))
	}
	if !slices.ContainsFunc(data, func(e seen) bool { return e.Status == http.StatusOK }) {
		return w.rec.Fail(w.subject, "requests for data with the new access token", "none")
	}
	return nil
}

// afterRefusal are the token requests between the first 401 and the next good
// answer, and the requests for data from that 401 on. A target may ask for a
// token as often as it likes while none is refused (protocol 1.4).
func afterRefusal(tokens, data []seen) (between, rest []seen) {
	i := slices.IndexFunc(data, func(e seen) bool { return e.Status == http.StatusUnauthorized })
	if i < 0 {
		return nil, nil
	}
	rest = data[i+1:]
	for _, t := range tokens {
		// One that was in hand beside the refused one, with the same token, is no sign of a new one.
		good := slices.ContainsFunc(rest, func(e seen) bool {
			return e.Status == http.StatusOK && e.bearer() != data[i].bearer() && e.Real.Before(t.Real)
		})
		if t.Real.After(data[i].Real) && !good {
			between = append(between, t)
		}
	}
	return between, rest
}

func (w *world) fewTokens(ctx context.Context) error {
	f, tokens, data, err := w.ofFlow(ctx)
	if err != nil {
		return err
	}
	tokens, _ = afterRefusal(w.sinceMark(f.source, tokens), w.sinceMark(f.source, data))
	if n := len(tokens); n > 1 {
		return w.rec.Fail(w.subject, "one new access token at most", fmt.Sprintf("%d token requests", n))
	}
	return nil
}

// gaps are the times between a passage's requests for a path, by the source's clock.
func (w *world) gaps(ctx context.Context, path string) ([]time.Duration, error) {
	_, _, data, err := w.ofFlow(ctx)
	if err != nil {
		return nil, err
	}
	var out []time.Duration
	var last time.Time
	for _, e := range data {
		if !e.matches(path) {
			continue
		}
		if !last.IsZero() {
			out = append(out, e.At.Sub(last))
		}
		last = e.At
	}
	return out, nil
}

func (w *world) againAfter(ctx context.Context, path, seconds string) error {
	gaps, err := w.gaps(ctx, path)
	if err != nil {
		return err
	}
	wait := time.Duration(number(seconds)) * time.Second
	if len(gaps) == 0 {
		return w.rec.Fail(w.subject, fmt.Sprintf("a second request for %s after %s", path, wait), "none")
	}
	if gaps[0] < wait-time.Second {
		return w.rec.Fail(w.subject, fmt.Sprintf("%s or more between the two", wait), gaps[0].String())
	}
	return nil
}

// growing says whether the first three waits grow, as far as a source can tell:
// what goes over the wire makes one a little longer or shorter than it was meant.
func growing(gaps []time.Duration) bool {
	near := func(before, after time.Duration) bool { return after > before-before/5 }
	return gaps[2] > gaps[0]+gaps[0]/5 && near(gaps[0], gaps[1]) && near(gaps[1], gaps[2])
}

func (w *world) againGrowing(ctx context.Context, path string) error {
	gaps, err := w.gaps(ctx, path)
	if err != nil {
		return err
	}
	if len(gaps) < 3 {
		return w.rec.Fail(w.subject, "a new try after each of 3 errors", fmt.Sprintf("%d", len(gaps)))
	}
	if gaps[0] > time.Minute {
		return w.rec.Fail(w.subject, "the first new try within a minute", gaps[0].String())
	}
	if !growing(gaps) {
		return w.rec.Fail(w.subject, "a wait that grows from try to try", fmt.Sprint(gaps[:3]))
	}
	return nil
}
