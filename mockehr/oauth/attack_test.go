package oauth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// TestAttacks lets a verifier at JWTs that must never be taken, beside one that
// is.
func TestAttacks(t *testing.T) {
	ctx := context.Background()
	key, foreign := firstKey(), secondKey()
	clk := heldClock()
	own := Source{Keys: setOf(t, map[string]*Key{testKeyID: key}), Issuer: testIssuer}
	other := Source{Keys: setOf(t, map[string]*Key{"key-2": foreign}), Issuer: "urn:other"}
	trust := trusting(t, clk, own, other)

	good := mustSign(t, key, testKeyID, goodClaims())
	_, err := trust.Verify(ctx, good)
	require.NoError(t, err, "the control")
	parts := strings.Split(good, ".")

	theirs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("fetched what only a JWT names")
	}))
	defer theirs.Close()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	jwk, err := printKey(key.Public(), testKeyID, "RS256")
	require.NoError(t, err)
	foreignJWK, err := printKey(foreign.Public(), testKeyID, "RS256")
	require.NoError(t, err)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)

	header := map[string]any{"kid": testKeyID}
	hmac := func(secret []byte) string {
		return signWith(t, jwt.SigningMethodHS256, secret, header, goodClaims())
	}
	signed := func(extra map[string]any) string {
		h := map[string]any{"kid": testKeyID}
		for name, value := range extra {
			h[name] = value
		}
		return signWith(t, jwt.SigningMethodRS256, foreign.private, h, goodClaims())
	}
	flipped := []byte(parts[2])
	flipped[10] ^= 1 // still base64url, or not: both must fail
	for name, c := range map[string]struct {
		packed string
		want   Reason
	}{
		"alg none":                     {signWith(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, header, goodClaims()), BadAlgorithm},
		"alg None":                     {b64(`{"alg":"None","kid":"key-1"}`) + "." + parts[1] + ".", BadAlgorithm},
		"alg none, signature kept":     {b64(`{"alg":"none","kid":"key-1"}`) + "." + parts[1] + "." + parts[2], BadAlgorithm},
		"alg rs256":                    {b64(`{"alg":"rs256","kid":"key-1"}`) + "." + parts[1] + "." + parts[2], BadAlgorithm},
		"alg of another key":           {b64(`{"alg":"EdDSA","kid":"key-1"}`) + "." + parts[1] + "." + parts[2], BadSignature},
		"HMAC with the public PEM":     {hmac(key.publicPEM()), BadAlgorithm},
		"HMAC with the public DER":     {hmac(der), BadAlgorithm},
		"HMAC with the PKCS#1 DER":     {hmac(x509.MarshalPKCS1PublicKey(&key.private.PublicKey)), BadAlgorithm},
		"HMAC with the JWK":            {hmac(jwk), BadAlgorithm},
		"HMAC with nothing":            {hmac([]byte{}), BadAlgorithm},
		"a key in the header (jwk)":    {signed(map[string]any{"jwk": json.RawMessage(foreignJWK)}), BadSignature},
		"a key set's URL (jku)":        {signed(map[string]any{"jku": theirs.URL}), BadSignature},
		"a certificate's URL (x5u)":    {signed(map[string]any{"x5u": theirs.URL}), BadSignature},
		"jwk and no kid":               {signed(map[string]any{"jwk": json.RawMessage(foreignJWK), "kid": ""}), BadSignature},
		"kid is a URL of theirs":       {signed(map[string]any{"kid": theirs.URL + "/jwks.json"}), UnknownKey},
		"crit":                         {signWith(t, jwt.SigningMethodRS256, key.private, map[string]any{"kid": testKeyID, "crit": []string{"x"}}, goodClaims()), BadAlgorithm},
		"b64 false":                    {signWith(t, jwt.SigningMethodRS256, key.private, map[string]any{"kid": testKeyID, "b64": false}, goodClaims()), BadAlgorithm},
		"foreign key, known kid":       {signed(nil), BadSignature},
		"another issuer's key":         {mustSign(t, foreign, "key-2", goodClaims()), UnknownKey},
		"another issuer's key, no kid": {mustSign(t, foreign, "", goodClaims()), BadSignature},
		"an issuer nobody knows":       {mustSign(t, key, testKeyID, with(goodClaims(), "iss", "urn:nobody")), UnknownKey},
		"unknown kid":                  {mustSign(t, key, "key-9", goodClaims()), UnknownKey},
		"payload altered":              {parts[0] + "." + b64(`{"iss":"`+testIssuer+`","sub":"me","exp":9999999999}`) + "." + parts[2], BadSignature},
		"header altered":               {b64(`{"alg":"RS256","kid":"key-1","typ":"jwt"}`) + "." + parts[1] + "." + parts[2], BadSignature},
		"signature cut":                {parts[0] + "." + parts[1] + "." + parts[2][:len(parts[2])-6], BadSignature},
		"signature empty":              {parts[0] + "." + parts[1] + ".", BadSignature},
		"signature of another":         {parts[0] + "." + parts[1] + "." + strings.Split(mustSign(t, key, testKeyID, with(goodClaims(), "jti", "x")), ".")[2], BadSignature},
		"signature padded":             {good + "==", Unreadable},
		"EC key of one's own":          {signWith(t, jwt.SigningMethodES256, ec, header, goodClaims()), BadSignature},
		"expired":                      {mustSign(t, key, testKeyID, with(goodClaims(), "exp", start.Unix())), Expired},
		"no exp":                       {mustSign(t, key, testKeyID, with(goodClaims(), "exp", nil)), Unreadable},
		"no sub":                       {mustSign(t, key, testKeyID, with(goodClaims(), "sub", nil)), Unreadable},
		"no iss":                       {mustSign(t, key, testKeyID, with(goodClaims(), "iss", nil)), UnknownKey},
		"issued tomorrow":              {mustSign(t, key, testKeyID, with(goodClaims(), "iat", start.Add(time.Hour).Unix())), NotYetValid},
		"not yet":                      {mustSign(t, key, testKeyID, with(goodClaims(), "nbf", start.Add(time.Hour).Unix())), NotYetValid},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := trust.Verify(ctx, c.packed)
			require.Error(t, err)
			require.Equal(t, c.want, ReasonOf(err), err.Error())
		})
	}
	t.Run("one bit of the signature", func(t *testing.T) {
		_, err := trust.Verify(ctx, parts[0]+"."+parts[1]+"."+string(flipped))
		require.Error(t, err)
	})
}

