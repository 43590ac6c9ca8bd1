package exchange

import (
	"context"
	"slices"
	"time"

	"example.org/ccde/mockehr/store"
)

// job is one thing to do in a round, until it is done or given up for this round.
type job struct {
	about   string // for messages
	run     func(context.Context) error
	retries *retries
	due     time.Time
}

// round asks the source for everything once, or goes on with a round that was begun before a restart.
// A failure that it returns ends the connection.
func (w *worker) round(ctx context.Context) error {
	w.problems, w.misses, w.away, w.suspect = problems{}, 0, nil, false
	clear(w.denied)
	if !w.state().Active {
		if err := w.begin(ctx); err != nil {
			return err
		}
	}
	ready, err := w.prepare(ctx)
	if err != nil {
		return err
	}
	if ready {
		if err := w.do(ctx, w.queryJobs()); err != nil {
			return err
		}
		left := &job{about: "what the resources refer to", run: w.copyWanted, retries: newRetries()}
		if err := w.do(ctx, []*job{left}); err != nil {
			return err
		}
	}
	return w.endRound(ctx)
}

func (w *worker) begin(ctx context.Context) error {
	return w.change(ctx, func(_ *store.Tx, st *state) error {
		st.Round++
		st.Active, st.Status, st.Message = true, Copying, ""
		st.LastCheck = w.Clock.Now()
		st.NextCheck = st.LastCheck.Add(w.settings().UpdateEvery)
		for i := range st.Queries {
			q := &st.Queries[i]
			q.Done, q.Next, q.Pages, q.Bytes, q.AsOf = false, "", 0, 0, time.Time{}
		}
		return nil
	})
}

// endRound leaves the connection waiting for the next round, with what went wrong in this one.
func (w *worker) endRound(ctx context.Context) error {
	return w.change(ctx, func(_ *store.Tx, st *state) error {
		st.NextCheck = w.nextCheck(st, w.Clock.Now())
		st.Active, st.Status, st.Message = false, Waiting, w.problems.String()
		return nil
	})
}

// prepare gets the metadata and a token and makes the plan; false leaves the round. A source that never
// gave what makes an exchange at all, and answers nonsense, ends the connection.
func (w *worker) prepare(ctx context.Context) (bool, error) {
	const about = "the source"
	for tries := newRetries(); ; {
		err := w.introduce(ctx)
		if err == nil {
			w.problems.clear(about)
			return true, nil
		}
		f := asFailure(err)
		if f == nil || f.kind == fatal {
			return false, err
		}
		if err := w.note(ctx, about, f); err != nil {
			return false, err
		}
		wait, again := w.next(ctx, tries, about, f)
		if !again {
			if f.kind != passing && !w.everCopied() {
				return false, f
			}
			return false, nil
		}
		if err := w.sleep(ctx, wait); err != nil {
			return false, err
		}
	}
}

func (w *worker) introduce(ctx context.Context) error {
	if err := w.discover(ctx); err != nil {
		return err
	}
	if _, err := w.access(ctx); err != nil {
		return err
	}
	texts := w.plan(ctx)
	return w.change(ctx, func(_ *store.Tx, st *state) error {
		st.applyPlan(texts)
		return nil
	})
}

func (w *worker) everCopied() bool { return len(w.state().Copied) > 0 }

// note keeps a problem for the message, where it can be read while copying goes on.
func (w *worker) note(ctx context.Context, about string, f *failure) error {
	w.problems.set(about, w.clean(ctx, f.text))
	w.Log.InfoContext(ctx, "a source misbehaves", "connection", w.state().ID, "about", about, "problem", w.problems.text[about])
	return w.change(ctx, func(_ *store.Tx, st *state) error {
		st.Message = w.problems.String()
		return nil
	})
}

func (w *worker) queryJobs() []*job {
	var jobs []*job
	for _, q := range w.state().Queries {
		if !q.Done {
			text := q.Text
			jobs = append(jobs, &job{about: text, retries: newRetries(), run: func(ctx context.Context) error { return w.runQuery(ctx, text) }})
		}
	}
	return jobs
}

// do does jobs until each is done or given up. One that fails waits for its next attempt while the
// others go on; a Retry-After, or a source that gives no answer at all, holds up all.
func (w *worker) do(ctx context.Context, jobs []*job) error {
	for len(jobs) > 0 {
		i := earliest(jobs)
		j := jobs[i]
		before := w.Clock.Now()
		if err := w.sleep(ctx, j.due.Sub(before)); err != nil {
			return err
		}
		if back := before.Sub(w.Clock.Now()); back > 0 { // the clock was set back: nothing waits longer for that
			for _, j := range jobs {
				j.due = j.due.Add(-back)
			}
			continue
		}
		err := j.run(ctx)
		f := asFailure(err)
		switch {
		case err == nil:
			w.problems.clear(j.about)
			jobs = slices.Delete(jobs, i, i+1)
			continue
		case f == nil || f.kind == fatal:
			return err
		}
		if err := w.note(ctx, j.about, f); err != nil {
			return err
		}
		tries := j.retries
		if w.misses == 0 {
			w.away = nil
		} else if f.transport && w.misses >= missesAway {
			if w.away == nil {
				w.away = newRetries()
			}
			tries = w.away
		}
		wait, again := w.next(ctx, tries, j.about, f)
		switch {
		case again:
			j.due = w.Clock.Now().Add(wait)
		case tries == w.away:
			return nil // all else would fail alike; the next round tries again
		default:
			jobs = slices.Delete(jobs, i, i+1)
		}
		if f.after > 0 || tries == w.away {
			hold(jobs, w.Clock.Now().Add(wait))
		}
	}
	return nil
}

// hold keeps all jobs waiting until then.
func hold(jobs []*job, until time.Time) {
	for _, j := range jobs {
		if j.due.Before(until) {
			j.due = until
		}
	}
}

// earliest is the index of the job that is due first; of several the first.
func earliest(jobs []*job) int {
	first := 0
	for i, j := range jobs {
		if j.due.Before(jobs[first].due) {
			first = i
		}
	}
	return first
}
