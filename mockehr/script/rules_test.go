package script

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/control"
)

func TestTurns(t *testing.T) {
	for name, c := range map[string]struct {
		rule control.Rule
		want string // . let pass, x acted, by request
	}{
		"always":               {control.Rule{}, "xxxxxxxx"},
		"times":                {control.Rule{Times: 2}, "xx......"},
		"skip":                 {control.Rule{Skip: 3}, "...xxxxx"},
		"skip and times":       {control.Rule{Skip: 1, Times: 2}, ".xx....."},
		"every":                {control.Rule{Every: 3}, "..x..x.."},
		"every first":          {control.Rule{Every: 1}, "xxxxxxxx"},
		"skip, every":          {control.Rule{Skip: 1, Every: 2}, "..x.x.x."},
		"skip, every, times":   {control.Rule{Skip: 1, Every: 2, Times: 2}, "..x.x..."},
		"counts what fits":     {control.Rule{Match: control.Match{Query: map[string]string{"n": "[2468]"}}}, "........"},
		"counts only the fits": {control.Rule{Match: control.Match{Query: map[string]string{"odd": "1"}}, Skip: 1, Times: 2}, "..x.x..."},
	} {
		t.Run(name, func(t *testing.T) {
			for _, phase := range []string{control.OnRequest, control.OnAnswer} {
				n := newNode(t, echo)
				c.rule.Phase, c.rule.Answer = phase, &control.Answer{Status: 500}
				n.add(c.rule)
				var got strings.Builder
				for i := range len(c.want) {
					mark := "."
					if n.do(n.plain, "GET", fmt.Sprintf("/?n=%d&odd=%d", i+1, (i+1)%2), "").status == 500 {
						mark = "x"
					}
					got.WriteString(mark)
				}
				assert.Equal(t, c.want, got.String(), phase)
			}
		})
	}
}

// Rules act in order, each at its phase; what ends a phase ends it, and an answer of a rule passes the
// rules of answers too.
func TestOrder(t *testing.T) {
	answer := func(id, phase, body string) control.Rule {
		return control.Rule{ID: id, Phase: phase, Answer: &control.Answer{Body: body}}
	}
	set := func(id, name, value string) control.Rule {
		return control.Rule{ID: id, Change: &control.Change{Headers: map[string]string{name: value}}}
	}
	for name, c := range map[string]struct {
		rules []control.Rule
		acted []string
		want  string // the body
		last  string // X-Last
	}{
		"changes add up": {[]control.Rule{set("a", "X-Last", "a"), set("b", "X-Last", "b")}, []string{"a", "b"}, patient, "b"},
		"phases":         {[]control.Rule{set("a", "X-Last", "a"), {ID: "b", Wait: 1}}, []string{"b", "a"}, patient, "a"},
		"answer ends":    {[]control.Rule{answer("a", "", "1"), answer("b", "", "2")}, []string{"a"}, "1", ""},
		"answer is changed": {[]control.Rule{set("a", "X-Last", "a"), answer("b", "", "1"), {ID: "c", Wait: 1}},
			[]string{"b", "a"}, "1", "a"},
		"answer of an answer": {[]control.Rule{answer("a", "", "1"), answer("b", "answer", "2"), set("c", "X-Last", "c")}, []string{"a", "b"}, "2", ""},
		"match by a rule's status": {[]control.Rule{{ID: "a", Change: &control.Change{Status: 203}},
			{ID: "b", Phase: "answer", Match: control.Match{Status: 203}, Answer: &control.Answer{Body: "b"}}}, []string{"a", "b"}, "b", ""},
		"throttle doesn't end": {[]control.Rule{{ID: "a", Throttle: 1 << 40}, set("b", "X-Last", "b")}, []string{"a", "b"}, patient, "b"},
	} {
		for _, side := range []string{control.Received, control.Sent} {
			t.Run(name+" "+side, func(t *testing.T) {
				n := newNode(t, echo)
				client := n.plain
				if side == control.Sent {
					client = n.client
				}
				for _, r := range c.rules {
					r.Side = side
					_, err := n.Add(r)
					assert.NoError(t, err)
				}
				got := n.do(client, "GET", "/", "")
				require.NoError(t, got.err)
				assert.Equal(t, c.acted, n.last(side).Rules)
				assert.Equal(t, c.want, got.body)
				assert.Equal(t, c.last, got.header.Get("X-Last"))
			})
		}
	}
}

func TestAddAndRemove(t *testing.T) {
	n := newNode(t, echo)
	assert.Equal(t, []control.Rule{}, n.Rules())
	first, err := n.Add(control.Rule{Drop: true})
	require.NoError(t, err)
	assert.Equal(t, control.Rule{ID: "rule-1", Side: "received", Phase: "request", Drop: true}, first)
	named, err := n.Add(control.Rule{ID: "rule-2", Side: "sent", Throttle: 5})
	require.NoError(t, err)
	assert.Equal(t, "answer", named.Phase)
	third, err := n.Add(control.Rule{Wait: 1})
	require.NoError(t, err)
	assert.Equal(t, "rule-3", third.ID, "2 is taken")
	_, err = n.Add(control.Rule{ID: "rule-2", Drop: true})
	assert.EqualError(t, err, `id: "rule-2" is another rule's: remove that one, or use another id`)
	_, err = n.Add(control.Rule{})
	assert.ErrorContains(t, err, "has no action")
	assert.Equal(t, []control.Rule{first, named, third}, n.Rules())

	assert.False(t, n.Remove("rule-9"))
	assert.True(t, n.Remove("rule-1"))
	assert.False(t, n.Remove("rule-1"))
	assert.Equal(t, []control.Rule{named, third}, n.Rules())
	assert.Equal(t, 200, n.do(n.plain, "GET", "/", "").status)
	n.Clear()
	assert.Empty(t, n.Rules())
	again, err := n.Add(control.Rule{Wait: 1})
	require.NoError(t, err)
	assert.Equal(t, "rule-4", again.ID, "an id is not given twice: histories speak of them")
}

