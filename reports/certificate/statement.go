// Package certificate makes and checks the signed statement of a run: what was
// judged, by which suite, with what outcome, and the digest of the evidence.
//
// A certificate is a compact JWS (RFC 7515). Its payload is a Statement; its
// header names the format as typ, so that no other text that the same key
// signed is taken for one, and the key's fingerprint as kid.
package certificate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"example.org/ccde/reports"
)

// Format names the form of a statement. The number grows when a field changes
// its meaning or goes away; new fields leave it as it is.
const Format = "ccde-certificate/1"

// Statement is what a certificate says.
type Statement struct {
	Format string `json:"format"`
	// Issued is when it was signed, by the signer's clock.
	Issued time.Time `json:"issued"`
	System System    `json:"system"`
	Suite  Suite     `json:"suite"`
	Run    Run       `json:"run"`
	// Coverage is "whole" or "partial"; Partial says why it is partial.
	Coverage string   `json:"coverage"`
	Partial  []string `json:"partial,omitempty"`
	// ExitCode is that of the run (reports.ExitCode), Outcome the same in words.
	ExitCode int            `json:"exitCode"`
	Outcome  string         `json:"outcome"`
	Counts   reports.Counts `json:"counts"`
	// Requirements are the verdicts by id, in the catalogue's order.
	Requirements []Verdict        `json:"requirements"`
	Waivers      []reports.Waiver `json:"waivers,omitempty"`
	// Notes are the run's: what the config leaves unjudged, what could not be removed.
	Notes []string `json:"notes,omitempty"`
	// Config is the system's description, without its secrets.
	Config any `json:"config,omitempty"`
	// Evidence is the report that goes with the certificate; nil if there is none.
	Evidence *Evidence `json:"evidence,omitempty"`
}

// System is what was judged, as its own config names it.
type System struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Vendor  string `json:"vendor,omitempty"`
	// Dialect is the one that it claims: strict or test.fhir.org (protocol 2).
	Dialect string `json:"dialect"`
	// Roles are those that were judged, with their URLs; empty where mocks played all.
	Roles []reports.JudgedRole `json:"roles,omitempty"`
}

// Suite is what judged.
type Suite struct {
	Version string `json:"version,omitempty"`
	// Files are the feature files and the catalogue, requirements.yaml.
	Files []reports.Digest `json:"files"`
}

// Run is when and where it ran.
type Run struct {
	Started    time.Time `json:"started"`
	DurationMS float64   `json:"durationMs"`
	// Runtime is where mocks ran: docker, embedded or fake; Dialect what they spoke.
	Runtime   string `json:"runtime"`
	Dialect   string `json:"dialect"`
	Scenarios int    `json:"scenarios"`
}

// Verdict is the verdict on one requirement.
type Verdict struct {
	ID      string          `json:"id"`
	Role    string          `json:"role"`
	Level   string          `json:"level"`
	Claimed bool            `json:"claimed,omitempty"` // a MAY that the system says it has
	Verdict reports.Verdict `json:"verdict"`
	// Waiver is the reason for which a failure does not count.
	Waiver string `json:"waiver,omitempty"`
}

// Evidence names the report by its digest.
type Evidence struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"` // hex, of the file's bytes
	Size   int64  `json:"size"`   // bytes
}

// The values of Coverage.
const (
	Whole   = "whole"
	Partial = "partial"
)

// EvidenceOf reads the digest of a report.
func EvidenceOf(path string) (*Evidence, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("the report that the certificate is to name: %w", err)
	}
	defer f.Close()
	return digest(filepath.Base(path), f)
}

func digest(name string, r io.Reader) (*Evidence, error) {
	sum := sha256.New()
	n, err := io.Copy(sum, r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &Evidence{File: name, SHA256: hex.EncodeToString(sum.Sum(nil)), Size: n}, nil
}

// CheckEvidence says whether a report is the one that the statement names, to
// the byte; nil if it is.
func (s *Statement) CheckEvidence(report io.Reader) error {
	if s.Evidence == nil {
		return fmt.Errorf("the certificate names no report; nothing can be compared with it")
	}
	got, err := digest(s.Evidence.File, report)
	if err != nil {
		return err
	}
	if got.SHA256 != s.Evidence.SHA256 {
		return fmt.Errorf("this is not the report that the certificate names: it has sha256 %s and %d bytes, the certificate says %s and %d; give the %s that was written by the same run, unchanged",
			got.SHA256, got.Size, s.Evidence.SHA256, s.Evidence.Size, s.Evidence.File)
	}
	return nil
}

// of fills in what a run says.
func (s *Statement) of(run *reports.Run) {
	s.Format = Format
	s.System = System{Name: run.System, Version: run.SystemVersion, Vendor: run.Vendor, Dialect: run.Dialect, Roles: run.Judged}
	if run.JudgeDialect != "" {
		s.System.Dialect = run.JudgeDialect
	}
	s.Suite = Suite{Version: run.Version, Files: run.Files}
	s.Run = Run{Started: run.Started, DurationMS: run.DurationMS, Runtime: run.Runtime, Dialect: run.Dialect, Scenarios: len(run.Scenarios)}
	s.ExitCode, s.Counts = run.ExitCode, run.Counts
	s.Outcome = outcome(run.ExitCode)
	s.Waivers, s.Notes = run.Waivers, run.Notes
	s.Requirements = make([]Verdict, 0, len(run.Requirements))
	for _, q := range run.Requirements {
		s.Requirements = append(s.Requirements, Verdict{ID: q.ID, Role: q.Role, Level: q.Level, Claimed: q.Claimed, Verdict: q.Verdict, Waiver: q.Waiver})
	}
	s.Coverage, s.Partial = Whole, nil
	if run.Selection != "" {
		s.Partial = append(s.Partial, "only a part of the suite was run: "+run.Selection)
	}
	if run.Interrupted {
		s.Partial = append(s.Partial, "the run was cut short")
	}
	for _, v := range []reports.Verdict{reports.Error, reports.Unjudged} {
		if ids := s.counting(v); len(ids) > 0 {
			s.Partial = append(s.Partial, fmt.Sprintf("%s: %s", v, list(ids)))
		}
	}
	if run.Partial && len(s.Partial) == 0 {
		s.Partial = append(s.Partial, "a scenario could not be judged")
	}
	if len(s.Partial) > 0 {
		s.Coverage = Partial
	}
}

// counting are the ids with a verdict, as far as it makes a run partial.
func (s *Statement) counting(v reports.Verdict) []string {
	return s.ids(func(q Verdict) bool {
		return q.Verdict == v && (v == reports.Error || q.Level == reports.SHALL || q.Level == reports.MAY && q.Claimed)
	})
}

func (s *Statement) ids(want func(Verdict) bool) []string {
	var out []string
	for _, q := range s.Requirements {
		if want(q) {
			out = append(out, q.ID)
		}
	}
	return out
}

func outcome(code int) string {
	switch code {
	case reports.ExitConformant:
		return "conformant"
	case reports.ExitNotConformant:
		return "not conformant"
	case reports.ExitNotJudged:
		return "could not be judged whole"
	case reports.ExitStaleWaiver:
		return "conformant, with a stale waiver"
	}
	return "nothing was judged"
}
