package exchange

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The same $connect from twenty clients at once is one connection, and one copy (TGT-34).
func TestConnectTwentyTimesAtOnce(t *testing.T) {
	clk := heldClock()
	s, tg := newSource(t, clk), newTarget(t, clk)
	s.fill("p1", 60)
	ids := make([]string, 20)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			c, err := tg.Connect(tg.ctx(), Request{Source: s.base, Consent: "c1", JWT: sourceJWT, Authorization: "auth-1", ExpiresIn: 3600})
			assert.NoError(t, err)
			ids[i] = c.ID
		})
	}
	wg.Wait()
	tg.idle()
	for _, id := range ids {
		assert.Equal(t, ids[0], id)
	}
	all, err := tg.List(tg.ctx())
	require.NoError(t, err)
	assert.Len(t, all, 1)
	assert.Len(t, s.seen("/auth/token"), 1)
	tg.equal(s, record(s, "p1")...)
}

// A good source is asked for nothing twice in a round.
func TestNothingIsFetchedTwice(t *testing.T) {
	clk := heldClock()
	s, tg := newSource(t, clk), newTarget(t, clk)
	s.fill("p1", 130)
	conn := tg.connect(s, "auth-1")
	for round := 1; round <= 3; round++ {
		tg.idle()
		asked := map[string]int{}
		for _, r := range s.seen("") {
			asked[r.String()]++
		}
		for what, n := range asked {
			assert.Equal(t, 1, n, "%s, round %d", what, round)
		}
		s.forget()
		tg.pass(5 * time.Minute)
	}
	assert.Empty(t, tg.get(conn.ID).Message)
}

// While an answer is on its way expires_in passes: the connection is over, and asks for no next page (TGT-28).
func TestExpiryInTheMiddleOfAPage(t *testing.T) {
	clk := heldClock()
	s, tg := newSource(t, clk), newTarget(t, clk)
	s.fill("p1", 130)
	held, release := make(chan struct{}), make(chan struct{})
	s.answer(times(1, func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("_page") != "50" {
			return false
		}
		close(held)
		<-release
		return false
	}))
	conn, err := tg.Connect(tg.ctx(), Request{Source: s.base, Consent: "c1", JWT: sourceJWT, Authorization: "auth-1", ExpiresIn: 60})
	require.NoError(t, err)
	<-held
	clk.Add(time.Minute)
	tg.Refresh()
	s.forget()
	close(release)
	tg.pass(time.Hour)
	assert.Equal(t, Expired, tg.get(conn.ID).Status)
	assert.Empty(t, s.seen("_page=100"))
	assert.LessOrEqual(t, len(s.seen("")), 1, "nothing but what was on its way")
}

// A clock that is set back while a query waits for its next attempt delays none: it comes after its wait,
// not when the old time has come again.
func TestClockIsSetBackBeforeARetry(t *testing.T) {
	clk := heldClock()
	s, tg := newSource(t, nil), newTarget(t, clk)
	s.fill("p1", 3)
	s.answer(times(2, on(condition, text(503, "text/plain", ""))))
	conn := tg.connect(s, "auth-1")
	tg.idle()
	assert.Len(t, s.seen(condition), 1)
	clk.Add(-2 * time.Hour)
	tg.Refresh()
	tg.pass(10 * time.Second)
	assert.Len(t, s.seen(condition), 3)
	assert.Empty(t, tg.get(conn.ID).Message)
	tg.equal(s, record(s, "p1")...)
}
