package config

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func knownIDs(id string) (is, may bool) {
	return strings.HasPrefix(id, "SRC-") || strings.HasPrefix(id, "TGT-"), id == "SRC-61" || strings.HasPrefix(id, "SRC-7")
}

func parse(t *testing.T, text string, env map[string]string, overrides ...Override) (*System, error) {
	t.Helper()
	return Parse("system.yaml", []byte(text), t.TempDir(), func(n string) string { return env[n] }, knownIDs, overrides...)
}

func TestExampleHasEveryField(t *testing.T) {
	s, err := parse(t, Example(), nil)
	require.NoError(t, err)
	assert.Equal(t, "Acme EHR", s.System.Name)
	assert.Equal(t, []string{"source", "target", "cavs"}, s.Roles())
	assert.Equal(t, Duration(30*time.Second), s.Target.Update.Every)
	assert.Equal(t, "ACME_ADMIN", s.CAVS.Registry.Bearer.Env)
	assert.True(t, s.Claims("SRC-61"))
	assert.True(t, s.Claims("SRC-77"))
	assert.True(t, s.Claims("SRC-05"))
	assert.False(t, s.Claims("SRC-78"))
	assert.False(t, s.Claims("TGT-08"))
	assert.Equal(t, time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC), s.Waivers[0].Day())
	for path := range leavesOf(reflect.TypeFor[System](), "") {
		last := path[strings.LastIndex(path, ".")+1:]
		assert.Regexp(t, `(?m)[ {#]*`+last+`:`, Example(), path)
	}
}

func TestCommentedIsGood(t *testing.T) {
	text := Template{Name: "My EHR"}.Commented()
	assert.NotContains(t, text, "#?")
	s, err := parse(t, text, nil)
	require.NoError(t, err, text)
	assert.Equal(t, "My EHR", s.System.Name)
	assert.Empty(t, s.Has)
	assert.Nil(t, s.Command)
	// Each comment sign before a field can be taken away.
	_, err = parse(t, Example(), nil)
	require.NoError(t, err)
	for _, url := range []string{"/jwks.json", "/target/auth/auth_key", "/cavs/auth/cavs", "/source-2"} {
		assert.Contains(t, text, url, "what the vendor must enter")
	}
}

const small = "system: {name: A}\nsource:\n  fhir: http://a.example/r3\n"

func TestErrorsNameTheLineAndTheFix(t *testing.T) {
	cases := []struct{ name, text, want string }{
		{"no YAML", "system: [", "system.yaml:1:"},
		{"unknown field", "system: {name: A}\nsource:\n  fihr: http://a.example/r3\n", `system.yaml:3:3: the field "fihr" is unknown; is "fhir" meant?`},
		{"unknown section", small + "zzzzzzzzzzz: 1\n", `system.yaml:4:1: the field "zzzzzzzzzzz" is unknown; "ccde init"`},
		{"field of another section", small + "  consumer: {token: x}\n", `the field "token" is unknown; source.consumer has bearer`},
		{"field in a list", small + "waivers: [{id: SRC-10, reson: x, until: 2027-01-01}]\n", `system.yaml:4:24: the field "reson" is unknown; is "reason" meant?`},
		{"text for fields", small + "  consumer: abc\n", "system.yaml:4:13: source.consumer: fields should stand here"},
		{"text for a list", small + "has: SRC-61\n", "has: a list should stand here; write [a, b]"},
		{"text for yes or no", small + "  loaded: 'yes'\n", "system.yaml:4:11: source.loaded: neither true nor false"},
		{"list for a text", small + "  patient: [a]\n", "source.patient: a text should stand here"},
		{"field twice", small + "  fhir: http://b.example\n", "system.yaml:4:3:"},
		{"tab", small + "\tpatient: a\n", "system.yaml:4:1:"},
		{"not smart", small + "has: [smrt]\n", `is "smart" meant?`},
		{"no role", "system: {name: A}\n", "source: no role is there"},
		{"no name", "source: {fhir: http://a.example}\n", "system.name: missing"},
		{"no URL", "system: {name: A}\nsource:\n  fhir: a.example/r3\n", `system.yaml:3:9: source.fhir: "a.example/r3" is no absolute http(s) URL`},
		{"missing URL", "system: {name: A}\nsource:\n  patient: a\n", "source.fhir: missing"},
		{"dialect", "system: {name: A, dialect: stu3}\nsource: {fhir: http://a.example}\n", `system.yaml:1:28: system.dialect: "stu3" is unknown; give strict or test.fhir.org`},
		{"cavs", small + "  cavs: mine\n", `system.yaml:4:9: source.cavs: "mine" is unknown; give ours, theirs or none`},
		{"same patient", small + "  patient: a\n  other-patient: a\n", "source.other-patient"},
		{"jwt", small + "  trusts-our-keys: false\n  jwt: abc\n", "source.jwt: one text is not enough"},
		{"jwt for nothing", small + "  jwt: {command: x}\n", "source.jwt: is not asked for"},
		{"secret", small + "  consumer: {bearer: {env: A, file: B}}\n", "system.yaml:4:22: more than one of env, file and command"},
		{"secret's field", small + "  consumer: {bearer: {envv: A}}\n", "neither a text nor one of"},
		{"duration", small + "timeouts: {copy: soon}\n", `system.yaml:4:18: "soon" is no duration`},
		{"negative", small + "timeouts: {copy: -2m}\n", "system.yaml:4:18: timeouts.copy: -2m0s is negative"},
		{"has", small + "has: [SRC-61, XXX-01]\n", `system.yaml:4:15: has[1]: "XXX-01" is no requirement`},
		{"has a SHALL", small + "has: [SRC-10]\n", "SRC-10 is no MAY"},
		{"waiver", small + "waivers:\n  - {id: SRC-10, reason: r, until: soon}\n", `system.yaml:5:36: waivers[0].until: "soon" is no date`},
		{"waiver's reason", small + "waivers: [{id: SRC-10, until: 2027-01-01}]\n", "waivers[0].reason: missing"},
		{"waived twice", small + "waivers: [{id: SRC-10, reason: r, until: 2027-01-01}, {id: SRC-10, reason: r, until: 2027-01-01}]\n", "waived twice"},
		{"advertise", small + "listen: :9000\n", "advertise: missing; say by which URL"},
		{"certificate alone", small + "tls: {cert: a}\n", "cert and key go together"},
		{"https without certificate", small + "advertise: https://h:9000\n", "give tls.cert and tls.key"},
		{"command", small + "command: {}\n", "command.start: missing"},
		{"two documents", small + "---\na: 1\n", "more than one YAML document"},
	}
	for _, c := range cases {
		_, err := parse(t, c.text, nil)
		assert.ErrorContains(t, err, c.want, c.name)
	}
}