func TestVerifyTakes(t *testing.T) {
	clk, key := heldClock(), firstKey()
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	require.NoError(t, err)
	edwardsKey, edwards, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	set := func(public any) json.RawMessage {
		raw, err := printKey(public, "k", "")
		require.NoError(t, err)
		return raw // a lone JWK
	}
	for name, c := range map[string]struct {
		method jwt.SigningMethod
		secret any
		public any
		kid    any
		claims map[string]any
	}{
		"RS512":           {jwt.SigningMethodRS512, key.private, key.Public(), "k", goodClaims()},
		"PS256":           {jwt.SigningMethodPS256, key.private, key.Public(), "k", goodClaims()},
		"ES256":           {jwt.SigningMethodES256, p256, &p256.PublicKey, "k", goodClaims()},
		"ES512":           {jwt.SigningMethodES512, p521, &p521.PublicKey, "k", goodClaims()},
		"EdDSA":           {jwt.SigningMethodEdDSA, edwards, edwardsKey, "k", goodClaims()},
		"no kid":          {jwt.SigningMethodRS256, key.private, key.Public(), "", goodClaims()},
		"iat as a string": {jwt.SigningMethodRS256, key.private, key.Public(), "k", with(goodClaims(), "iat", "1501842669")},
		"iat within skew": {jwt.SigningMethodRS256, key.private, key.Public(), "k", with(goodClaims(), "iat", start.Unix()+59)},
		"last second":     {jwt.SigningMethodRS256, key.private, key.Public(), "k", with(goodClaims(), "exp", start.Unix()+1)},
		"without iat":     {jwt.SigningMethodRS256, key.private, key.Public(), "k", with(goodClaims(), "iat", nil)},
	} {
		t.Run(name, func(t *testing.T) {
			packed := signWith(t, c.method, c.secret, map[string]any{"kid": c.kid}, c.claims)
			_, err := trusting(t, clk, Source{Keys: set(c.public)}).Verify(context.Background(), packed)
			require.NoError(t, err)
		})
	}
	t.Run("a curve of another size does not fit", func(t *testing.T) {
		packed := signWith(t, jwt.SigningMethodES256, p256, map[string]any{"kid": "k"}, goodClaims())
		_, err := trusting(t, clk, Source{Keys: set(&p521.PublicKey)}).Verify(context.Background(), packed)
		require.Equal(t, BadSignature, ReasonOf(err))
	})
}

func TestParseKeys(t *testing.T) {
	good, err := printKey(firstKey().Public(), "a", "RS256")
	require.NoError(t, err)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	smallJWK, err := printKey(&small.PublicKey, "small", "RS256")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"a set":              {`{"keys":[` + string(good) + `]}`, 1},
		"a lone JWK":         {string(good), 1},
		"an empty set":       {`{"keys":[]}`, 0},
		"other keys beside":  {`{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"new"},5,{},` + string(good) + `,{"kty":"RSA"}]}`, 1},
		"for encryption":     {`{"keys":[` + strings.Replace(string(good), `"use":"sig"`, `"use":"enc"`, 1) + `]}`, 0},
		"to sign only":       {`{"keys":[` + strings.Replace(string(good), `"use":"sig"`, `"key_ops":["sign"]`, 1) + `]}`, 0},
		"too short":          {`{"keys":[` + string(smallJWK) + `]}`, 0},
		"an X.509 URL in it": {`{"keys":[` + strings.Replace(string(good), `"use":"sig"`, `"x5u":"http://127.0.0.1:1/x"`, 1) + `]}`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			keys, err := ParseKeys([]byte(c.text))
			require.NoError(t, err)
			require.Len(t, keys, c.want)
		})
	}
	for name, text := range map[string]string{
		"nothing": "", "HTML": "<html></html>", "null": "null", "an object": "{}", "an array": "[]", "keys no list": `{"keys":{}}`,
		"too many": `{"keys":[` + strings.Repeat("{},", maxKeys) + `{}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseKeys([]byte(text))
			require.Error(t, err)
		})
	}
}

func FuzzParseKeys(f *testing.F) {
	good, _ := printKey(firstKey().Public(), "a", "RS256")
	f.Add([]byte(good))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`))
	f.Add([]byte(`{"kty":"OKP","crv":"Ed25519","x":"AA"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := ParseKeys(text)
		if err == nil {
			require.LessOrEqual(t, len(keys), maxKeys)
		}
	})
}
