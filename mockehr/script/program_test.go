package script

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/control"
)

func (n *node) script(text string) {
	n.t.Helper()
	_, err := n.Load(context.Background(), control.Script{Name: "t.star", Text: text})
	require.NoError(n.t, err)
}

// errors are what the scripts failed with.
func (n *node) errors() []string {
	var all []string
	for _, s := range n.Scripts() {
		all = append(all, s.Errors...)
	}
	return all
}

func TestHandlers(t *testing.T) {
	const bundle = `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Observation","valueQuantity":{"value":1.50}}},{"resource":{"id":"b"}}]}`
	for name, tt := range map[string]struct {
		script       string
		method, path string
		body         string
		header       []string
		status       int
		want         string            // the answer's body
		headers      map[string]string // of the answer
	}{
		"answers": {script: `on_request(lambda r: answer(429, {"a": [1, 2.5, None, True, "x<y"]}, headers={"Retry-After": 7}), path="/r3/*")`,
			path: "/r3/Patient", status: 429, want: `{"a":[1,2.5,null,true,"x<y"]}`, headers: map[string]string{"Retry-After": "7", "Content-Type": "application/json"}},
		"does not match":          {script: `on_request(lambda r: answer(500), path="/r3/*")`, path: "/r4/Patient", status: 200, want: patient},
		"answers as FHIR":         {script: `on_request(lambda r: answer(json={"resourceType": "Basic"}))`, status: 200, want: `{"resourceType":"Basic"}`, headers: map[string]string{"Content-Type": "application/fhir+json"}},
		"answers with bytes":      {script: `on_request(lambda r: answer(body=b"\xff\x00"))`, status: 200, want: "\xff\x00"},
		"changes JSON in place":   {script: "def f(req, ans):\n  ans.json['entry'].pop()\non_answer(f)", method: "POST", body: bundle, status: 200, want: `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Observation","valueQuantity":{"value":1.50}}}]}`},
		"replaces JSON":           {script: "def f(req, ans):\n  ans.json = {'x': ans.json['id']}\non_answer(f)", status: 200, want: `{"x":"p1"}`},
		"looks and leaves":        {script: "def f(req, ans):\n  log(ans.json['entry'][0])\non_answer(f)", method: "POST", body: bundle + " ", status: 200, want: bundle + " "},
		"changes text":            {script: "def f(req, ans):\n  ans.text = ans.text.replace('p1', 'p2')\n  ans.status = 203\n  ans.headers['X-A'] = ['1', '2']\n  ans.headers.pop('X-Seen')\non_answer(f, status=200)", status: 203, want: strings.Replace(patient, "p1", "p2", 1), headers: map[string]string{"X-A": "1", "X-Seen": ""}},
		"no JSON is None":         {script: "def f(req, ans):\n  ans.text = str(ans.json)\non_answer(f)", method: "POST", body: "<x/>", status: 200, want: "None"},
		"changes a request":       {script: "def f(req):\n  req.method = 'put'\n  req.headers['X-Ask'] = req.query['a'] + req.header('x-ask')\n  req.json['id'] = 'other'\non_request(f)", method: "POST", path: "/x?a=1", body: patient, header: []string{"X-Ask", "me"}, status: 200, want: `{"resourceType":"Patient","id":"other","active":true}`, headers: map[string]string{"X-Method": "PUT", "X-Seen": "1me"}},
		"changes a form":          {script: "def f(req):\n  req.form['a'] = [req.form['a'], '3']\non_request(f)", method: "POST", body: "a=1&b=2", header: []string{"Content-Type", "application/x-www-form-urlencoded"}, status: 200, want: "a=1&a=3&b=2"},
		"the request afterwards":  {script: "def f(req, ans):\n  ans.text = req.method + req.path + req.text + req.bearer + str(req.query)\non_answer(f)", method: "POST", path: "/a?x=1&x=2&y=3", body: "hello", header: []string{"Authorization", "bearer t"}, status: 200, want: `POST/ahellot{"x": ["1", "2"], "y": "3"}`},
		"a header in any case":    {script: "def f(req, ans):\n  ans.headers['X-SEEN'] = None\n  ans.headers['x-method'] = 'ANY'\non_answer(f)", header: []string{"X-Ask", "me"}, status: 200, want: patient, headers: map[string]string{"X-Seen": "", "X-Method": "ANY"}},
		"redirects":               {script: `on_request(lambda r: redirect("http://a.example/x"))`, status: 307, headers: map[string]string{"Location": "http://a.example/x"}},
		"every third":             {script: `on_request(lambda r: answer(429), every=3, skip=0, times=1)`, status: 200, want: patient},
		"state and count":         {script: "seen = {'n': 0}\ndef f(req):\n  seen['n'] += 1\n  answer(body='%d %d' % (seen['n'], count('x')))\non_request(f)", status: 200, want: "1 1"},
		"matches a query":         {script: `on_request(lambda r: answer(404), query={"a": "x*"}, header={"X-Ask": "*"}, method="GET")`, path: "/?a=xy", header: []string{"X-Ask", "1"}, status: 404},
		"a throttle and a change": {script: "def f(req, ans):\n  throttle(1000000)\n  ans.json['id'] = 'x'\non_answer(f)", status: 200, want: strings.Replace(patient, "p1", "x", 1)},
		"the request by a call":   {script: "def g():\n  return request().path\non_request(lambda r: answer(body=g()))", path: "/abc", status: 200, want: "/abc"},
		"another path":            {script: "def f(req):\n  req.path = '/other'\n  req.query = {'b': 2}\non_request(f)\ndef g(req, ans):\n  ans.text = req.url\non_answer(g)", path: "/abc?a=1", status: 200, want: "/other?b=2"},
		"the tools": {script: "def f(req):\n  answer(body=' '.join([sha256('a')[:4], base64.encode('a?'), base64.decode('YT8'), base64.encode(b'a?', std=True), json.encode(json.decode('[1.50, 2]')), str(json.decode('1.50') + 1), str(1 - json.decode('0.5')), node.fhir[-3:], node.dialect()]))\non_request(f)",
			status: 200, want: "ca97 YT8 a? YT8= [1.50,2] 2.5 0.5 /r3 strict"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, echo)
			n.script(tt.script)
			method := tt.method
			if method == "" {
				method = "GET"
			}
			got := n.do(n.plain, method, tt.path, tt.body, tt.header...)
			require.NoError(t, got.err)
			require.Empty(t, n.errors())
			assert.Equal(t, tt.status, got.status)
			assert.Equal(t, tt.want, got.body)
			for h, want := range tt.headers {
				assert.Equal(t, want, got.header.Get(h), h)
			}
		})
	}
}

