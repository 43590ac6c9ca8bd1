package exchange

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/clock"
	"example.org/ccde/mockehr/store"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// crashEnv tells the test binary to be a target that a test will kill; its value is a crashJob.
const crashEnv = "EXCHANGE_CRASH_TEST"

type crashJob struct{ Dir, Source string }

func TestMain(m *testing.M) {
	if text := os.Getenv(crashEnv); text != "" {
		if err := copyUntilKilled(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func copyUntilKilled(text string) error {
	var job crashJob
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		return err
	}
	e, _, err := openTarget(job.Dir)
	if err != nil {
		return err
	}
	_, err = e.Connect(context.Background(), Request{Source: job.Source, Consent: "c", JWT: sourceJWT, Authorization: "auth-1", ExpiresIn: 3600})
	if err != nil {
		return err
	}
	time.Sleep(time.Minute) // the test kills it long before
	return nil
}

func openTarget(dir string) (*Engine, *store.Store, error) {
	c := clock.New()
	s, err := store.Open(dir, store.Options{Clock: c, Base: targetBase})
	if err != nil {
		return nil, nil, err
	}
	e := New(Deps{Store: s, Clock: c, Checks: check.New(check.Strict), HTTP: &http.Client{Transport: &http.Transport{}}, OwnBase: targetBase})
	return e, s, e.Start(context.Background())
}

// SIGKILL at any moment of a copy: nothing is lost, and nothing is there twice (TGT-31).
func TestKilledInTheMiddle(t *testing.T) {
	s := newSource(t, nil)
	s.pageSize = 20
	s.fill("p1", 800)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	job, err := json.Marshal(crashJob{dir, s.base})
	require.NoError(t, err)
	for range 8 {
		before := len(s.seen(""))
		target := 1 + random.IntN(8)
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashEnv+"="+string(job))
		cmd.Stderr = os.Stderr
		require.NoError(t, cmd.Start())
		require.Eventually(t, func() bool { return len(s.seen("")) >= before+target }, 10*time.Second, time.Millisecond)
		time.Sleep(time.Duration(random.IntN(15)) * time.Millisecond) // anywhere between two requests
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
	}
	e, st, err := openTarget(dir)
	require.NoError(t, err)
	defer st.Close()
	defer e.Close()
	tg := &target{Engine: e, t: t, store: st}
	all, err := e.List(context.Background())
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Eventually(t, func() bool { return tg.get(all[0].ID).Status == Waiting }, 20*time.Second, 5*time.Millisecond)
	got := tg.get(all[0].ID)
	assert.Empty(t, got.Message)
	assert.Equal(t, 1, got.Round, "the same round went on")
	assert.Equal(t, 803, got.Copied["Observation"])
	assert.Equal(t, 803, tg.stored("Observation"))
	assert.Equal(t, 1, tg.stored("Practitioner"))
	tg.equal(s, record(s, "p1")...)
	assert.Equal(t, 1, tg.versions(s.base+"/Observation/p1-lab-0100"))
}

// The engine closed at random moments goes on where it stood, also with what changed meanwhile.
func TestClosedAtRandomMoments(t *testing.T) {
	clk := heldClock()
	s, tg := newSource(t, clk), newTarget(t, clk)
	s.pageSize = 10
	s.fill("p1", 200)
	random := rand.New(rand.NewPCG(1, 2))
	conn := tg.connect(s, "auth-1")
	for i := range 20 {
		before, target := len(s.seen("")), random.IntN(6)
		deadline := time.Now().Add(5 * time.Second)
		for len(s.seen("")) < before+target && time.Now().Before(deadline) && tg.get(conn.ID).Status != Waiting {
			runtime.Gosched()
		}
		tg.Close()
		if i == 10 {
			s.put(`{"resourceType":"Observation","id":"p1-lab-0000","status":"amended","category":[{"coding":[{"code":"laboratory"}]}],"code":{"text":"lab"},"subject":{"reference":"Patient/p1"}}`)
		}
		require.NoError(t, tg.Start(tg.ctx()))
	}
	tg.pass(6 * time.Minute)
	assert.Empty(t, tg.get(conn.ID).Message)
	assert.Equal(t, 203, tg.stored("Observation"))
	assert.Equal(t, 203, tg.get(conn.ID).Copied["Observation"])
	tg.equal(s, record(s, "p1")...)
}

// A link that has gone stale while the target was away costs the pages before it, and nothing else.
func TestStaleLinkStartsTheQueryAgain(t *testing.T) {
	clk := heldClock()
	s, tg := newSource(t, clk), newTarget(t, clk)
	s.fill("p1", 120)
	inFlight := make(chan struct{})
	s.answer(times(1, on("_page=50", func(_ http.ResponseWriter, r *http.Request) {
		close(inFlight)
		<-r.Context().Done()
	})))
	conn := tg.connect(s, "auth-1")
	<-inFlight
	tg.Close()
	s.answer(times(1, on("_page=50", text(410, "text/plain", ""))))
	require.NoError(t, tg.Start(tg.ctx()))
	tg.pass(time.Minute)
	assert.Empty(t, tg.get(conn.ID).Message)
	assert.Equal(t, 1, tg.get(conn.ID).Round)
	tg.equal(s, record(s, "p1")...)
}

func TestNothingIsLeftBehind(t *testing.T) {
	clk := heldClock()
	s := newSource(t, clk)
	s.fill("p1", 3)
	before := runtime.NumGoroutine()
	st, err := store.Open("", store.Options{Clock: clk})
	require.NoError(t, err)
	transport := &http.Transport{}
	e := New(Deps{Store: st, Clock: clk, HTTP: &http.Client{Transport: transport}})
	require.NoError(t, e.Start(context.Background()))
	assert.Error(t, e.Start(context.Background()), "started already")
	s.answer(on(condition, never))
	for i := range 30 {
		_, err := e.Connect(context.Background(), Request{Source: s.base, JWT: sourceJWT, Authorization: fmt.Sprint("auth-", i), ExpiresIn: 600})
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return len(s.seen(condition)) > 3 }, 10*time.Second, time.Millisecond)
	e.Close()
	require.NoError(t, clk.Idle(context.Background()))
	_, due := clk.Due()
	assert.False(t, due, "no timer stays")
	require.NoError(t, e.Start(context.Background()))
	e.Close()
	e.Close()
	transport.CloseIdleConnections()
	require.NoError(t, st.Close())
	s.srv.CloseClientConnections()
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+1 }, 5*time.Second, 10*time.Millisecond)
}
