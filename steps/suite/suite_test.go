package suite_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	catalogue "example.org/ccde/features"
	"example.org/ccde/mockehr/cluster"
	"example.org/ccde/reports"
	"example.org/ccde/steps/config"
	"example.org/ccde/steps/judge"
	"example.org/ccde/steps/suite"
)

const (
	strict   = "strict"
	testFHIR = "test.fhir.org"
)

// TestFeatures runs all features in both runtimes and both dialects. Docker is
// as CCDE_DOCKER says: require (it must be there), auto (used if it is there), off.
func TestFeatures(t *testing.T) {
	for _, where := range []string{cluster.ChooseEmbedded, cluster.ChooseDocker} {
		t.Run(where, func(t *testing.T) {
			if where == cluster.ChooseDocker {
				needDocker(t)
			}
			for _, dialect := range []string{strict, testFHIR} {
				if suite.UnderRace && dialect != strict {
					continue
				}
				t.Run(dialect, func(t *testing.T) { features(t, where, dialect) })
			}
		})
	}
}

// features runs all of them and makes each scenario a subtest.
func features(t *testing.T, where, dialect string) {
	play := lenient
	if where != cluster.ChooseEmbedded || dialect != testFHIR {
		opt := suite.Options{Runtime: where, Dialect: dialect}
		if suite.UnderRace {
			opt.Requirements = third(t)
		}
		play = func() (*reports.Run, error) { return suite.Run(t.Context(), opt) }
	}
	run, err := play()
	require.NoError(t, err)
	require.NotEmpty(t, run.Scenarios)
	t.Logf("%s, %d scenarios, %.1f s", run.Why, len(run.Scenarios), run.DurationMS/1000)
	for i := range run.Scenarios {
		s := &run.Scenarios[i]
		t.Run(s.Name, func(t *testing.T) {
			switch s.Verdict {
			case reports.Passed, reports.Warning:
			default:
				t.Error(suite.Told(s))
			}
			for _, f := range s.Findings {
				if f.Verdict == reports.Warning && !excused(f, dialect) {
					t.Errorf("a warning that no dialect explains: %s", suite.Told(s))
				}
			}
		})
	}
	assert.Equal(t, reports.ExitConformant, run.ExitCode)
	assert.False(t, run.Partial)
}

// third is every third requirement: enough to take all paths of harness and
// nodes at a tenth of the speed.
func third(t *testing.T) (ids []string) {
	all, err := catalogue.Catalogue()
	require.NoError(t, err)
	for i, r := range all {
		if i%3 == 0 {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// excused says whether a warning is what the dialect tables foresee. The mocks
// leave out no SHOULD, so in strict there is none.
func excused(f reports.Finding, dialect string) bool {
	return dialect == testFHIR && strings.Contains(f.Found, "as test.fhir.org does")
}

// lenient and hard are runs that several tests look at: mocks that speak as
// test.fhir.org, and a judge that is told so, or that they claim to be strict.
var (
	lenient = sync.OnceValues(func() (*reports.Run, error) {
		return suite.Run(context.Background(), suite.Options{Runtime: cluster.ChooseEmbedded, Dialect: testFHIR})
	})
	hard = sync.OnceValues(func() (*reports.Run, error) {
		return suite.Run(context.Background(), suite.Options{Runtime: cluster.ChooseEmbedded, Dialect: testFHIR, JudgeDialect: strict})
	})
)

// TestDialectIsJudged tells the judge strict for nodes that speak
// test.fhir.org: just the scenarios that met a row of substance fail.
func TestDialectIsJudged(t *testing.T) {
	if suite.UnderRace {
		t.Skip("what is judged is the same without the race detector")
	}
	rows := []judge.Row{judge.JWTAtAuthorize, judge.CAVSAtAuthorize, judge.CAVSExpired, judge.ConsentWithdrawn, judge.MalformedInput}
	lenient, err := lenient()
	require.NoError(t, err)
	var want []string
	met := map[string]bool{}
	for _, s := range lenient.Scenarios {
		for _, row := range rows {
			for _, f := range s.Findings {
				if f.Verdict == reports.Warning && strings.Contains(f.Found, row.Name()) {
					met[row.Name()] = true
					want = append(want, s.Name)
				}
			}
		}
	}
	for _, row := range rows {
		assert.True(t, met[row.Name()], "no scenario meets the row %q", row.Name())
	}

	hard, err := hard()
	require.NoError(t, err)
	var got, ids []string
	for i := range hard.Scenarios {
		s := &hard.Scenarios[i]
		switch s.Verdict {
		case reports.Failed:
			got = append(got, s.Name)
		case reports.Passed, reports.Warning, reports.Skipped: // skipped: what is no error in that dialect can show no secret
		default:
			t.Error(suite.Told(s))
		}
	}
	for _, q := range hard.Requirements {
		if q.Verdict == reports.Failed {
			ids = append(ids, q.ID)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	assert.Equal(t, slices.Compact(want), got)
	assert.ElementsMatch(t, []string{"SRC-22", "SRC-23", "SRC-31", "SRC-38", "SRC-45", "CAV-08", "SEC-01", "SEC-02"}, ids)
	assert.Equal(t, reports.ExitNotConformant, hard.ExitCode)
}

func play(t *testing.T, opt suite.Options) *reports.Run {
	t.Helper()
	run, err := suite.Run(t.Context(), opt)
	require.NoError(t, err)
	require.NotEmpty(t, run.Scenarios)
	t.Logf("%s, %d scenarios, %.1f s", run.Why, len(run.Scenarios), run.DurationMS/1000)
	return run
}

// needDocker skips, loudly, where Docker isn't there; where it is required its
// absence is a failure.
func needDocker(t *testing.T) {
	t.Helper()
	choice, err := cluster.ChoiceOf(os.Getenv(config.EnvDocker))
	require.NoError(t, err)
	if choice == cluster.ChooseEmbedded {
		t.Skipf("SKIPPED: %s=off, nothing was run in containers", config.EnvDocker)
	}
	rt, why, err := cluster.Auto(t.Context(), choice, cluster.Options{})
	require.NoError(t, err, "%s=%s", config.EnvDocker, os.Getenv(config.EnvDocker))
	name := rt.Name()
	require.NoError(t, rt.Close(t.Context()))
	if name != cluster.ChooseDocker {
		t.Skipf("SKIPPED: nothing was run in containers: %s (%s=require makes this a failure)", why, config.EnvDocker)
	}
}
