package oauth

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTrustFollowsARotation(t *testing.T) {
	ctx, clk := context.Background(), heldClock()
	server := serveKeys(t, setOf(t, map[string]*Key{"old": firstKey()}))
	trust := trusting(t, clk, Source{URL: server.URL})
	before := mustSign(t, firstKey(), "old", goodClaims())
	after := mustSign(t, secondKey(), "new", goodClaims())

	for range 3 {
		_, err := trust.Verify(ctx, before)
		require.NoError(t, err)
	}
	require.EqualValues(t, 1, server.asked.Load(), "a set that has the key is read once")

	server.set(setOf(t, map[string]*Key{"new": secondKey()}))
	for range 3 {
		_, err := trust.Verify(ctx, after)
		require.Equal(t, UnknownKey, ReasonOf(err), "within 5 seconds it is not read again")
	}
	require.EqualValues(t, 1, server.asked.Load())

	clk.Add(5 * time.Second)
	_, err := trust.Verify(ctx, after)
	require.NoError(t, err, "then at once")
	require.EqualValues(t, 2, server.asked.Load())
	trust.Forget()
	_, err = trust.Verify(ctx, after)
	require.NoError(t, err)
	require.EqualValues(t, 3, server.asked.Load(), "what was forgotten is read anew")
	_, err = trust.Verify(ctx, before)
	require.Equal(t, UnknownKey, ReasonOf(err), "the old key is gone")
}

func TestTrustFollowsARotationUnderTheSameKeyID(t *testing.T) {
	ctx, clk := context.Background(), heldClock()
	server := serveKeys(t, setOf(t, map[string]*Key{"/auth_key": firstKey()}))
	trust := trusting(t, clk, Source{URL: server.URL})
	_, err := trust.Verify(ctx, mustSign(t, firstKey(), "/auth_key", goodClaims()))
	require.NoError(t, err)
	server.set(setOf(t, map[string]*Key{"/auth_key": secondKey()}))
	clk.Add(6 * time.Second)
	_, err = trust.Verify(ctx, mustSign(t, secondKey(), "/auth_key", goodClaims()))
	require.NoError(t, err, "no key fits: the set is read again")
}

func TestTrustReadsAnAgedSetAgain(t *testing.T) {
	ctx, clk := context.Background(), heldClock()
	server := serveKeys(t, setOf(t, map[string]*Key{"k": firstKey()}))
	trust := trusting(t, clk, Source{URL: server.URL})
	packed := mustSign(t, firstKey(), "k", goodClaims())
	verify := func() error { _, err := trust.Verify(ctx, packed); return err }
	require.NoError(t, verify())

	server.set(setOf(t, map[string]*Key{"k2": secondKey()}))
	clk.Add(age - time.Second)
	require.NoError(t, verify(), "young enough")
	clk.Add(time.Second)
	require.Equal(t, UnknownKey, ReasonOf(verify()), "aged: read again, and the key was withdrawn")

	server.set(setOf(t, map[string]*Key{"k": firstKey()}))
	clk.Add(age)
	require.NoError(t, verify())
	server.fails.Store(true)
	clk.Add(age)
	require.NoError(t, verify(), "what can't be read again is used a while longer")
	clk.Set(start.Add(2 * time.Minute))
	require.NoError(t, verify(), "a clock set back does no harm while the set can't be read")
}

func TestTrustForgetsWhatIsTooOld(t *testing.T) {
	ctx, clk := context.Background(), heldClock()
	server := serveKeys(t, setOf(t, map[string]*Key{"k": firstKey()}))
	trust := trusting(t, clk, Source{URL: server.URL})
	packed := mustSign(t, firstKey(), "k", with(goodClaims(), "exp", start.Add(72*time.Hour).Unix()))
	_, err := trust.Verify(ctx, packed)
	require.NoError(t, err)
	server.fails.Store(true)
	clk.Add(age + stale)
	_, err = trust.Verify(ctx, packed)
	require.Equal(t, KeysUnreachable, ReasonOf(err))
}

