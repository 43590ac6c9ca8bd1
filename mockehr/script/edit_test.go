package script

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/control"
)

func TestEditJSON(t *testing.T) {
	type set = map[string]any
	const bundle = `{"resourceType":"Bundle","entry":[{"resource":{"id":"a"}},{"resource":{"id":"b"}}]}`
	const ten = `[0,1,2,3,4,5,6,7,8,9,10,11]`
	for name, c := range map[string]struct {
		text string
		set  set
		want string
		err  string
	}{
		"nothing":                   {text: `{"a": 1}`, want: `{"a": 1}`},
		"member":                    {text: `{"a":1,"b":2}`, set: set{"a": "x"}, want: `{"a":"x","b":2}`},
		"new member":                {text: `{"a":1}`, set: set{"b": true}, want: `{"a":1,"b":true}`},
		"in an empty object":        {text: `{}`, set: set{"b": 1}, want: `{"b":1}`},
		"missing objects":           {text: `{}`, set: set{"a.b.c": 1}, want: `{"a":{"b":{"c":1}}}`},
		"missing arrays":            {text: `{}`, set: set{"a[0].b[0][0]": 1}, want: `{"a":[{"b":[[1]]}]}`},
		"item":                      {text: bundle, set: set{"entry[1].resource.id": "c"}, want: `{"resourceType":"Bundle","entry":[{"resource":{"id":"a"}},{"resource":{"id":"c"}}]}`},
		"last item":                 {text: bundle, set: set{"entry[-1].resource": nil}, want: `{"resourceType":"Bundle","entry":[{"resource":{"id":"a"}},{}]}`},
		"each item":                 {text: bundle, set: set{"entry[*].resource.id": "c"}, want: `{"resourceType":"Bundle","entry":[{"resource":{"id":"c"}},{"resource":{"id":"c"}}]}`},
		"each item, and one":        {text: `[1,2,3]`, set: set{"[*]": 0, "[1]": 9}, want: `[0,9,0]`},
		"each of none":              {text: `{"a":[]}`, set: set{"a[*].b": 1}, want: `{"a":[]}`},
		"each of what isn't there":  {text: `{"x":1}`, set: set{"a.b[*].c": 1, "a[0][*]": 1}, want: `{"x":1}`},
		"append":                    {text: `[1]`, set: set{"[1]": 2}, want: `[1,2]`},
		"append some":               {text: `{"a":[]}`, set: set{"a[0]": 0, "a[1]": 1, "a[2].x": 2}, want: `{"a":[0,1,{"x":2}]}`},
		"append more than ten":      {text: `[0,1,2,3,4,5,6,7,8]`, set: set{"[9]": 9, "[10]": 10, "[11]": 11}, want: ten},
		"outer and inner":           {text: `{"a":1}`, set: set{"a": map[string]any{"b": 1}, "a.c": 2}, want: `{"a":{"b":1,"c":2}}`},
		"take away":                 {text: `{"a":1,"b":2,"c":3}`, set: set{"b": nil}, want: `{"a":1,"c":3}`},
		"take all away":             {text: `{"a":1}`, set: set{"a": nil}, want: `{}`},
		"take away what isn't":      {text: `{"a":1}`, set: set{"b": nil, "c.d": nil, "e[3]": nil, "f[*].g": nil}, want: `{"a":1}`},
		"take items away":           {text: ten, set: set{"[2]": nil, "[10]": nil, "[0]": nil}, want: `[1,3,4,5,6,7,8,9,11]`},
		"take items from the end":   {text: ten, set: set{"[-1]": nil, "[-2]": nil, "[11]": nil}, want: `[0,1,2,3,4,5,6,7,8,9]`},
		"take each away":            {text: `{"a":[1,2]}`, set: set{"a[*]": nil}, want: `{"a":[]}`},
		"take away after setting":   {text: `[1,2]`, set: set{"[0]": nil, "[2]": 3}, want: `[2,3]`},
		"the rest to the letter":    {text: ` { "n" : 1.50e+00 , "t" : "\u0041\/<&" , "z":{"b": [ ] , "a":0} , "\u0062":1}`, set: set{"x": 1}, want: `{"n":1.50e+00,"t":"\u0041\/<&","z":{"b": [ ] , "a":0},"\u0062":1,"x":1}`},
		"a name that is escaped":    {text: `{"\u0061":1}`, set: set{"a": 2}, want: `{"\u0061":2}`},
		"values to the letter":      {text: `{}`, set: set{"a": "<div>&</div>", "b": json.Number("1.50"), "c": []any{nil}}, want: `{"a":"<div>&</div>","b":1.50,"c":[null]}`},
		"a name twice: the first":   {text: `{"a":1,"a":2}`, set: set{"a": 3}, want: `{"a":3,"a":2}`},
		"no UTF-8":                  {text: "{\"a\":\"\xff\",\"b\":1}", set: set{"b": 2}, want: "{\"a\":\"\xff\",\"b\":2}"},
		"no JSON":                   {text: `<a/>`, set: set{"a": 1}, err: "a: the body is no JSON"},
		"no body":                   {text: ``, set: set{"a": 1}, err: "a: the body is no JSON"},
		"half JSON":                 {text: `{"a":1`, set: set{"b": 1}, err: "b: the body is no JSON"},
		"member of an array":        {text: `[1]`, set: set{"a": 1}, err: "a: there is no object where a member is named"},
		"member of a text":          {text: `{"a":"x"}`, set: set{"a.b": 1}, err: "a.b: there is no object where a member is named"},
		"item of an object":         {text: `{"a":{}}`, set: set{"a[0]": 1}, err: "a[0]: there is no array where an item is named"},
		"item of null":              {text: `{"a":null}`, set: set{"a[*].b": 1}, err: "a[*].b: there is no array where an item is named"},
		"item of what was set":      {text: `{}`, set: set{"a": set{"b": 1}, "a[0]": 1}, err: "a[0]: there is no array where an item is named"},
		"both an item and a member": {text: `{}`, set: set{"a[0].b": 1, "a[0][0]": 1}, err: "a[0].b: there is no object where a member is named"},
		"beyond the end":            {text: `[1]`, set: set{"[2]": 1}, err: "[2]: there are 1 items, no [2]"},
		"before the beginning":      {text: `[1]`, set: set{"[-2]": 1}, err: "[-2]: there are 1 items, no [-2]"},
		"take away beyond":          {text: `[1]`, set: set{"[1]": nil}, err: "[1]: there are 1 items, no [1]"},
		"bad path":                  {text: `{}`, set: set{"a..b": 1}, err: `path "a..b" has an empty name: use a form such as entry[0].resource.id`},
		"no value of JSON":          {text: `{}`, set: set{"a": func() {}}, err: "a: json: unsupported type: func()"},
	} {
		t.Run(name, func(t *testing.T) {
			for range 5 { // whatever order the map gives
				got, err := editJSON([]byte(c.text), c.set)
				if c.err != "" {
					require.EqualError(t, err, c.err)
					continue
				}
				require.NoError(t, err)
				assert.Equal(t, c.want, string(got))
			}
		})
	}
}

