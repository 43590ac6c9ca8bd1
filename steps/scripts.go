package steps

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cucumber/godog"

	"example.org/ccde/fixtures"
	"example.org/ccde/mockehr/control"
)

func scriptSteps() []step {
	return []step{
		{`{role} runs the script "{name}"`, "Loads a script of fixtures/scripts into the mock; what it does is in its first line. An error while it runs fails the scenario, with file and line.",
			`Given the source EHR runs the script "slow-token"`, (*world).runsScript},
		{`{role} runs the script:`, "The same with the script itself (mockehr/script/README.md).",
			`Given the source EHR runs the script:`, (*world).runsScriptText},
		{`{role}'s scripts have counted "{name}" at least {int} time(s)`, "What count(\"..\") came to in its scripts. Fewer are an error of the scenario: then it judges nothing.",
			`Then the source EHR's scripts have counted "refused" at least 1 time`, (*world).scriptCounted},
	}
}

func (w *world) runsScript(ctx context.Context, title, name string) error {
	text, err := fixtures.Script(name)
	if err != nil {
		return err
	}
	return w.loadScript(ctx, title, name+".star", text)
}

func (w *world) runsScriptText(ctx context.Context, title string, body *godog.DocString) error {
	text, err := w.expand(ctx, body.Content)
	if err != nil {
		return err
	}
	w.scripts++
	return w.loadScript(ctx, title, "script-"+strconv.Itoa(w.scripts)+".star", text)
}

func (w *world) loadScript(ctx context.Context, title, name, text string) error {
	n, err := w.controlled(ctx, title)
	if err != nil {
		return err
	}
	if _, err := n.control.AddScript(ctx, control.Script{Name: name, Text: text}); err != nil {
		var refused *control.Error
		if errors.As(err, &refused) {
			return fmt.Errorf("the script of %s: %s", n.title(), refused.Body)
		}
		return fmt.Errorf("the script of %s: %w", n.title(), err)
	}
	return nil
}

// scriptFaults is what went wrong in the scripts of all mocks; nil if nothing did. A mock that does not
// answer, since the scenario killed it, has nothing to tell.
func (w *world) scriptFaults(ctx context.Context) error {
	var errs []error
	for _, n := range w.nodes {
		if n.control == nil {
			continue
		}
		scripts, err := n.control.Scripts(ctx)
		if err != nil {
			continue
		}
		for _, s := range scripts {
			for _, fault := range s.Errors {
				errs = append(errs, fmt.Errorf("a script of %s failed: %s", n.title(), fault))
			}
		}
	}
	return errors.Join(errs...)
}

func (w *world) counted(ctx context.Context, title, name string) (int, error) {
	n, err := w.controlled(ctx, title)
	if err != nil {
		return 0, err
	}
	scripts, err := n.control.Scripts(ctx)
	if err != nil {
		return 0, fmt.Errorf("the scripts of %s: %w", n.title(), err)
	}
	sum := 0
	for _, s := range scripts {
		sum += s.Counts[name]
	}
	return sum, nil
}

func (w *world) scriptCounted(ctx context.Context, title, name, least string) error {
	got, err := w.counted(ctx, title, name)
	if err == nil && got < number(least) {
		err = fmt.Errorf("the scripts of %s have counted %q %d times, not %s or more", strings.ToLower(title), name, got, least)
	}
	return err
}
