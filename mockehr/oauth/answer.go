package oauth

import (
	"context"
	"encoding/json"

	"example.org/ccde/mockehr/check"
)

// Validator asks a CAVS about a JWT (protocol 1.7). A CAVS that can't be asked,
// or whose answer can't be read, is a *CAVSError.
type Validator interface {
	Validate(ctx context.Context, packed string) (Answer, error)
}

// The statuses of a CAVS's answer.
const (
	Approved   = "approved"
	Unsuitable = "unsuitable"
	Unknown    = "unknown"
	Invalid    = "invalid"
)

// Answer is what a CAVS says of a JWT.
type Answer struct {
	Status       string        `json:"status"`
	Message      string        `json:"message"`
	Endorsements []Endorsement `json:"endorsements"`
}

// Endorsement is what an organization says of an application.
type Endorsement struct {
	Endorser Endorser `json:"endorser"`
	Type     string   `json:"type"` // approval, warning or usage-note
	Comment  string   `json:"comment,omitempty"`
}

// Endorser is the organization behind an endorsement.
type Endorser struct {
	Name string `json:"name"`
	URL  string `json:"url,omitempty"`
}

// looseEndorsement is the shape of dialect test.fhir.org: type and comment
// inside the endorser (protocol 2).
type looseEndorsement struct {
	Endorser struct {
		Endorser
		Type    string `json:"type"`
		Comment string `json:"comment,omitempty"`
	} `json:"endorser"`
}

// JSON is the answer as a CAVS of dialect d writes it (protocol 1.7 and 2). The
// member endorsements is always there, empty if nobody endorsed.
func (a Answer) JSON(d check.Dialect) ([]byte, error) {
	if d != check.TestFHIR {
		if a.Endorsements == nil {
			a.Endorsements = []Endorsement{}
		}
		return json.Marshal(a)
	}
	list := make([]looseEndorsement, len(a.Endorsements))
	for i, e := range a.Endorsements {
		list[i].Endorser.Endorser, list[i].Endorser.Type, list[i].Endorser.Comment = e.Endorser, e.Type, e.Comment
	}
	return json.Marshal(struct {
		Status       string             `json:"status"`
		Message      string             `json:"message"`
		Endorsements []looseEndorsement `json:"endorsements"`
	}{a.Status, a.Message, list})
}

// CAVSError is a CAVS out of reach, or one that gave no usable answer. Status is
// the HTTP status that fits: 502 bad answer, 503 out of reach, 504 too slow.
type CAVSError struct {
	Status  int
	Message string
}

// Error is the message.
func (e *CAVSError) Error() string { return e.Message }
