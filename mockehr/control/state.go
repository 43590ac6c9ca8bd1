package control

import "time"

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
