package oauth

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/store"
)

func newTestIssuer(t *testing.T, d check.Dialect) (*Issuer, IssuerOptions) {
	t.Helper()
	clk := heldClock()
	opt := IssuerOptions{Store: openStore(t, clk), Clock: clk, Checks: check.New(d), Name: testIssuer, Root: testRoot, Key: firstKey()}
	i, err := NewIssuer(context.Background(), opt)
	require.NoError(t, err)
	return i, opt
}

func issue(t *testing.T, i *Issuer) *Token {
	t.Helper()
	packed, err := i.Issue(context.Background(), "target.example")
	require.NoError(t, err)
	token, err := Read(packed)
	require.NoError(t, err)
	return token
}

func TestIssuerDialects(t *testing.T) {
	for _, d := range []check.Dialect{check.Strict, check.TestFHIR} {
		t.Run(string(d), func(t *testing.T) {
			i, opt := newTestIssuer(t, d)
			token := issue(t, i)
			require.Equal(t, testIssuer, token.Issuer)
			require.Equal(t, "target.example", token.Subject)
			require.Equal(t, start, token.IssuedAt)
			require.Equal(t, start.Add(24*time.Hour), token.Expires)
			require.NotEqual(t, token.Packed, issue(t, i).Packed, "each is another text")

			var claims map[string]any
			require.NoError(t, json.Unmarshal(token.Claims, &claims))
			set, err := i.KeySet()
			require.NoError(t, err)
			if d == check.Strict {
				require.IsType(t, 0.0, claims["iat"])
				require.Equal(t, testRoot+"/auth/auth_key#"+firstKey().Thumbprint(), token.KeyID)
				require.Contains(t, string(set), `"keys"`)
			} else {
				require.Equal(t, "1504951200", claims["iat"])
				require.Equal(t, "/auth_key", token.KeyID)
				require.NotContains(t, string(set), `"keys"`)
			}
			require.NotContains(t, string(set), `"d"`, "the private key stays here")
			trust := trusting(t, opt.Clock, Source{Keys: set, Issuer: testIssuer})
			_, err = trust.Verify(context.Background(), token.Packed)
			require.NoError(t, err)
			require.NoError(t, i.Verify(context.Background(), token.Packed))
		})
	}
}

func TestIssuerRotates(t *testing.T) {
	ctx := context.Background()
	i, opt := newTestIssuer(t, check.Strict)
	before := issue(t, i)
	require.NoError(t, opt.Store.Snapshot(ctx))
	require.NoError(t, i.Rotate(ctx))
	after := issue(t, i)
	require.NotEqual(t, before.KeyID, after.KeyID, "a new key has a new kid")
	require.Equal(t, before.Issuer, after.Issuer)
	set, err := i.KeySet()
	require.NoError(t, err)
	keys, err := ParseKeys(set)
	require.NoError(t, err)
	require.Len(t, keys, 2)
	trust := trusting(t, opt.Clock, Source{Keys: set})
	for _, token := range []*Token{before, after} {
		require.NoError(t, i.Verify(ctx, token.Packed))
		_, err := trust.Verify(ctx, token.Packed)
		require.NoError(t, err)
	}

	again, err := NewIssuer(ctx, opt)
	require.NoError(t, err)
	require.Equal(t, i.KeyID(), again.KeyID(), "a restart keeps the rotated key")

	opt.Clock.Add(25 * time.Hour)
	set, err = i.KeySet()
	require.NoError(t, err)
	keys, err = ParseKeys(set)
	require.NoError(t, err)
	require.Len(t, keys, 1, "a retired key goes with its last JWT")

	require.NoError(t, opt.Store.Restore(ctx))
	require.NoError(t, i.Reload(ctx))
	require.Equal(t, before.KeyID, i.KeyID(), "a reset brings the old key back")

	opt.Key = secondKey()
	other, err := NewIssuer(ctx, opt)
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(other.KeyID(), secondKey().Thumbprint()), "another configured key counts")
}

func TestIssuerMakesAKeyOnce(t *testing.T) {
	ctx, clk := context.Background(), heldClock()
	opt := IssuerOptions{Store: openStore(t, clk), Clock: clk, Checks: check.New(""), Name: testIssuer, Root: testRoot}
	i, err := NewIssuer(ctx, opt)
	require.NoError(t, err)
	again, err := NewIssuer(ctx, opt)
	require.NoError(t, err)
	require.Equal(t, i.KeyID(), again.KeyID())
	require.NoError(t, opt.Store.View(ctx, func(tx *store.Tx) error { return tx.Record(keyKind, keyName, &keyRecord{}) }))
}

func TestIssuerVerifyRefuses(t *testing.T) {
	ctx := context.Background()
	i, opt := newTestIssuer(t, check.Strict)
	token := issue(t, i)
	require.NoError(t, i.Verify(ctx, token.Packed), "the control")
	for name, c := range map[string]struct {
		packed string
		want   Reason
	}{
		"garbage":        {"garbage", Unreadable},
		"another's":      {mustSign(t, secondKey(), "k", with(goodClaims(), "iss", "urn:other")), ForeignIssuer},
		"forged":         {mustSign(t, secondKey(), i.KeyID(), goodClaims()), BadSignature},
		"expired":        {mustSign(t, firstKey(), i.KeyID(), with(goodClaims(), "exp", start.Unix())), Expired},
		"signature gone": {token.Packed[:strings.LastIndexByte(token.Packed, '.')+1], BadSignature},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, ReasonOf(i.Verify(ctx, c.packed))) })
	}
	opt.Clock.Add(24 * time.Hour)
	require.Equal(t, Expired, ReasonOf(i.Verify(ctx, token.Packed)))
}

func TestIssuerMisbehavesWhenTold(t *testing.T) {
	i, opt := newTestIssuer(t, check.Strict)
	override := func(id string, result any) {
		opt.Checks.Override(id, func(context.Context, check.Inputs, any) (any, bool) { return result, true })
	}
	override("TGT-03", "none")
	require.Equal(t, "none", issue(t, i).Algorithm)
	override("TGT-03", "HS256")
	require.Equal(t, "HS256", issue(t, i).Algorithm)
	override("TGT-03", "RS256")
	override("TGT-05", 60)
	override("TGT-06", "nowhere")
	override("TGT-07", "urn:another")
	token := issue(t, i)
	require.Equal(t, start.Add(time.Minute), token.Expires)
	require.Equal(t, "nowhere", token.KeyID)
	require.Equal(t, "urn:another", token.Issuer)
	override("TGT-04", map[string]any{"sub": "x"})
	require.Equal(t, `{"sub":"x"}`, string(issue(t, i).Claims))
}

func TestParseKey(t *testing.T) {
	again, err := ParseKey(firstKey().PEM())
	require.NoError(t, err)
	require.Equal(t, firstKey().Thumbprint(), again.Thumbprint())
	for name, text := range map[string]string{
		"nothing": "", "no PEM": "key", "public": string(firstKey().publicPEM()),
		"broken": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseKey([]byte(text))
			require.ErrorContains(t, err, "signing key")
		})
	}
}
