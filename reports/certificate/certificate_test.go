package certificate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/reports"
)

// keys are one of each kind, made once: RSA takes its time.
var keys = sync.OnceValue(func() map[string]crypto.Signer {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	e384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(err)
	_, d, err := ed25519.GenerateKey(rand.Reader)
	must(err)
	return map[string]crypto.Signer{"RS256": r, "ES256": e, "ES384": e384, "EdDSA": d}
})

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// run has one requirement for each verdict given, at the level SHALL.
func run(verdicts ...reports.Verdict) *reports.Run {
	r := &reports.Run{System: "Acme EHR", SystemVersion: "4.2", Vendor: "Acme", Dialect: "strict", Version: "1.0", Runtime: "embedded",
		Judged: []reports.JudgedRole{{Role: "source", URL: "https://ehr.acme.example/r3"}},
		Files:  []reports.Digest{{Path: "requirements.yaml", SHA256: "aa"}, {Path: "source/token.feature", SHA256: "bb"}}}
	for i, v := range verdicts {
		id := "SRC-1" + string(rune('0'+i))
		r.Requirements = append(r.Requirements, reports.Requirement{ID: id, Role: "source", Level: reports.SHALL})
		r.Scenarios = append(r.Scenarios, reports.Scenario{ID: id, Requirements: []string{id}, Verdict: v,
			Findings: []reports.Finding{{ID: id, Level: reports.SHALL, Verdict: v}}})
	}
	r.RollUp()
	return r
}

func TestSignAndVerify(t *testing.T) {
	report := filepath.Join(t.TempDir(), "report.json")
	require.NoError(t, os.WriteFile(report, []byte("{}\n"), 0o600))
	evidence, err := EvidenceOf(report)
	require.NoError(t, err)
	for alg, key := range keys() {
		t.Run(alg, func(t *testing.T) {
			text, err := Sign(run(reports.Passed, reports.Passed), Statement{Config: map[string]any{"system": "x"}, Evidence: evidence}, key)
			require.NoError(t, err)
			assert.Contains(t, decoded(t, text, 0), `"alg":"`+alg+`"`)
			s, err := Verify(text, key.Public())
			require.NoError(t, err)
			assert.Equal(t, "Acme EHR", s.System.Name)
			assert.Equal(t, Whole, s.Coverage)
			assert.Equal(t, "conformant", s.Outcome)
			assert.Len(t, s.Requirements, 2)
			assert.Equal(t, map[string]any{"system": "x"}, s.Config)
			assert.WithinDuration(t, time.Now(), s.Issued, time.Hour)
			require.NoError(t, s.CheckEvidence(strings.NewReader("{}\n")))
			require.ErrorContains(t, s.CheckEvidence(strings.NewReader("{} \n")), "not the report that the certificate names")

			for other, otherKey := range keys() {
				if other != alg {
					_, err := Verify(text, otherKey.Public())
					require.ErrorContains(t, err, "the signature does not hold")
				}
			}
			_, err = Verify(text, keys()["RS256"].Public(), key.Public())
			require.NoError(t, err, "any of the keys")
			_, err = Verify(text)
			require.ErrorContains(t, err, "no public key was given")
		})
	}
}

func decoded(t *testing.T, text []byte, part int) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(strings.TrimSpace(string(text)), ".")[part])
	require.NoError(t, err)
	return string(raw)
}

// TestChanged changes what a certificate says, and each of its characters.
func TestChanged(t *testing.T) {
	key := keys()["EdDSA"]
	text, err := Sign(run(reports.Failed), Statement{}, key)
	require.NoError(t, err)
	parts := strings.Split(strings.TrimSpace(string(text)), ".")
	better := strings.Replace(decoded(t, text, 1), `"verdict":"failed"`, `"verdict":"passed"`, 1)
	_, err = Verify([]byte(parts[0]+"."+base64.RawURLEncoding.EncodeToString([]byte(better))+"."+parts[2]), key.Public())
	require.ErrorContains(t, err, "the signature does not hold")
	compact := strings.TrimSpace(string(text))
	for i := range compact {
		other := byte('A')
		if compact[i] == other {
			other = 'B'
		}
		_, err := Verify([]byte(compact[:i]+string(other)+compact[i+1:]), key.Public())
		require.Error(t, err, "character %d", i)
	}
}