func TestHandlersOnTheWire(t *testing.T) {
	t.Run("drop", func(t *testing.T) {
		n := newNode(t, echo)
		n.script(`on_request(lambda r: drop())`)
		require.Error(t, n.do(n.plain, "GET", "/", "").err)
		assert.Equal(t, []string{"t.star:1"}, n.last(control.Received).Rules)
	})
	t.Run("cut", func(t *testing.T) {
		n := newNode(t, echo)
		n.script(`on_answer(lambda r, a: cut(5))`)
		got := n.do(n.plain, "GET", "/", "")
		require.Error(t, got.err)
		assert.Equal(t, patient[:5], got.body)
	})
	t.Run("sent", func(t *testing.T) {
		n := newNode(t, echo)
		n.script("def f(req):\n  req.url = req.url + '?b=2'\n  req.headers['X-Ask'] = req.host\non_send(f)\ndef g(req, ans):\n  ans.json['id'] = req.query['b']\non_reply(g, path='**/x')")
		got := n.do(n.client, "GET", "/x", "")
		require.NoError(t, got.err)
		require.Empty(t, n.errors())
		assert.Contains(t, got.body, `"id":"2"`)
		assert.Equal(t, strings.TrimPrefix(n.url, "http://"), got.header.Get("X-Seen"))
	})
	t.Run("a wait leaves the script to others", func(t *testing.T) {
		n := newNode(t, echo)
		n.script("on_request(lambda r: wait('10m'), path='/slow')\non_request(lambda r: answer(204), path='/fast')")
		done := make(chan reply)
		go func() { done <- n.do(n.plain, "GET", "/slow", "") }()
		require.Eventually(t, func() bool {
			return len(n.History(control.HistoryQuery{})) == 1 && len(n.History(control.HistoryQuery{})[0].Rules) == 1
		}, 5*time.Second, time.Millisecond)
		assert.Equal(t, 204, n.do(n.plain, "GET", "/fast", "").status)
		n.Clear()
		assert.Equal(t, 200, (<-done).status)
		assert.Empty(t, n.Scripts())
	})
	t.Run("its own requests", func(t *testing.T) {
		n := newNode(t, echo)
		n.script("def f(req):\n  a = http.post(node.root + '/b', form={'x': '1'})\n  b = http.get('http://127.0.0.1:1/')\n  answer(body='%d %s %s' % (a.status, a.text, b))\non_request(f, path='/a')\non_send(lambda r: drop())")
		assert.Equal(t, "200 x=1 None", n.do(n.plain, "GET", "/a", "").body)
		assert.Empty(t, n.errors())
	})
}

