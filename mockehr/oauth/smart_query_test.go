package oauth

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/check"
)

func TestParseQueryReadsWhatBrowsersRead(t *testing.T) {
	for text, want := range map[string]Query{
		"":                  nil,
		"&&":                nil,
		"a":                 {{"a", ""}},
		"=":                 {{"", ""}},
		"a=b=c":             {{"a", "b=c"}},
		"a=1;b=2&c=3":       {{"a", "1;b=2"}, {"c", "3"}},
		"a=%41%zz%4&b=100%": {{"a", "A%zz%4"}, {"b", "100%"}},
		"a+b=c+d%2B":        {{"a b", "c d+"}},
		"a=%ff%00&a=2":      {{"a", "\xff\x00"}, {"a", "2"}},
	} {
		t.Run(text, func(t *testing.T) { require.Equal(t, want, ParseQuery(text)) })
	}
}

func TestWithParametersKeepsTheRedirectToTheLetter(t *testing.T) {
	for uri, want := range map[string]string{
		"http://a/b":       "http://a/b?x=1%202&y=%26",
		"http://a/b?":      "http://a/b?x=1%202&y=%26",
		"http://a/b?c=d":   "http://a/b?c=d&x=1%202&y=%26",
		"http://a/b?c=%2f": "http://a/b?c=%2f&x=1%202&y=%26",
		"com.example:/b":   "com.example:/b?x=1%202&y=%26",
	} {
		t.Run(uri, func(t *testing.T) {
			require.Equal(t, want, withParameters(uri, Query{{"x", "1 2"}, {"y", "&"}}))
		})
	}
}

func TestWiderScopes(t *testing.T) {
	granted := []string{"launch/patient", "patient/*.read", "offline_access"}
	for wanted, want := range map[string]string{
		"":                                   "",
		"patient/*.read":                     "",
		"patient/Observation.read":           "",
		"offline_access patient/*.read":      "",
		"patient/*.*":                        "patient/*.*",
		"patient/Observation.write":          "patient/Observation.write",
		"user/Observation.read":              "user/Observation.read",
		"openid":                             "openid",
		"patient/*.read patient/Nobody.read": "patient/Nobody.read",
	} {
		t.Run(wanted, func(t *testing.T) { require.Equal(t, want, wider(strings.Fields(wanted), granted)) })
	}
}

// FuzzAuthorizationRequest holds any query to what SRC-70, 71 and 79 promise.
func FuzzAuthorizationRequest(f *testing.F) {
	const redirect = "http://app.example/back?x=1"
	for _, seed := range []string{
		"response_type=code&client_id=app&redirect_uri=http%3A%2F%2Fapp.example%2Fback%3Fx%3D1&scope=patient%2F*.read&state=%FF%00;a",
		"response_type=token&client_id=app&redirect_uri=http://app.example/back?x=1&state=a+b&scope=x",
		"client_id=app&redirect_uri=http%3A%2F%2Fapp.example%2Fback%3Fx%3D1&redirect_uri=http://evil.example",
		"client_id=public&response_type=code&redirect_uri=http://app.example/back?x%3D1&scope=user/*.*&state=s&code_challenge=x&code_challenge_method=S256",
		"%zz=%&=&client_id", "",
	} {
		f.Add(seed)
	}
	s := NewSignIn(SignInOptions{Checks: check.New(check.Strict), Clock: heldClock(), Base: testBase, Directory: func() Directory {
		return Directory{Clients: []Client{{ID: "app", Secret: "s", Redirects: []string{redirect}}, {ID: "public", Redirects: []string{redirect}}}}
	}})
	f.Fuzz(func(t *testing.T, text string) {
		q := ParseQuery(text)
		if std, err := url.ParseQuery(text); err == nil { // where net/url reads it at all, it reads the same
			n := 0
			for _, p := range q {
				require.Contains(t, std[p.Name], p.Value)
				n++
			}
			for _, values := range std {
				n -= len(values)
			}
			require.Zero(t, n)
		}
		r, err := s.ReadRequest(context.Background(), q)
		state, twice := q.get("state")
		var back *SentBack
		var refusal *check.Refusal
		switch {
		case err == nil:
			require.Equal(t, redirect, r.Redirect)
			require.Equal(t, state, string(r.State))
			require.NotEmpty(t, r.Scopes)
			require.True(t, r.Client == "app" || isChallenge(r.Challenge))
		case errors.As(err, &back):
			rest, ok := strings.CutPrefix(back.Location, redirect+"&")
			require.True(t, ok, back.Location)
			values, err := url.ParseQuery(rest)
			require.NoError(t, err)
			require.NotContains(t, values, "code")
			require.NotEmpty(t, values.Get("error"))
			if twice || state == "" {
				require.NotContains(t, values, "state")
			} else {
				require.Equal(t, []string{state}, values["state"])
			}
		default:
			require.True(t, errors.As(err, &refusal), "%v", err)
		}
	})
}
