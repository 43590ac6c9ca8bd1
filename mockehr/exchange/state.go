package exchange

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"example.org/ccde/mockehr/store"
)

// Kinds of records in the store.
const (
	kindConnection    = "exchange.connection"    // connection id -> state
	kindAuthorization = "exchange.authorization" // hash of source and authorization -> connection id
	kindCopy          = "exchange.copy"          // type/hash of the original's URL -> id of the copy
	kindHeld          = "exchange.held"          // connection/type/id at the source -> id of the copy
	kindWanted        = "exchange.wanted"        // connection/type/id at the source -> wanted: referred to, not copied
	kindReferrer      = "exchange.referrer"      // connection/type/id at the source/type/id of the copy that refers to it
)

// state is all that must outlive a restart of one connection, but for what it copied.
type state struct {
	ID, Source, Consent, Patient, Owner string
	Base                                string // Source, as normalBase has it
	Status                              Status
	Started, Expires                    time.Time
	LastCheck, NextCheck                time.Time
	Message                             string

	JWT, Authorization string // gone once the connection is over
	Token              token

	Round   int
	Active  bool // a round is under way
	Queries []query
	Copied  map[string]int
}

// token is an access token as the source gave it.
type token struct {
	Value   string
	Scope   string
	Expires time.Time // zero: it didn't say
}

func (t token) alive(now time.Time) bool {
	return t.Value != "" && (t.Expires.IsZero() || now.Before(t.Expires))
}

// query is one entry of the first-connection set and how far it has come.
type query struct {
	Text  string    // Observation?category=laboratory&patient=1, or Patient/1
	Since time.Time // _lastUpdated of the next search, by the source's clock; zero: all
	AsOf  time.Time // the source's Date at the first page of the search under way
	At    time.Time // the same moment by the node's own clock
	Until time.Time // At, of the last search that came to its end
	Next  string    // the page to go on with; "": the first
	Pages int
	Bytes int64
	Done  bool
}

func (st *state) clone() *state {
	c := *st
	c.Queries = slices.Clone(st.Queries)
	c.Copied = maps.Clone(st.Copied)
	return &c
}

// query finds one by its text; nil if it isn't in the plan.
func (st *state) query(text string) *query {
	for i := range st.Queries {
		if st.Queries[i].Text == text {
			return &st.Queries[i]
		}
	}
	return nil
}

func (st *state) texts() []string {
	texts := make([]string, len(st.Queries))
	for i, q := range st.Queries {
		texts[i] = q.Text
	}
	return texts
}

// end gives a connection its last status and forgets its secrets.
func (st *state) end(s Status, message string) {
	st.Status, st.Message = s, message
	st.Active, st.NextCheck = false, time.Time{}
	st.JWT, st.Authorization, st.Token = "", "", token{}
	for i := range st.Queries {
		st.Queries[i].Next = "" // a source may hide anything in a link
	}
}

func (st *state) view() Connection {
	c := Connection{
		ID: st.ID, Source: st.Source, Consent: st.Consent, Patient: st.Patient, Owner: st.Owner, Status: st.Status,
		Started: st.Started, Expires: st.Expires, LastCheck: st.LastCheck, Message: st.Message,
		Copied: maps.Clone(st.Copied), Round: st.Round,
	}
	if st.NextCheck.Before(st.Expires) {
		c.NextCheck = st.NextCheck
	}
	for _, q := range st.Queries {
		c.Work = append(c.Work, Work{Query: q.Text, Done: q.Done, Pages: q.Pages, Since: q.Since})
	}
	return c
}

func (st *state) write(tx *store.Tx) error { return tx.PutRecord(kindConnection, st.ID, st) }

func readState(tx *store.Tx, id string) (*state, error) {
	st := &state{}
	if err := tx.Record(kindConnection, id, st); err != nil {
		return nil, err
	}
	if st.Copied == nil {
		st.Copied = map[string]int{}
	}
	return st, nil
}

func eachState(tx *store.Tx, fn func(*state)) error {
	return tx.Records(kindConnection, "", func(_ string, raw json.RawMessage) error {
		st := &state{Copied: map[string]int{}}
		if err := json.Unmarshal(raw, st); err != nil {
			return err
		}
		fn(st)
		return nil
	})
}