func TestNoOtherTextIsACertificate(t *testing.T) {
	key := keys()["RS256"]
	signed := func(method jwt.SigningMethod, key any, typ string, c jwt.Claims) string {
		token := jwt.NewWithClaims(method, c)
		token.Header["typ"] = typ
		text, err := token.SignedString(key)
		require.NoError(t, err)
		return text
	}
	good := func() *claims {
		c := &claims{}
		c.of(run(reports.Passed))
		return c
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	old, twice, better, half := good(), good(), good(), good()
	old.Format = "ccde-certificate/0"
	twice.Requirements = append(twice.Requirements, twice.Requirements...)
	better.Requirements[0].Verdict = reports.Failed
	half.Requirements[0].Verdict = reports.Unjudged
	vague := good()
	vague.Coverage = "most"
	rs := jwt.SigningMethodRS256
	for name, c := range map[string]struct{ text, want string }{
		"empty":                    {"", "three parts"},
		"words":                    {"not a certificate", "three parts"},
		"header no base64":         {"*.a.b", "no base64url"},
		"header no JSON":           {"YQ.a.b", "no JSON"},
		"a JWT of that key":        {signed(rs, key, "JWT", jwt.MapClaims{"sub": "x"}), `typ is "JWT"`},
		"alg none":                 {signed(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, Type, good()), "does not hold"},
		"HMAC with the key":        {signed(jwt.SigningMethodHS256, asPEM, Type, good()), "does not hold"},
		"PSS":                      {signed(jwt.SigningMethodPS256, key, Type, good()), "does not hold"},
		"another format":           {signed(rs, key, Type, old), "ccde-certificate/0"},
		"an id twice":              {signed(rs, key, Type, twice), "stands there twice"},
		"exit 0 despite a failure": {signed(rs, key, Type, better), "contradicts itself: exitCode is 0"},
		"exit 0, but unjudged":     {signed(rs, key, Type, half), "not judged: SRC-10"},
		"odd coverage":             {signed(rs, key, Type, vague), `coverage is "most"`},
		"no object":                {signed(rs, key, Type, jwt.MapClaims{"requirements": "x"}), "this is no certificate"},
		"too long":                 {strings.Repeat("a", maxSize+1), "over the"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Verify([]byte(c.text), key.Public())
			require.ErrorContains(t, err, c.want)
			assert.Nil(t, s)
		})
	}
	_, err = Verify([]byte(signed(rs, key, Type, good())), key.Public())
	require.NoError(t, err, "the control")
}

func TestPartialSaysPartial(t *testing.T) {
	key := keys()["EdDSA"]
	for name, c := range map[string]struct {
		change func(*reports.Run)
		want   string
	}{
		"a part was selected": {func(r *reports.Run) { r.Selection = "tags @SRC-14" }, "tags @SRC-14"},
		"cut short":           {func(r *reports.Run) { r.Interrupted = true; r.RollUp() }, "cut short"},
		"unjudged": {func(r *reports.Run) {
			r.Scenarios[0].Findings[0].Verdict = reports.Unjudged
			r.RollUp()
		}, "unjudged: SRC-10"},
		"an error": {func(r *reports.Run) {
			r.Scenarios[0].Findings[0].Verdict = reports.Error
			r.RollUp()
		}, "error: SRC-10"},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(reports.Passed)
			c.change(r)
			text, err := Sign(r, Statement{}, key)
			require.NoError(t, err)
			s, err := Verify(text, key.Public())
			require.NoError(t, err)
			assert.Equal(t, Partial, s.Coverage)
			assert.Contains(t, strings.Join(s.Partial, "\n"), c.want)
			assert.Contains(t, strings.Join(s.Covers(), "\n"), "PARTIAL: ")
			assert.Contains(t, strings.Join(s.CannotVouch(), "\n"), "conformance as a whole")
		})
	}
}

func TestNothingJudgedIsNotSigned(t *testing.T) {
	for _, r := range []*reports.Run{nil, {}, run()} {
		_, err := Sign(r, Statement{}, keys()["EdDSA"])
		require.ErrorContains(t, err, "nothing was judged")
	}
}

func TestWords(t *testing.T) {
	s := &Statement{}
	r := run(reports.Passed, reports.Failed, reports.Skipped)
	r.Waivers = []reports.Waiver{{ID: "SRC-11", Reason: "fixed in 4.3", Until: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)}}
	s.of(r)
	covers := strings.Join(s.Covers(), "\n")
	for _, want := range []string{"Acme EHR 4.2 by Acme, dialect strict", "source at https://ehr.acme.example/r3", "not conformant (exit code 1)",
		"1 failed (SRC-11)", "SRC-11 until 2027-01-31: fixed in 4.3", "2 files"} {
		assert.Contains(t, covers, want)
	}
	assert.Contains(t, strings.Join(s.CannotVouch(), "\n"), "what was not judged: SRC-12")
	assert.Contains(t, strings.Join(s.CannotVouch(), "\n"), "it names no report")
	require.Error(t, s.CheckEvidence(strings.NewReader("")))
	r.Judged = nil
	s.of(r)
	assert.Contains(t, strings.Join(s.CannotVouch(), "\n"), "any system but the suite's own mocks")
	assert.Equal(t, []string{"source/token.feature", "x (not in the certificate)", "requirements.yaml (only in the certificate)"},
		s.OtherFiles([]reports.Digest{{Path: "source/token.feature", SHA256: "cc"}, {Path: "x"}}))
	assert.Empty(t, s.OtherFiles(r.Files))
}

