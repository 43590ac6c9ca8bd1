package cluster

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/control"
)

const patientBundle = `{"resourceType":"Bundle","type":"collection","entry":[
 {"resource":{"resourceType":"Patient","id":"anna","name":[{"family":"Nowak"}]}}]}`

// status asks for a path of a node's FHIR base, as administrator.
func status(t *testing.T, rt Runtime, c *Cluster, node, method, path, body string) int {
	t.Helper()
	n, err := c.Node(t.Context(), node)
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(testContext(t), method, n.FHIR+path, strings.NewReader(body))
	require.NoError(t, err)
	_, admin := Bearers(rt)
	request.Header.Set("Authorization", "Bearer "+admin)
	if body != "" {
		request.Header.Set("Content-Type", "application/fhir+json")
	}
	response, err := (&http.Client{Transport: c.Transport()}).Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

// exercise is what every runtime's nodes do: a node that is killed comes
// back with what it had acknowledged, at the same URL; one that is paused
// answers when it goes on; a reset forgets.
func exercise(t *testing.T, rt Runtime, c *Cluster) {
	ctx := testContext(t)
	before, err := c.Node(t.Context(), "target")
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, status(t, rt, c, "target", http.MethodGet, "/Patient/anna", ""))
	require.Equal(t, http.StatusCreated, status(t, rt, c, "target", http.MethodPut, "/Patient/ben", `{"resourceType":"Patient","id":"ben"}`))

	_, err = before.Control.AddScript(ctx, control.Script{Name: "teapot.star", Text: `on_request(lambda req: answer(418), path = "/r3/Patient/teapot")`})
	require.NoError(t, err)
	require.NoError(t, c.Advance(ctx, time.Hour))
	require.NoError(t, c.Kill(ctx, "target"))
	assert.Error(t, before.Control.Health(ctx))
	require.NoError(t, c.Restart(ctx, "target"))
	after, err := c.Node(t.Context(), "target")
	require.NoError(t, err)
	assert.Equal(t, before.FHIR, after.FHIR)
	assert.Equal(t, http.StatusOK, status(t, rt, c, "target", http.MethodGet, "/Patient/ben", ""))
	assert.Equal(t, http.StatusTeapot, status(t, rt, c, "target", http.MethodGet, "/Patient/teapot", ""), "it runs its script again")
	now, err := after.Control.Clock(ctx)
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now().Add(time.Hour), now.Now, 10*time.Second)

	require.NoError(t, c.Pause(ctx, "target"))
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	require.Error(t, after.Control.Health(short))
	require.NoError(t, c.Resume(ctx, "target"))
	require.NoError(t, after.Control.Health(ctx))

	require.NoError(t, c.Reset(ctx))
	assert.Equal(t, http.StatusOK, status(t, rt, c, "target", http.MethodGet, "/Patient/anna", ""))
	assert.Equal(t, http.StatusNotFound, status(t, rt, c, "target", http.MethodGet, "/Patient/ben", ""))
	assert.Equal(t, http.StatusNotFound, status(t, rt, c, "target", http.MethodGet, "/Patient/teapot", ""), "the script is gone")
}

func newTestEmbedded(t *testing.T) Runtime {
	rt, err := NewEmbedded(Options{})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, rt.Close(context.Background()))
		assert.Empty(t, rt.core().ports.taken)
	})
	return rt
}

func TestEmbeddedNodesLiveThroughAKillAndAPause(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the node's binary")
	}
	rt := newTestEmbedded(t)
	c, err := Start(testContext(t), rt, Spec{Name: "source"}, Spec{Name: "target", Process: true, Load: [][]byte{[]byte(patientBundle)}})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close(context.Background())) }()
	exercise(t, rt, c)
	assert.ErrorIs(t, c.Kill(testContext(t), "source"), ErrInProcess)
	assert.ErrorIs(t, c.Pause(testContext(t), "source"), ErrInProcess)
	source, err := c.Node(t.Context(), "source")
	require.NoError(t, err)
	assert.NoError(t, source.Control.Health(testContext(t)), "it still runs")
}

