package control

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDecode(t *testing.T) {
	const rule = `{"side":"sent","match":{"path":"/r3/*","query":{"a":"1"}},"change":{"body":"","set":{"n":1.50,"big":12345678901234567890,"x":[1,null,{"y":true}]}},"wait":"5m",
		"answer":{"bodyBase64":"/wA="},"check":{"id":"SRC-31","value":{"a":[1]}}}`
	var got Rule
	require.NoError(t, Decode(strings.NewReader(rule), &got))
	empty := ""
	assert.Equal(t, Rule{Side: "sent", Match: Match{Path: "/r3/*", Query: map[string]string{"a": "1"}},
		Change: &Change{Body: &empty, Set: map[string]any{"n": json.Number("1.50"), "big": json.Number("12345678901234567890"),
			"x": []any{json.Number("1"), nil, map[string]any{"y": true}}}},
		Wait: Duration(5 * time.Minute), Answer: &Answer{BodyBase64: []byte{0xff, 0}}, Check: &Override{ID: "SRC-31", Value: json.RawMessage(`{"a":[1]}`)}}, got)

	raw, err := json.Marshal(got)
	require.NoError(t, err)
	var again Rule
	require.NoError(t, Decode(strings.NewReader(string(raw)), &again), "what a client sends is what a node reads")
	assert.Equal(t, got, again)
}

func TestDecodeErrors(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		into any
		want string
	}{
		"unknown":              {`{"answr":{}}`, &Rule{}, "answr: is unknown here; there is "},
		"unknown within":       {`{"change":{"sett":{}}}`, &Rule{}, "change.sett: is unknown here; there is "},
		"unknown in a list":    {`{"trust":[{"url":"x"},{"uri":"x"}]}`, &Settings{}, "trust[1].uri: is unknown here; there is "},
		"another letter case":  {`{"Drop":true}`, &Rule{}, "Drop: is unknown here; there is "},
		"wrong type":           {`{"skip":"2"}`, &Rule{}, "skip: a JSON string does not fit here"},
		"wrong type within":    {`{"match":{"status":[]}}`, &Rule{}, "match.status: a JSON array does not fit here"},
		"fraction":             {`{"times":1.5}`, &Rule{}, "times: "},
		"duration":             {`{"wait":"soon"}`, &Rule{}, `wait: "soon" is no duration`},
		"time":                 {`{"set":"yesterday"}`, &ClockMove{}, "set: "},
		"no object":            {`[]`, &Rule{}, "the body: a JSON array does not fit here"},
		"twice":                {`{"drop":true,"drop":false}`, &Rule{}, "drop: no JSON from byte 13 on: "},
		"broken":               {`{"match":{"path":}}`, &Rule{}, "match.path: no JSON from byte 17 on: "},
		"half":                 {`{"drop":true`, &Rule{}, "the body: no JSON from byte 12 on: unexpected EOF"},
		"nothing":              {``, &Rule{}, "the body: no JSON from byte 0 on: unexpected EOF"},
		"something after":      {`{"drop":true} x`, &Rule{}, "the body: no JSON from byte 14 on: "},
		"name like an index":   {`{"match":{"query":{"0":1}}}`, &Rule{}, "match.query[0]: a JSON number does not fit here"},
		"name of any length":   {`{"` + strings.Repeat("x", 1000) + `":1}`, &Rule{}, strings.Repeat("x", 60) + "..: is unknown here"},
		"broken in free place": {`{"change":{"set":{"a":{"b":01}}}}`, &Rule{}, "change.set.a: no JSON from byte 28 on: "},
	} {
		t.Run(name, func(t *testing.T) {
			err := Decode(strings.NewReader(c.text), c.into)
			require.Error(t, err)
			assert.Contains(t, err.Error(), c.want)
		})
	}
	gone := errors.New("gone")
	assert.ErrorIs(t, Decode(io.MultiReader(strings.NewReader(`{"drop":`), failing{gone}), &Rule{}), gone)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
