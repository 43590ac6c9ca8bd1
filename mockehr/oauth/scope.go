package oauth

import (
	"fmt"
	"slices"
	"strings"

	"example.org/ccde/mockehr/fhir"
)

// Scope is a SMART scope: (patient|user)/(type|*).(read|write|*).
type Scope struct {
	Level  string // patient or user
	Type   string // a resource type, or *
	Access string // read, write, or *
}

// ParseScope reads one SMART scope; the error says which part is wrong.
func ParseScope(text string) (Scope, error) {
	level, rest, ok := strings.Cut(text, "/")
	if !ok || (level != "patient" && level != "user") {
		return Scope{}, fmt.Errorf("scope %q: it must start with patient/ or user/", clip(text))
	}
	typ, access, ok := strings.Cut(rest, ".")
	if !ok || (access != "read" && access != "write" && access != "*") {
		return Scope{}, fmt.Errorf("scope %q: it must end with .read, .write or .*", clip(text))
	}
	if typ != "*" && !fhir.IsResourceType(typ) {
		return Scope{}, fmt.Errorf("scope %q: %q is no STU3 resource type", clip(text), clip(typ))
	}
	return Scope{Level: level, Type: typ, Access: access}, nil
}

// ParseScopes reads the SMART scopes of a space separated list; what is no SMART
// scope, such as openid, is left out. A scope that stands there twice comes once.
func ParseScopes(text string) []Scope {
	var scopes []Scope
	for word := range strings.FieldsSeq(text) {
		if s, err := ParseScope(word); err == nil && !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	return scopes
}

// String is the scope as it is written.
func (s Scope) String() string { return s.Level + "/" + s.Type + "." + s.Access }

// MarshalText writes the scope as [Scope.String].
func (s Scope) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Scope) UnmarshalText(text []byte) error {
	parsed, err := ParseScope(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}

// Covers tells whether the scope names access, "read" or "write", to a resource type.
func (s Scope) Covers(typ, access string) bool {
	return (s.Type == "*" || s.Type == typ) && (s.Access == "*" || s.Access == access)
}

// ScopeText is the space separated list.
func ScopeText(scopes []Scope) string {
	words := make([]string, len(scopes))
	for i, s := range scopes {
		words[i] = s.String()
	}
	return strings.Join(words, " ")
}

// Intersect is what both lists name: what was granted, less what was lost since,
// and nothing gained (protocol 1.4).
func Intersect(granted, now []Scope) []Scope {
	var both []Scope
	for _, a := range granted {
		for _, b := range now {
			s, ok := a.intersect(b)
			if ok && !slices.Contains(both, s) {
				both = append(both, s)
			}
		}
	}
	// What a wider one of the list says already is not said again.
	return slices.DeleteFunc(slices.Clone(both), func(s Scope) bool {
		return slices.ContainsFunc(both, func(t Scope) bool { return t != s && t.includes(s) })
	})
}

func (s Scope) intersect(t Scope) (Scope, bool) {
	r := s
	if s.Level != t.Level {
		r.Level = "patient" // the narrower
	}
	switch {
	case s.Type == "*":
		r.Type = t.Type
	case t.Type != "*" && t.Type != s.Type:
		return Scope{}, false
	}
	switch {
	case s.Access == "*":
		r.Access = t.Access
	case t.Access != "*" && t.Access != s.Access:
		return Scope{}, false
	}
	return r, true
}

func (s Scope) includes(t Scope) bool {
	return (s.Level == t.Level || s.Level == "user") && (s.Type == "*" || s.Type == t.Type) && (s.Access == "*" || s.Access == t.Access)
}

// clip shortens a foreign text for a message.
func clip(text string) string { return clipTo(text, 80) }

func clipTo(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}
