package suite

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/reports"
	"example.org/ccde/steps"
)

// clinic is a server that knows no more of the protocol than the doctor asks for.
type clinic struct {
	ahead    time.Duration // its clock
	version  string        // of FHIR
	patients []string
	slow     time.Duration
	refuses  bool // takes no JWT of the harness
	renewed  int  // how many bearers it has refused
}

func (c *clinic) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	time.Sleep(c.slow)
	w.Header().Set("Date", time.Now().Add(c.ahead).UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Type", "application/fhir+json")
	answer := func(status int, body string) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
	path, below := strings.CutPrefix(r.URL.Path, "/r3")
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case r.URL.Path == "/auth/cavs" && r.Method == http.MethodPost:
		answer(http.StatusOK, map[bool]string{false: `{"status":"unknown","message":""}`, true: `{"status":"invalid","message":"unknown key"}`}[c.refuses])
	case strings.HasPrefix(r.URL.Path, "/portal"):
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		answer(http.StatusOK, "<!doctype html><title>Welcome</title>")
	case r.URL.Path == "/moved/metadata":
		w.Header().Set("Location", "/r3/metadata")
		answer(http.StatusMovedPermanently, "")
	case r.URL.Path == "/auth/token":
		answer(http.StatusBadRequest, `{"error":"invalid_request"}`)
	case !below:
		answer(http.StatusNotFound, `{"resourceType":"OperationOutcome"}`)
	case path == "/metadata":
		answer(http.StatusOK, fmt.Sprintf(`{"resourceType":"CapabilityStatement","fhirVersion":%q,"rest":[{"security":{"extension":[{
			"url":"http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris","extension":[{"url":"token","valueUri":"http://%s/auth/token"}]}]}}]}`,
			c.version, r.Host))
	case !strings.HasPrefix(bearer, "good"):
		c.renewed++
		answer(http.StatusUnauthorized, `{"resourceType":"OperationOutcome"}`)
	case strings.HasPrefix(path, "/Patient/"):
		for _, id := range c.patients {
			if path == "/Patient/"+id {
				answer(http.StatusOK, `{"resourceType":"Patient"}`)
				return
			}
		}
		answer(http.StatusNotFound, `{"resourceType":"OperationOutcome"}`)
	case path == "/Condition":
		answer(http.StatusOK, `{"resourceType":"Bundle","entry":[{}]}`)
	case path == "/Consent":
		w.Header().Set("Location", "/r3/Consent/1")
		answer(http.StatusCreated, `{}`)
	case strings.HasSuffix(path, "/$authorize"):
		answer(map[bool]int{false: http.StatusOK, true: http.StatusBadRequest}[c.refuses], `{"resourceType":"OperationOutcome"}`)
	default:
		answer(http.StatusNotFound, `{"resourceType":"OperationOutcome"}`)
	}
}

func healthy() *clinic { return &clinic{version: "3.0.1", patients: []string{"example", "other"}} }

const clinicFile = `system: {name: Clinic}
source: {fhir: "%s/r3", consumer: {bearer: good-consumer}, admin: {bearer: good-admin}, cavs: none}
cavs: {url: "%[1]s/auth/cavs", registry: {fhir: "%[1]s/r3", bearer: good-admin}}
listen: %s
advertise: http://%[2]s
timeouts: {request: 1s}
`

// examine lets the doctor look at a server; replace changes the file.
func examine(t *testing.T, server string, replace ...string) Diagnosis {
	t.Helper()
	dir := t.TempDir()
	text := strings.NewReplacer(replace...).Replace(fmt.Sprintf(clinicFile, server, freeAddr(t)))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "system.yaml"), []byte(text), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "harness.pem"), doctorKey(t), 0o600))
	file, err := ReadSystem(filepath.Join(dir, "system.yaml"), func(string) string { return "" })
	require.NoError(t, err)
	s, err := OpenSystem(t.Context(), file, nil, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer func() { assert.NoError(t, s.Close(t.Context())) }()
	found, err := s.Doctor(t.Context())
	require.NoError(t, err)
	return found
}

