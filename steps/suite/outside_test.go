package suite

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/fixtures"
	"example.org/ccde/mockehr/cluster"
	"example.org/ccde/mockehr/control"
	"example.org/ccde/reports"
	"example.org/ccde/steps"
	"example.org/ccde/steps/judge"
)

// outsider is a system under test that nobody controls: nodes of ours, known by
// their URLs alone, set up as a vendor would.
type outsider struct {
	door  *cluster.Door
	key   *rsa.PrivateKey
	nodes string // the mocks' key
	roles map[string]steps.Role
}

const harnessISS = "urn:uuid:11111111-2222-3333-4444-555555555555"

func fixed(text string) steps.Secret {
	return func(context.Context, string) (string, error) { return text, nil }
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

func newOutsider(t *testing.T) outsider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	addr := freeAddr(t)
	door, err := cluster.OpenDoor(cluster.DoorOptions{Listen: addr, Advertise: "http://" + addr, Harness: judge.UserAgent,
		Keys: steps.JWKS(&key.PublicKey, "http://"+addr+cluster.KeysPath)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, door.Close()) })

	rt, err := cluster.NewEmbedded(cluster.Options{Consumer: "acme-consumer", Admin: "acme-admin"})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, rt.Close(context.Background())) })
	bundles, err := fixtures.Bundles()
	require.NoError(t, err)
	ours := control.Settings{CAVS: door.Root() + "/cavs/auth/cavs", UpdateEvery: control.Duration(2 * time.Second), Trust: []control.KeySource{
		{URL: door.Root() + cluster.KeysPath}, {URL: door.Root() + "/target/auth/auth_key"}}}
	c, err := cluster.Start(t.Context(), rt, cluster.Spec{Name: "source", Settings: ours, Load: bundles},
		cluster.Spec{Name: "target", Settings: ours}, cluster.Spec{Name: "cavs", Settings: ours})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close(context.Background())) })
	role := func(name string) steps.Role {
		n, err := c.Node(t.Context(), name)
		require.NoError(t, err)
		return steps.Role{FHIR: n.FHIR, CAVS: n.Root + "/auth/cavs", Consumer: fixed("acme-consumer"), Admin: fixed("acme-admin"), Trusts: true, AsksCAVS: "ours"}
	}
	mocks, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(mocks)
	require.NoError(t, err)
	nodes := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return outsider{nodes: nodes, door: door, key: key, roles: map[string]steps.Role{"source": role("source"), "target": role("target"), "cavs": role("cavs")}}
}

func (o outsider) certify(t *testing.T, change func(*Options)) *reports.Run {
	t.Helper()
	opt := Options{Runtime: "embedded", Roles: o.roles, Door: o.door, Key: o.key, NodeKey: o.nodes, Issuer: harnessISS,
		Adjust: func(e *steps.Env) { e.Timeouts.Copy, e.UpdateEvery = 10*time.Second, 2*time.Second }}
	if change != nil {
		change(&opt)
	}
	run, err := Run(t.Context(), opt)
	require.NoError(t, err)
	return run
}

// TestOurOwnNodesAsOutsideSystems proves that steps do without a control port:
// no SHALL fails, and what is left unjudged is said and known.
func TestOurOwnNodesAsOutsideSystems(t *testing.T) {
	if UnderRace {
		t.Skip("time really passes for outside systems, and is too short under the race detector")
	}
	o := newOutsider(t)
	for _, role := range []string{"source", "target", "cavs"} {
		if only := os.Getenv("CCDE_TEST_ROLE"); only != "" && only != role {
			continue
		}
		run := o.certify(t, func(opt *Options) { opt.Judged = []string{role} })
		t.Logf("%s: %d scenarios in %.1f s", role, len(run.Scenarios), run.DurationMS/1000)
		for _, s := range run.Scenarios {
			if s.Verdict == reports.Failed || s.Verdict == reports.Error {
				t.Errorf("%s: %s: %s", s.ID, s.Verdict, s.Error)
			}
			if s.DurationMS > 2500 {
				t.Logf("slow: %s %.1f", s.ID, s.DurationMS/1000)
			}
			for _, f := range s.Findings {
				if !slices.Contains([]string{reports.Passed}, f.Verdict) {
					t.Logf("%s %s %s: %s: expected %s; found %s", s.ID, f.ID, f.Verdict, f.Level, f.Expected, f.Found)
				}
			}
		}
		for _, n := range run.Notes {
			t.Log("note:", n)
		}
		fmt.Println(run.Counts)
	}
}
