package suite

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"example.org/ccde/features"
	"example.org/ccde/mockehr/cluster"
	"example.org/ccde/reports"
	"example.org/ccde/steps/config"
)

// Test runs the suite as a part of a go test: each scenario is a subtest. One
// that failed, or that the harness could not judge, fails; what was waived, left
// out or not judged is skipped, with the reason. The run comes back for more:
// run.ExitCode is 3 where a SHALL was not judged, which fails nothing here.
//
// Subtests report when all have run: Options.Tags selects, -run only chooses
// what is shown.
func Test(t *testing.T, opt Options) *reports.Run {
	t.Helper()
	if opt.Progress == nil {
		opt.Progress = func(e Event) {
			switch e.Kind {
			case RuntimeChosen:
				t.Log(e.Message)
			case Finished:
				t.Logf("%d of %d · %s · %s", e.Done, e.Total, e.Scenario.Name, e.Scenario.Verdict)
			}
		}
	}
	run, err := Run(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	for i := range run.Scenarios {
		s := &run.Scenarios[i]
		t.Run(s.Name, func(t *testing.T) {
			switch verdict := waivedIn(run, s); verdict {
			case reports.Passed:
			case reports.Warning:
				t.Log(Told(s))
			case reports.Waived, reports.Unjudged, reports.Skipped:
				t.Skip(verdict + ": " + Told(s))
			default:
				t.Error(Told(s))
			}
		})
	}
	return run
}

// waivedIn is a scenario's verdict, waived where a waiver covers all that failed.
func waivedIn(run *reports.Run, s *reports.Scenario) reports.Verdict {
	if s.Verdict != reports.Failed {
		return s.Verdict
	}
	for _, f := range s.Findings {
		covered := slices.ContainsFunc(run.Requirements, func(r reports.Requirement) bool { return r.ID == f.ID && r.Verdict == reports.Waived })
		if f.Verdict == reports.Failed && !covered {
			return reports.Failed
		}
	}
	return reports.Waived
}

// Told is what a scenario found, in lines: at which step it ended, what was
// expected, what was found, and the exchanges that show it.
func Told(s *reports.Scenario) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s (%s:%d)", s.Name, s.URI, s.Line)
	if s.Error != "" {
		fmt.Fprintf(&out, "\n%s", s.Error)
	}
	if i := slices.IndexFunc(s.Steps, func(st reports.Step) bool { return st.Verdict != reports.Passed }); i >= 0 {
		fmt.Fprintf(&out, "\nat: %s %s", s.Steps[i].Keyword, s.Steps[i].Text)
	}
	for _, f := range s.Findings {
		if f.Verdict == reports.Passed {
			continue
		}
		fmt.Fprintf(&out, "\n%s %s %s", f.ID, f.Level, f.Verdict)
		if f.Expected != "" {
			fmt.Fprintf(&out, "\n  expected %s", f.Expected)
		}
		fmt.Fprintf(&out, "\n  found    %s", f.Found)
		for _, x := range s.Exchanges {
			if f.Verdict == reports.Failed && slices.Contains(f.Exchanges, x.Seq) {
				fmt.Fprintf(&out, "\n  %s %s\n  %s\n  %d %s", x.Method, x.URL, x.RequestBody, x.Status, x.ResponseBody)
			}
		}
	}
	return out.String()
}

// Harness is what a system under test must know before it starts, so that it
// trusts and reaches the harness: what "ccde init" prints. All of it holds for
// the test that made it.
type Harness struct {
	URL          string // the front door; all mocks are below it
	KeySet       string // URL of the key set of the harness's JWTs; a source and a CAVS trust it
	TargetKeySet string // URL of that of the mock target's JWTs; a source and a CAVS trust it too
	CAVS         string // URL of the mock CAVS, which a source asks at $authorize
	Issuer       string // the iss of the harness's JWTs

	listen string
	keys   config.Keys
}

// NewHarness opens the front door on a free port of this machine; it is closed
// with the test.
func NewHarness(t testing.TB) *Harness {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	mocks, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(mocks)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	// The port is free again until the run opens the door; nobody is given it soon.
	listen := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	root := "http://" + listen
	return &Harness{URL: root, KeySet: root + cluster.KeysPath, TargetKeySet: root + "/target/auth/auth_key", CAVS: root + "/cavs/auth/cavs",
		Issuer: "urn:uuid:" + uuid.NewString(), listen: listen,
		keys: config.Keys{Harness: key, Mocks: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))}}
}

// Test judges a system that runs already, in each role that it is described in,
// while mocks play the others; see [Test]. The system is described as in a file
// (package config; secrets as config.Secret{Text: ".."}), but for listen,
// advertise and key, which are the harness's. What the doctor finds that keeps it
// from being judged fails the test, with what to do.
func (h *Harness) Test(t *testing.T, system config.System, opt Options) *reports.Run {
	t.Helper()
	system.Listen, system.Advertise = h.listen, h.URL
	known, err := knownIDs()
	if err != nil {
		t.Fatal(err)
	}
	if err := system.Complete(known); err != nil {
		t.Fatal(err)
	}
	s, err := NewSystem(&system, opt.Judged)
	if err != nil {
		t.Fatal(err)
	}
	s.keys = h.keys
	s.keys.Issuer = h.Issuer
	if err := s.openWith(t.Context(), opt.Log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	found, err := s.Doctor(t.Context())
	for _, f := range found {
		if f.Exit != reports.ExitConformant {
			err = errors.Join(err, fmt.Errorf("%s: %s; %s", f.Where, f.Found, f.Fix))
		}
	}
	if err != nil {
		t.Fatalf("the system can't be judged as it is:\n%v", err)
	}
	if opt, err = s.Options(opt); err != nil {
		t.Fatal(err)
	}
	return Test(t, opt)
}

// knownIDs says of an id whether it is a requirement, and whether it is a MAY.
func knownIDs() (func(id string) (is, may bool), error) {
	catalogue, err := features.Catalogue()
	return func(id string) (is, may bool) {
		i := slices.IndexFunc(catalogue, func(r features.Requirement) bool { return r.ID == id })
		return i >= 0, i >= 0 && catalogue[i].Level == reports.MAY
	}, err
}