func TestOverrides(t *testing.T) {
	env := map[string]string{"CCDE_SOURCE_CONSUMER_BEARER": "from-env", "CCDE_TARGET_FHIR": "http://t.example/r3", "CCDE_HAS": "SRC-61", "CCDE_SOURCE_TRUSTS_OUR_KEYS": "false"}
	s, err := parse(t, small, env, Override{Path: "timeouts.copy", Text: "3s", From: "--set"}, Override{Path: "source.fhir", Text: "http://b.example/r3", From: "--set"})
	require.NoError(t, err)
	bearer, err := s.Source.Consumer.Bearer.Get(t.Context(), "")
	require.NoError(t, err)
	assert.Equal(t, []any{"from-env", "http://t.example/r3", Duration(3 * time.Second), "http://b.example/r3", false},
		[]any{bearer, s.Target.FHIR, s.Timeouts.Copy, s.Source.FHIR, Trusts(s.Source.TrustsOurKeys)})
	assert.True(t, s.Claims("SRC-61"))

	_, err = parse(t, small, map[string]string{"CCDE_SOURCE_FHIR": "nowhere"})
	assert.ErrorContains(t, err, "CCDE_SOURCE_FHIR: source.fhir:")
	_, err = parse(t, small, nil, Override{Path: "source.fihr", Text: "x", From: "--set"})
	assert.ErrorContains(t, err, `--set: the field "source.fihr" is unknown; is "fhir" meant?`)
	_, err = parse(t, small, nil, Override{Path: "timeouts.copy", Text: "soon", From: "--set"})
	assert.ErrorContains(t, err, `"soon" is no duration`)
}

