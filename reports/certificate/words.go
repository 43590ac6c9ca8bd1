package certificate

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"example.org/ccde/reports"
)

// Covers says what a certificate covers, a line each.
func (s *Statement) Covers() []string {
	out := []string{"system: " + s.System.title()}
	if len(s.System.Roles) == 0 {
		out = append(out, "roles: none of an outside system; the suite's own mocks played all")
	}
	for _, r := range s.System.Roles {
		out = append(out, fmt.Sprintf("role: %s at %s", r.Role, r.URL))
	}
	out = append(out, fmt.Sprintf("outcome: %s (exit code %d)", s.Outcome, s.ExitCode))
	if s.Coverage == Partial {
		out = append(out, "PARTIAL: "+strings.Join(s.Partial, "; "))
	} else {
		out = append(out, "whole: every requirement that binds these roles")
	}
	var counts []string
	for _, v := range reports.Verdicts() {
		if ids := s.ids(func(q Verdict) bool { return q.Verdict == v }); len(ids) > 0 {
			line := fmt.Sprintf("%d %s", len(ids), v)
			if v != reports.Passed && v != reports.Skipped {
				line += " (" + list(ids) + ")"
			}
			counts = append(counts, line)
		}
	}
	out = append(out, fmt.Sprintf("requirements: %d: %s", len(s.Requirements), strings.Join(counts, ", ")))
	for _, w := range s.Waivers {
		line := fmt.Sprintf("waiver: %s until %s: %s", w.ID, w.Until.Format(time.DateOnly), w.Reason)
		if w.Stale {
			line += " (stale)"
		}
		out = append(out, line)
	}
	out = append(out, fmt.Sprintf("suite: ccde %s, %d files by digest", cmp.Or(s.Suite.Version, "of no version"), len(s.Suite.Files)),
		fmt.Sprintf("run: %s, %d scenarios, mocks %s", s.Run.Started.UTC().Format(time.RFC3339), s.Run.Scenarios, s.Run.Runtime),
		"signed: "+s.Issued.UTC().Format(time.RFC3339))
	if s.Evidence != nil {
		out = append(out, fmt.Sprintf("evidence: %s, %d bytes, sha256 %s", s.Evidence.File, s.Evidence.Size, s.Evidence.SHA256))
	}
	return out
}

// CannotVouch says what a certificate can't vouch for, a line each.
func (s *Statement) CannotVouch() []string {
	out := []string{
		"that who holds the signing key is whom you think: the signature says no more than that this key signed this text",
		"that the suite was run as it is: whoever signs could have changed the program; compare the digests, or run it yourself",
	}
	if len(s.System.Roles) == 0 {
		out = append(out, "any system but the suite's own mocks")
	} else {
		out = append(out,
			"that what answered at these URLs is the named version of the named system: its config says so, nobody checked",
			"that the system is the same today, in another installation, or with other data than the run met")
	}
	if open := s.ids(func(q Verdict) bool {
		return q.Verdict == reports.Unjudged || q.Verdict == reports.Error || q.Verdict == reports.Skipped
	}); len(open) > 0 {
		out = append(out, "what was not judged: "+list(open))
	}
	if s.Coverage == Partial {
		out = append(out, "conformance as a whole: it is partial")
	}
	out = append(out, "times: they are those of the signer's clock")
	if s.Evidence == nil {
		out = append(out, "evidence: it names no report")
	} else {
		out = append(out, "the report itself, unless its bytes are compared with the digest")
	}
	return append(out, "anything beyond the requirements listed, such as load, operation, or the security of the system at large")
}

// OtherFiles are the suite's files that differ from those of another suite, by
// path: changed, missing here or missing there.
func (s *Statement) OtherFiles(mine []reports.Digest) []string {
	theirs := map[string]string{}
	for _, d := range s.Suite.Files {
		theirs[d.Path] = d.SHA256
	}
	var out []string
	for _, d := range mine {
		switch sum, there := theirs[d.Path]; {
		case !there:
			out = append(out, d.Path+" (not in the certificate)")
		case sum != d.SHA256:
			out = append(out, d.Path)
		}
		delete(theirs, d.Path)
	}
	for _, d := range s.Suite.Files {
		if _, left := theirs[d.Path]; left {
			out = append(out, d.Path+" (only in the certificate)")
		}
	}
	return out
}

func (s System) title() string {
	out := strings.TrimSpace(cmp.Or(s.Name, "without a name") + " " + s.Version)
	if s.Vendor != "" {
		out += " by " + s.Vendor
	}
	return out + ", dialect " + cmp.Or(s.Dialect, "strict")
}

// list is up to twelve ids and how many more there are.
func list(ids []string) string {
	const shown = 12
	if len(ids) > shown {
		return fmt.Sprintf("%s and %d more", strings.Join(ids[:shown], ", "), len(ids)-shown)
	}
	return strings.Join(ids, ", ")
}