func TestEmbeddedPoolGivesFreshClustersFromATemplate(t *testing.T) {
	rt := newTestEmbedded(t)
	p, err := NewPool(t.Context(), rt, 0, Spec{Name: "source", Load: [][]byte{[]byte(patientBundle)}}, Spec{Name: "target", Prefix: "/t"}, Spec{Name: "cavs"})
	require.NoError(t, err)
	defer func() { require.NoError(t, p.Close(context.Background())) }()
	var last string
	for range 3 {
		c, release, err := p.Lease(testContext(t))
		require.NoError(t, err)
		n, err := c.Node(t.Context(), "source")
		require.NoError(t, err)
		assert.NotEqual(t, last, n.Root)
		last = n.Root
		assert.Equal(t, http.StatusOK, status(t, rt, c, "source", http.MethodGet, "/Patient/anna", ""))
		assert.Equal(t, http.StatusNotFound, status(t, rt, c, "source", http.MethodGet, "/Patient/ben", ""))
		assert.Equal(t, http.StatusCreated, status(t, rt, c, "source", http.MethodPut, "/Patient/ben", `{"resourceType":"Patient","id":"ben"}`))
		assert.Equal(t, http.StatusNotFound, status(t, rt, c, "target", http.MethodGet, "/Patient/anna", ""))
		release()
	}
}

func TestAChildThatCannotStartShowsItsLogs(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell script")
	}
	script := filepath.Join(t.TempDir(), "node")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\necho 'no luck today' >&2\nexit 3\n"), 0o700))
	rt, err := NewEmbedded(Options{StartTimeout: 20 * time.Second})
	require.NoError(t, err)
	defer rt.Close(context.Background())
	rt.(*embedded).bins.built[platform{runtime.GOOS, runtime.GOARCH}] = script
	_, err = Start(testContext(t), rt, Spec{Name: "a", Process: true})
	assert.ErrorContains(t, err, "node a did not start: exit status 3")
	assert.ErrorContains(t, err, "no luck today")
}

// TestChildrenDieWithTheHarness kills a harness by SIGKILL: this test binary,
// started again to run helperHarness.
func TestChildrenDieWithTheHarness(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the node's binary")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestHelperHarness$", "-test.v")
	cmd.Env = append(cmd.Environ(), "CCDE_HELPER_HARNESS=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill() }()
	var url string
	buf := make([]byte, 4096)
	text := ""
	for url == "" {
		n, err := out.Read(buf)
		text += string(buf[:n])
		if _, rest, ok := strings.Cut(text, "control="); ok && strings.Contains(rest, "\n") {
			url = strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0])
		}
		require.NoError(t, err, text)
	}
	reachable := func() bool {
		response, err := http.Get(url + "/health")
		if err == nil {
			_ = response.Body.Close()
		}
		return err == nil
	}
	require.True(t, reachable())
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	assert.Eventually(t, func() bool { return !reachable() }, 5*time.Second, 10*time.Millisecond)
}

func TestHelperHarness(t *testing.T) {
	if os.Getenv("CCDE_HELPER_HARNESS") == "" {
		t.Skip("only runs inside TestChildrenDieWithTheHarness")
	}
	rt, err := NewEmbedded(Options{})
	require.NoError(t, err)
	c, err := Start(t.Context(), rt, Spec{Name: "a", Process: true})
	require.NoError(t, err)
	_, _ = os.Stdout.WriteString("control=" + c.Nodes()[0].ControlURL + "\n")
	select {} // until it is killed
}

func TestClosedRuntime(t *testing.T) {
	rt := newTestEmbedded(t)
	require.NoError(t, rt.Close(t.Context()))
	_, err := Start(testContext(t), rt, Spec{Name: "a"})
	assert.ErrorIs(t, err, errClosed)
}

func TestAuto(t *testing.T) {
	rt, why, err := Auto(testContext(t), ChooseEmbedded, Options{})
	require.NoError(t, err)
	assert.Equal(t, "embedded", rt.Name())
	assert.Contains(t, why, "runtime embedded")
	require.NoError(t, rt.Close(t.Context()))
	_, _, err = Auto(testContext(t), "podmen", Options{})
	assert.ErrorContains(t, err, "give auto, docker or embedded")

	for word, want := range map[string]string{"": ChooseAuto, "auto": ChooseAuto, "require": ChooseDocker, "off": ChooseEmbedded} {
		got, err := ChoiceOf(word)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err = ChoiceOf("yes")
	assert.ErrorContains(t, err, "CCDE_DOCKER")
}
