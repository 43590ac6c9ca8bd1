package cavs

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/oauth"
)

func TestClientAsks(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.PostFormValue("jwt") != "a.b.c" || r.Header.Get("Authorization") != "" || r.URL.RawQuery != "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_, _ = w.Write([]byte(`{"status":"unsuitable","message":"m","endorsements":null,"more":1}`))
	}))
	defer server.Close()
	answer, err := NewClient(server.URL, nil).Validate(context.Background(), "a.b.c")
	require.NoError(t, err)
	require.Equal(t, oauth.Answer{Status: oauth.Unsuitable, Message: "m"}, answer)
}

func TestClientErrors(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	write := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		status  int
	}{
		"HTML":            {write("<html><body>Hello</body></html>"), 502},
		"nothing":         {write(""), 502},
		"null":            {write("null"), 502},
		"a list":          {write("[]"), 502},
		"half a JSON":     {write(`{"status":"approved"`), 502},
		"no status":       {write(`{"message":"m"}`), 502},
		"another status":  {write(`{"status":"fine"}`), 502},
		"of another form": {write(`{"status":"approved","endorsements":{}}`), 502},
		"too long":        {write(`{"status":"approved","message":"` + strings.Repeat("x", maxAnswer) + `"}`), 502},
		"a failure":       {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, 502},
		"not found":       {http.NotFound, 502},
		"a redirect":      {http.RedirectHandler("http://127.0.0.1:1/", http.StatusTemporaryRedirect).ServeHTTP, 502},
		"half a body": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("{"))
		}, 503},
		"never an answer": {func(http.ResponseWriter, *http.Request) { <-hang }, 504},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(c.handler)
			t.Cleanup(server.CloseClientConnections)
			client := &http.Client{}
			if c.status == 504 {
				client.Timeout = 50 * time.Millisecond
			}
			_, err := NewClient(server.URL, client).Validate(context.Background(), "a.b.c")
			var cavs *oauth.CAVSError
			require.ErrorAs(t, err, &cavs)
			require.Equal(t, c.status, cavs.Status, cavs.Message)
			require.Contains(t, cavs.Message, server.URL)
			require.NotContains(t, cavs.Message, "a.b.c")
		})
	}
	t.Run("out of reach", func(t *testing.T) {
		dead := httptest.NewServer(http.NotFoundHandler())
		dead.Close()
		_, err := NewClient(dead.URL, nil).Validate(context.Background(), "a.b.c")
		var cavs *oauth.CAVSError
		require.ErrorAs(t, err, &cavs)
		require.Equal(t, http.StatusServiceUnavailable, cavs.Status)
	})
}

func FuzzParseAnswer(f *testing.F) {
	f.Add([]byte(`{"status":"approved","message":"m","endorsements":[{"endorser":{"name":"n","url":"u","type":"approval"}}]}`))
	f.Add([]byte(`{"status":"invalid"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		answer, err := ParseAnswer(text)
		if err == nil {
			require.Contains(t, []string{oauth.Approved, oauth.Unsuitable, oauth.Unknown, oauth.Invalid}, answer.Status)
		}
	})
}
