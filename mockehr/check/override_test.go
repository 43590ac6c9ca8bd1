package check

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// decide is what comes of the node's "own" under the overrides of c.
func decide(t *testing.T, c *Checks) string {
	t.Helper()
	return Value(t.Context(), c, id, nil, "own")
}

func TestOrderOfOverrides(t *testing.T) {
	tests := map[string]struct {
		prepare func(c *Checks)
		want    string
		asked   []string // latest first, up to the one that decides
	}{
		"none":              {func(*Checks) {}, "own", nil},
		"latest first":      {func(c *Checks) { add(c, "a", "b", "c") }, "c", []string{"c"}},
		"one leaves it":     {func(c *Checks) { add(c, "a", "b", "-c") }, "b", []string{"-c", "b"}},
		"two leave it":      {func(c *Checks) { add(c, "a", "-b", "-c") }, "a", []string{"-c", "-b", "a"}},
		"all leave it":      {func(c *Checks) { add(c, "-a", "-b", "-c") }, "own", []string{"-c", "-b", "-a"}},
		"first removed":     {func(c *Checks) { add(c, "a", "-b", "c")[0]() }, "c", []string{"c"}},
		"middle removed":    {func(c *Checks) { add(c, "a", "b", "-c")[1]() }, "a", []string{"-c", "a"}},
		"last removed":      {func(c *Checks) { add(c, "a", "b", "c")[2]() }, "b", []string{"b"}},
		"removed twice":     {func(c *Checks) { r := add(c, "a", "b", "c"); r[2](); r[2]() }, "b", []string{"b"}},
		"all removed":       {func(c *Checks) { r := add(c, "a", "b"); r[0](); r[1]() }, "own", nil},
		"added after":       {func(c *Checks) { add(c, "a", "b")[1](); add(c, "c") }, "c", []string{"c"}},
		"added after all":   {func(c *Checks) { add(c, "a")[0](); add(c, "b") }, "b", []string{"b"}},
		"cleared":           {func(c *Checks) { add(c, "a", "b"); c.Clear() }, "own", nil},
		"cleared, added":    {func(c *Checks) { add(c, "a"); c.Clear(); add(c, "b") }, "b", []string{"b"}},
		"removed too late":  {func(c *Checks) { r := add(c, "a"); c.Clear(); add(c, "b"); r[0]() }, "b", []string{"b"}},
		"clear of nothing":  {func(c *Checks) { c.Clear() }, "own", nil},
		"same text, by own": {func(c *Checks) { add(c, "a", "a")[0]() }, "a", []string{"a"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := New(Strict)
			tt.prepare(c)
			var asked []string
			ctx := context.WithValue(t.Context(), askedKey{}, &asked)
			assert.Equal(t, tt.want, Value(ctx, c, id, nil, "own"))
			assert.Equal(t, tt.asked, asked)
			assert.Equal(t, tt.want == "own" && tt.asked == nil, len(c.overrides) == 0, "nothing is kept of what has gone")
		})
	}
}

type askedKey struct{}

// add adds overrides that note their names; one whose name begins with "-" leaves the decision.
func add(c *Checks, names ...string) []func() {
	var remove []func()
	for _, name := range names {
		remove = append(remove, c.Override(id, func(ctx context.Context, _ Inputs, _ any) (any, bool) {
			asked := ctx.Value(askedKey{}).(*[]string)
			*asked = append(*asked, name)
			return name, name[0] != '-'
		}))
	}
	return remove
}

func TestOverridesKeepToTheirID(t *testing.T) {
	c := New(TestFHIR)
	remove := c.Override("SRC-1", give("one"))
	c.Override("SRC-2", give("two"))
	ctx := t.Context()
	require.EqualError(t, c.Do(ctx, "SRC-1", nil, nil), "one")
	require.EqualError(t, c.Do(ctx, "SRC-2", nil, nil), "two")
	require.NoError(t, c.Do(ctx, "SRC-3", nil, nil))
	remove()
	require.NoError(t, c.Do(ctx, "SRC-1", nil, nil))
	require.EqualError(t, c.Do(ctx, "SRC-2", nil, nil), "two")
	c.Clear()
	require.NoError(t, c.Do(ctx, "SRC-2", nil, nil))
	require.Equal(t, TestFHIR, c.Dialect(), "clearing leaves the dialect")
	require.NoError(t, New(Strict).Do(ctx, "SRC-2", nil, nil), "another node's are its own")
}

// An override runs without the lock: whatever it changes holds from the next decision on.
func TestOverrideFromWithin(t *testing.T) {
	tests := map[string]struct {
		within      func(c *Checks, remove func())
		first, next string
	}{
		"adds one":            {func(c *Checks, _ func()) { c.Override(id, give("added")) }, "below", "added"},
		"removes itself":      {func(_ *Checks, remove func()) { remove() }, "below", "below"},
		"clears":              {func(c *Checks, _ func()) { c.Clear() }, "below", "own"},
		"speaks differently":  {func(c *Checks, _ func()) { c.SetDialect(TestFHIR) }, "below", "below"},
		"decides another one": {func(c *Checks, _ func()) { _ = c.Do(context.Background(), "SRC-2", nil, nil) }, "below", "below"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := New(Strict)
			c.Override(id, give("below"))
			var (
				once   sync.Once
				remove func()
			)
			remove = c.Override(id, func(context.Context, Inputs, any) (any, bool) {
				once.Do(func() { tt.within(c, remove) })
				return nil, false
			})
			require.Equal(t, tt.first, decide(t, c), "the decision that is being made")
			require.Equal(t, tt.next, decide(t, c))
		})
	}
}

// A decision that is being made goes on with the overrides that it began with.
func TestRemoveDuringDecision(t *testing.T) {
	c := New(Strict)
	removeBelow := c.Override(id, give("below"))
	in, on := make(chan struct{}), make(chan struct{})
	c.Override(id, func(context.Context, Inputs, any) (any, bool) {
		in <- struct{}{}
		<-on
		return nil, false
	})
	decided := make(chan string)
	go func() { decided <- Value(context.Background(), c, id, nil, "own") }()
	<-in
	removeBelow()
	close(on)
	require.Equal(t, "below", <-decided)

	go func() { decided <- Value(context.Background(), c, id, nil, "own") }()
	<-in
	require.Equal(t, "own", <-decided)
}

func TestConcurrentUse(t *testing.T) {
	const workers, turns = 16, 200
	c, own := New(Strict), errors.New("own no")
	c.Override(id, give("base"))
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			mine := fmt.Sprintf("SRC-%d", 100+i)
			for range turns {
				removeShared := c.Override(id, give("shared"))
				remove := c.Override(mine, give(mine))
				assert.EqualError(t, c.Do(t.Context(), mine, nil, nil), mine)
				assert.Contains(t, []string{"base", "shared"}, decide(t, c))
				assert.Error(t, c.Do(t.Context(), id, nil, own))
				c.SetDialect(c.Dialect())
				remove()
				removeShared()
				assert.Equal(t, own, c.Do(t.Context(), mine, nil, own))
			}
		})
	}
	wg.Wait()
	assert.Equal(t, "base", decide(t, c))
	assert.Len(t, c.overrides, 1)
	assert.Len(t, c.overrides[id], 1)
}

func TestConcurrentClear(t *testing.T) {
	c := New(Strict)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				remove := c.Override(id, give("other"))
				assert.Contains(t, []string{"own", "other"}, decide(t, c))
				c.Clear()
				remove()
			}
		})
	}
	wg.Wait()
	assert.Empty(t, c.overrides)
}
