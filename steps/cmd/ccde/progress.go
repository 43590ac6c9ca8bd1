package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/mattn/go-isatty"

	"example.org/ccde/reports"
	"example.org/ccde/steps/suite"
)

// silence is the longest time without a sign of life.
const silence = 1500 * time.Millisecond

// progress shows how a run goes: on a terminal one line that is written over,
// elsewhere a line for each scenario. It is never silent for long.
type progress struct {
	w              io.Writer
	terminal       bool
	width          int
	quiet, verbose bool

	mu     sync.Mutex
	last   suite.Event
	news   time.Time // when something was shown
	since  time.Time // when what goes on now began
	held   bool      // a person is asked: the line stays as it is
	task   string    // what goes on before the first event
	shown  int       // runes of the line that is on the terminal
	stop   chan struct{}
	ticker sync.WaitGroup
}

func newProgress(w io.Writer, env func(string) string, quiet, verbose bool) *progress {
	p := &progress{w: w, quiet: quiet, verbose: verbose, width: 79, stop: make(chan struct{})}
	if f, ok := w.(*os.File); ok {
		p.terminal = isatty.IsTerminal(f.Fd()) && env("TERM") != "dumb"
	}
	if n, err := strconv.Atoi(env("COLUMNS")); err == nil && n > 20 {
		p.width = n - 1
	}
	p.news, p.since = time.Now(), time.Now()
	p.ticker.Go(p.tick)
	return p
}

// doing says what goes on before the suite has news.
func (p *progress) doing(task string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.task, p.since = task, time.Now()
	if p.terminal {
		p.over(p.status())
	}
}

// say writes lines that stay, but where the outcome alone is wanted; always
// writes them there too.
func (p *progress) say(lines ...string) {
	if !p.quiet {
		p.always(lines...)
	}
}

func (p *progress) always(lines ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, text := range lines {
		p.line(text)
	}
}

// hold keeps signs of life off the terminal until the function that it returns is called.
func (p *progress) hold() (resume func()) {
	set := func(held bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.clear()
		p.held, p.news = held, time.Now()
	}
	set(true)
	return func() { set(false) }
}

// event takes the suite's news.
func (p *progress) event(e suite.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last, p.since = e, time.Now()
	switch e.Kind {
	case suite.RuntimeChosen:
		p.line(e.Message)
	case suite.Started:
		if p.terminal {
			p.over(p.status())
		}
	case suite.Finished:
		p.finished(e)
	}
}

func (p *progress) finished(e suite.Event) {
	sc := e.Scenario
	good := sc.Verdict == reports.Passed || sc.Verdict == reports.Skipped
	text := fmt.Sprintf("%d of %d · %s", e.Done, e.Total, sc.Name)
	if sc.Verdict != reports.Passed {
		text += " · " + sc.Verdict
	}
	switch {
	case p.quiet:
	case p.verbose:
		p.line(text)
		for _, st := range sc.Steps {
			p.line(fmt.Sprintf("    %-8s %s %s", st.Verdict, st.Keyword, st.Text))
		}
	case !p.terminal || !good:
		p.line(text)
	}
	if p.terminal {
		p.over(p.status())
	}
}

// status is the line that shows what goes on.
func (p *progress) status() string {
	e := p.last
	switch {
	case e.Total == 0 && p.task != "":
		return p.task
	case e.Total == 0:
		return "starting"
	case len(e.Running) > 0:
		return fmt.Sprintf("%d of %d · %s", e.Done, e.Total, e.Running[0])
	case e.Kind == suite.RuntimeChosen:
		return fmt.Sprintf("0 of %d · starting the nodes", e.Total)
	case e.Done == e.Total:
		return fmt.Sprintf("%d of %d · cleaning up", e.Done, e.Total)
	}
	return fmt.Sprintf("%d of %d", e.Done, e.Total)
}

// tick breaks the silence.
func (p *progress) tick() {
	t := time.NewTicker(silence / 3)
	defer t.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-t.C:
		}
		p.mu.Lock()
		if !p.held && time.Since(p.news) >= silence-silence/3 {
			text := fmt.Sprintf("%s · %d s", p.status(), int(time.Since(p.since).Seconds()+0.5))
			if p.terminal {
				p.over(text)
			} else if !p.quiet {
				p.line(text)
			}
		}
		p.mu.Unlock()
	}
}

// over writes over the terminal's last line.
func (p *progress) over(text string) {
	if p.quiet || p.held {
		return
	}
	if n := utf8.RuneCountInString(text); n > p.width {
		text = string([]rune(text)[:p.width-1]) + "…"
	}
	n := utf8.RuneCountInString(text)
	fmt.Fprintf(p.w, "\r%s%s", text, strings.Repeat(" ", max(p.shown-n, 0)))
	p.shown, p.news = n, time.Now()
}

// line writes a line that stays.
func (p *progress) line(text string) {
	p.clear()
	fmt.Fprintln(p.w, text)
	p.news = time.Now()
}

func (p *progress) clear() {
	if p.shown > 0 {
		fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", p.shown))
		p.shown = 0
	}
}

// close ends the signs of life and leaves a clean line.
func (p *progress) close() {
	close(p.stop)
	p.ticker.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}