// A rule that is a Go value does what it wants; what it can't do is in the history.
func TestInstall(t *testing.T) {
	n := newNode(t, echo)
	_, err := n.Install(Rule{ID: "x"})
	assert.EqualError(t, err, `rule "x" has no action: set Act`)
	_, err = n.Install(Rule{Times: -1, Act: func(context.Context, *Call) error { return nil }})
	assert.ErrorContains(t, err, "times: -1 is negative")
	id, err := n.Install(Rule{Phase: control.OnAnswer, Act: func(_ context.Context, c *Call) error {
		body, err := c.Body()
		if err != nil {
			return err
		}
		c.Response.Header.Set("X-Body", string(body))
		return errors.New("half done")
	}})
	require.NoError(t, err)
	assert.Equal(t, []control.Rule{{ID: id, Side: "received", Phase: "answer"}}, n.Rules())
	got := n.do(n.plain, "POST", "/", "this")
	assert.Equal(t, "this", got.header.Get("X-Body"), "the handler has read it meanwhile")
	ex := n.last(control.Received)
	assert.Equal(t, []string{id}, ex.Rules)
	assert.Equal(t, []string{id + ": half done"}, ex.Faults)
	assert.Empty(t, ex.Error)
	_, err = n.Install(Rule{ID: id, Act: func(context.Context, *Call) error { return nil }})
	assert.ErrorContains(t, err, "another rule's")
}

// A rule that acts on requests may say already what becomes of the answer.
func TestInstallForAnswer(t *testing.T) {
	for _, side := range []string{control.Received, control.Sent} {
		n := newNode(t, echo)
		_, err := n.Install(Rule{Side: side, Act: func(_ context.Context, c *Call) error {
			c.Throttle(1 << 40)
			c.Cut(5)
			return nil
		}})
		require.NoError(t, err)
		client := n.plain
		if side == control.Sent {
			client = n.client
		}
		got := n.do(client, "GET", "/", "")
		require.Error(t, got.err)
		assert.Equal(t, patient[:5], got.body)
	}
}

// Clear takes rules away and ends what waits because of one, wherever it is.
func TestClearEndsWaits(t *testing.T) {
	long := control.Duration(time.Hour)
	for name, rule := range map[string]control.Rule{
		"request": {Wait: long}, "answer": {Phase: "answer", Wait: long}, "throttle": {Throttle: 1},
	} {
		for _, side := range []string{control.Received, control.Sent} {
			t.Run(name+" "+side, func(t *testing.T) {
				n := newNode(t, echo)
				client := n.plain
				if side == control.Sent {
					client = n.client
				}
				rule.Side, rule.ID = side, "it"
				reached := make(chan struct{})
				_, err := n.Install(Rule{Side: side, Phase: rule.When(), Act: func(context.Context, *Call) error { close(reached); return nil }})
				require.NoError(t, err)
				n.add(rule)
				done := make(chan reply)
				go func() { done <- n.do(client, "GET", "/", "") }()
				<-reached
				n.Clear()
				got := <-done
				require.NoError(t, got.err)
				assert.Equal(t, patient, got.body)
				assert.Contains(t, n.last(side).Rules, "it")
				assert.Less(t, n.last(side).Took.Std(), 10*time.Second)
			})
		}
	}
}

// A wait and a throttle take their time, in real time, also while the node's clock stands still.
func TestWaitsAreReal(t *testing.T) {
	for name, rule := range map[string]control.Rule{
		"request": {Wait: control.Duration(30 * time.Millisecond)}, "answer": {Phase: "answer", Wait: control.Duration(30 * time.Millisecond)},
		"throttle": {Throttle: 1500}, // 50 bytes
	} {
		for _, side := range []string{control.Received, control.Sent} {
			t.Run(name+" "+side, func(t *testing.T) {
				n := newNode(t, echo)
				n.clock.Hold()
				client := n.plain
				if side == control.Sent {
					client = n.client
				}
				rule.Side = side
				n.add(rule)
				began := time.Now()
				got := n.do(client, "GET", "/", "")
				assert.GreaterOrEqual(t, time.Since(began), 30*time.Millisecond)
				assert.Equal(t, patient, got.body)
				assert.GreaterOrEqual(t, n.last(side).Took.Std(), 30*time.Millisecond)
			})
		}
	}
}

// Rules may come and go, and the history be read and cleared, while requests are handled.
func TestConcurrent(t *testing.T) {
	n := newNode(t, echo)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 20 {
				client := []*http.Client{n.plain, n.client}[i%2]
				got := n.do(client, "POST", "/r3/Patient", "this")
				assert.NoError(t, got.err)
				assert.Equal(t, "this", got.body)
			}
		})
	}
	for i := range 2 {
		wg.Go(func() {
			for j := range 40 {
				id := fmt.Sprintf("it-%d-%d", i, j)
				for k, r := range []control.Rule{
					{Wait: control.Duration(time.Hour)}, {Match: control.Match{Body: "this"}, Change: &control.Change{Status: 201}},
					{Side: control.Sent, Change: &control.Change{Headers: map[string]string{"X": "y"}}}, {Check: &control.Override{ID: "SRC-14", Verdict: "pass"}},
				} {
					r.ID = fmt.Sprintf("%s-%d", id, k)
					_, err := n.Add(r)
					assert.NoError(t, err)
				}
				n.Rules()
				n.History(control.HistoryQuery{})
				n.Remove(id + "-1")
				n.Clear()
				n.ClearHistory()
			}
		})
	}
	wg.Wait()
}