func FuzzEditJSON(f *testing.F) {
	for _, text := range []string{`{"a":[{"b":1},{"b":2}]}`, `[1,[2]]`, `{"a":{"b":null}}`, ` [ ] `, `{"\u0061":"\ud800"}`, `1`} {
		for _, path := range []string{"a", "a[0].b", "a[*].b", "[-1]", "a.b.c", "[1][0]"} {
			f.Add([]byte(text), path, `"x"`)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, path, value string) {
		var v any
		if json.Unmarshal([]byte(value), &v) != nil {
			v = nil
		}
		out, err := editJSON(text, map[string]any{path: v})
		if err != nil {
			assert.NotEmpty(t, err.Error())
			return
		}
		require.True(t, json.Valid(out), "%q is no JSON", out)
		steps, err := control.ParsePath(path)
		require.NoError(t, err)
		last := steps[len(steps)-1]
		if v != nil || last.Name != "" || last.Each { // taking one item away again takes the next
			again, err := editJSON(out, map[string]any{path: v})
			require.NoError(t, err)
			assert.Equal(t, string(out), string(again), "a second time changes nothing")
		}
		if kept, err := editJSON(text, map[string]any{"zzz[*].z": 1}); err == nil && json.Valid(text) {
			var was, is any
			require.NoError(t, json.Unmarshal(text, &was))
			require.NoError(t, json.Unmarshal(kept, &is))
			assert.Equal(t, was, is, "what is not named stays")
		}
	})
}
