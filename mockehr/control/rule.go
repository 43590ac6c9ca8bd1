package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// The phases, at one of which a rule acts.
const (
	OnRequest = "request" // before the node handles what came in, or before what it sends leaves
	OnAnswer  = "answer"  // before the answer leaves, or before the node reads it
)

// Rule makes a node misbehave: what fits Match gets the action, of which exactly one is set. Rules are
// asked in order, each at its phase; answer, drop, redirect and cut end the phase: later rules are not
// asked. At the answer phase every answer is seen, also one that a rule made.
type Rule struct {
	ID    string `json:"id,omitempty"`    // given by the node if empty; unique in it
	Side  string `json:"side,omitempty"`  // default received
	Phase string `json:"phase,omitempty"` // default: answer for change, cut and throttle, else request
	Match Match  `json:"match,omitzero"`
	Skip  int    `json:"skip,omitempty"`  // the first n that match are let pass
	Every int    `json:"every,omitempty"` // of the rest only each n-th: 3 is the 3rd, 6th, ..; 0 is all
	Times int    `json:"times,omitempty"` // acts at most n times; 0 is always

	Answer   *Answer   `json:"answer,omitempty"`   // this in place of what the node, or the other side, says
	Change   *Change   `json:"change,omitempty"`   // the answer, or at the request phase the request
	Wait     Duration  `json:"wait,omitzero"`      // real time
	Drop     bool      `json:"drop,omitempty"`     // the connection is closed without an answer
	Cut      *Cut      `json:"cut,omitempty"`      // the answer stops short of its announced length
	Throttle int64     `json:"throttle,omitempty"` // bytes of the answer's body a second
	Redirect string    `json:"redirect,omitempty"` // 307 to this URL
	Check    *Override `json:"check,omitempty"`    // a named check decides this
}

// Match is what a rule looks at; what is empty fits all. In a glob * stands for any text; in a path it
// stops at a slash, ** does not. A search by POST fits also as the GET that it stands for: without
// /_search, with the parameters of its form.
type Match struct {
	Method string            `json:"method,omitempty"` // GET, POST, ..
	Host   string            `json:"host,omitempty"`   // glob over "host:port" of the request
	Path   string            `json:"path,omitempty"`   // glob; received: below the node's root, such as /r3/Patient/*; sent: the whole path, such as **/Patient/*
	Query  map[string]string `json:"query,omitempty"`  // name: glob over one of its values
	Header map[string]string `json:"header,omitempty"` // name: glob over one of its values
	Body   string            `json:"body,omitempty"`   // a text that the request's body contains
	Status int               `json:"status,omitempty"` // of the answer; only at the answer phase
}

// Answer is a whole answer. Without a Content-Type header it is application/fhir+json for a FHIR
// resource, application/json for other JSON, else text/plain.
type Answer struct {
	Status     int               `json:"status,omitempty"` // default 200
	Headers    map[string]string `json:"headers,omitempty"`
	Body       string            `json:"body,omitempty"`
	BodyBase64 []byte            `json:"bodyBase64,omitempty"` // instead of Body
}

// Change is what becomes of a request or an answer. JSON members are named by a path: entry[0].resource.id,
// link[-1] (the last), entry[*].resource (each), meta.tag[2]; missing objects on the way are made, and
// an index one past the end appends.
type Change struct {
	Status     int               `json:"status,omitempty"`  // answers only
	Method     string            `json:"method,omitempty"`  // requests only
	URL        string            `json:"url,omitempty"`     // requests that are sent only: where to instead, whole
	Headers    map[string]string `json:"headers,omitempty"` // "" takes one away
	Body       *string           `json:"body,omitempty"`    // the whole body
	BodyBase64 []byte            `json:"bodyBase64,omitempty"`
	Set        map[string]any    `json:"set,omitempty"` // JSON path: value; null takes it away, after the others are set
}

// Cut announces an answer whole and closes the connection after so many bytes of its body.
type Cut struct {
	After int64 `json:"after"`
}

// Override decides a named check. The rule's match, if it has one, limits it to what is decided while
// a request that fits is handled; Status and body contents can't be matched.
type Override struct {
	ID      string          `json:"id"`                // such as SRC-14
	Verdict string          `json:"verdict,omitempty"` // "pass" or "fail", for a yes-or-no check
	Message string          `json:"message,omitempty"` // with fail: why
	Value   json.RawMessage `json:"value,omitempty"`   // for a value: this one
}

// The verdicts of an [Override].
const (
	Pass = "pass"
	Fail = "fail"
)

// When is the rule's phase, the default filled in.
func (r Rule) When() string {
	switch {
	case r.Phase != "":
		return r.Phase
	case r.Change != nil, r.Cut != nil, r.Throttle != 0:
		return OnAnswer
	default:
		return OnRequest
	}
}

// Validate returns what is wrong, each with its field and the fix, joined; nil if nothing is.
func (r Rule) Validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
	}
	switch r.Side {
	case "", Received, Sent:
	default:
		bad("side", "%q is unknown: use \"received\" or \"sent\"", shorten(r.Side))
	}
	switch r.Phase {
	case "", OnRequest, OnAnswer:
	default:
		bad("phase", "%q is unknown: use \"request\" or \"answer\"", shorten(r.Phase))
	}
	if r.ID == "." || r.ID == ".." || strings.ContainsFunc(r.ID, func(c rune) bool { return c == '/' || unicode.IsControl(c) }) {
		bad("id", "%q can't stand in a URL's path: use letters, digits and dashes", shorten(r.ID))
	}
	for _, n := range []struct {
		field string
		value int
	}{{"skip", r.Skip}, {"every", r.Every}, {"times", r.Times}} {
		if n.value < 0 {
			bad(n.field, "%d is negative: use 0 or more", n.value)
		}
	}
	if s := r.Match.Status; s != 0 && r.When() != OnAnswer {
		bad("match.status", "there is no answer yet: set phase to \"answer\", or remove it")
	} else if s != 0 && (s < 100 || s > 599) {
		bad("match.status", "%d is no HTTP status: use 100 to 599", s)
	}
	r.validateAction(bad)
	return errors.Join(errs...)
}