func TestOverridesOfScripts(t *testing.T) {
	own := check.Refuse("SRC-14", 422, "value", "", "own no")
	for name, tt := range map[string]struct {
		script  string
		verdict error
		refused string
		value   string
		errs    string
	}{
		"skip":               {script: `skip("SRC-14")`, verdict: own, value: "own"},
		"True":               {script: `override("SRC-14", lambda i, v: True)`, verdict: own, value: "own"},
		"None leaves a yes":  {script: `override("SRC-14", lambda i, v: None)`, value: "own"},
		"None leaves a no":   {script: `override("SRC-14", lambda i, v: None)`, verdict: own, refused: "own no", value: "own"},
		"what it got":        {script: `override("SRC-14", lambda i, v: v)`, verdict: own, refused: "own no", value: "own"},
		"False":              {script: `override("SRC-14", lambda i, v: False)`, verdict: own, refused: "own no", value: "own"},
		"a text":             {script: `override("SRC-14", lambda i, v: i["a"] + str(v))`, refused: "1None", value: "own"},
		"the inputs":         {script: `override("SRC-14", lambda i, v: str(sorted(i.items())))`, refused: `[("a", "1"), ("b", [1, 2]), ("c", {"d": None}), ("late", "yes"), ("none", [])]`, value: "own"},
		"a value":            {script: `override("SRC-31", lambda i, v: v + "!")`, value: "own!"},
		"a value by name":    {script: `override("SRC-31", value=lambda i, v: v + "!")`, value: "own!"},
		"a list that is nil": {script: `override("SRC-31", lambda i, v: str(i["none"]))`, value: "[]"},
		"a value left":       {script: `override("SRC-31", lambda i, v: None)`, value: "own"},
		"a value misfits":    {script: "\n" + `override("SRC-31", lambda i, v: 5)`, value: "own", errs: "t.star:2: SRC-31: 5 does not fit"},
		"a verdict misfits":  {script: `override("SRC-14", lambda i, v: 5)`, value: "own", errs: "t.star:1: SRC-14: a int decides nothing"},
		"the request":        {script: `override("SRC-31", lambda i, v: request().query["q"])`, value: "here"},
		"the request's body": {script: `override("SRC-31", lambda i, v: request().text)`, value: "body"},
		"fails":              {script: "def f(i, v):\n  return i['nothing']\noverride('SRC-31', f)", value: "own", errs: `t.star:2:11: key "nothing" not in dict`},
		"acts":               {script: `override("SRC-31", lambda i, v: drop())`, value: "own", errs: "there is no exchange to act on"},
	} {
		t.Run(name, func(t *testing.T) {
			var n *node
			n = newNode(t, func(w http.ResponseWriter, r *http.Request) {
				in := check.Inputs{"a": "1", "b": []int{1, 2}, "c": map[string]any{"d": nil}, "late": func() any { return "yes" }, "none": []string(nil)}
				w.Header().Set("X-Value", check.Value(r.Context(), n.checks, "SRC-31", in, "own"))
				if err := n.checks.Do(r.Context(), "SRC-14", in, tt.verdict); err != nil {
					w.Header().Set("X-Refused", err.Error())
				}
			})
			n.script(tt.script)
			got := n.do(n.plain, "POST", "/?q=here", "body")
			assert.Equal(t, tt.value, got.header.Get("X-Value"))
			assert.Equal(t, tt.refused, got.header.Get("X-Refused"))
			if tt.errs == "" {
				assert.Empty(t, n.errors())
			} else {
				require.Len(t, n.errors(), 1)
				assert.Contains(t, n.errors()[0], tt.errs)
			}
		})
	}
}

