package steps

import (
	"net/url"
	"slices"
	"strings"
)

// s4s is one query of the first-connection set (protocol 1.5).
type s4s struct {
	typ      string
	param    string // the parameter that names the patient
	category string // of Observations
	optional bool   // a MAY: the financial ones
}

// s4sQueries are the queries beside Patient/[id].
var s4sQueries = []s4s{
	{typ: "Observation", param: "patient", category: "social-history"},
	{typ: "Observation", param: "patient", category: "laboratory"},
	{typ: "Observation", param: "patient", category: "vital-signs"},
	{typ: "Condition", param: "patient"},
	{typ: "MedicationRequest", param: "patient"},
	{typ: "MedicationStatement", param: "patient"},
	{typ: "MedicationDispense", param: "patient"},
	{typ: "MedicationAdministration", param: "patient"},
	{typ: "AllergyIntolerance", param: "patient"},
	{typ: "Procedure", param: "patient"},
	{typ: "Immunization", param: "patient"},
	{typ: "DocumentReference", param: "patient"},
	{typ: "Coverage", param: "beneficiary", optional: true},
	{typ: "ExplanationOfBenefit", param: "patient", optional: true},
}

var medications = []string{"MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration"}

// path is the query for a patient, below the FHIR base.
func (q s4s) path(patient string) string {
	v := q.typ + "?" + q.param + "=" + url.QueryEscape(patient)
	if q.category != "" {
		v += "&category=" + q.category
	}
	return v
}

// asked says whether a search fetches what the query does: one that asks for
// less, such as only what has a certain code, does not.
func (q s4s) asked(typ string, v url.Values, patient string) bool {
	if typ != q.typ {
		return false
	}
	for name := range v {
		ofPatient := name == q.param || slices.Contains([]string{"subject", "patient", q.param + ":Patient", "subject:Patient"}, name)
		if !ofPatient && !strings.HasPrefix(name, "_") && !(name == "category" && q.category != "") {
			return false
		}
	}
	named := slices.Concat(v[q.param], v["subject"], v["patient"], v[q.param+":Patient"], v["subject:Patient"])
	if !slices.ContainsFunc(named, func(text string) bool {
		_, id, found := cutLast(text, "/")
		return text == patient || found && id == patient
	}) {
		return false
	}
	if q.category == "" || !v.Has("category") {
		return true
	}
	return slices.ContainsFunc(v["category"], func(text string) bool {
		return slices.ContainsFunc(strings.Split(text, ","), func(code string) bool {
			_, after, found := cutLast(code, "|")
			return code == q.category || found && after == q.category
		})
	})
}

// scopesName says whether SMART scopes let a type be read.
func scopesName(scopes, typ string) bool {
	for _, s := range strings.Fields(scopes) {
		_, rest, _ := strings.Cut(s, "/")
		name, what, _ := strings.Cut(rest, ".")
		if (name == "*" || name == typ) && (what == "read" || what == "*") {
			return true
		}
	}
	return false
}

// served are the rest entries of a CapabilityStatement that tell of the server;
// others tell what the system asks of servers, as a client.
func served(metadata map[string]any) []map[string]any {
	var out []map[string]any
	rest, _ := metadata["rest"].([]any)
	for _, r := range rest {
		if one := child(r); one["mode"] != "client" {
			out = append(out, one)
		}
	}
	return out
}

// listed are the types that a CapabilityStatement lists.
func listed(metadata map[string]any) []string {
	var out []string
	for _, r := range served(metadata) {
		resources, _ := r["resource"].([]any)
		for _, one := range resources {
			out = append(out, asText(child(one)["type"]))
		}
	}
	return out
}
