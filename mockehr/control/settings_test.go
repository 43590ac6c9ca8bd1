package control

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSettingsValidate(t *testing.T) {
	keys := json.RawMessage(`{"keys":[]}`)
	for name, c := range map[string]struct {
		settings Settings
		want     []string
	}{
		"none": {Settings{}, nil},
		"all of it": {Settings{Dialect: "test.fhir.org", CAVS: "https://cavs.example/auth/cavs", UpdateEvery: 1, RequestTimeout: 1, MaxBody: 1,
			Trust: []KeySource{{URL: "http://a.example/jwks.json", Issuer: "a"}, {Keys: keys}}}, nil},
		"the defaults":     {Settings{}.WithDefaults(), nil},
		"dialect":          {Settings{Dialect: "loose"}, []string{`dialect: "loose" is unknown: use "strict" or "test.fhir.org"`}},
		"relative CAVS":    {Settings{CAVS: "/auth/cavs"}, []string{`cavs: "/auth/cavs" is no absolute http(s) URL: use one such as "http://cavs.example/auth/cavs", or "" for none`}},
		"CAVS, no http":    {Settings{CAVS: "ftp://a.example"}, []string{`cavs: "ftp://a.example" is no absolute http(s) URL: use one such as "http://cavs.example/auth/cavs", or "" for none`}},
		"CAVS, no URL":     {Settings{CAVS: "http://a b/"}, []string{`cavs: "http://a b/" is no absolute http(s) URL: use one such as "http://cavs.example/auth/cavs", or "" for none`}},
		"trust in nothing": {Settings{Trust: []KeySource{{Keys: keys}, {Issuer: "a"}}}, []string{"trust[1]: names no keys: set url, or keys to a JWK Set"}},
		"trust in both":    {Settings{Trust: []KeySource{{URL: "http://a.example", Keys: keys}}}, []string{"trust[0]: has both url and keys: remove one"}},
		"trust in no URL":  {Settings{Trust: []KeySource{{URL: "a.example"}}}, []string{`trust[0].url: "a.example" is no absolute http(s) URL`}},
		"trust in a text":  {Settings{Trust: []KeySource{{Keys: json.RawMessage(`"x"`)}}}, []string{`trust[0].keys: is no JSON object: use a JWK Set {"keys": [..]} or one JWK`}},
		"trust in null":    {Settings{Trust: []KeySource{{Keys: json.RawMessage(`null`)}}}, []string{`trust[0].keys: is no JSON object: use a JWK Set {"keys": [..]} or one JWK`}},
		"negative numbers": {Settings{UpdateEvery: -1e9, RequestTimeout: -1e6, MaxBody: -1}, []string{
			"updateEvery: -1s is negative: use a positive duration, or none for the default",
			"requestTimeout: -1ms is negative: use a positive duration, or none for the default",
			"maxBody: -1 is negative: use a number of bytes, or 0 for the default"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.settings.Validate()
			if c.want == nil {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			assert.Equal(t, c.want, strings.Split(err.Error(), "\n"))
		})
	}
}

func TestSettingsWithDefaults(t *testing.T) {
	assert.Equal(t, Settings{Dialect: "strict", UpdateEvery: Duration(5 * time.Minute), RequestTimeout: Duration(10 * time.Second), MaxBody: 32 << 20,
		Clients: DefaultClients(), People: DefaultPeople()},
		Settings{}.WithDefaults())
	own := Settings{Dialect: "test.fhir.org", CAVS: "http://c.example", UpdateEvery: 1, RequestTimeout: 2, MaxBody: 3,
		Clients: []OAuthClient{}, People: []Person{}}
	assert.Equal(t, own, own.WithDefaults())
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		`"5m"`: 5 * time.Minute, `"1h30m"`: 90 * time.Minute, `"250ms"`: 250 * time.Millisecond, `"-2s"`: -2 * time.Second, `"0s"`: 0, `""`: 0,
	} {
		var d Duration
		require.NoError(t, json.Unmarshal([]byte(text), &d), text)
		assert.Equal(t, want, d.Std(), text)
		raw, err := json.Marshal(d)
		require.NoError(t, err)
		var again Duration
		require.NoError(t, json.Unmarshal(raw, &again))
		assert.Equal(t, d, again)
	}
	for text, want := range map[string]string{
		`5`:      `5 is no duration: use a text such as "5m" or "250ms"`,
		`"5"`:    `"5" is no duration: use a number with a unit, such as "5m" or "250ms"`,
		`"soon"`: `"soon" is no duration: use a number with a unit, such as "5m" or "250ms"`,
		`{}`:     `{} is no duration: use a text such as "5m" or "250ms"`,
	} {
		d := Duration(1)
		assert.EqualError(t, json.Unmarshal([]byte(text), &d), want)
	}
	assert.Equal(t, "1h30m0s", Duration(90*time.Minute).String())
	raw, err := json.Marshal(Settings{UpdateEvery: Duration(time.Second)})
	require.NoError(t, err)
	assert.JSONEq(t, `{"updateEvery":"1s"}`, string(raw), "none is left away")
}

func TestShorten(t *testing.T) {
	assert.Equal(t, strings.Repeat("x", 60), shorten(strings.Repeat("x", 60)))
	assert.Equal(t, strings.Repeat("x", 60)+"..", shorten(strings.Repeat("x", 61)))
	assert.Equal(t, strings.Repeat("x", 59)+"..", shorten(strings.Repeat("x", 59)+"€"))
}

func TestBodyBytes(t *testing.T) {
	assert.Equal(t, "a€", string(Body{Text: "a€"}.Bytes()))
	assert.Equal(t, []byte{0xff, 0}, Body{Text: "/wA=", Base64: true}.Bytes())
	assert.Nil(t, Body{Text: "?", Base64: true}.Bytes())
}
