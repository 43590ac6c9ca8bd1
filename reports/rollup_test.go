package reports

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func shall(string) string { return SHALL }

func TestWorst(t *testing.T) {
	assert.Equal(t, "", Worst())
	order := []Verdict{Skipped, Passed, Warning, Unjudged, Error, Waived, Failed}
	for i := range order {
		for j := range order {
			assert.Equal(t, order[max(i, j)], Worst(order[i], order[j]))
		}
	}
	assert.Equal(t, "odd", Worst(Unjudged, "odd", Passed), "a text that is no verdict is never taken for a pass")
}

func TestScenarioJudge(t *testing.T) {
	steps := func(v ...Verdict) (out []Step) {
		for _, v := range v {
			out = append(out, Step{Text: "a step", Verdict: v})
		}
		return out
	}
	found := func(id string, v Verdict) Finding {
		return Finding{ID: id, Level: SHALL, Verdict: v, Found: "f"}
	}
	cases := []struct {
		name string
		in   Scenario
		want Verdict
		ids  map[string]Verdict
	}{
		{"all passed, nothing said", Scenario{Requirements: []string{"SRC-30", "SRC-31"}, Steps: steps(Passed, Passed)}, Passed,
			map[string]Verdict{"SRC-30": Passed, "SRC-31": Passed}},
		{"a warning is no failure", Scenario{Requirements: []string{"SRC-32"}, Steps: steps(Passed), Findings: []Finding{found("SRC-32", Warning)}}, Warning,
			map[string]Verdict{"SRC-32": Warning}},
		{"what a failure kept from being reached", Scenario{Requirements: []string{"SRC-30", "SRC-40"}, Steps: steps(Failed, Skipped), Findings: []Finding{found("SRC-30", Failed)}}, Failed,
			map[string]Verdict{"SRC-30": Failed, "SRC-40": Unjudged}},
		{"what passed before a failure stays", Scenario{Requirements: []string{"SRC-30", "SRC-40"}, Steps: steps(Passed, Failed), Findings: []Finding{found("SRC-30", Passed), found("SRC-40", Failed)}}, Failed,
			map[string]Verdict{"SRC-30": Passed, "SRC-40": Failed}},
		{"an error is never a failure", Scenario{Requirements: []string{"SRC-30"}, Steps: steps(Error, Skipped), Error: "no cluster"}, Error,
			map[string]Verdict{"SRC-30": Error}},
		{"a failure that was seen outweighs an error", Scenario{Requirements: []string{"SRC-30", "SRC-31"}, Steps: steps(Failed), Findings: []Finding{found("SRC-30", Failed)}, Error: "clean-up"}, Failed,
			map[string]Verdict{"SRC-30": Failed, "SRC-31": Unjudged}},
		{"left out", Scenario{Requirements: []string{"SRC-61"}, Steps: steps(Skipped), Findings: []Finding{found("SRC-61", Skipped)}}, Skipped,
			map[string]Verdict{"SRC-61": Skipped}},
		{"unjudged by a step", Scenario{Requirements: []string{"TGT-28"}, Steps: []Step{{Verdict: Unjudged, Error: "no control"}, {Verdict: Skipped}}}, Unjudged,
			map[string]Verdict{"TGT-28": Unjudged}},
		{"undefined", Scenario{Requirements: []string{"TGT-28"}, Steps: steps(Passed, "undefined")}, Error,
			map[string]Verdict{"TGT-28": Error}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := c.in
			s.Judge(shall)
			assert.Equal(t, c.want, s.Verdict)
			got := map[string]Verdict{}
			for _, f := range s.Findings {
				got[f.ID] = Worst(got[f.ID], f.Verdict)
				if f.Verdict == Unjudged || f.Verdict == Error {
					assert.NotEmpty(t, f.Found, "it says why")
				}
			}
			assert.Equal(t, c.ids, got)
		})
	}
}

// sampleRun has one scenario for each verdict given, each for the requirement of that number.
func sampleRun(reqs ...Requirement) *Run {
	run := &Run{Runtime: "embedded", Dialect: "strict"}
	for _, q := range reqs {
		v := q.Verdict
		q.Verdict = ""
		run.Requirements = append(run.Requirements, q)
		if v == "" {
			continue
		}
		s := Scenario{ID: "source/token: " + q.ID, Name: "tells " + q.ID, Feature: "Tokens", URI: "source/token.feature", Line: 3, Role: q.Role,
			Requirements: []string{q.ID}, Verdict: v, DurationMS: 12.3, Steps: []Step{{Keyword: "Given", Text: "a source", Verdict: v}},
			Findings:  []Finding{{ID: q.ID, Level: q.Level, Verdict: v, Expected: "400 <b>&", Found: "200", Exchanges: []int{1}}},
			Exchanges: []Exchange{{Seq: 1, From: "judge", To: "source", Method: "GET", URL: "http://source.localhost/r3", Status: 200, ResponseBody: `{"a":1}`}}}
		run.Scenarios = append(run.Scenarios, s)
	}
	run.RollUp()
	return run
}

