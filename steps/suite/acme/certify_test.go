package acme_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/reports"
	"example.org/ccde/steps/config"
	"example.org/ccde/steps/suite"
	"example.org/ccde/steps/suite/acme"
)

// TestMain is the system too, where a harness's command starts it, and what a
// person does on its pages.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv("ACME_CONFIG") != "":
		if os.Getenv("ACME_DEBUG") != "" {
			slog.SetLogLoggerLevel(slog.LevelDebug)
		}
		exit(serve(os.Getenv("ACME_CONFIG")))
	case os.Getenv("ACME_PERSON") != "":
		exit(person(os.Getenv("ACME_PERSON"), os.Args[1], os.Args[2]))
	}
	os.Exit(m.Run())
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "acme:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serve(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var cfg acme.Config
	if err := json.Unmarshal(text, &cfg); err != nil {
		return err
	}
	s, err := acme.New(cfg)
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	return s.Serve(ctx)
}

var hidden = regexp.MustCompile(`name="request" value="([^"]+)"`)

// person does on Acme's pages what a sign-in command is called for.
func person(patient, place, what string) error {
	jar, _ := cookiejar.New(nil) // never fails
	u, err := url.Parse(place)
	if err != nil {
		return err
	}
	at := u.Scheme + "://" + u.Host
	client := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if what == "revoke" {
		res, err := client.PostForm(at+"/person/grants", url.Values{"client_id": {u.Query().Get("client_id")}, "patient": {patient}})
		if err == nil {
			res.Body.Close()
			fmt.Println(at + "/person/grants")
		}
		return err
	}
	res, err := client.Get(place)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if to := res.Header.Get("Location"); to != "" {
		fmt.Println(to)
		return nil
	}
	page := make([]byte, 1<<20)
	n, _ := res.Body.Read(page)
	request := hidden.FindSubmatch(page[:n])
	if res.StatusCode != http.StatusOK || request == nil {
		fmt.Println(place)
		return nil
	}
	res, err = client.PostForm(at+"/person/decide", url.Values{"request": {string(request[1])}, "patient": {patient}, "decision": {what}})
	if err == nil {
		res.Body.Close()
		fmt.Println(res.Header.Get("Location"))
	}
	return err
}

func free(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// vendor is who has an Acme certified: its folder, with the file.
type vendor struct {
	dir  string
	acme acme.Config
	file string
}

var described = template.Must(template.New("").Parse(`
system: {name: Acme EHR, version: "4.2", vendor: Acme, dialect: {{if .Acme.Style.Reference}}test.fhir.org{{else}}strict{{end}}}
source:
  fhir: {{.Base}}
  patient: example
  other-patient: other
  loaded: {{not .Acme.Style.FewMedications}}
  consumer: {bearer: {{.Acme.Consumer}}}
  admin: {bearer: {{.Acme.Admin}}}
  cavs: ours
target:
  fhir: {{.Base}}
  readback: {bearer: {{.Acme.Admin}}}
  consumer: {bearer: {{.Acme.Consumer}}}
  update: {every: 1s}
cavs:
  url: {{.Acme.Root}}{{.Acme.Style.CAVS}}
  registry: {fhir: {{.Base}}, bearer: {{.Acme.Admin}}}
{{if .Command}}command: {start: '{{.Command}}'}{{end}}
has: [TGT-08, TGT-09, TGT-18, SRC-61, SRC-62, smart]
smart:
  client: acme-web
  secret: 'a web+secret/ of: acme%'
  redirect: {{.Acme.Redirect}}
  other: {client: acme-other, secret: other-secret}
  public: {client: acme-phone}
  sign-in: {command: 'ACME_PERSON=example {{.Binary}}'}
key: harness.pem
listen: {{.Door}}
advertise: http://{{.Door}}
timeouts: {request: 5s, copy: 20s}
`))

// newVendor describes an Acme of a style, with a defect or none. Where process
// is true the harness starts it.
func newVendor(t testing.TB, style, defect string, process bool) *vendor {
	t.Helper()
	v := &vendor{dir: t.TempDir()}
	addr, door := free(t), free(t)
	fixtures, err := filepath.Glob("../../../fixtures/patients/*.json")
	require.NoError(t, err)
	for i := range fixtures {
		fixtures[i], err = filepath.Abs(fixtures[i])
		require.NoError(t, err)
	}
	tables, err := filepath.Abs("../../../mockehr/fhir/tables")
	require.NoError(t, err)
	at := "http://" + door
	v.acme = acme.Config{Addr: addr, Root: "http://" + addr, State: filepath.Join(v.dir, "acme.journal"), Definitions: tables, Load: fixtures,
		Trust: []string{at + "/jwks.json", at + "/target/auth/auth_key"}, CAVS: at + "/cavs/auth/cavs",
		Consumer: "consumer-secret", Patient: "example", Admin: "admin-secret", Every: time.Second, Redirect: "http://127.0.0.1:9/callback",
		Style: acme.Styles[style], Defect: defect}
	binary, err := os.Executable()
	require.NoError(t, err)
	command := ""
	if process {
		text, err := json.Marshal(v.acme)
		require.NoError(t, err)
		file := filepath.Join(v.dir, "acme.json")
		require.NoError(t, os.WriteFile(file, text, 0o600))
		command = fmt.Sprintf("ACME_CONFIG=%s exec %s", file, binary)
	} else {
		s, err := acme.New(v.acme)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(ctx) }()
		t.Cleanup(func() { cancel(); assert.NoError(t, <-ended) })
	}
	var b strings.Builder
	require.NoError(t, described.Execute(&b, map[string]any{"Acme": v.acme, "Base": v.acme.Root + v.acme.Style.FHIR, "Command": command, "Door": door, "Binary": binary}))
	v.file = filepath.Join(v.dir, "system.yaml")
	require.NoError(t, os.WriteFile(v.file, []byte(b.String()), 0o600))
	return v
}

