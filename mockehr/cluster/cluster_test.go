package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/control"
)

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func newTestFake(t *testing.T, opt Options) *Fake {
	f, err := NewFake(opt)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close(context.Background())) })
	return f
}

func startFake(t *testing.T, f *Fake, specs ...Spec) *Cluster {
	c, err := Start(testContext(t), f, specs...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close(context.Background())) })
	return c
}

func urls(sources []control.KeySource) []string {
	var out []string
	for _, s := range sources {
		out = append(out, s.URL+string(s.Keys))
	}
	return out
}

func TestStartTellsEveryNodeTheOthers(t *testing.T) {
	f := newTestFake(t, Options{Trust: []control.KeySource{{Keys: json.RawMessage(`{"keys":[]}`)}}})
	c := startFake(t, f, Spec{Name: "source", Prefix: "/ehr", Load: [][]byte{[]byte(`{"a":1}`)}}, Spec{Name: "target"},
		Spec{Name: "cavs", Settings: control.Settings{Dialect: "test.fhir.org", Trust: []control.KeySource{{URL: "http://else.where/keys"}}}})

	nodes := c.Nodes()
	require.Len(t, nodes, 3)
	assert.Equal(t, []string{"source", "target", "cavs"}, []string{nodes[0].Name, nodes[1].Name, nodes[2].Name})
	assert.True(t, strings.HasSuffix(nodes[0].Root, "/ehr"), nodes[0].Root)
	assert.Equal(t, nodes[0].Root+"/r3", nodes[0].FHIR)

	all := []string{nodes[0].Root + "/auth/auth_key", nodes[1].Root + "/auth/auth_key", nodes[2].Root + "/auth/auth_key", `{"keys":[]}`}
	for _, n := range nodes[:2] {
		assert.Equal(t, all, urls(f.Node(c, n.Name).Settings().Trust), n.Name)
	}
	cavs := f.Node(c, "cavs").Settings()
	assert.Equal(t, append([]string{"http://else.where/keys"}, all...), urls(cavs.Trust))
	assert.Equal(t, "test.fhir.org", cavs.Dialect)

	assert.Equal(t, []string{`{"a":1}`}, f.Node(c, "source").Loaded())
	assert.Equal(t, []string{"POST /load", "POST /snapshot"}, f.Node(c, "source").Calls(), "loaded first, then kept")
	assert.NotEqual(t, nodes[0].Secret, nodes[1].Secret)
	assert.NotEmpty(t, f.Node(c, "source").Config.Key)
	assert.NotEqual(t, f.Node(c, "source").Config.Key, f.Node(c, "target").Config.Key)

	again := startFake(t, f, Spec{Name: "source"})
	assert.Equal(t, f.Node(c, "source").Config.Key, f.Node(again, "source").Config.Key, "a key is made once for a name")
	consumer, admin := Bearers(f)
	assert.Equal(t, consumer, f.Node(c, "source").Config.Consumer)
	assert.Equal(t, admin, f.Node(c, "source").Config.Admin)
}

func TestTransportFindsNodesByTheAddressBook(t *testing.T) {
	f := newTestFake(t, Options{})
	c := startFake(t, f, Spec{Name: "source"})
	f.Node(c, "source").Handle(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host+r.URL.Path) }))
	node, err := c.Node(t.Context(), "source")
	require.NoError(t, err)
	client := &http.Client{Transport: c.Transport()}
	response, err := client.Get(node.FHIR + "/metadata")
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Equal(t, strings.TrimPrefix(node.FHIR, "http://")+"/metadata", string(body))

	_, err = c.Node(t.Context(), "sauce")
	assert.ErrorContains(t, err, `no node "sauce", only source`)
}

func TestAddressBook(t *testing.T) {
	b := newBook()
	b.put("Source.localhost:20001", "10.0.0.1:1")
	for host, want := range map[string]string{
		"source.localhost:20001": "10.0.0.1:1",
		"SOURCE.localhost:20001": "10.0.0.1:1",
		"other.localhost:7":      "127.0.0.1:7",
		"a.b.localhost.:7":       "127.0.0.1:7",
		"localhost:7":            "localhost:7",
		"notlocalhost:7":         "notlocalhost:7",
		"example.org:80":         "example.org:80",
		"no port":                "no port",
	} {
		assert.Equal(t, want, b.find(host), host)
	}
	b.remove("source.LOCALHOST:20001")
	assert.Equal(t, "127.0.0.1:20001", b.find("source.localhost:20001"))
}

func TestBadSpecs(t *testing.T) {
	f := newTestFake(t, Options{})
	for name, c := range map[string]struct {
		specs []Spec
		says  string
	}{
		"none":        {nil, "no nodes"},
		"no name":     {[]Spec{{}}, "lower-case"},
		"upper case":  {[]Spec{{Name: "Source"}}, "lower-case"},
		"underscore":  {[]Spec{{Name: "a_b"}}, "lower-case"},
		"twice":       {[]Spec{{Name: "a"}, {Name: "a"}}, "two nodes"},
		"bare prefix": {[]Spec{{Name: "a", Prefix: "x"}}, "prefix"},
		"slash last":  {[]Spec{{Name: "a", Prefix: "/x/"}}, "prefix"},
	} {
		_, err := Start(testContext(t), f, c.specs...)
		assert.ErrorContains(t, err, c.says, name)
	}
	_, err := NewFake(Options{Consumer: "x", Admin: "x"})
	assert.ErrorContains(t, err, "differ")
	_, err = NewFake(Options{Trust: []control.KeySource{{}}})
	assert.ErrorContains(t, err, "trust[0]")
	_, err = NewFake(Options{Host: "http://x"})
	assert.ErrorContains(t, err, "host")
}