func TestTrustOutOfReach(t *testing.T) {
	ctx, clk := context.Background(), heldClock()
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	html := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	defer html.Close()
	away := httptest.NewServer(http.RedirectHandler(serveKeys(t, setOf(t, map[string]*Key{"k": firstKey()})).URL, http.StatusFound))
	defer away.Close()
	packed := mustSign(t, firstKey(), "k", goodClaims())
	for name, url := range map[string]string{"dead": dead.URL, "HTML": html.URL, "redirect to another origin": away.URL} {
		t.Run(name, func(t *testing.T) {
			_, err := trusting(t, clk, Source{URL: url}).Verify(ctx, packed)
			require.Equal(t, KeysUnreachable, ReasonOf(err))
		})
	}
	t.Run("a dead source hinders no other", func(t *testing.T) {
		trust := trusting(t, clk, Source{URL: dead.URL}, Source{Keys: setOf(t, map[string]*Key{"k": firstKey()})})
		_, err := trust.Verify(ctx, packed)
		require.NoError(t, err)
	})
	t.Run("a URL of another origin is no key of the dead source", func(t *testing.T) {
		_, err := trusting(t, clk, Source{URL: dead.URL}).Verify(ctx, mustSign(t, firstKey(), "http://elsewhere.example/k", goodClaims()))
		require.Equal(t, UnknownKey, ReasonOf(err))
	})
	t.Run("a source that never answers", func(t *testing.T) {
		hang := make(chan struct{})
		slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
		defer slow.Close()
		defer close(hang)
		ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		_, err := trusting(t, clk, Source{URL: slow.URL}).Verify(ctx, packed)
		require.Equal(t, KeysUnreachable, ReasonOf(err))
	})
}

func TestTrustKeyIDs(t *testing.T) {
	ctx, clk := context.Background(), heldClock()
	server := serveKeys(t, setOf(t, map[string]*Key{"any": firstKey()}))
	two := serveKeys(t, setOf(t, map[string]*Key{"any": firstKey(), "other": secondKey()}))
	lone, err := printKey(firstKey().Public(), "", "")
	require.NoError(t, err)
	nameless := serveKeys(t, lone)
	verify := func(url, kid string) Reason {
		_, err := trusting(t, clk, Source{URL: url}).Verify(ctx, mustSign(t, firstKey(), kid, goodClaims()))
		return ReasonOf(err)
	}
	require.Empty(t, verify(server.URL, "any"))
	require.Empty(t, verify(server.URL, server.URL), "a set of one, by its URL")
	require.Equal(t, UnknownKey, verify(two.URL, two.URL), "a set of two is not known by its URL")
	require.Empty(t, verify(nameless.URL, "whatever"), "a lone JWK without kid fits any")
	require.Equal(t, UnknownKey, verify(server.URL, "Any"), "to the letter")
}

func TestTrustSources(t *testing.T) {
	clk := heldClock()
	for name, bad := range map[string]Source{
		"nothing":       {},
		"no URL":        {URL: "jwks.json"},
		"another kind":  {URL: "file:///etc/passwd"},
		"both":          {URL: "http://x.example", Keys: setOf(t, map[string]*Key{"k": firstKey()})},
		"no key set":    {Keys: []byte(`{}`)},
		"no usable key": {Keys: []byte(`{"keys":[{"kty":"oct","k":"AAAA"}]}`)},
	} {
		t.Run(name, func(t *testing.T) {
			trust := trusting(t, clk, Source{Keys: setOf(t, map[string]*Key{"k": firstKey()})})
			require.ErrorContains(t, trust.SetSources([]Source{bad}), "trust[0]")
			_, err := trust.Verify(context.Background(), mustSign(t, firstKey(), "k", goodClaims()))
			require.NoError(t, err, "the old list stays")
		})
	}
	t.Run("an empty list trusts nobody", func(t *testing.T) {
		_, err := trusting(t, clk).Verify(context.Background(), mustSign(t, firstKey(), "k", goodClaims()))
		require.Equal(t, UnknownKey, ReasonOf(err))
	})
}

func TestTrustSharesAFetch(t *testing.T) {
	clk := heldClock()
	server := serveKeys(t, setOf(t, map[string]*Key{"k": firstKey()}))
	trust := trusting(t, clk, Source{URL: server.URL})
	packed := mustSign(t, firstKey(), "k", goodClaims())
	errs := make(chan error, 20)
	for range cap(errs) {
		go func() { _, err := trust.Verify(context.Background(), packed); errs <- err }()
	}
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
	require.EqualValues(t, 1, server.asked.Load())
}
