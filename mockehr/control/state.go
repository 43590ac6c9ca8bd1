package control

import (
	"encoding/base64"
	"time"
)

// ClockState is a node's clock.
type ClockState struct {
	Now  time.Time `json:"now"`
	Held bool      `json:"held"`
	// Due is when the earliest timer fires, by this clock; nil if there is none.
	Due *time.Time `json:"due,omitempty"`
}

// ClockMove is what POST /clock does; fields are taken in this order.
type ClockMove struct {
	Hold bool       `json:"hold,omitempty"`
	Set  *time.Time `json:"set,omitempty"` // to that instant, also backwards
	Add  Duration   `json:"add,omitzero"`  // by that much, also backwards
	Run  bool       `json:"run,omitempty"`
}

// Links are the addresses, "host:port", that the node can't reach now.
type Links struct {
	Cut []string `json:"cut"`
}

// CopierState is the node's side of its connections, for the harness; it holds
// no secret.
type CopierState struct {
	Connections []ConnectionState `json:"connections"`
}

// ConnectionState is one connection (protocol 1.6).
type ConnectionState struct {
	ID        string         `json:"id"`
	Source    string         `json:"source"`
	Consent   string         `json:"consent"`
	Patient   string         `json:"patient,omitempty"`
	Owner     string         `json:"owner,omitempty"`
	Status    string         `json:"status"`
	Message   string         `json:"message,omitempty"`
	Started   time.Time      `json:"started,omitzero"`
	LastCheck time.Time      `json:"lastCheck,omitzero"`
	NextCheck time.Time      `json:"nextCheck,omitzero"`
	Expires   time.Time      `json:"expires,omitzero"`
	Copied    map[string]int `json:"copied,omitempty"`
}

// The sides of an exchange, as the node sees it.
const (
	Received = "received" // a request that came in, and its answer
	Sent     = "sent"     // a request that the node sent, and its answer
)

// Exchange is one request with its answer, as the node's history keeps it: of what it received, the
// request as it came and the answer as it left; of what it sent, the request as it left and the answer
// as the node read it. Nothing is masked. The history keeps the latest 2,000 exchanges, of one body
// 1 MiB, of all 64 MiB.
type Exchange struct {
	Seq  int64     `json:"seq"` // grows with every request of the node, also over a DELETE of the history
	Side string    `json:"side"`
	At   time.Time `json:"at"`   // when it began, by the node's clock
	Real time.Time `json:"real"` // the same in real time
	Peer string    `json:"peer"` // the other side's host:port
	Took Duration  `json:"took"` // real time

	Method         string   `json:"method"`
	URL            string   `json:"url"` // absolute
	Proto          string   `json:"proto"`
	RequestHeader  Header   `json:"requestHeader,omitempty"`
	RequestBody    Body     `json:"requestBody,omitzero"`
	Status         int      `json:"status,omitempty"` // 0 = no answer
	ResponseHeader Header   `json:"responseHeader,omitempty"`
	ResponseBody   Body     `json:"responseBody,omitzero"`
	Pending        bool     `json:"pending,omitempty"` // not over yet: what is still to come is missing
	Error          string   `json:"error,omitempty"`   // why there is no answer, or not all of it: dropped, refused, cut short
	Rules          []string `json:"rules,omitempty"`   // ids of the rules that acted, in order
	Faults         []string `json:"faults,omitempty"`  // what a rule could not do, and why; the exchange went on without
}

// Header is an http.Header.
type Header = map[string][]string

// Body is what the history keeps of a body.
type Body struct {
	Text string `json:"text,omitempty"`
	// Base64 says that Text is base64, since the bytes are no UTF-8.
	Base64    bool  `json:"base64,omitempty"`
	Size      int64 `json:"size,omitempty"`      // bytes in all
	Truncated bool  `json:"truncated,omitempty"` // Text is only the beginning
}

// Bytes are the bytes of the body, as far as they are kept.
func (b Body) Bytes() []byte {
	if !b.Base64 {
		return []byte(b.Text)
	}
	raw, err := base64.StdEncoding.DecodeString(b.Text)
	if err != nil {
		return nil
	}
	return raw
}
