package check

import "fmt"

// Refusal is why a node says no. It is an error; the writer of an endpoint's family turns it into an
// OperationOutcome, an OAuth error or a CAVS answer, as the dialect has it.
type Refusal struct {
	ID         string // the requirement, such as SRC-14
	Status     int    // the HTTP status of the strict dialect
	Code       string // FHIR issue type: invalid, required, value, not-found, forbidden, ...
	Message    string // for a person: what is wrong, and what would be right; never a secret
	Expression string // FHIRPath of the element, or name of the parameter; "" if there is none
}

// Refuse returns a [Refusal] with a formatted message.
func Refuse(id string, status int, code, expression, format string, args ...any) *Refusal {
	return &Refusal{ID: id, Status: status, Code: code, Expression: expression, Message: fmt.Sprintf(format, args...)}
}

// Error is the message.
func (r *Refusal) Error() string { return r.Message }
