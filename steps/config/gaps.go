package config

import (
	"fmt"
	"slices"
	"strings"
)

// Gap is what a field that is missing, or says no, leaves unjudged.
type Gap struct {
	Field string
	IDs   []string
	Why   string
}

func (g Gap) String() string {
	return fmt.Sprintf("%s: %s: %s", g.Field, strings.Join(g.IDs, ", "), g.Why)
}

// Covers says whether an id is left unjudged by this gap.
func (g Gap) Covers(id string) bool {
	return slices.ContainsFunc(g.IDs, func(one string) bool {
		first, last, several := strings.Cut(one, " to ")
		if !several {
			return id == one
		}
		return len(id) == len(first) && id[:3] == first[:3] && first <= id && id <= last
	})
}

// Gaps says what the file leaves unjudged of these roles. Steps say it again,
// each scenario with its reason.
func (s *System) Gaps(roles []string) []Gap {
	var out []Gap
	gap := func(field, why string, ids ...string) { out = append(out, Gap{field, ids, why}) }
	if v := s.Source; v != nil && slices.Contains(roles, "source") {
		if !v.Consumer.Bearer.Given() {
			gap("source.consumer", "nobody can give a Consent", "SRC-01 to SRC-67")
		}
		if !v.Admin.Bearer.Given() {
			gap("source.admin", "nobody sees the other patient's record, and completeness is not seen", "SRC-42", "SRC-49", "SRC-51 to SRC-64")
		}
		if v.CAVS == "" {
			gap("source.cavs", "not said whom it asks at $authorize", "SRC-12", "SRC-23", "SRC-24")
		}
		if v.CAVS == "theirs" && s.CAVS == nil {
			gap("cavs", "its own CAVS is not described", "SRC-12", "SRC-23", "SRC-24")
		}
		if !Trusts(v.TrustsOurKeys) && !v.JWT.Given() {
			gap("source.jwt", "no JWT that it trusts can be had", "SRC-10 to SRC-49")
		} else if !Trusts(v.TrustsOurKeys) {
			gap("source.trusts-our-keys", "an expired JWT of an application can't be made", "SRC-22")
		}
	}
	if v := s.Target; v != nil && slices.Contains(roles, "target") {
		if !v.Readback.Bearer.Given() {
			gap("target.readback", "copies are not read back", "TGT-26", "TGT-27", "TGT-31 to TGT-33")
		}
		if !v.Consumer.Bearer.Given() {
			gap("target.consumer", "nobody connects as the person", "TGT-10 to TGT-43")
		}
		if v.Update.Every == 0 {
			gap("target.update.every", "not known how long to wait for an update", "TGT-27", "TGT-28", "TGT-29", "TGT-41")
		}
		if !v.ExpiredJWT.Given() {
			gap("target.expired-jwt", "its half about expired JWTs", "TGT-17")
		}
		if s.Command == nil {
			gap("command.start", "the harness can't kill and restart it", "TGT-31")
		}
	}
	if v := s.CAVS; v != nil && slices.Contains(roles, "cavs") {
		if v.Registry.FHIR == "" || !v.Registry.Bearer.Given() {
			gap("cavs.registry", "no entry can be made, so that only the known JWTs speak", "CAV-02", "CAV-05", "CAV-06", "CAV-10", "CAV-11", "CAV-12")
		}
		if !Trusts(v.TrustsOurKeys) {
			gap("cavs.trusts-our-keys", "no JWT that it trusts can be made", "CAV-02 to CAV-12")
		}
	}
	if s.Claims("SRC-73") && (s.SMART == nil || s.SMART.Client == "" || s.SMART.SignIn.Command == "") && slices.Contains(roles, "source") {
		gap("smart", "client or sign-in.command is missing; without the command it takes a person at a terminal", "SRC-05", "SRC-70 to SRC-79")
	}
	return out
}

// Skips gives the reason for each id that is not judged at all: the MAYs that
// the system doesn't claim, and what source.cavs: none leaves out. mays are the
// ids of all MAYs.
func (s *System) Skips(mays []string) map[string]string {
	out := map[string]string{}
	for _, id := range mays {
		if !s.Claims(id) {
			out[id] = "a MAY that the system does not claim (has)"
		}
	}
	if s.Source != nil && s.Source.CAVS == "none" {
		for _, id := range []string{"SRC-12", "SRC-23", "SRC-24"} {
			out[id] = "the source asks no CAVS (source.cavs: none)"
		}
	}
	return out
}