// certify does what the command does: reads the file, opens the system, lets
// the doctor look, and judges.
func (v *vendor) certify(t testing.TB, change func(*suite.Options), roles ...string) *reports.Run {
	t.Helper()
	file, err := suite.ReadSystem(v.file, os.Getenv)
	require.NoError(t, err)
	s, err := suite.OpenSystem(t.Context(), file, roles, nil)
	require.NoError(t, err)
	defer func() { assert.NoError(t, s.Close(context.Background())) }()
	found, err := s.Doctor(t.Context())
	require.NoError(t, err)
	for _, f := range found {
		if !f.OK {
			t.Errorf("the doctor: %s: %s; %s", f.Where, f.Found, f.Fix)
		}
	}
	require.Zero(t, found.Exit())
	var opt suite.Options
	if change != nil {
		change(&opt)
	}
	opt, err = s.Options(opt)
	require.NoError(t, err)
	run, err := suite.Run(t.Context(), opt)
	require.NoError(t, err)
	return run
}

// ACME_TAGS selects scenarios for TestAcmeIsCertified, ACME_DEBUG lets Acme tell what it does.

// TestAcmeIsCertified certifies a system that shares no code with the mocks or
// the judge, in each of its lawful ways.
func TestAcmeIsCertified(t *testing.T) {
	if underRace {
		t.Skip("time really passes for an outside system, and is too short under the race detector")
	}
	for style := range acme.Styles {
		t.Run(style, func(t *testing.T) {
			if style != "plain" && testing.Short() {
				t.Skip("one is enough for a short run")
			}
			began := time.Now()
			run := newVendor(t, style, "", true).certify(t, func(o *suite.Options) { o.Tags = os.Getenv("ACME_TAGS") })
			t.Logf("%d scenarios in %.1f s, %.1f s in all", len(run.Scenarios), run.DurationMS/1000, time.Since(began).Seconds())
			for _, s := range run.Scenarios {
				if s.Verdict == reports.Failed || s.Verdict == reports.Error {
					t.Errorf("%s: %s: %s", s.ID, s.Verdict, s.Error)
				}
				for _, f := range s.Findings {
					if f.Verdict != reports.Passed && f.Verdict != reports.Skipped {
						t.Logf("%s %s %s %s: expected %s; found %s", s.ID, f.ID, f.Verdict, f.Level, f.Expected, f.Found)
					}
				}
			}
			for _, r := range run.Requirements {
				if r.ID == "SEC-04" {
					assert.Equal(t, reports.Warning, r.Verdict, "it serves no TLS")
				}
				if r.Level == reports.SHALL || r.Claimed {
					assert.Contains(t, []reports.Verdict{reports.Passed, reports.Warning}, r.Verdict, "%s: %v", r.ID, r.Findings)
				}
			}
			for _, n := range run.Notes {
				if !strings.HasSuffix(n, "are still there") {
					t.Log("note:", n)
				}
			}
			t.Log(run.Counts)
		})
	}
}

// TestTheDoctorKnowsTheApplications looks whether what is written wrong for
// sign-in is told before the source is blamed for it.
func TestTheDoctorKnowsTheApplications(t *testing.T) {
	v := newVendor(t, "plain", "", false)
	file, err := suite.ReadSystem(v.file, os.Getenv, config.Override{Path: "smart.secret", Text: "guessed", From: "test"},
		config.Override{Path: "smart.public.client", Text: "nobody", From: "test"}, config.Override{Path: "smart.sign-in.command", Text: "./nowhere", From: "test"})
	require.NoError(t, err)
	s, err := suite.OpenSystem(t.Context(), file, []string{"source"}, nil)
	require.NoError(t, err)
	defer func() { assert.NoError(t, s.Close(context.Background())) }()
	found, err := s.Doctor(t.Context())
	require.NoError(t, err)
	assert.Zero(t, found.Exit(), "it can be judged all the same")
	told := map[string]string{}
	for _, f := range found {
		if !f.OK {
			told[f.Where] = f.Found
		}
	}
	assert.Len(t, told, 3)
	assert.Contains(t, told["smart.secret"], "does not let acme-web in: 401")
	assert.Contains(t, told["smart.public.client"], "refuses a sign-in of nobody")
	assert.Contains(t, told["smart.sign-in.command"], "./nowhere is not there")
}
