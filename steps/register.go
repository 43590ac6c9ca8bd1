package steps

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/cucumber/godog"

	"example.org/ccde/steps/judge"
)

// StepDoc describes one step for people.
type StepDoc struct {
	Topic   string // what it is about: jwt, consent, ...
	Pattern string // as one writes it, with {role}, {caller}, {duration}, "{text}" for what varies
	Doc     string // what it does, and what it judges
	Example string
}

// step is one step definition. do is a method of *world: its arguments after the
// context are what the pattern's placeholders match, then a table or doc string.
type step struct {
	pattern, doc, example string
	do                    any
}

// placeholders are the words of a pattern that stand for something that varies.
var placeholders = map[string]string{
	"{role}":     `(the (?:second )?(?:source|target) EHR|the CAVS)`,
	"{caller}":   `(nobody|a stranger|the person's app|the person|the administrator|the application|another application|` + clients + `|someone with the JWT|someone with the authorization)`,
	"{app}":      `(the application|another application)`,
	"{client}":   `(` + clients + `)`,
	"{who}":      `(the patient "[^"]*"|the patient|the other patient|the person|the copy)`,
	"{duration}": `(half an hour|(?:a|an|\d+) (?:second|minute|hour|day)s?)`,
	"{int}":      `(\d+)`,
	"{value}":    `(.+)`,
	"{zone}":     `([+-]\d\d:\d\d)`,
	"{unit}":     `(s|min|h|d|wk|mo|a)`,
	"{statuses}": `(\d{3}(?:(?:, | or )\d{3})*)`,
	"{excuse}":   `(` + strings.Join(slices.Sorted(maps.Keys(excuses)), "|") + `)`,
	"{jwt}":      jwtKinds(),
	"{fault}":    `(` + strings.Join(slices.Sorted(maps.Keys(pageFaults)), "|") + `)`,
	"{write}":    `(` + strings.Join(slices.Sorted(maps.Keys(writes)), "|") + `)`,
	"{what}":     `(.+)`,
	"{outsider}": `(` + strings.Join(slices.Sorted(maps.Keys(outsiders)), "|") + `)`,
	"{referrer}": `(` + strings.Join(slices.Sorted(maps.Keys(referrers)), "|") + `) of (the patient|the other patient)`,
	"{body}":     `(` + strings.Join(slices.Sorted(maps.Keys(wrongBodies)), "|") + `)`,
	"{format}":   `(JSON|XML)`,
}

var quoted = regexp.MustCompile(`"\{[a-z ]+\}"`)

// expression turns a pattern into the expression that godog matches.
func expression(pattern string) string {
	text := quoted.ReplaceAllString(pattern, "\x00")
	text = regexp.QuoteMeta(text)
	text = strings.ReplaceAll(text, "\x00", `"([^"]*)"`)
	for name, form := range placeholders {
		text = strings.ReplaceAll(text, regexp.QuoteMeta(name), form)
	}
	// "(s)" and "(es)" may be there or not; "a|b" in angle brackets is a choice without an argument.
	text = strings.ReplaceAll(text, `\(s\)`, `s?`)
	text = strings.ReplaceAll(text, `\(es\)`, `(?:es)?`)
	return "^" + text + "$"
}

// topics lists the vocabulary.
func topics() []struct {
	name  string
	steps []step
} {
	return []struct {
		name  string
		steps []step
	}{
		{"requests", requestSteps()},
		{"verdicts", verdictSteps()},
		{"jwt", jwtSteps()},
		{"consent", consentSteps()},
		{"formats", formatSteps()},
		{"input", inputSteps()},
		{"tls", tlsSteps()},
		{"authorize", authorizeSteps()},
		{"token", tokenSteps()},
		{"sign-in", signInSteps()},
		{"access", accessSteps()},
		{"references", referredSteps()},
		{"data", dataSteps()},
		{"connect", connectSteps()},
		{"copying", copyingSteps()},
		{"copies", copiesSteps()},
		{"status", statusSteps()},
		{"cavs", cavsSteps()},
		{"time", timeSteps()},
		{"network", networkSteps()},
		{"faults", faultSteps()},
		{"scripts", scriptSteps()},
	}
}

// Catalogue lists every step, by topic.
func Catalogue() []StepDoc {
	var out []StepDoc
	for _, t := range topics() {
		for _, s := range t.steps {
			out = append(out, StepDoc{Topic: t.name, Pattern: s.pattern, Doc: s.doc, Example: s.example})
		}
	}
	return out
}

// Register tells godog all steps, and the hooks that make and end each
// scenario's world. It is called once, with the suite's scenario context. A
// record that is in the context already (judge.WithRecord) is used; else one is made.
func Register(sc *godog.ScenarioContext, env *Env) {
	env.Masker = orElse(env.Masker, judge.NewMasker())
	env.Masker.Standing("bearer", env.Consumer)
	env.Masker.Standing("bearer", env.Admin)
	sc.Before(func(ctx context.Context, s *godog.Scenario) (context.Context, error) {
		return begin(ctx, env, s)
	})
	sc.After(func(ctx context.Context, _ *godog.Scenario, err error) (context.Context, error) {
		if w := worldOf(ctx); w != nil {
			if errors.Is(ctx.Err(), context.Canceled) {
				err = fmt.Errorf("%w: the run was cut short", judge.ErrUnjudged)
				w.ended = err
			}
			return ctx, w.end(context.WithoutCancel(ctx), err)
		}
		return ctx, nil
	})
	for _, t := range topics() {
		for _, s := range t.steps {
			sc.Step(expression(s.pattern), adapt(s))
		}
	}
}

var contextType, errorType = reflect.TypeFor[context.Context](), reflect.TypeFor[error]()

// adapt makes a step's method into what godog calls: it finds the world in the
// context, turns a panic into an error, and what can't be judged into a skip.
func adapt(s step) any {
	method := reflect.ValueOf(s.do)
	t := method.Type()
	in := []reflect.Type{contextType}
	for i := 2; i < t.NumIn(); i++ {
		in = append(in, t.In(i))
	}
	signature := reflect.FuncOf(in, []reflect.Type{errorType}, false)
	return reflect.MakeFunc(signature, func(args []reflect.Value) []reflect.Value {
		ctx := args[0].Interface().(context.Context)
		out := reflect.Zero(errorType)
		if err := invoke(ctx, method, args); err != nil {
			out = reflect.ValueOf(&err).Elem()
		}
		return []reflect.Value{out}
	}).Interface()
}

func invoke(ctx context.Context, method reflect.Value, args []reflect.Value) (err error) {
	w := worldOf(ctx)
	if w == nil {
		return errors.New("the scenario has no world: Register's Before hook did not run")
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the step's own code failed: %v\n%s", p, debug.Stack())
		}
		if err != nil {
			w.ended = err
		}
		if errors.Is(err, judge.ErrUnjudged) {
			err = fmt.Errorf("%w: %w", godog.ErrSkip, err)
		}
	}()
	result := method.Call(slices.Concat([]reflect.Value{reflect.ValueOf(w)}, args))
	err, _ = result[0].Interface().(error)
	return err
}
