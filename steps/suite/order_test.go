package suite_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/cluster"
	"example.org/ccde/reports"
	"example.org/ccde/steps/suite"
)

// TestVerdictsDontDependOnOrder plays the features as they stand, and fewer at
// once in an order that is drawn. The mocks speak as test.fhir.org
// while the judge is told strict, so that there is everything to compare:
// requirements that pass, that warn and that fail.
func TestVerdictsDontDependOnOrder(t *testing.T) {
	if suite.UnderRace {
		t.Skip("two runs are too slow under the race detector, which watches TestFeatures")
	}
	seed := rand.Uint64N(1<<62) + 1
	t.Logf("seed %d", seed)
	inOrder, err := hard()
	require.NoError(t, err)
	shuffled := play(t, suite.Options{Runtime: cluster.ChooseEmbedded, Dialect: testFHIR, JudgeDialect: strict, Concurrency: 2, Shuffle: seed})
	assert.Equal(t, found(inOrder), found(shuffled), "seed %d", seed)
	assert.Equal(t, inOrder.ExitCode, shuffled.ExitCode)
	assert.Equal(t, inOrder.Counts, shuffled.Counts)
	for _, v := range []reports.Verdict{reports.Passed, reports.Warning, reports.Failed} {
		assert.NotZero(t, inOrder.Counts[v], v)
	}
}

var port = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// found is what a run found, without what differs from run to run: times, ids, ports.
func found(run *reports.Run) map[string]string {
	out := map[string]string{}
	for _, s := range run.Scenarios {
		out[s.ID] = s.Verdict
		for i, f := range s.Findings {
			out[fmt.Sprintf("%s %d", s.ID, i)] = fmt.Sprint(f.ID, f.Level, f.Verdict, port.ReplaceAllString(f.Expected, "127.0.0.1"))
		}
	}
	for _, r := range run.Requirements {
		out[r.ID] = r.Verdict
	}
	return out
}