func TestReadKeys(t *testing.T) {
	encode := func(kind string, der []byte, err error) string {
		require.NoError(t, err)
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	for alg, key := range keys() {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		signer, err := ReadSigner([]byte(encode("PRIVATE KEY", der, err)))
		require.NoError(t, err, alg)
		der, err = x509.MarshalPKIXPublicKey(key.Public())
		public, err := ReadPublicKey([]byte(encode("PUBLIC KEY", der, err)))
		require.NoError(t, err, alg)
		assert.Equal(t, signer.Public(), public)
	}
	r, e := keys()["RS256"].(*rsa.PrivateKey), keys()["ES256"].(*ecdsa.PrivateKey)
	ec, err := x509.MarshalECPrivateKey(e)
	sec1 := encode("EC PARAMETERS", []byte{6, 0}, nil) + encode("EC PRIVATE KEY", ec, err)
	pkcs1 := encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(r), nil)
	for _, text := range []string{sec1, pkcs1} {
		_, err := ReadSigner([]byte(text))
		require.NoError(t, err)
		_, err = ReadPublicKey([]byte(text))
		require.ErrorContains(t, err, "-pubout")
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	der224, err := x509.MarshalPKCS8PrivateKey(p224)
	for name, c := range map[string]struct{ text, want string }{
		"empty":         {"", "-----BEGIN"},
		"DER":           {string(ec), "-inform DER"},
		"JWK":           {` {"kty":"RSA"}`, "JWK"},
		"encrypted":     {encode("ENCRYPTED PRIVATE KEY", []byte{1}, nil), "openssl pkey -in key.pem -out clear.pem"},
		"old encrypted": {"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n", "encrypted"},
		"OpenSSH":       {encode("OPENSSH PRIVATE KEY", []byte{1}, nil), "OpenSSH"},
		"public":        {encode("PUBLIC KEY", []byte{1}, nil), "give the private key"},
		"broken":        {encode("PRIVATE KEY", []byte{1}, nil), "can't be read"},
		"odd":           {encode("DH PARAMETERS", []byte{1}, nil), "DH PARAMETERS"},
		"short":         {encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(small), nil), "2048 bits"},
		"odd curve":     {encode("PRIVATE KEY", der224, err), "P-256"},
	} {
		_, err := ReadSigner([]byte(c.text))
		require.ErrorContains(t, err, c.want, name)
	}
	for _, text := range []string{"", encode("DH PARAMETERS", []byte{1}, nil), encode("PUBLIC KEY", []byte{1}, nil), encode("CERTIFICATE", []byte{1}, nil)} {
		_, err := ReadPublicKey([]byte(text))
		require.Error(t, err)
	}
}

func FuzzVerify(f *testing.F) {
	key := keys()["EdDSA"]
	text, err := Sign(run(reports.Passed, reports.Failed), Statement{}, key)
	require.NoError(f, err)
	f.Add(string(text))
	f.Add("e30.e30.")
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, other string) {
		s, err := Verify([]byte(other), key.Public(), keys()["ES256"].Public())
		if err == nil && strings.TrimSpace(other) != strings.TrimSpace(string(text)) {
			t.Fatalf("a text that nobody signed is taken: %v", s)
		}
	})
}

// FuzzStatement signs whatever payload comes: a signature makes no statement of it.
func FuzzStatement(f *testing.F) {
	key := keys()["EdDSA"]
	c := &claims{}
	c.of(run(reports.Passed, reports.Unjudged))
	good, err := json.Marshal(c)
	require.NoError(f, err)
	f.Add(string(good))
	f.Add(`{"format":"ccde-certificate/1","coverage":"whole","config":[1]}`)
	header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA","typ":"` + Type + `"}`))
	f.Fuzz(func(t *testing.T, payload string) {
		signed := header + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
		signature, err := jwt.SigningMethodEdDSA.Sign(signed, key)
		require.NoError(t, err)
		s, err := Verify([]byte(signed+"."+base64.RawURLEncoding.EncodeToString(signature)), key.Public())
		if err == nil {
			_, _ = s.Covers(), s.CannotVouch()
		}
	})
}