var keptKey []byte

// doctorKey is one key for all tests: making one takes a while.
func doctorKey(t *testing.T) []byte {
	t.Helper()
	if keptKey == nil {
		keptKey = []byte(newOutsider(t).nodes)
	}
	return keptKey
}

// certificateFor is a certificate of its own making.
func certificateFor(t *testing.T, name string, from, to time.Time) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to,
		IsCA: true, BasicConstraintsValid: true, DNSNames: []string{name}}
	if ip := net.ParseIP(name); ip != nil {
		template.DNSNames, template.IPAddresses = nil, []net.IP{ip}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestDoctorNamesTheCause(t *testing.T) {
	serve := func(c *clinic) string {
		s := httptest.NewServer(c)
		t.Cleanup(s.Close)
		return s.URL
	}
	secure := func(pair tls.Certificate) string {
		s := httptest.NewUnstartedServer(healthy())
		s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
		s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
		s.StartTLS()
		t.Cleanup(s.Close)
		return s.URL
	}
	now := time.Now()
	day := 24 * time.Hour
	trusted := func(pem []byte) string {
		file := filepath.Join(t.TempDir(), "ca.pem")
		require.NoError(t, os.WriteFile(file, pem, 0o600))
		return "timeouts: {request: 1s}\ntls: {ca: " + file + "}"
	}
	expired, expiredCA := certificateFor(t, "127.0.0.1", now.Add(-2*day), now.Add(-day))
	foreign, foreignCA := certificateFor(t, "ehr.example", now.Add(-day), now.Add(day))
	unknown, _ := certificateFor(t, "127.0.0.1", now.Add(-day), now.Add(day))
	good := serve(healthy())
	bad := func(change func(*clinic)) string {
		c := healthy()
		change(c)
		return serve(c)
	}
	cases := []struct {
		name, server string
		replace      []string
		exit         int
		where, found string
	}{
		{"nobody listens", "http://" + freeAddr(t), nil, 3, "source.fhir", "can't be reached: connection refused"},
		{"unknown name", "http://nowhere.invalid", nil, 3, "source.fhir", "nowhere.invalid is not known (DNS)"},
		{"wrong path", good, []string{"/r3\"", "/r4\""}, 2, "source.fhir", "there is nothing at that path: 404"},
		{"web page", good, []string{"/r3\"", "/portal\""}, 2, "source.fhir", "a web page answers where [fhir]/metadata should be"},
		{"moved", good, []string{"/r3\", c", "/moved\", c"}, 2, "source.fhir", "redirects to /r3/metadata"},
		{"wrong path of the CAVS", good, []string{"/auth/cavs", "/auth"}, 2, "cavs.url", "there is nothing at that path"},
		{"expired certificate", secure(expired), []string{"timeouts: {request: 1s}", trusted(expiredCA)}, 3, "source.fhir", "has expired"},
		{"another name's certificate", secure(foreign), []string{"timeouts: {request: 1s}", trusted(foreignCA)}, 3, "source.fhir", "is for another name"},
		{"certificate of an unknown CA", secure(unknown), nil, 3, "source.fhir", "does not trust"},
		{"no TLS there", strings.Replace(good, "http://", "https://", 1), nil, 3, "source.fhir", "speaks no TLS at that port"},
		{"an hour ahead", bad(func(c *clinic) { c.ahead = time.Hour }), nil, 3, "source.fhir", "ahead of this machine's"},
		{"an hour behind", bad(func(c *clinic) { c.ahead = -time.Hour }), nil, 3, "source.fhir", "behind this machine's"},
		{"another FHIR", bad(func(c *clinic) { c.version = "4.0.1" }), nil, 2, "source.fhir", "it speaks FHIR 4.0.1, not STU3"},
		{"hangs", bad(func(c *clinic) { c.slow = 3 * time.Second }), nil, 3, "source.fhir", "does not answer in time"},
		{"wrong consumer", good, []string{"good-consumer", "bad"}, 2, "source.consumer.bearer", "the bearer is refused (401)"},
		{"wrong admin", good, []string{"good-admin}, c", "bad}, c"}, 2, "source.admin.bearer", "the bearer is refused (401)"},
		{"no secret", good, []string{"good-consumer", "{env: NOT_THERE}"}, 2, "source.consumer.bearer", "NOT_THERE is empty"},
		{"wrong registry bearer", good, []string{"bearer: good-admin}}\nlisten", "bearer: bad}}\nlisten"}, 2, "cavs.registry.bearer", "the bearer is refused (401)"},
		{"no such patient", bad(func(c *clinic) { c.patients = []string{"other"} }), nil, 2, "source.patient", "there is no Patient/example"},
		{"our keys are not trusted", bad(func(c *clinic) { c.refuses = true }), nil, 3, "advertise", "refused a good JWT of the harness"},
	}
	for _, c := range cases {
		found := examine(t, c.server, c.replace...)
		assert.Equal(t, c.exit, found.Exit(), "%s: %v", c.name, found)
		said := false
		for _, f := range found {
			if f.Where == c.where && strings.Contains(f.Found, c.found) {
				said = true
				assert.NotEmpty(t, f.Fix, c.name)
				assert.False(t, f.OK, c.name)
			}
		}
		assert.True(t, said, "%s: no %q at %s in %v", c.name, c.found, c.where, found)
	}
	found := examine(t, good)
	assert.Zero(t, found.Exit(), "the control: %v", found)
	for _, f := range found {
		assert.True(t, f.OK, "%v", f)
	}
}

func TestDoctorAsksForAFreshSecret(t *testing.T) {
	c := healthy()
	s := httptest.NewServer(c)
	defer s.Close()
	dir := t.TempDir()
	script := fmt.Sprintf(`{command: 'if [ -e %[1]s/ran ]; then echo good; else touch %[1]s/ran; echo stale; fi'}`, dir)
	found := examine(t, s.URL, "good-consumer", script)
	assert.Equal(t, reports.ExitConformant, found.Exit(), "%v", found)
	assert.Equal(t, 1, c.renewed, "the stale one was refused")
}

// TestDoctorWaitsForASlowStarter: when a target begins to copy is its own affair.
func TestDoctorWaitsForASlowStarter(t *testing.T) {
	door := newOutsider(t).door
	for _, c := range []struct {
		name   string
		starts bool
		exit   int
	}{{"it comes later than one answer may take", true, reports.ExitConformant}, {"it never comes", false, reports.ExitNotJudged}} {
		var told []string
		d := &doctor{s: &System{door: door}, client: http.DefaultClient, within: 500 * time.Millisecond}
		release := make(chan struct{})
		d.s.Doing = func(task string) { told = append(told, task); close(release) }
		mux := http.NewServeMux()
		mux.HandleFunc("GET /r3/metadata", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"resourceType":"CapabilityStatement","fhirVersion":"3.0.1"}`)
		})
		mux.HandleFunc("GET /r3/$jwt", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "e30.e30.e30") })
		mux.HandleFunc("POST /r3/$connect", func(_ http.ResponseWriter, r *http.Request) {
			source := r.FormValue("source")
			go func() {
				<-release
				if !c.starts {
					return
				}
				time.Sleep(d.within)
				req, err := http.NewRequest(http.MethodGet, source+"/metadata", nil)
				if err != nil {
					return
				}
				req.Header.Set("User-Agent", "slow starter")
				if res, err := http.DefaultClient.Do(req); err == nil {
					res.Body.Close()
				}
			}()
		})
		server := httptest.NewServer(mux)
		d.target(t.Context(), steps.Role{FHIR: server.URL + "/r3"})
		server.Close()
		assert.Equal(t, c.exit, d.found.Exit(), "%s: %v", c.name, d.found)
		assert.Len(t, told, 1, c.name)
		if last := d.found[len(d.found)-1]; !c.starts {
			assert.Contains(t, last.Fix, "timeouts.request", c.name)
		}
	}
}
