package check

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// id is the requirement that the tests decide.
const id = "SRC-14"

// give is an override that decides for result.
func give(result any) Override {
	return func(context.Context, Inputs, any) (any, bool) { return result, true }
}

// leave is an override that leaves the decision to the next.
func leave(context.Context, Inputs, any) (any, bool) { return "ignored", false }

func TestDo(t *testing.T) {
	var (
		plain   = errors.New("plain no")
		own     = Refuse("SRC-15", 403, "forbidden", "Patient.id", "own no")
		wrapped = fmt.Errorf("while reading: %w", own)
		another = Refuse("SRC-99", 404, "not-found", "", "another no")
		// said is own in another's words.
		said = func(message string) error { return Refuse("SRC-15", 403, "forbidden", "Patient.id", "%s", message) }
		// fresh is a refusal for which the node had no form.
		fresh = func(message string) error { return Refuse(id, 400, "processing", "", "%s", message) }
	)
	const byOverride = "refused by an override of " + id
	tests := map[string]struct {
		override Override
		verdict  error
		want     error
	}{
		"none, passes":             {nil, nil, nil},
		"none, refuses":            {nil, own, own},
		"leaves a pass":            {leave, nil, nil},
		"leaves a refusal":         {leave, own, own},
		"nil over a pass":          {give(nil), nil, nil},
		"nil over a refusal":       {give(nil), own, nil},
		"true over a pass":         {give(true), nil, nil},
		"true over a refusal":      {give(true), own, nil},
		"false over a pass":        {give(false), nil, fresh(byOverride)},
		"false over a refusal":     {give(false), own, own},
		"false over a plain one":   {give(false), plain, plain},
		"false over a wrapped":     {give(false), wrapped, wrapped},
		"error over a pass":        {give(another), nil, another},
		"error over a refusal":     {give(another), own, another},
		"plain over a refusal":     {give(plain), own, plain},
		"text over a pass":         {give("not today"), nil, fresh("not today")},
		"text over a refusal":      {give("not today"), own, said("not today")},
		"text over a wrapped":      {give("not today"), wrapped, said("not today")},
		"text over a plain one":    {give("not today"), plain, fresh("not today")},
		"text with a percent":      {give("100%d"), nil, fresh("100%d")},
		"empty text over a pass":   {give(""), nil, fresh(byOverride)},
		"empty over a refusal":     {give(""), own, own},
		"number":                   {give(42.5), own, said("42.5")},
		"zero":                     {give(0), nil, fresh("0")},
		"list":                     {give([]any{"a", 1}), nil, fresh("[a 1]")},
		"map":                      {give(map[string]any{"a": 1}), own, said("map[a:1]")},
		"the node's own, repeated": {func(_ context.Context, _ Inputs, v any) (any, bool) { return v, true }, own, own},
		"the node's own pass":      {func(_ context.Context, _ Inputs, v any) (any, bool) { return v, true }, nil, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := *own
			c := New(Strict)
			c.Override("SRC-1", give("an override of another requirement"))
			if tt.override != nil {
				c.Override(id, tt.override)
			}
			assert.Equal(t, tt.want, c.Do(t.Context(), id, nil, tt.verdict))
			assert.Equal(t, before, *own, "the node's refusal isn't written to")
		})
	}
}

func TestOverrideSeesTheDecision(t *testing.T) {
	type key struct{}
	own := Refuse(id, 403, "forbidden", "", "own no")
	tests := map[string]struct {
		decide func(ctx context.Context, c *Checks, in Inputs)
		want   any
	}{
		"a pass":    {func(ctx context.Context, c *Checks, in Inputs) { _ = c.Do(ctx, id, in, nil) }, nil},
		"a refusal": {func(ctx context.Context, c *Checks, in Inputs) { _ = c.Do(ctx, id, in, own) }, own},
		"a value":   {func(ctx context.Context, c *Checks, in Inputs) { Value(ctx, c, id, in, int64(7)) }, int64(7)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, calls := New(Strict), 0
			in := Inputs{"jwt": "a.b.c", "scope": []any{"patient/*.read"}}
			c.Override(id, func(ctx context.Context, got Inputs, v any) (any, bool) {
				calls++
				assert.Equal(t, "carried", ctx.Value(key{}))
				assert.Equal(t, in, got)
				assert.Equal(t, tt.want, v)
				return nil, false
			})
			tt.decide(context.WithValue(t.Context(), key{}, "carried"), c, in)
			assert.Equal(t, 1, calls)
		})
	}
}

func TestNil(t *testing.T) {
	var c *Checks
	own := errors.New("own no")
	assert.NoError(t, c.Do(t.Context(), id, nil, nil))
	assert.Same(t, own, c.Do(t.Context(), id, nil, own))
	assert.Equal(t, "own", Value(t.Context(), c, id, nil, "own"))
	assert.Equal(t, Strict, c.Dialect())
}

func TestRefusal(t *testing.T) {
	var err error = Refuse(id, 422, "value", "Patient.birthDate", "%q is no date: write %s", "x", "2017-09-09")
	assert.EqualError(t, err, `"x" is no date: write 2017-09-09`)
	var r *Refusal
	require.ErrorAs(t, fmt.Errorf("wrapped: %w", err), &r)
	assert.Equal(t, Refusal{id, 422, "value", `"x" is no date: write 2017-09-09`, "Patient.birthDate"}, *r)
}
