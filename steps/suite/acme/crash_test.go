package acme_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"example.org/ccde/reports"
	"example.org/ccde/steps/suite"
)

// TestACrashIsJudged lets the system die in the middle of the run: that is a
// failure of what was asked then, never an error of the harness, and the run
// goes on to its end.
func TestACrashIsJudged(t *testing.T) {
	run := newVendor(t, "plain", "crashes", true).judge(t, "source", func(o *suite.Options) {
		o.Requirements = []string{"SRC-50", "SRC-53", "SRC-55", "SRC-58"}
	})
	verdicts := map[string]string{}
	for _, r := range run.Requirements {
		verdicts[r.ID] = r.Verdict
	}
	assert.Equal(t, reports.Failed, verdicts["SRC-55"], "%v", verdicts)
	for _, s := range run.Scenarios {
		assert.NotEqual(t, reports.Error, s.Verdict, "%s: %s", s.ID, s.Error)
		assert.NotEmpty(t, s.Verdict, s.ID)
	}
	assert.Equal(t, reports.ExitNotConformant, run.ExitCode)
}
