package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAPersonSignsIn(t *testing.T) {
	var shown bytes.Buffer
	p := newProgress(&shown, func(string) string { return "" }, false, false)
	defer p.close()
	typed := make(chan string, 1)
	one := &person{progress: p, patient: "example", redirect: "http://" + freeAddr(t) + "/callback", lines: func() <-chan string { return typed }}

	go func() {
		for {
			res, err := http.Get(one.redirect + "?code=1&state=a%20b")
			if err == nil {
				res.Body.Close()
				return
			}
		}
	}()
	at, err := one.act(t.Context(), "http://ehr/authorize?a=b", "approve")
	require.NoError(t, err)
	assert.Equal(t, one.redirect+"?code=1&state=a%20b", at, "the browser came back")
	for _, want := range []string{"http://ehr/authorize?a=b", "Patient/example", "APPROVE"} {
		assert.Contains(t, shown.String(), want)
	}

	typed <- ""
	at, err = one.act(t.Context(), "http://ehr/authorize", "deny")
	require.NoError(t, err)
	assert.Equal(t, "http://ehr/authorize", at, "it ended on a page of the source")

	one.redirect = "https://app.example/callback" // not on this machine
	typed <- "https://app.example/callback?error=access_denied"
	at, err = one.act(t.Context(), "http://ehr/authorize", "deny")
	require.NoError(t, err)
	assert.Equal(t, "https://app.example/callback?error=access_denied", at)
	assert.Contains(t, shown.String(), "paste the URL")

	typed <- ""
	_, err = one.act(t.Context(), "http://ehr/authorize", "revoke")
	require.NoError(t, err)
	assert.Contains(t, shown.String(), "Take back")

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the scenario took longer"))
	_, err = one.act(ctx, "http://ehr/authorize", "approve")
	assert.ErrorContains(t, err, "nobody signed in: the scenario took longer")
	close(typed)
	_, err = one.act(t.Context(), "http://ehr/authorize", "approve")
	assert.ErrorContains(t, err, "the terminal was closed")
}

func TestLinesOf(t *testing.T) {
	var got []string
	for line := range linesOf(strings.NewReader(" a \n\nb")) {
		got = append(got, line)
	}
	assert.Equal(t, []string{"a", "", "b"}, got)
}

func TestAHeldLineStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		p := newProgress(&b, func(string) string { return "" }, false, false)
		resume := p.hold()
		p.doing("something")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		resume()
		p.close()
		assert.Empty(t, b.String())
	})
}
