package cavs_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"embed"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"acme.example/cavs"

	"github.com/cucumber/godog"
	"github.com/golang-jwt/jwt/v5"

	"example.org/ccde/steps/config"
	"example.org/ccde/steps/judge"
	"example.org/ccde/steps/suite"
)

//go:embed features
var features embed.FS

// TestConformance judges the server as a CAVS by the scenarios of ccde, and by
// those of this module.
func TestConformance(t *testing.T) {
	h := suite.NewHarness(t)
	known, keySet := application(t)
	server := httptest.NewServer(&cavs.Server{KeySets: []string{h.KeySet, h.TargetKeySet, keySet}, Approved: []string{"urn:acme shop-app"}})
	defer server.Close()

	run := h.Test(t, config.System{
		System: config.About{Name: "Acme shop"},
		// No registry can be edited here, so that a JWT must speak for an application.
		CAVS: &config.CAVS{URL: server.URL + "/cavs", Known: config.Known{Approved: config.Secret{Text: known}}},
	}, suite.Options{
		ExtraFeatures: features,
		ExtraSteps:    []func(*godog.ScenarioContext){health{server.URL + "/health"}.steps},
	})
	t.Logf("exit code %d: %v", run.ExitCode, run.Counts)
}

// application is a JWT of an application that the server knows, and where its key is.
func application(t *testing.T) (packed, keySet string) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[{"kty":"RSA","alg":"RS256","use":"sig","kid":"shop","n":%q,"e":%q}]}`,
			encode(key.N.Bytes()), encode(big.NewInt(int64(key.E)).Bytes()))
	}))
	t.Cleanup(keys.Close)
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"iss": "urn:acme", "sub": "shop-app",
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()})
	token.Header["kid"] = "shop"
	if packed, err = token.SignedString(key); err != nil {
		t.Fatal(err)
	}
	return packed, keys.URL
}

// health are the steps of this module.
type health struct{ url string }

type answerKey struct{}

func (h health) steps(sc *godog.ScenarioContext) {
	sc.Step(`^the health of the shop is asked for$`, h.ask)
	sc.Step(`^it is healthy$`, h.good)
}

// ask sends by the scenario's record, so that the exchange stands in the report.
func (h health) ask(ctx context.Context) (context.Context, error) {
	a, err := judge.From(ctx).Do(ctx, http.DefaultClient, judge.Request{From: "judge", To: "cavs", Method: http.MethodGet, URL: h.url})
	return context.WithValue(ctx, answerKey{}, a), err
}

// good fails for a reason of the server's: by the record. A plain error would say
// that the step itself could not do its work.
func (h health) good(ctx context.Context) error {
	a, _ := ctx.Value(answerKey{}).(*judge.Response)
	if a.Status != http.StatusOK {
		return judge.From(ctx).Fail("health", "200", string(a.Body))
	}
	return nil
}
