package suite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/cucumber/godog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/cluster"
	"example.org/ccde/reports"
	"example.org/ccde/steps/judge"
)

func oneFeature(text string) fs.FS {
	return fstest.MapFS{"source/tiny.feature": {Data: []byte(text)}}
}

// vocabulary are steps that do what their words say.
func vocabulary(sc *godog.ScenarioContext) {
	sc.Step(`^it works$`, func() error { return nil })
	sc.Step(`^(\S+) passes$`, func(ctx context.Context, id string) { judge.From(ctx).Pass(id, "") })
	sc.Step(`^(\S+) fails$`, func(ctx context.Context, id string) error {
		return judge.From(ctx).Fail(id, "a yes", "a no")
	})
	sc.Step(`^(\S+) is unjudged$`, func(ctx context.Context, id string) error {
		return fmt.Errorf("%w: %w", godog.ErrSkip, judge.From(ctx).Unjudged(id, "nobody knows"))
	})
	sc.Step(`^it breaks$`, func() error { return errors.New("no connection to the control port") })
	sc.Step(`^it panics$`, func() { panic("oh no") })
	sc.Step(`^the context is lost$`, func() (context.Context, error) { return nil, nil }) //nolint:nilnil // the trap itself
	sc.Step(`^another context$`, func(context.Context) (context.Context, error) { return context.Background(), nil })
	sc.Step(`^twice$`, func() {})
	sc.Step(`^twi(ce)$`, func(string) {})
	sc.Step(`^it waits$`, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	sc.Step(`^a table$`, func(*godog.Table) {})
}

func try(t *testing.T, text string, change ...func(*Options)) *reports.Run {
	t.Helper()
	opt := Options{Features: oneFeature(text), ExtraSteps: []func(*godog.ScenarioContext){vocabulary}, Concurrency: 2, bare: true}
	for _, c := range change {
		c(&opt)
	}
	run, err := Run(t.Context(), opt)
	require.NoError(t, err)
	return run
}

func verdicts(run *reports.Run) map[string]string {
	out := map[string]string{}
	for _, s := range run.Scenarios {
		out[s.Name] = s.Verdict
	}
	return out
}

func asked(run *reports.Run) map[string]string {
	out := map[string]string{}
	for _, r := range run.Requirements {
		out[r.ID] = r.Verdict
	}
	return out
}

func TestVerdictsOfScenarios(t *testing.T) {
	run := try(t, `Feature: Tiny
  Background:
    Given it works

  @SRC-10
  Scenario: good
    Then it works
  @SRC-11 @SRC-40
  Scenario: bad
    Then SRC-11 fails
    And it works
  @SRC-32
  Scenario: a SHOULD is not met
    Then SRC-32 fails
    And it works
  @SRC-13
  Scenario: broken
    When it breaks
    Then it works
  @SRC-14
  Scenario: panicking
    When it panics
  @SRC-15
  Scenario: left out
    When SRC-15 is unjudged
    Then it works
  @SRC-16
  Scenario: unknown
    When the "sun" shines for 3 days
  @SRC-17
  Scenario: lost
    When the context is lost
    Then it works
  @SRC-18
  Scenario: ambiguous
    When twice
  @SRC-10 @SRC-19
  Scenario: passed, then failed
    Then SRC-10 passes
    And SRC-19 fails
  @SRC-20
  Scenario: another context all the same
    When another context
  Scenario Outline: row <n>
    Then it works
    Examples:
      | n |
      | 1 |
      | 2 |
`)
	assert.Equal(t, map[string]string{
		"good": "passed", "bad": "failed", "a SHOULD is not met": "warning", "broken": "error", "panicking": "error", "left out": "unjudged",
		"unknown": "error", "lost": "error", "ambiguous": "error", "passed, then failed": "failed",
		"another context all the same": "error", "row 1": "passed", "row 2": "passed",
	}, verdicts(run))
	assert.Equal(t, map[string]string{
		"SRC-10": "passed", "SRC-11": "failed", "SRC-40": "unjudged", "SRC-32": "warning", "SRC-13": "error", "SRC-14": "error", "SRC-15": "unjudged",
		"SRC-16": "error", "SRC-17": "error", "SRC-18": "error", "SRC-19": "failed", "SRC-20": "error",
	}, asked(run))
	assert.Equal(t, 1, run.ExitCode)

	byName := map[string]reports.Scenario{}
	for _, s := range run.Scenarios {
		byName[s.Name] = s
	}
	bad := byName["bad"]
	require.Len(t, bad.Steps, 3, "background and all")
	assert.Equal(t, "Given", bad.Steps[0].Keyword)
	assert.Equal(t, []string{"passed", "failed", "skipped"}, []string{bad.Steps[0].Verdict, bad.Steps[1].Verdict, bad.Steps[2].Verdict})
	assert.Equal(t, "source", bad.Role)
	assert.Equal(t, 9, bad.Line)
	assert.Contains(t, byName["panicking"].Error, "oh no")
	assert.Contains(t, byName["panicking"].Error, "run_test.go", "where it panicked")
	assert.Contains(t, byName["unknown"].Error, "sc.Step(`^the \"([^\"]*)\" shines for (\\d+) days$`, theShinesForDays)")
	assert.Contains(t, byName["unknown"].Error, "ctx context.Context, text1 string, n2 int")
	assert.Contains(t, byName["left out"].Steps[1].Error, "nobody knows")
	for _, s := range run.Scenarios {
		assert.NotZero(t, s.Started, s.Name)
		if s.Verdict == reports.Error {
			assert.NotEmpty(t, s.Error, s.Name)
		}
	}
}

func TestWhatIsWrongIsSaidBefore(t *testing.T) {
	cases := []struct{ name, text, want string }{
		{"no steps", "Feature: f\n  Scenario: empty\n  Scenario: full\n    Then it works\n", `tiny.feature:2: scenario "empty" has no steps`},
		{"same name", "Feature: f\n  Scenario: one\n    Then it works\n  Scenario: one\n    Then it works\n", `"one": the name is taken by source/tiny.feature:2`},
		{"rows of one name", "Feature: f\n  Scenario Outline: one\n    Then it <w>\n    Examples:\n    | w |\n    | works |\n    | breaks |\n", `put a <column> into the name`},
		{"unknown id", "Feature: f\n  @SRC-99\n  Scenario: one\n    Then it works\n", `@SRC-99 names no requirement`},
		{"no Gherkin", "Feature: f\n  Scenario: one\n    Oops it works\n", `tiny.feature`},
		{"no feature", "# nothing\n", `no feature in it`},
	}
	for _, c := range cases {
		_, err := Run(t.Context(), Options{Features: oneFeature(c.text), bare: true})
		var usage *UsageError
		require.ErrorAs(t, err, &usage, c.name)
		assert.ErrorContains(t, err, c.want, c.name)
	}
	_, err := Run(t.Context(), Options{Features: oneFeature("Feature: f\n  @a\n  Scenario: one\n    Then it works\n"), Tags: "@b", bare: true})
	require.ErrorIs(t, err, ErrNothingSelected)
	_, err = Run(t.Context(), Options{Features: fstest.MapFS{}, bare: true})
	require.ErrorIs(t, err, ErrNothingSelected)
	for _, bad := range []Options{{Dialect: "stu4"}, {JudgeDialect: "x"}, {Concurrency: -1}, {Tags: "(@a"}} {
		bad.bare = true
		_, err := Run(t.Context(), bad)
		var usage *UsageError
		assert.ErrorAs(t, err, &usage, fmt.Sprintf("%+v", bad.Tags))
	}
}

func TestSelectionByTag(t *testing.T) {
	text := "Feature: f\n  @a\n  Scenario: one\n    Then it works\n  @b\n  Scenario: two\n    Then it breaks\n  @a @b\n  Scenario: three\n    Then it works\n"
	run := try(t, text, func(o *Options) { o.Tags = "@a and not @b" })
	assert.Equal(t, map[string]string{"one": "passed"}, verdicts(run))
	assert.Equal(t, 0, run.ExitCode)
}

func TestExtraFeaturesAndFilesInOrder(t *testing.T) {
	run := try(t, "Feature: f\n  Scenario: one\n    Then it works\n", func(o *Options) {
		o.ExtraFeatures = fstest.MapFS{"mine.feature": {Data: []byte("Feature: mine\n  @SEC-05\n  Scenario: mine too\n    Then it works\n")}}
	})
	require.Len(t, run.Scenarios, 2)
	assert.Equal(t, []string{"one", "mine too"}, []string{run.Scenarios[0].Name, run.Scenarios[1].Name})
	assert.Equal(t, "every", run.Scenarios[1].Role)
	assert.Equal(t, "mine: mine too", run.Scenarios[1].ID)
}

func TestAStepThatCannotBeRegistered(t *testing.T) {
	_, err := Run(t.Context(), Options{Features: oneFeature("Feature: f\n  Scenario: one\n    Then it works\n"), bare: true,
		ExtraSteps: []func(*godog.ScenarioContext){func(sc *godog.ScenarioContext) { sc.Step(`^it works$`, 42) }}})
	var usage *UsageError
	require.ErrorAs(t, err, &usage)
}

func TestAScenarioThatHangs(t *testing.T) {
	run := try(t, "Feature: f\n  @SRC-10\n  Scenario: one\n    When it waits\n    Then it works\n", func(o *Options) { o.ScenarioTimeout = 20 * time.Millisecond })
	assert.Equal(t, map[string]string{"one": "error"}, verdicts(run))
	assert.Contains(t, run.Scenarios[0].Error, `took longer than 20ms, at last in "it waits"`)
	assert.Equal(t, 3, run.ExitCode)
}

func TestCutShort(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	text := "Feature: f\n"
	for i := range 6 {
		text += fmt.Sprintf("  @SRC-10\n  Scenario: number %d\n    When it waits\n", i)
	}
	var started atomic.Int32
	run, err := Run(ctx, Options{Features: oneFeature(text), ExtraSteps: []func(*godog.ScenarioContext){vocabulary}, Concurrency: 2, bare: true,
		Progress: func(e Event) {
			if e.Kind == Started && started.Add(1) == 2 {
				cancel()
			}
		}})
	require.NoError(t, err)
	assert.True(t, run.Interrupted)
	assert.True(t, run.Partial)
	assert.Equal(t, 3, run.ExitCode)
	assert.Len(t, run.Scenarios, 2, "what had not begun is not there")
	for _, s := range run.Scenarios {
		assert.Equal(t, reports.Unjudged, s.Verdict)
	}
}

func TestProgress(t *testing.T) {
	var text strings.Builder
	text.WriteString("Feature: f\n")
	for i := range 5 {
		fmt.Fprintf(&text, "  Scenario: number %d\n    Then it works\n", i)
	}
	var events []Event // Progress is called one at a time
	try(t, text.String(), func(o *Options) { o.Progress = func(e Event) { events = append(events, e) } })
	require.Len(t, events, 11)
	assert.Equal(t, RuntimeChosen, events[0].Kind)
	last := events[10]
	assert.Equal(t, []any{Finished, 5, 5, 0}, []any{last.Kind, last.Done, last.Total, len(last.Running)})
	assert.Equal(t, "passed", last.Scenario.Verdict)
}

func TestNoRuntimeIsNobodysFailure(t *testing.T) {
	_, err := Run(t.Context(), Options{Runtime: "docker", Open: func(context.Context, string, cluster.Options) (cluster.Runtime, string, error) {
		return nil, "", errors.New("Docker is required, but nobody answers")
	}})
	require.ErrorContains(t, err, "nobody answers")
	var usage *UsageError
	assert.NotErrorAs(t, err, &usage)
}

func TestBase(t *testing.T) {
	for name, want := range map[string]string{"source-2": "source", "source": "source", "my-source": "my-source", "target-12": "target", "a-": "a", "-1": "-1"} {
		assert.Equal(t, want, base(name), name)
	}
}

// A script that fails says where, and its scenario proves nothing.
func TestAScriptThatFails(t *testing.T) {
	const flow = `
Feature: scripts
  @SRC-30
  Scenario: It fails while it runs
    Given the source EHR runs the script:
      """
      def f(req, ans):
          ans.json["nothing"]["there"] = 1

      on_answer(f, path = "/r3/metadata")
      """
    When nobody reads "metadata" at the source EHR
  @SRC-31
  Scenario: It can't be loaded
    Given the source EHR runs the script:
      """
      on_anser(f)
      """
  Scenario: There is none
    Given the source EHR runs the script "none"
`
	run, err := Run(t.Context(), Options{Features: oneFeature(flow), Runtime: "embedded", Concurrency: 2})
	require.NoError(t, err)
	for name, want := range map[string]string{
		"It fails while it runs": `a script of the source EHR failed: script-1.star:2:13: key "nothing" not in dict`,
		"It can't be loaded":     "the script of the source EHR: script-1.star:1:1: undefined: on_anser",
		"There is none":          `there is no script "none"; there are counted-token, `,
	} {
		for _, s := range run.Scenarios {
			if s.Name == name {
				assert.Equal(t, reports.Error, s.Verdict, name)
				assert.Contains(t, s.Error, want, name)
			}
		}
	}
	assert.Equal(t, map[string]string{"SRC-30": reports.Error, "SRC-31": reports.Error}, asked(run))
}