func TestATakenPortIsDrawnAgainAndTheOthersAreTold(t *testing.T) {
	f := newTestFake(t, Options{})
	var tries atomic.Int32
	var first atomic.Value
	f.OnStart = func(j Job) error {
		if j.Config.Name == "b" && tries.Add(1) == 1 {
			first.Store(j.Config.Listen)
			return errors.New("driver failed: Bind for 127.0.0.1:1 failed: port is already allocated")
		}
		return nil
	}
	c := startFake(t, f, Spec{Name: "a"}, Spec{Name: "b"})
	b, err := c.Node(t.Context(), "b")
	require.NoError(t, err)
	assert.NotEqual(t, first.Load(), f.Node(c, "b").Config.Listen)
	for _, n := range []string{"a", "b"} {
		assert.Contains(t, urls(f.Node(c, n).Settings().Trust), b.Root+"/auth/auth_key", n)
	}
}

func TestAFailedStartLeavesNothing(t *testing.T) {
	f := newTestFake(t, Options{})
	f.OnStart = func(j Job) error {
		if j.Config.Name == "b" {
			return errors.New("no more room")
		}
		return nil
	}
	_, err := Start(testContext(t), f, Spec{Name: "a"}, Spec{Name: "b"}, Spec{Name: "c"})
	require.ErrorContains(t, err, "no more room")
	nodes, networks := f.Open()
	assert.Zero(t, nodes)
	assert.Zero(t, networks)
	assert.Empty(t, f.base.ports.taken)
}

func TestLogsOfANodeThatEndsAtItsStart(t *testing.T) {
	f := newTestFake(t, Options{StartTimeout: 5 * time.Second})
	c := startFake(t, f, Spec{Name: "a"})
	m, err := c.member("a")
	require.NoError(t, err)
	f.Node(c, "a").Crash()
	err = c.ready(testContext(t), m, m.inst)
	assert.ErrorContains(t, err, "node a did not start: the fake node is down")
	assert.ErrorContains(t, err, "logs of a")
}

func TestAddAndReset(t *testing.T) {
	ctx := testContext(t)
	f := newTestFake(t, Options{})
	c := startFake(t, f, Spec{Name: "a"}, Spec{Name: "b"})
	a := f.Node(c, "a")
	added, err := c.Add(ctx, Spec{Name: "c"})
	require.NoError(t, err)
	assert.Contains(t, urls(a.Settings().Trust), added.Root+"/auth/auth_key")
	assert.Len(t, f.Node(c, "c").Settings().Trust, 3)
	_, err = c.Add(ctx, Spec{Name: "c"})
	require.ErrorContains(t, err, "has it already")

	require.NoError(t, c.Cut(ctx, "a", "b"))
	require.NoError(t, c.Kill(ctx, "a"))
	require.NoError(t, c.Pause(ctx, "b"))
	require.NoError(t, c.Reset(ctx))
	assert.Len(t, c.Nodes(), 2)
	assert.NotContains(t, urls(a.Settings().Trust), added.Root+"/auth/auth_key")
	for _, n := range []string{"a", "b"} {
		assert.Contains(t, f.Node(c, n).Calls(), "POST /reset", n)
		assert.Equal(t, c.trust(), f.Node(c, n).Settings().Trust, n)
		assert.Empty(t, f.Node(c, n).Cuts())
	}
	f.Node(c, "a").Crash()
	assert.ErrorContains(t, c.Reset(ctx), "node a has ended")
}

func TestLinks(t *testing.T) {
	ctx := testContext(t)
	f := newTestFake(t, Options{})
	c := startFake(t, f, Spec{Name: "a"}, Spec{Name: "b"}, Spec{Name: "c"})
	host := func(name string) string {
		m, err := c.member(name)
		require.NoError(t, err)
		return m.place.Host
	}
	require.NoError(t, c.Cut(ctx, "b", "a"))
	require.NoError(t, c.Cut(ctx, "a", "c"))
	assert.Equal(t, []string{host("b"), host("c")}, f.Node(c, "a").Cuts())
	assert.Equal(t, []string{host("a")}, f.Node(c, "b").Cuts())

	require.NoError(t, c.Kill(ctx, "a"))
	require.NoError(t, c.Mend(ctx, "a", "c"), "a node that is down learns of it later")
	require.NoError(t, c.Restart(ctx, "a"))
	assert.Equal(t, []string{host("b")}, f.Node(c, "a").Cuts())
	assert.Empty(t, f.Node(c, "c").Cuts())
	assert.Error(t, c.Cut(ctx, "a", "nobody"))
}
