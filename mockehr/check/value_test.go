package check

import (
	"context"
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// grant is a value with names of its own in JSON.
type grant struct {
	Scope string `json:"scope"`
	Life  int64  `json:"expires_in"`
}

// valueCase is one decision over v with the override's result, and what comes of it.
type valueCase interface{ run(t *testing.T) }

type of[T any] struct {
	v      T
	result any
	want   T
}

func (tt of[T]) run(t *testing.T) {
	c := New(Strict)
	c.Override(id, give(tt.result))
	assert.Equal(t, tt.want, Value(t.Context(), c, id, nil, tt.v))
}

func TestValue(t *testing.T) {
	when := time.Date(2017, 9, 9, 10, 0, 0, 0, time.UTC)
	loop := map[string]any{}
	loop["self"] = loop
	own := grant{"own", 1}
	same := &grant{"same", 2}
	tests := map[string]valueCase{
		"text":                    of[string]{"own", "other", "other"},
		"empty text":              of[string]{"own", "", ""},
		"number":                  of[int64]{3600, int64(60), 60},
		"bool":                    of[bool]{true, false, false},
		"list":                    of[[]string]{[]string{"own"}, []string{"a", "b"}, []string{"a", "b"}},
		"struct":                  of[grant]{own, grant{"a", 2}, grant{"a", 2}},
		"pointer":                 of[*grant]{&own, same, same},
		"any":                     of[any]{"own", 5, 5},
		"json: float to int":      of[int64]{3600, 60.0, 60},
		"json: int to float":      of[float64]{1, 60, 60},
		"json: int to int64":      of[int64]{3600, 60, 60},
		"json: large number":      of[int64]{1, uint64(math.MaxInt64), math.MaxInt64},
		"json: number as text":    of[int64]{1, json.Number("60"), 60},
		"json: list":              of[[]string]{nil, []any{"a", "b"}, []string{"a", "b"}},
		"json: map to struct":     of[grant]{own, map[string]any{"scope": "a", "expires_in": 2.0}, grant{"a", 2}},
		"json: map to pointer":    of[*grant]{&own, map[string]any{"scope": "a"}, &grant{"a", 0}},
		"json: struct to map":     of[map[string]any]{nil, own, map[string]any{"scope": "own", "expires_in": 1.0}},
		"json: named text":        of[string]{"own", TestFHIR, "test.fhir.org"},
		"json: text to a time":    of[time.Time]{time.Time{}, "2017-09-09T10:00:00Z", when},
		"json: raw":               of[grant]{own, json.RawMessage(`{"scope":"raw"}`), grant{"raw", 0}},
		"json: nothing kept":      of[grant]{own, map[string]any{"scope": "a"}, grant{"a", 0}},
		"null: text":              of[string]{"own", nil, ""},
		"null: number":            of[int64]{3600, nil, 0},
		"null: list":              of[[]string]{[]string{"own"}, nil, nil},
		"null: pointer":           of[*grant]{&own, nil, nil},
		"null: any":               of[any]{"own", nil, nil},
		"no fit: text to number":  of[int64]{3600, "60", 3600},
		"no fit: number to text":  of[string]{"own", 60, "own"},
		"no fit: fraction to int": of[int64]{3600, 1.5, 3600},
		"no fit: too large":       of[int64]{3600, 1e30, 3600},
		"no fit: negative":        of[uint]{7, -1, 7},
		"no fit: text to bool":    of[bool]{true, "false", true},
		"no fit: text to list":    of[[]string]{[]string{"own"}, "a", []string{"own"}},
		"no fit: one of a list":   of[[]string]{[]string{"own"}, []any{"a", 1}, []string{"own"}},
		"no fit: one of a struct": of[grant]{own, map[string]any{"scope": "a", "expires_in": "2"}, own},
		"no fit: list to struct":  of[grant]{own, []any{"a"}, own},
		"no fit: text to a time":  of[time.Time]{when, "yesterday", when},
		"no JSON: function":       of[string]{"own", func() {}, "own"},
		"no JSON: not a number":   of[int64]{3600, math.NaN(), 3600},
		"no JSON: infinite":       of[int64]{3600, math.Inf(1), 3600},
		"no JSON: holds itself":   of[grant]{own, loop, own},
		"no JSON: raw, cut off":   of[grant]{own, json.RawMessage(`{"scope":`), own},
	}
	for name, tt := range tests {
		t.Run(name, tt.run)
	}
}

func TestValueStays(t *testing.T) {
	tests := map[string]func(c *Checks){
		"no override":      func(*Checks) {},
		"of another id":    func(c *Checks) { c.Override("SRC-1", give("other")) },
		"left to the node": func(c *Checks) { c.Override(id, leave) },
		"removed":          func(c *Checks) { c.Override(id, give("other"))() },
		"cleared":          func(c *Checks) { c.Override(id, give("other")); c.Clear() },
		"repeated as it came": func(c *Checks) {
			c.Override(id, func(_ context.Context, _ Inputs, v any) (any, bool) { return v, true })
		},
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			c := New(Strict)
			prepare(c)
			own := &grant{"own", 1}
			assert.Same(t, own, Value(t.Context(), c, id, nil, own))
		})
	}
}
