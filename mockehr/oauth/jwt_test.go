package oauth

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const goodHeader = `{"alg":"RS256","kid":"/auth_key","typ":"JWT"}`

func TestReadTheReferenceServersExample(t *testing.T) {
	packed := b64(goodHeader) + "." + b64(`{"exp":1501929069,"iat":"1501842669","iss":"urn:uuid:1486332b-fe3b-483a-b9d4-d6d81cc5b72e","sub":"local.fhir.org"}`) + "." + b64("signature")
	token, err := Read(packed)
	require.NoError(t, err)
	require.Equal(t, packed, token.Packed)
	require.Equal(t, "/auth_key", token.KeyID)
	require.Equal(t, "local.fhir.org", token.Subject)
	require.Equal(t, time.Unix(1501842669, 0).UTC(), token.IssuedAt)
	require.Equal(t, time.Unix(1501929069, 0).UTC(), token.Expires)
}

func TestReadRefuses(t *testing.T) {
	pack := func(header, claims string) string { return b64(header) + "." + b64(claims) + "." + b64("s") }
	good := pack(goodHeader, `{"iss":"i","sub":"s","iat":1,"exp":2}`)
	_, err := Read(good)
	require.NoError(t, err, "the control")
	for name, packed := range map[string]string{
		"nothing":                  "",
		"garbage":                  "garbage",
		"two parts":                b64(goodHeader) + "." + b64("{}"),
		"four parts":               good + ".x",
		"a JWE":                    good + ".x.y",
		"white space before":       " " + good,
		"white space after":        good + " ",
		"a line end after":         good + "\n",
		"a line end within":        good[:20] + "\r\n" + good[20:],
		"padded base64":            b64(goodHeader) + "." + b64(`{"iss":"iss"}`) + "==." + b64("s"),
		"standard base64":          b64(goodHeader) + "." + b64(`{"iss":"i"}`) + ".+/+/",
		"spare bits":               b64(goodHeader) + "." + b64(`{"iss":"i"}`) + ".AB",
		"header no JSON":           pack("x", "{}"),
		"header null":              pack("null", "{}"),
		"header an array":          pack("[]", "{}"),
		"claims null":              pack(goodHeader, "null"),
		"claims a string":          pack(goodHeader, `"x"`),
		"claims an array":          pack(goodHeader, "[{}]"),
		"claims cut short":         pack(goodHeader, `{"iss":"i"`),
		"something after":          pack(goodHeader, `{"iss":"i"}{}`),
		"a claim twice":            pack(goodHeader, `{"iss":"i","iss":"j"}`),
		"a claim twice, escaped":   pack(goodHeader, `{"iss":"i","i\u0073s":"j"}`),
		"a nested name twice":      pack(goodHeader, `{"iss":"i","x":{"y":{"a":1,"a":2}}}`),
		"alg twice":                pack(`{"alg":"RS256","alg":"none"}`, "{}"),
		"no alg":                   pack(`{"kid":"x"}`, "{}"),
		"alg a number":             pack(`{"alg":5}`, "{}"),
		"kid an object":            pack(`{"alg":"RS256","kid":{}}`, "{}"),
		"iss a number":             pack(goodHeader, `{"iss":5}`),
		"exp a word":               pack(goodHeader, `{"exp":"soon"}`),
		"exp true":                 pack(goodHeader, `{"exp":true}`),
		"exp null":                 pack(goodHeader, `{"exp":null}`),
		"exp hexadecimal":          pack(goodHeader, `{"exp":"0x10"}`),
		"exp infinite":             pack(goodHeader, `{"exp":"inf"}`),
		"exp beyond all years":     pack(goodHeader, `{"exp":1e300}`),
		"exp before 1970":          pack(goodHeader, `{"exp":-5}`),
		"broken UTF-8":             pack(goodHeader, "{\"iss\":\"\xff\"}"),
		"nested without end":       pack(goodHeader, strings.Repeat(`{"a":`, 5000)),
		"far too long":             pack(goodHeader, `{"iss":"`+strings.Repeat("x", 1<<20)+`"}`),
		"an unpaired escaped rune": pack(goodHeader, `{"iss":"\ud800"}`),
	} {
		t.Run(name, func(t *testing.T) {
			token, err := Read(packed)
			require.Error(t, err)
			require.Nil(t, token)
			require.Equal(t, Unreadable, ReasonOf(err))
			require.Less(t, len(err.Error()), 300, "an error repeats no foreign text at length")
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add(b64(goodHeader) + "." + b64(`{"iss":"i","sub":"s","iat":"1","exp":2.5,"nbf":1}`) + "." + b64("s"))
	f.Add(b64(`{"alg":"none"}`) + "." + b64("{}") + ".")
	f.Add("..")
	f.Add(b64(`{"alg":"RS256","crit":["b64"],"b64":false}`) + "." + b64(`{"exp":1e12}`) + ".AA")
	f.Fuzz(func(t *testing.T, packed string) {
		token, err := Read(packed)
		if err != nil {
			require.Equal(t, Unreadable, ReasonOf(err))
			return
		}
		require.Equal(t, packed, token.Packed)
		require.Equal(t, 2, strings.Count(packed, "."))
		// One text only stands for what was read.
		parts := strings.Split(packed, ".")
		require.Equal(t, parts[0], b64(string(token.Header)))
		require.Equal(t, parts[1], b64(string(token.Claims)))
		require.Equal(t, parts[2], b64(string(token.signature)))
		_ = token.CheckAlgorithm()
		_ = token.CheckClaims(start)
	})
}
