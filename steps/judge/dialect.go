package judge

// TestFHIR is the dialect of the server behind test.fhir.org (protocol 2).
const TestFHIR = "test.fhir.org"

// Row is one row of the dialect tables. A row of form excuses any system, one
// of substance only a system that claims the dialect test.fhir.org.
type Row struct {
	name      string
	substance bool
}

// Name is the row's name, as protocol 2 has it.
func (r Row) Name() string { return r.name }

// Excuses says whether what stands in this row's right column is a warning only.
func (r *Record) Excuses(row Row) bool { return !row.substance || r.opts.Dialect == TestFHIR }

// The rows of the first table: form.
var (
	TokenErrors      = Row{name: "token errors"}
	ExpiresInText    = Row{name: "expires_in"}
	ConnectOutcome   = Row{name: "$connect 200 outcome"}
	OperationErrors  = Row{name: "errors of operations, and at create of a Consent"}
	JWTIssuedAt      = Row{name: "JWT iat"}
	JWTKeyID         = Row{name: "JWT kid"}
	AuthKey          = Row{name: "auth_key"}
	AuthorizeMessage = Row{name: "$authorize message parameter"}
	CAVSEndorsement  = Row{name: "CAVS endorsement"}
	CAVSApplication  = Row{name: "CAVS, which application"}
)

// The rows of the second table: substance.
var (
	JWTAtAuthorize   = Row{name: "JWT at $authorize", substance: true}
	CAVSAtAuthorize  = Row{name: "CAVS's \"invalid\", \"unsuitable\" at $authorize", substance: true}
	CAVSExpired      = Row{name: "CAVS, expired JWT", substance: true}
	ConsentWithdrawn = Row{name: "Consent withdrawn after $authorize", substance: true}
	MalformedInput   = Row{name: "malformed input", substance: true}
)