func req(id, level string, v Verdict) Requirement {
	return Requirement{ID: id, Role: "source", Level: level, Verdict: v, Text: "text of " + id}
}

func TestExitCode(t *testing.T) {
	waived := req("SRC-12", SHALL, Failed)
	waived.Waiver = "fixed in 4.3"
	claimed := req("SRC-61", MAY, Unjudged)
	claimed.Claimed = true
	cases := []struct {
		name string
		run  *Run
		want int
	}{
		{"nil", nil, 2},
		{"nothing selected", sampleRun(), 2},
		{"all passed", sampleRun(req("SRC-10", SHALL, Passed)), 0},
		{"warnings", sampleRun(req("SRC-32", SHOULD, Warning), req("SRC-10", SHALL, Passed)), 0},
		{"failed", sampleRun(req("SRC-10", SHALL, Failed), req("SRC-11", SHALL, Error)), 1},
		{"error", sampleRun(req("SRC-10", SHALL, Passed), req("SRC-32", SHOULD, Error)), 3},
		{"a SHALL unjudged", sampleRun(req("SRC-10", SHALL, Unjudged)), 3},
		{"a SHOULD unjudged", sampleRun(req("SRC-10", SHALL, Passed), req("SRC-32", SHOULD, Unjudged)), 0},
		{"a MAY unjudged, not claimed", sampleRun(req("SRC-61", MAY, Unjudged)), 0},
		{"a claimed MAY unjudged", sampleRun(claimed), 3},
		{"a SHALL that no scenario judged", sampleRun(req("SRC-10", SHALL, Passed), req("SRC-11", SHALL, "")), 3},
		{"a MAY that is not claimed", sampleRun(req("SRC-61", MAY, Skipped)), 0},
		{"waived", sampleRun(waived), 0},
	}
	stale := sampleRun(req("SRC-10", SHALL, Passed))
	stale.StaleWaivers = []string{"SRC-10"}
	cases = append(cases, struct {
		name string
		run  *Run
		want int
	}{"stale waiver", stale, 4})
	staleFailed := sampleRun(req("SRC-10", SHALL, Failed))
	staleFailed.StaleWaivers = []string{"SRC-11"}
	staleError := sampleRun(req("SRC-10", SHALL, Error))
	staleError.StaleWaivers = []string{"SRC-11"}
	for _, c := range cases {
		assert.Equal(t, c.want, ExitCode(c.run), c.name)
	}
	assert.Equal(t, 1, ExitCode(staleFailed))
	assert.Equal(t, 3, ExitCode(staleError))

	untagged := &Run{Scenarios: []Scenario{{Verdict: Error}}}
	assert.Equal(t, 3, ExitCode(untagged))
	untagged.Scenarios[0].Verdict = Failed
	assert.Equal(t, 1, ExitCode(untagged))
	cut := &Run{Interrupted: true}
	cut.RollUp()
	assert.Equal(t, 3, cut.ExitCode, "a run that was cut short before its first scenario selected something")
}

func TestRollUpTakesTheWorst(t *testing.T) {
	run := sampleRun(req("SRC-30", SHALL, Passed))
	second := run.Scenarios[0]
	second.ID, second.Findings = "two", []Finding{{ID: "SRC-30", Level: SHALL, Verdict: Failed, Found: "500"}}
	run.Scenarios = append(run.Scenarios, second)
	for range 2 { // again gives the same
		run.RollUp()
		q := run.Requirements[0]
		assert.Equal(t, Failed, q.Verdict)
		require.Len(t, q.Findings, 2)
		assert.Equal(t, "two", q.Findings[0].Scenario)
		assert.Len(t, q.Scenarios, 2)
		assert.Equal(t, Counts{Failed: 1}, run.Counts)
		assert.Equal(t, []Group{{Role: "source", Level: SHALL, Counts: Counts{Failed: 1}, Total: 1}}, run.Summary)
		assert.False(t, run.Conformant)
	}
}
