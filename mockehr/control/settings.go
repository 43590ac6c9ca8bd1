package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Settings are what can be changed of a node while it runs.
type Settings struct {
	Dialect        string        `json:"dialect,omitempty"`       // "strict" (the default) or "test.fhir.org"
	CAVS           string        `json:"cavs,omitempty"`          // URL of the CAVS that $authorize asks, [auth base]/cavs; "" is none
	Trust          []KeySource   `json:"trust,omitempty"`         // the key sets that the node decides by, in order
	UpdateEvery    Duration      `json:"updateEvery,omitzero"`    // node time between two rounds of a connection; default 5m
	RequestTimeout Duration      `json:"requestTimeout,omitzero"` // real time that a request of the node may take; default 10s
	MaxBody        int64         `json:"maxBody,omitempty"`       // bytes of a body, received or read; default 32 MiB
	Clients        []OAuthClient `json:"clients,omitzero"`        // registered for SMART sign-in; default [DefaultClients], [] is none
	People         []Person      `json:"people,omitzero"`         // who can sign in; default [DefaultPeople], [] is nobody
}

// KeySource is a key set that a node trusts: by its URL, or inline.
type KeySource struct {
	URL    string          `json:"url,omitempty"`
	Keys   json.RawMessage `json:"keys,omitempty"`   // a JWK Set, or one JWK
	Issuer string          `json:"issuer,omitempty"` // the only `iss` that it counts for; "" is any
}

// The defaults of [Settings].
const (
	DefaultDialect        = "strict"
	DefaultUpdateEvery    = Duration(5 * time.Minute)
	DefaultRequestTimeout = Duration(10 * time.Second)
	DefaultMaxBody        = 32 << 20
)

// WithDefaults fills in what is not set.
func (s Settings) WithDefaults() Settings {
	if s.Dialect == "" {
		s.Dialect = DefaultDialect
	}
	if s.UpdateEvery == 0 {
		s.UpdateEvery = DefaultUpdateEvery
	}
	if s.RequestTimeout == 0 {
		s.RequestTimeout = DefaultRequestTimeout
	}
	if s.MaxBody == 0 {
		s.MaxBody = DefaultMaxBody
	}
	if s.Clients == nil {
		s.Clients = DefaultClients()
	}
	if s.People == nil {
		s.People = DefaultPeople()
	}
	return s
}

// Validate returns what is wrong, each with its field and the fix, joined; nil if nothing is.
func (s Settings) Validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
	}
	switch s.Dialect {
	case "", "strict", "test.fhir.org":
	default:
		bad("dialect", "%q is unknown: use \"strict\" or \"test.fhir.org\"", shorten(s.Dialect))
	}
	if s.CAVS != "" && !absolute(s.CAVS) {
		bad("cavs", "%q is no absolute http(s) URL: use one such as \"http://cavs.example/auth/cavs\", or \"\" for none", shorten(s.CAVS))
	}
	for i, k := range s.Trust {
		field := fmt.Sprintf("trust[%d]", i)
		switch {
		case k.URL == "" && len(k.Keys) == 0:
			bad(field, "names no keys: set url, or keys to a JWK Set")
		case k.URL != "" && len(k.Keys) != 0:
			bad(field, "has both url and keys: remove one")
		case k.URL != "" && !absolute(k.URL):
			bad(field+".url", "%q is no absolute http(s) URL", shorten(k.URL))
		case len(k.Keys) != 0 && !isObject(k.Keys):
			bad(field+".keys", "is no JSON object: use a JWK Set {\"keys\": [..]} or one JWK")
		}
	}
	for _, d := range []struct {
		field string
		value Duration
	}{{"updateEvery", s.UpdateEvery}, {"requestTimeout", s.RequestTimeout}} {
		if d.value < 0 {
			bad(d.field, "%s is negative: use a positive duration, or none for the default", d.value)
		}
	}
	if s.MaxBody < 0 {
		bad("maxBody", "%d is negative: use a number of bytes, or 0 for the default", s.MaxBody)
	}
	checkClients(s.Clients, bad)
	checkPeople(s.People, bad)
	return errors.Join(errs...)
}

func absolute(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

func isObject(raw json.RawMessage) bool {
	var m map[string]json.RawMessage
	return json.Unmarshal(raw, &m) == nil && m != nil
}