func TestScriptsThatAreWrong(t *testing.T) {
	for name, tt := range map[string]struct{ script, want string }{
		"syntax":                    {"x = (\n", "t.star:2:1: got end of file"},
		"unknown name":              {"\nfoo()", "t.star:2:1: undefined: foo"},
		"unknown argument":          {`on_request(lambda r: None, pth="/")`, `t.star:1:11: on_request: unexpected keyword argument "pth"`},
		"too few parameters":        {`on_answer(lambda r: None)`, "t.star:1:10: on_answer: fn: lambda is called with the request and the answer: let it take 2 arguments"},
		"a bad rule":                {`on_answer(lambda r, a: None, status=99)`, "on_answer: match.status: 99 is no HTTP status"},
		"no value":                  {`override("SRC-14", value=lambda i, v: v)`, "SRC-14 is yes or no: give the function as fn"},
		"no function":               {`override("SRC-14")`, "give fn, or value"},
		"no id":                     {`skip("14")`, `id: "14" is no requirement's id`},
		"an action":                 {`answer(200)`, "there is no exchange to act on"},
		"load":                      {`load("x", "y")`, "load is not there"},
		"recursion":                 {"def f():\n  f()\nf()", "t.star:2:3: function f called recursively"},
		"steps":                     {"while True:\n  pass", "it took over 2000000 steps"},
		"memory":                    {"x = []\nwhile True:\n  x.append('0123456789abcdef' * 10000)", "MiB of memory"},
		"a long repeat":             {"x = 'a' * 1000000000", "t.star:1:9: it would have over"},
		"a longer one":              {"x = [1]\nx *= 10000000000000000000000", "t.star:2:3: it would have over"},
		"in the depth":              {"def f():\n  return {'a': [1 + (5 * [0] * 100000000) for _ in [1]]}\nf()", "t.star:2:"},
		"doubling":                  {"x = [1]\nwhile True:\n  x = x + x", "t.star:3:9: it would have over 262144 items"},
		"doubling in place":         {"x = 'a'\nwhile True:\n  x += x", "items: make it shorter"},
		"a huge number":             {"x = 3\nwhile True:\n  x = x * x", "bits"},
		"a wait":                    {"wait(1)", "a script that is being loaded can't wait"},
		"a value that holds itself": {"x = []\nx.append(x)\njson.encode(x)", "holds itself"},
		"a deep nest":               {"x = " + strings.Repeat("(", 30000), "t.star:1:"},
		"too long":                  {strings.Repeat("#", 70000), "text: has 70000 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, echo)
			_, err := n.Load(t.Context(), control.Script{Name: "t.star", Text: tt.script})
			require.ErrorContains(t, err, tt.want)
			assert.Empty(t, n.Rules())
			assert.Empty(t, n.Scripts())
		})
	}
}

