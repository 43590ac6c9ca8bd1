package acme_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/reports"
	"example.org/ccde/steps/suite"
)

// defect is a way to be wrong.
type defect struct {
	name, role string
	// breaks are the requirements that it fails (a SHALL) or warns of (a SHOULD;
	// with ~ a SHOULD inside a SHALL).
	breaks string
	// with are those that can't be met, or seen, without the first: they may come
	// out in any way. "*" is all.
	with string
}

// defects are what Acme can be told to do wrong, one at a time.
var defects = []defect{
	{"jwt-by-prefix", "source", "SRC-34", ""},
	{"jwt-by-head", "source", "SRC-34", ""},
	{"jwt-by-issuer", "source", "SRC-34", ""},
	{"scope-from-request", "source", "SRC-31", "SRC-30 SRC-32"},
	{"expires-in-an-hour", "source", "SRC-31", ""},
	{"by-day", "source", "SRC-63", ""},
	{"last-page-dropped", "source", "SRC-64", "SRC-52 SRC-56 SRC-57 SRC-42"},
	{"repeats-across-pages", "source", "SRC-64", "SRC-52 SRC-56 SRC-57 SRC-42"},
	{"first-except-only", "source", "SRC-18", ""},
	{"period-by-day", "source", "SRC-16", ""},
	{"leak-by-include", "source", "SRC-42", ""},
	{"leak-by-cursor", "source", "SRC-42", ""},
	{"withdrawn-cached", "source", "SRC-38", "SRC-45"},
	{"withdrawn-token-lives", "source", "SRC-45", "SRC-38"},
	{"token-never-ends", "source", "SRC-45", "SRC-38"},
	{"ends-never-looked-at", "source", "SRC-37", ""},
	{"hmac-public-key", "source", "SRC-22", ""},
	{"takes-none", "source", "SRC-22", ""},
	{"embedded-key", "source", "SRC-22", ""},
	{"expired-jwt", "source", "SRC-22", ""},
	{"decimals-in-consent", "source", "SRC-03", ""},
	{"no-xml", "source", "SRC-02", "SRC-03 SEC-01 SEC-02"},
	{"unknown-500", "source", "SRC-67", "SRC-13 SRC-49"},
	{"no-www-authenticate", "source", "SRC-41~", ""},
	{"cached-answer", "source", "SRC-32", ""},
	{"counted-ids", "source", "SRC-11", ""},
	{"patient-always", "source", "SRC-43", ""},
	{"scopes-not-looked-at", "source", "SRC-43", "SRC-67 SEC-05"},
	{"token-in-query", "source", "SRC-47", ""},
	{"searches-outside", "source", "SRC-49", ""},
	{"reads-outside", "source", "SRC-49", ""},
	{"jwt-as-token", "source", "SRC-46", ""},
	{"authorization-as-token", "source", "SRC-46", ""},
	{"dangling", "source", "SRC-65", "SRC-49"},
	{"token-by-get", "source", "SRC-36", ""},
	{"secret-in-error", "source", "SEC-05", ""},
	{"malformed-500", "source", "SEC-01", "SEC-02"},
	{"consents-open", "source", "SRC-48", ""},
	{"stranger-authorizes", "source", "SRC-48", ""},
	{"no-endorsements", "source", "SRC-12", ""},
	{"takes-unsuitable", "source", "SRC-23", ""},
	{"exchanged-once", "source", "SRC-30", "SRC-31 SRC-37 SRC-38"},
	{"patient-not-looked-for", "source", "SRC-04", ""},
	{"read-scope-deletes", "source", "SRC-44", ""},
	{"documents-closed", "source", "SRC-60", "SRC-49 SRC-65"},
	{"redirect-by-prefix", "source", "SRC-79", "SRC-70"},
	{"code-twice", "source", "SRC-74", ""},
	{"code-of-another", "source", "SRC-74 SRC-76", ""},
	{"verifier-optional", "source", "SRC-78", ""},
	{"state-trimmed", "source", "SRC-71", ""},

	{"drops-connections", "source", "SRC-58", "SRC-65 SRC-49 SRC-42"},
	{"hangs", "source", "SRC-59", "SRC-65 SRC-49 SRC-42"},

	{"jwt-with-newline", "target", "TGT-01", ""},
	{"jwt-without-source", "target", "TGT-02", ""},
	{"no-iat", "target", "TGT-04", ""},
	{"lives-two-days", "target", "TGT-05", ""},
	{"key-of-another", "target", "TGT-06", "*"},
	{"new-issuer", "target", "TGT-07", "*"},
	{"consent-not-checked", "target", "TGT-12", "SEC-05"},
	{"rounds-expires-in", "target", "TGT-14", ""},
	{"jwt-of-others", "target", "TGT-15", "TGT-17 TGT-42 SEC-05"},
	{"long-authorization", "target", "TGT-16", ""},
	{"jwt-altered", "target", "TGT-17", "TGT-15 TGT-42 SEC-05"},
	{"takes-twice", "target", "TGT-19", ""},
	{"wrong-name", "target", "TGT-11 TGT-12 TGT-13 TGT-14 TGT-15 TGT-16 TGT-17 TGT-19", "TGT-42"},
	{"jwt-in-form", "target", "TGT-21", "*"},
	{"fresh-jwt", "target", "TGT-21", "*"},
	{"token-in-url", "target", "TGT-22", "TGT-23 TGT-25 TGT-27"},
	{"next-anywhere", "target", "TGT-23", ""},
	{"follows-redirects", "target", "TGT-23", ""},
	{"no-smoking", "target", "TGT-24", "TGT-33"},
	{"first-page-only", "target", "TGT-25", "TGT-24 TGT-33"},
	{"decimals", "target", "TGT-26", "TGT-10 TGT-18 TGT-25 TGT-27 TGT-30 TGT-31 TGT-32 TGT-33 TGT-34"},
	{"references-stay", "target", "TGT-26", "TGT-10 TGT-18 TGT-25 TGT-27 TGT-30 TGT-31 TGT-32 TGT-33 TGT-34"},
	{"loses-extensions", "target", "TGT-26", "TGT-10 TGT-18 TGT-25 TGT-27 TGT-30 TGT-31 TGT-32 TGT-33 TGT-34"},
	{"asks-for-all", "target", "TGT-27", ""},
	{"never-expires", "target", "TGT-28", "TGT-40"},
	{"no-renewal", "target", "TGT-29", ""},
	{"no-retry-after", "target", "TGT-30", "TGT-26"},
	{"even-waits", "target", "TGT-30", "TGT-26"},
	{"restart-duplicates", "target", "TGT-31", ""},
	{"tokens-mixed", "target", "TGT-32", "TGT-22 TGT-24 TGT-26 TGT-27 TGT-40 TGT-41"},
	{"one-fails-all", "target", "TGT-33", "TGT-23"},
	{"second-copy", "target", "TGT-34", ""},
	{"patient-not-compared", "target", "TGT-40", ""},
	{"counts-off", "target", "TGT-40", ""},
	{"stop-does-nothing", "target", "TGT-41", ""},
	{"error-told-whole", "target", "TGT-42", ""},
	{"token-in-message", "target", "TGT-42", ""},
	{"jwt-in-error", "target", "TGT-42 SEC-05", ""},
	{"connections-open", "target", "TGT-43", "TGT-41"},

	{"others-endorsements", "cavs", "CAV-02", "CAV-06 CAV-10"},
	{"preliminary-counts", "cavs", "CAV-02", "CAV-06"},
	{"any-issuer", "cavs", "CAV-03", ""},
	{"any-subject", "cavs", "CAV-03", "CAV-02 CAV-05 CAV-06 CAV-10"},
	{"approves-inactive", "cavs", "CAV-05", "CAV-10"},
	{"only-approvals", "cavs", "CAV-06", "CAV-02 CAV-10"},
	{"unknown-without-jwt", "cavs", "CAV-07", ""},
	{"expired-jwt", "cavs", "CAV-08", ""},
	{"takes-none", "cavs", "CAV-09", ""},
	{"hmac-public-key", "cavs", "CAV-09", ""},
	{"embedded-key", "cavs", "CAV-09", ""},
	{"registry-cached", "cavs", "CAV-10", "CAV-02 CAV-05 CAV-06"},
	{"one-key-set", "cavs", "CAV-11", "CAV-12"},
	{"fetches-jku", "cavs", "CAV-11", ""},
	{"approves-unreachable", "cavs", "CAV-12", ""},
}