func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secret"), []byte(" in a file\n"), 0o600))
	text := small + "  consumer: {bearer: {file: secret}}\n  admin: {bearer: {command: 'echo x >> runs; wc -l < runs'}}\n" +
		"target:\n  fhir: http://t.example\n  consumer: {bearer: {env: ABSENT}}\n  readback: {bearer: {command: 'echo no >&2; exit 3'}}\n"
	s, err := Parse("system.yaml", []byte(text), dir, func(string) string { return "" }, knownIDs)
	require.NoError(t, err)
	get := func(c Credential, refused string) string {
		v, err := c.Bearer.Get(t.Context(), refused)
		require.NoError(t, err)
		return v
	}
	assert.Equal(t, "in a file", get(s.Source.Consumer, ""))
	assert.Equal(t, "1", get(s.Source.Admin, ""), "relative to the file's folder")
	assert.Equal(t, "1", get(s.Source.Admin, ""), "run once")
	assert.Equal(t, "2", get(s.Source.Admin, "1"), "run again when refused")
	assert.Equal(t, "2", get(s.Source.Admin, "1"), "once for each that was refused")
	_, err = s.Target.Consumer.Bearer.Get(t.Context(), "")
	assert.ErrorContains(t, err, "ABSENT is empty")
	_, err = s.Target.Readback.Bearer.Get(t.Context(), "")
	assert.ErrorContains(t, err, "exit status 3")
	assert.ErrorContains(t, err, "no")
	v, err := Secret{}.Get(context.Background(), "")
	require.NoError(t, err)
	assert.Empty(t, v)
}

func TestKeysLast(t *testing.T) {
	file := filepath.Join(t.TempDir(), "harness.pem")
	first, err := ReadKeys(file)
	require.NoError(t, err)
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	again, err := ReadKeys(file)
	require.NoError(t, err)
	assert.Equal(t, first.Issuer, again.Issuer)
	assert.True(t, first.Harness.Equal(again.Harness))
	assert.Equal(t, first.Mocks, again.Mocks)
	assert.Regexp(t, `^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, first.Issuer)
	require.NoError(t, os.WriteFile(file, []byte("nothing"), 0o600))
	_, err = ReadKeys(file)
	assert.ErrorContains(t, err, "holds no private key")
	_, err = ReadKeys(filepath.Join(file, "below"))
	assert.ErrorContains(t, err, "key:")
}

func TestGapsAndSkips(t *testing.T) {
	s, err := parse(t, small+"target: {fhir: http://t.example}\ncavs: {url: http://c.example}\n", nil)
	require.NoError(t, err)
	var fields []string
	for _, g := range s.Gaps(s.Roles()) {
		fields = append(fields, g.Field)
		assert.Contains(t, g.String(), g.IDs[0])
	}
	assert.Equal(t, []string{"source.consumer", "source.admin", "source.cavs", "target.readback", "target.consumer", "target.update.every",
		"target.expired-jwt", "command.start", "cavs.registry"}, fields)
	assert.Len(t, s.Gaps([]string{"cavs"}), 1)
	s, err = parse(t, small+"  cavs: none\nhas: [SRC-61]\n", nil)
	require.NoError(t, err)
	skips := s.Skips([]string{"SRC-61", "SRC-62"})
	assert.Contains(t, skips["SRC-62"], "MAY")
	assert.Contains(t, skips["SRC-12"], "none")
	assert.Empty(t, skips["SRC-61"])
}

func FuzzParse(f *testing.F) {
	f.Add(Example())
	f.Add(small)
	f.Add("source: {consumer: {bearer: {env: [1]}}}\nhas: [1]\nwaivers: [{}]\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse("system.yaml", []byte(text), "/", func(string) string { return "" }, knownIDs)
		if err == nil {
			assert.NotEmpty(t, s.Roles())
		}
	})
}

func TestPublicHasNoSecret(t *testing.T) {
	s, err := parse(t, `system: {name: A}
source: {fhir: "http://me:s3cret1@a.example/r3", consumer: {bearer: s3cret2}, admin: {bearer: {command: "echo s3cret3"}}, trusts-our-keys: true}
target: {fhir: "http://t.example/r3", readback: {bearer: {env: THERE}}}
smart: {client: c, secret: s3cret4, other: {client: o, secret: {file: f}}}
timeouts: {copy: 3s}
waivers: [{id: SRC-10, reason: r, until: 2027-01-01}]
`, nil)
	require.NoError(t, err)
	public := s.Public()
	text := fmt.Sprint(public)
	assert.NotContains(t, text, "s3cret")
	assert.Equal(t, map[string]any{"fhir": "http://not-shown@a.example/r3", "consumer": map[string]any{"bearer": "not shown"}, "patient": "example", "other-patient": "other",
		"admin": map[string]any{"bearer": map[string]any{"command": "not shown"}}, "trusts-our-keys": true}, public["source"])
	assert.Equal(t, map[string]any{"bearer": map[string]any{"env": "THERE"}}, public["target"].(map[string]any)["readback"])
	assert.Equal(t, map[string]any{"request": "10s", "copy": "3s"}, public["timeouts"])
	assert.Equal(t, []any{map[string]any{"id": "SRC-10", "reason": "r", "until": "2027-01-01"}}, public["waivers"])
}