func TestErrorsWhileRunning(t *testing.T) {
	for name, tt := range map[string]struct{ script, want string }{
		"in a handler":     {"def f(req):\n  req.headers['X-Ask'] = 'x'\n  return 1 // 0\non_request(f)", "t.star:3:12: floored division by zero"},
		"a field":          {"def f(req):\n  req.foo = 1\non_request(f)", "t.star:2:6: there is no foo"},
		"after the answer": {"def f(req, ans):\n  req.method = 'PUT'\non_answer(f)", "can't be changed here any more"},
		"installs late":    {"def f(req):\n  skip('SRC-14')\non_request(f)", "call it at the top level"},
		"no JSON":          {"def f(req, ans):\n  ans.json = {1: 2}\non_answer(f)", "keys must be texts"},
		"a bad header":     {"def f(req):\n  req.headers['X'] = {}\non_request(f)", "headers: X: a dict"},
		"no key":           {"on_request(lambda r: jwt.sign({}))", "this node signs nothing"},
		"no records":       {"on_request(lambda r: fhir.read('Patient/1'))", "this node has no records"},
		"too many asks":    {"def f(req):\n  for i in range(100):\n    http.get('http://127.0.0.1:1/')\non_request(f)", "more than 50 times"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, echo)
			n.script(tt.script)
			got := n.do(n.plain, "GET", "/", "")
			assert.Equal(t, patient, got.body, "the exchange goes on as if the rule weren't there")
			assert.Empty(t, got.header.Get("X-Seen"))
			require.NotEmpty(t, n.errors())
			assert.Contains(t, n.errors()[0], tt.want)
			require.NotEmpty(t, n.last(control.Received).Faults)
			assert.Contains(t, n.last(control.Received).Faults[0], tt.want)
		})
	}
}

func TestScriptsComeAndGo(t *testing.T) {
	n := newNode(t, echo)
	n.add(control.Rule{ID: "mine", Match: control.Match{Path: "/never"}, Drop: true})
	n.script("log('a', 1)\nprint('b')\nskip('SRC-14')\nfor i in range(2):\n  on_request(lambda r: None)")
	assert.Equal(t, []control.ScriptState{{Name: "t.star", Rules: []string{"t.star:3", "t.star:5", "t.star:5-2"}, Log: []string{"a 1", "b"}, Counts: map[string]int{}}}, n.Scripts())
	assert.Len(t, n.Rules(), 4)
	require.NoError(t, n.checks.Do(t.Context(), "SRC-14", nil, errors.New("no")))
	_, err := n.Load(t.Context(), control.Script{Name: "t.star", Text: ""})
	require.ErrorContains(t, err, `"t.star" is another script's`)
	assert.False(t, n.RemoveScript("other"))
	assert.True(t, n.RemoveScript("t.star"))
	assert.Len(t, n.Rules(), 1)
	require.Error(t, n.checks.Do(t.Context(), "SRC-14", nil, errors.New("no")))
	n.script("skip('SRC-14')")
	n.ClearScripts()
	assert.Len(t, n.Rules(), 1)
	assert.Empty(t, n.Scripts())
}

func TestHandlersSideBySide(t *testing.T) {
	n := newNode(t, echo)
	n.script("seen = {}\ndef f(req):\n  seen[req.path] = seen.get(req.path, 0) + 1\n  seen['all'] = seen.get('all', 0) + 1\non_request(f)\non_request(lambda r: answer(json=seen), path='/told')")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 25 {
				assert.Equal(t, 200, n.do(n.plain, "GET", "/x", "").status)
			}
		})
	}
	wg.Wait()
	assert.Equal(t, `{"/x":200,"all":201,"/told":1}`, n.do(n.plain, "GET", "/told", "").body)
	assert.Empty(t, n.errors())
}
