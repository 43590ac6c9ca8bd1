package suite_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/cluster"
	"example.org/ccde/mockehr/control"
	"example.org/ccde/reports"
	"example.org/ccde/reports/certificate"
	"example.org/ccde/steps"
	"example.org/ccde/steps/suite"
)

// seenSecrets are secrets by kind, as the nodes saw them: taken from their
// histories, apart from the judge's own masking.
type seenSecrets struct {
	mu  sync.Mutex
	all map[string]map[string]bool
}

func (s *seenSecrets) add(kind, secret string) {
	// A shorter text could stand anywhere; nodes make up none.
	if len(secret) < 8 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all[kind] == nil {
		s.all[kind] = map[string]bool{}
	}
	s.all[kind][secret] = true
}

var (
	anyJWT      = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.([\w-]+)`)
	issued      = regexp.MustCompile(`"(access_token|refresh_token)"\s*:\s*"([^"]+)"`)
	issuedID    = regexp.MustCompile(`"name"\s*:\s*"id"\s*,\s*"valueId"\s*:\s*"([^"]+)"`)
	issuedXMLID = regexp.MustCompile(`<name value="id"/><valueId value="([^"]+)"`)
)

func (s *seenSecrets) learn(e control.Exchange) {
	texts := []string{e.URL, e.RequestBody.Text, e.ResponseBody.Text}
	for _, values := range []control.Header{e.RequestHeader, e.ResponseHeader} {
		for _, v := range values {
			texts = append(texts, v...)
		}
	}
	for _, text := range texts {
		for _, m := range anyJWT.FindAllStringSubmatch(text, -1) {
			s.add("JWT", m[0])
			s.add("signature", m[1])
		}
	}
	for _, m := range issued.FindAllStringSubmatch(e.ResponseBody.Text, -1) {
		s.add(m[1], m[2])
	}
	if strings.Contains(e.URL, "/$authorize") {
		for _, form := range []*regexp.Regexp{issuedID, issuedXMLID} {
			for _, m := range form.FindAllStringSubmatch(e.ResponseBody.Text, -1) {
				s.add("authorization", m[1])
			}
		}
	}
	for name, values := range e.ResponseHeader {
		for _, v := range values {
			switch {
			case strings.EqualFold(name, "Location"):
				if u, err := url.Parse(v); err == nil {
					s.add("code", u.Query().Get("code"))
				}
			case strings.EqualFold(name, "Set-Cookie"):
				_, v, _ = strings.Cut(v, "=")
				v, _, _ = strings.Cut(v, ";")
				s.add("cookie", v)
			}
		}
	}
}

// TestNoSecretInAnyOutput runs a slice of the suite in which every kind of
// secret is made, and looks for each in every file that comes of it.
func TestNoSecretInAnyOutput(t *testing.T) {
	secrets := &seenSecrets{all: map[string]map[string]bool{}}
	run, err := suite.Run(t.Context(), suite.Options{
		Tags:    "@SRC-02 or @SRC-30 or @SRC-34 or @SRC-46 or @SRC-47 or @SRC-73 or @SRC-75 or @TGT-10 or @TGT-18 or @TGT-21 or @TGT-42 or @CAV-02",
		Runtime: cluster.ChooseEmbedded,
		Adjust: func(env *steps.Env) {
			secrets.add("bearer", env.Consumer)
			secrets.add("bearer", env.Admin)
			lease := env.Pool
			env.Pool = func(ctx context.Context, need steps.Need) (*cluster.Cluster, func(), error) {
				c, release, err := lease(ctx, need)
				if err != nil {
					return nil, nil, err
				}
				return c, func() {
					for _, n := range c.Nodes() {
						secrets.add("control", n.Secret)
						// A node that was killed tells nothing; what it told others is theirs.
						history, _ := n.Control.History(context.WithoutCancel(ctx), control.HistoryQuery{})
						for _, e := range history {
							secrets.learn(e)
						}
					}
					release()
				}, nil
			}
		},
	})
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, reports.Write(dir, run))
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signed, err := certificate.Sign(run, certificate.Statement{}, key)
	require.NoError(t, err)
	s, err := certificate.Verify(signed, key.Public())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "certificate.txt"), []byte(strings.Join(append(s.Covers(), s.CannotVouch()...), "\n")), 0o600))

	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 4)
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		require.NoError(t, err)
		out := string(text)
		for kind, all := range secrets.all {
			for secret := range all {
				for _, form := range []string{secret, url.QueryEscape(secret)} {
					if at := strings.Index(out, form); at >= 0 {
						assert.Fail(t, "a secret in "+f.Name(), "%s %q in %q", kind, secret, out[max(at-120, 0):min(at+len(form)+40, len(out))])
					}
				}
			}
		}
		if f.Name() == reports.HTMLFile || f.Name() == reports.JSONFile {
			assert.Regexp(t, `authorization-\d+ sha256:[0-9a-f]{12}`, out, "fingerprints stand in their place")
		}
	}
	for _, kind := range []string{"bearer", "control", "JWT", "signature", "access_token", "refresh_token", "authorization", "code", "cookie"} {
		assert.NotEmpty(t, secrets.all[kind], "the slice makes a secret of the kind %s", kind)
	}
}
