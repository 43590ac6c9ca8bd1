package control

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRuleValidate(t *testing.T) {
	text := "x"
	for name, c := range map[string]struct {
		rule Rule
		want []string // "" is none
	}{
		"answer":              {Rule{Answer: &Answer{}}, nil},
		"answer, all of it":   {Rule{ID: "my rule?", Side: Sent, Phase: OnAnswer, Match: Match{Status: 404}, Skip: 1, Every: 2, Times: 3, Answer: &Answer{Status: 599, Headers: map[string]string{"Retry-After": "1"}, Body: "x"}}, nil},
		"change":              {Rule{Change: &Change{Set: map[string]any{"entry[0].id": nil}}}, nil},
		"change a request":    {Rule{Phase: OnRequest, Change: &Change{Method: "PURGE", Body: &text}}, nil},
		"change a URL":        {Rule{Side: Sent, Phase: OnRequest, Change: &Change{URL: "https://a.example/x"}}, nil},
		"take a header away":  {Rule{Change: &Change{Headers: map[string]string{"ETag": ""}}}, nil},
		"wait":                {Rule{Wait: 1}, nil},
		"drop":                {Rule{Drop: true}, nil},
		"cut":                 {Rule{Cut: &Cut{}}, nil},
		"throttle":            {Rule{Throttle: 1}, nil},
		"redirect":            {Rule{Redirect: "/else?x=1"}, nil},
		"check":               {Rule{Check: &Override{ID: "SRC-14", Verdict: "fail", Message: "no"}, Match: Match{Path: "/r3/**"}}, nil},
		"check with a value":  {Rule{Check: &Override{ID: "SRC-31", Value: json.RawMessage(`null`)}}, nil},
		"status at an answer": {Rule{Match: Match{Status: 500}, Change: &Change{Status: 200}}, nil},

		"no action":   {Rule{}, []string{"rule: has no action: give one of answer, change, wait, drop, cut, throttle, redirect, check"}},
		"two actions": {Rule{Drop: true, Wait: 1}, []string{"rule: has wait and drop: one rule has one action, make a rule of each"}},
		"several things": {Rule{Side: "both", Phase: "later", Skip: -1, Drop: true},
			[]string{`side: "both" is unknown: use "received" or "sent"`, `phase: "later" is unknown: use "request" or "answer"`, "skip: -1 is negative: use 0 or more"}},
		"negative every":          {Rule{Every: -2, Drop: true}, []string{"every: -2 is negative: use 0 or more"}},
		"negative times":          {Rule{Times: -1, Drop: true}, []string{"times: -1 is negative: use 0 or more"}},
		"negative wait":           {Rule{Wait: -1e9}, []string{"wait: -1s is negative: use a positive duration"}},
		"negative cut":            {Rule{Cut: &Cut{After: -1}}, []string{"cut.after: -1 is negative: use a number of bytes, 0 for none"}},
		"negative throttle":       {Rule{Throttle: -1}, []string{"throttle: -1 is negative: use a number of bytes a second"}},
		"id with a slash":         {Rule{ID: "a/b", Drop: true}, []string{`id: "a/b" can't stand in a URL's path: use letters, digits and dashes`}},
		"id of dots":              {Rule{ID: "..", Drop: true}, []string{`id: ".." can't stand in a URL's path: use letters, digits and dashes`}},
		"status without answer":   {Rule{Match: Match{Status: 404}, Drop: true}, []string{`match.status: there is no answer yet: set phase to "answer", or remove it`}},
		"no status":               {Rule{Match: Match{Status: 99}, Phase: OnAnswer, Drop: true}, []string{"match.status: 99 is no HTTP status: use 100 to 599"}},
		"cut a request":           {Rule{Phase: OnRequest, Cut: &Cut{}}, []string{`phase: cut and throttle act on the answer: remove phase, or set it to "answer"`}},
		"throttle a request":      {Rule{Phase: OnRequest, Throttle: 1}, []string{`phase: cut and throttle act on the answer: remove phase, or set it to "answer"`}},
		"no URL":                  {Rule{Redirect: "http://a b"}, []string{`redirect: "http://a b" is no URL`}},
		"a line break":            {Rule{Redirect: "/x\r\ny"}, []string{`redirect: "/x\r\ny" is no URL`}},
		"answer early":            {Rule{Answer: &Answer{Status: 103}}, []string{"answer.status: 103 can't be answered: use 200 to 599"}},
		"answer beyond":           {Rule{Answer: &Answer{Status: 600}}, []string{"answer.status: 600 can't be answered: use 200 to 599"}},
		"two bodies":              {Rule{Answer: &Answer{Body: "x", BodyBase64: []byte("y")}}, []string{"answer: has both body and bodyBase64: remove one"}},
		"body of a 204":           {Rule{Answer: &Answer{Status: 204, Body: "x"}}, []string{"answer.body: a 204 has none: remove it, or use another status"}},
		"header name":             {Rule{Answer: &Answer{Headers: map[string]string{"a b": "x"}}}, []string{`answer.headers: "a b" is no header name`}},
		"empty header name":       {Rule{Answer: &Answer{Headers: map[string]string{"": "x"}}}, []string{`answer.headers: "" is no header name`}},
		"header value":            {Rule{Change: &Change{Headers: map[string]string{"X": "a\nb"}}}, []string{"change.headers: the value of X has a line break or NUL"}},
		"HTTP's own":              {Rule{Change: &Change{Headers: map[string]string{"content-length": "1"}}}, []string{"change.headers: content-length is HTTP's own: remove it; to break off an answer use cut"}},
		"changes nothing":         {Rule{Change: &Change{}}, []string{"change: changes nothing: give status, headers, body or set"}},
		"two new bodies":          {Rule{Change: &Change{Body: &text, Set: map[string]any{"a": 1}}}, []string{"change: body, bodyBase64 and set change the body each: use one"}},
		"bad path":                {Rule{Change: &Change{Set: map[string]any{"a.": 1}}}, []string{`change.set: path "a." has an empty name: use a form such as entry[0].resource.id`}},
		"status of a request":     {Rule{Phase: OnRequest, Change: &Change{Status: 200}}, []string{`change.status: a request has none: set phase to "answer", or remove it`}},
		"change to no status":     {Rule{Change: &Change{Status: 1}}, []string{"change.status: 1 can't be answered: use 200 to 599"}},
		"method of an answer":     {Rule{Change: &Change{Method: "PUT"}}, []string{`change.method: an answer has none: set phase to "request", or remove it`}},
		"no method":               {Rule{Phase: OnRequest, Change: &Change{Method: "P T"}}, []string{`change.method: "P T" is no method`}},
		"URL of what is received": {Rule{Phase: OnRequest, Change: &Change{URL: "http://a.example"}}, []string{`change.url: only of a request that is sent: set side to "sent" and phase to "request", or remove it`}},
		"URL that is not whole":   {Rule{Side: Sent, Phase: OnRequest, Change: &Change{URL: "/r3"}}, []string{`change.url: "/r3" is no absolute http(s) URL`}},
		"check of nothing": {Rule{Check: &Override{}}, []string{`check.id: is missing: give a requirement's id, such as "SRC-14"`,
			`check: decides nothing: give verdict "pass" or "fail", or a value`}},
		"check both ways":       {Rule{Check: &Override{ID: "A-1", Verdict: "pass", Value: json.RawMessage(`1`)}}, []string{"check: has both verdict and value: remove one"}},
		"check another way":     {Rule{Check: &Override{ID: "A-1", Verdict: "maybe"}}, []string{`check.verdict: "maybe" is unknown: use "pass" or "fail"`}},
		"check with a reason":   {Rule{Check: &Override{ID: "A-1", Verdict: "pass", Message: "x"}}, []string{`check.message: goes with verdict "fail" only`}},
		"check on what is sent": {Rule{Side: Sent, Check: &Override{ID: "A-1", Verdict: "pass"}}, []string{"side: a check is made by what the node receives, or by itself: remove side"}},
		"check at the answer":   {Rule{Phase: OnAnswer, Check: &Override{ID: "A-1", Verdict: "pass"}}, []string{"phase: a check is made before the answer: remove phase"}},
		"check by body":         {Rule{Match: Match{Body: "x"}, Check: &Override{ID: "A-1", Verdict: "pass"}}, []string{"match.body: a check can't be matched by body: remove it"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.rule.Validate()
			if c.want == nil {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			assert.Equal(t, c.want, strings.Split(err.Error(), "\n"))
		})
	}
}

func TestRuleWhen(t *testing.T) {
	for name, c := range map[string]struct {
		rule Rule
		want string
	}{
		"answer": {Rule{Answer: &Answer{}}, OnRequest}, "wait": {Rule{Wait: 1}, OnRequest}, "drop": {Rule{Drop: true}, OnRequest},
		"redirect": {Rule{Redirect: "/"}, OnRequest}, "check": {Rule{Check: &Override{}}, OnRequest},
		"change": {Rule{Change: &Change{}}, OnAnswer}, "cut": {Rule{Cut: &Cut{}}, OnAnswer}, "throttle": {Rule{Throttle: 1}, OnAnswer},
		"as said": {Rule{Phase: OnAnswer, Drop: true}, OnAnswer}, "said otherwise": {Rule{Phase: OnRequest, Change: &Change{}}, OnRequest},
	} {
		assert.Equal(t, c.want, c.rule.When(), name)
	}
}

func TestParsePath(t *testing.T) {
	name := func(n string) Step { return Step{Name: n} }
	at := func(i int) Step { return Step{Index: i} }
	each := Step{Each: true}
	for text, want := range map[string][]Step{
		"id":                   {name("id")},
		"a.b":                  {name("a"), name("b")},
		"entry[0].resource.id": {name("entry"), at(0), name("resource"), name("id")},
		"link[-1].url":         {name("link"), at(-1), name("url")},
		"entry[*].resource":    {name("entry"), each, name("resource")},
		"[2]":                  {at(2)},
		"[*][0]":               {each, at(0)},
		"a[0][1]":              {name("a"), at(0), at(1)},
		"with space.@x-y_z":    {name("with space"), name("@x-y_z")},
		"0":                    {name("0")},
		"*":                    {name("*")},
	} {
		got, err := ParsePath(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for text, want := range map[string]string{
		"": "has an empty name", ".": "has an empty name", "a.": "has an empty name", ".a": "has an empty name", "a..b": "has an empty name",
		"[": "has a", "a[": "has a [ without ]", "a[0": "has a [ without ]", "a[]": "has [], which is no index", "a[x]": "has [x], which is no index",
		"a[1.5]": "has [1.5], which is no index", "a]": "has a ] without [", "]": "has a", "a[0]b": "has no dot or bracket after ]", "a[0].": "has an empty name",
		"a.[0]": "has an empty name", strings.Repeat("a.", 101) + "a": "has over 100 steps",
	} {
		_, err := ParsePath(text)
		require.Error(t, err, text)
		assert.Contains(t, err.Error(), want, text)
		assert.Contains(t, err.Error(), "use a form such as", text)
	}
}

// FuzzParsePath checks that what is read is what is written.
func FuzzParsePath(f *testing.F) {
	for _, text := range []string{"entry[0].resource.id", "link[-1]", "[*][2].a", "a..b", "a[", "]", "."} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		steps, err := ParsePath(text)
		if err != nil {
			assert.Less(t, len(err.Error()), 1000)
			return
		}
		require.NotEmpty(t, steps)
		again, err := ParsePath(pathText(steps))
		require.NoError(t, err)
		assert.Equal(t, steps, again)
	})
}

func pathText(steps []Step) string {
	var b strings.Builder
	for i, s := range steps {
		switch {
		case s.Each:
			b.WriteString("[*]")
		case s.Name == "":
			raw, _ := json.Marshal(s.Index)
			b.WriteString("[" + string(raw) + "]")
		case i > 0:
			b.WriteString("." + s.Name)
		default:
			b.WriteString(s.Name)
		}
	}
	return b.String()
}
