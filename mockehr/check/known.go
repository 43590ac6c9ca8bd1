package check

import "slices"

// Known is a check that a node makes, for who overrides it.
type Known struct {
	ID      string
	YesOrNo bool   // it passes or refuses
	Value   string // what it decides: what the value is; "" if it is yes or no alone
	Inputs  string // names of the inputs, parted by spaces; of some calls not all
}

// All are the checks that a node makes, by id.
func All() []Known { return slices.Clone(known) }

// Find is the check of an id.
func Find(id string) (Known, bool) {
	i := slices.IndexFunc(known, func(k Known) bool { return k.ID == id })
	if i < 0 {
		return Known{}, false
	}
	return known[i], true
}

const (
	ofConsent = "consent status policy_rule excepts scope resource"
	ofPatient = "consent patient there signed_in resource"
	ofConnect = "parameter value values"
	ofCAVS    = "jwt alg kid iss sub exp reason"
	ofEntry   = "jwt iss sub devices statuses"
)

var known = []Known{
	{"TGT-02", true, "", "source"},
	{"TGT-03", false, "alg of the JWT; none and HS256 are signed as a forger would", "sub"},
	{"TGT-04", false, "claims of the JWT", "sub"},
	{"TGT-05", false, "seconds that the JWT lives", "sub"},
	{"TGT-06", false, "kid of the JWT", "sub"},
	{"TGT-07", false, "iss of the JWT", "sub"},
	{"TGT-09", true, "", "for caller"},
	{"TGT-11", true, "", ofConnect},
	{"TGT-12", true, "", ofConnect},
	{"TGT-13", true, "", ofConnect},
	{"TGT-14", true, "", ofConnect},
	{"TGT-15", true, "", ofConnect},
	{"TGT-16", true, "", ofConnect},
	{"TGT-17", true, "", "parameter value"},
	{"TGT-19", true, "", ofConnect},
	{"TGT-20", false, "form of the token request", "endpoint connection authorization"},
	{"TGT-21", false, "JWT that is sent as the Bearer", "endpoint connection"},
	{"TGT-22", false, "where the access token goes: header, query or none", "url token"},
	{"TGT-23", true, "", "url source by secret"},
	{"TGT-24", false, "list of queries, such as Condition?patient=example", "connection source patient scope"},
	{"TGT-25", false, "URL of the next page; empty at the end", "connection query url next page"},
	{"TGT-26", false, "resource as it is stored; {} loses it", "connection source type id local original"},
	{"TGT-27", false, "_lastUpdated that is asked for, such as gt2017-08-01T10:00:00Z; empty for all", "connection query round"},
	{"TGT-28", true, "", "connection now expires"},
	{"TGT-29", false, "True: a new token is asked for", "connection url tries"},
	{"TGT-30", false, "seconds to wait before the next attempt; negative gives up", "connection query status retryAfter attempt"},
	{"TGT-31", false, "False: the connection is not gone on with after a start", "connection source status queries"},
	{"TGT-32", false, "text by which the original of a copy is known", "connection source patient type id"},
	{"TGT-33", true, "", "connection query url text"},
	{"TGT-34", false, "id of the connection that this authorization has already; empty for a new one", "source consent patient"},
	{"TGT-41", false, "False: it says that it stopped, and goes on", "connection status"},
	{"TGT-42", false, "message as it is shown", "connection text jwt authorization token"},
	{"TGT-43", true, "", "id what caller"},
	{"SRC-04", true, "", ofPatient},
	{"SRC-05", true, "", ofPatient},
	{"SRC-11", false, "the authorization's id", "consent jwt"},
	{"SRC-12", false, "{status, message, endorsements: [{endorser: {name, url}, type, comment}]}", "jwt status message"},
	{"SRC-13", true, "", "consent"},
	{"SRC-14", true, "", ofConsent},
	{"SRC-15", true, "", ofPatient},
	{"SRC-16", true, "", "consent period_end until now resource"},
	{"SRC-17", true, "", ofConsent},
	{"SRC-18", true, "", ofConsent},
	{"SRC-19", true, "", ofConsent},
	{"SRC-20", true, "", "value code now"},
	{"SRC-21", true, "", "jwt"},
	{"SRC-22", true, "", "jwt alg kid iss sub exp now reason"},
	{"SRC-23", true, "", "jwt status message"},
	{"SRC-24", true, "", "jwt"},
	{"SRC-31", false, "{scope, patient, expires_in}", "jwt requested consent left authorized_scope"},
	{"SRC-32", false, "Cache-Control; empty for none", ""},
	{"SRC-33", true, "", "jwt"},
	{"SRC-34", true, "", "jwt authorized scope consent"},
	{"SRC-35", true, "", "jwt scope known"},
	{"SRC-36", true, "", "grant_type method"},
	{"SRC-37", true, "", "consent made expires now"},
	{"SRC-38", true, "", "consent status deleted patient authorized_patient authorized_scope period_end now resource"},
	{"SRC-41", true, "", "what caller"},
	{"SRC-42", true, "patient whose compartment a search is held to; empty for all", "type id patient patients resource search"},
	{"SRC-43", true, "", "type scope patient"},
	{"SRC-44", true, "", "type scope"},
	{"SRC-45", true, "scopes that the token has now", "consent patient expires now status deleted granted period_end resource consent_scope"},
	{"SRC-46", false, "{patient, scopes: [..]} of a bearer that is not known", "bearer"},
	{"SRC-47", false, "bearer that is taken from the query; empty for none", "access_token"},
	{"SRC-48", true, "", "what type id caller write"},
	{"SRC-49", true, "", "type id patient search"},
	{"SRC-63", false, "_lastUpdated that is searched by", "_lastUpdated type"},
	{"SRC-64", false, "cursor of the next page; empty at the end", "type next count total query"},
	{"SRC-70", true, "", "parameter value client_id registered"},
	{"SRC-71", false, "state that goes back", "state client_id"},
	{"SRC-72", false, "error that a denial gives", "client_id user"},
	{"SRC-73", false, "{scope, patient, expires_in}", "client_id granted user"},
	{"SRC-74", true, "", "parameter value client_id given_to grant_type requested used expires now method"},
	{"SRC-75", true, "{scope, patient, expires_in}", "parameter value granted client_id user"},
	{"SRC-76", true, "", "parameter value client_id given_to grant_type used method"},
	{"SRC-77", true, "", "grant ended parameter client_id given_to"},
	{"SRC-78", true, "", "parameter value method challenge client_id"},
	{"SRC-79", true, "", "parameter value registered client_id"},
	{"CAV-02", false, "endorsements: [{endorser: {name, url}, type, comment}]", ofEntry},
	{"CAV-03", true, "", ofEntry},
	{"CAV-04", true, "", ofCAVS},
	{"CAV-05", true, "", ofEntry},
	{"CAV-07", true, "", "jwt"},
	{"CAV-08", true, "", ofCAVS},
	{"CAV-09", true, "", "jwt alg kid iss sub exp"},
	{"CAV-10", false, "{status, message, endorsements}", "jwt"},
	{"CAV-12", true, "", "jwt alg kid iss sub exp"},
}
