package acme

import "time"

// Config is all that a server needs to know.
type Config struct {
	Addr        string   // where it listens
	Root        string   // the URL of the same, without a slash at its end
	State       string   // the journal's file; "" = nothing outlives the process
	Definitions string   // the folder of FHIR's own tables (elements.tsv, types.tsv, primitives.tsv)
	Load        []string // files of Bundles to start with
	// Trust are the key sets whose JWTs it takes, as source and as CAVS.
	Trust []string
	CAVS  string // the CAVS that it asks at $authorize; "" = none
	// Consumer is the bearer of the person's app, for the patient Patient; Admin the administrator's.
	Consumer, Patient, Admin string
	Every                    time.Duration // how often a target asks for what is new
	Redirect                 string        // the redirect_uri of its SMART clients
	Style                    Style
	Defect                   string
	// Certificate and Key are PEM files; "" = plain HTTP.
	Certificate, Key string
}

// Style is what a system is free to do in one way or another.
type Style struct {
	FHIR, Token, CAVS, Keys string // paths
	ES256                   bool   // signs so, else RS256
	OpaqueKid               bool   // kid is a word of jwks_uri's set, else the set's URL
	Reference               bool   // speaks as test.fhir.org did
	RefusesEarly            bool   // a Consent is refused at create already
	Forbids                 bool   // 403 where 404 (another's) or 401 (a connection not yours) would do
	AbsoluteReferences      bool   // in what it gives
	RelativeLinks           bool   // Location, Content-Location and next without scheme and host
	FewMedications          bool   // lists MedicationStatement alone of the four types
	Reverse                 bool   // the newest first
	OneObservationQuery     bool   // as a target: one query for all categories
	PostsParameters         bool   // an OperationOutcome names the parameter in expression, not in diagnostics
	KeepsIDs                bool   // a copy has the original's id where that is free
	DotIDs                  bool   // ids such as -.a1.b2
	Page                    int    // entries of a page where _count doesn't say
	NeverCharset            bool   // Content-Type without charset
	SameJWT                 bool   // gives the same JWT again for some time
}

// Styles are lawful ways of being the same system.
var Styles = map[string]Style{
	"plain": {FHIR: "/stu3/api", Token: "/oauth2/token", CAVS: "/verify/cavs", Keys: "/oauth2/jwks", KeepsIDs: true, Page: 25},
	"odd": {FHIR: "/tenant-7/fhir", Token: "/login/v2/access", CAVS: "/tenant-7/cavs", Keys: "/login/v2/keys.json",
		ES256: true, OpaqueKid: true, RefusesEarly: true, Forbids: true, AbsoluteReferences: true, RelativeLinks: true, FewMedications: true,
		Reverse: true, OneObservationQuery: true, PostsParameters: true, DotIDs: true, Page: 4, NeverCharset: true},
	"reference": {FHIR: "/r3", Token: "/auth/token", CAVS: "/auth/cavs", Keys: "/auth/auth_key", Reference: true, SameJWT: true, Page: 50},
}