// EnvDefects says which defects are judged, and how: "all" are all of them,
// "whole" all of them by all of the role's requirements, anything else is a part
// of their names. Without it each third is judged, by its own requirements and
// some of the role that must pass beside them.
const EnvDefects = "ACME_DEFECTS"

var beside = map[string][]string{
	"source": {"SRC-01", "SRC-10", "SRC-30", "SRC-40", "SRC-53"},
	"target": {"TGT-03", "TGT-10", "TGT-20"},
	"cavs":   {"CAV-01", "CAV-04"},
}

// TestDefectsAreFound breaks one thing at a time: the judge must find it, and
// blame nothing else.
func TestDefectsAreFound(t *testing.T) {
	if underRace {
		t.Skip("what is judged is the same without the race detector")
	}
	choice := os.Getenv(EnvDefects)
	names := map[string]bool{}
	for i, d := range defects {
		names[d.name] = true
		if choice == "" && i%3 != 0 {
			continue // the kill matrix has hundreds beside these
		}
		t.Run(d.role+"-"+d.name, func(t *testing.T) {
			if !slices.Contains([]string{"", "all", "whole"}, choice) && !strings.Contains(d.role+"-"+d.name, choice) {
				t.Skip("not chosen")
			}
			breaks, with, should := strings.Fields(d.breaks), strings.Fields(d.with), false
			for i := range breaks {
				breaks[i], should = strings.CutSuffix(breaks[i], "~")
			}
			v := newVendor(t, "plain", d.name, slices.Contains(breaks, "TGT-31"))
			run := v.judge(t, d.role, func(o *suite.Options) {
				if choice != "whole" {
					o.Requirements = slices.Concat(breaks, beside[d.role])
				}
			})
			seen := map[string]bool{}
			for _, r := range run.Requirements {
				seen[r.ID] = true
				switch {
				case slices.Contains(breaks, r.ID) && !should && (r.Level == reports.SHALL || r.Claimed):
					assert.Equal(t, reports.Failed, r.Verdict, "%s %v", r.ID, r.Findings)
				case slices.Contains(breaks, r.ID):
					assert.Equal(t, reports.Warning, r.Verdict, "%s %v", r.ID, r.Findings)
				case r.Verdict == reports.Unjudged && dependent(r, breaks): // it was not seen for that reason
				case slices.Contains(with, r.ID) || d.with == "*" || r.Verdict == reports.Skipped || r.ID == "SEC-04":
				default:
					assert.Equal(t, reports.Passed, r.Verdict, "%s is to blame for nothing: %v", r.ID, r.Findings)
				}
			}
			for _, id := range breaks {
				assert.True(t, seen[id], "%s was not judged", id)
			}
			for _, s := range run.Scenarios {
				if d.with == "*" {
					break // what a mock refuses for that reason
				}
				assert.NotEqual(t, reports.Error, s.Verdict, "%s: %s", s.ID, s.Error)
			}
		})
	}
}

// dependent says that what was not judged ended with one of the broken requirements.
func dependent(r reports.Requirement, breaks []string) bool {
	return !slices.ContainsFunc(r.Findings, func(f reports.Finding) bool {
		return f.Verdict == reports.Unjudged && !slices.ContainsFunc(breaks, func(id string) bool { return strings.HasPrefix(f.Found, "after "+id+",") })
	})
}

// judge judges one role, without the doctor, who would find some defects first.
func (v *vendor) judge(t testing.TB, role string, change func(*suite.Options)) *reports.Run {
	t.Helper()
	file, err := suite.ReadSystem(v.file, os.Getenv)
	require.NoError(t, err)
	s, err := suite.OpenSystem(t.Context(), file, []string{role}, nil)
	require.NoError(t, err)
	defer func() { assert.NoError(t, s.Close(context.Background())) }()
	opt, err := s.Options(suite.Options{})
	require.NoError(t, err)
	change(&opt)
	run, err := suite.Run(t.Context(), opt)
	require.NoError(t, err)
	return run
}
