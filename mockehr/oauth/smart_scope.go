package oauth

import (
	"slices"
	"strings"
)

// The scopes of protocol 1.8 that name no resources.
const (
	ScopeLaunchPatient = "launch/patient" // tells the application which patient was chosen
	ScopeOffline       = "offline_access" // gives a refresh token
)

// grantable is what a sign-in can grant of the scopes that were asked for, in
// that order, each once. What is not known here is left out (RFC 6749 3.3), and
// so is writing: a token of a sign-in reads the record and writes nothing but
// Consents (protocol 1.9), so .* becomes .read.
func grantable(text string) []string {
	var words []string
	add := func(word string) {
		if !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	for word := range strings.FieldsSeq(text) {
		if word == ScopeLaunchPatient || word == ScopeOffline {
			add(word)
			continue
		}
		if scope, err := ParseScope(word); err == nil && scope.Access != "write" {
			scope.Access = "read"
			add(scope.String())
		}
	}
	return words
}

// wider is the first of the wanted scopes that goes beyond those granted, ""
// if none does (RFC 6749 6).
func wider(wanted, granted []string) string {
	scopes := ParseScopes(strings.Join(granted, " "))
	for _, word := range wanted {
		if slices.Contains(granted, word) {
			continue
		}
		scope, err := ParseScope(word)
		if err != nil || !slices.ContainsFunc(scopes, func(g Scope) bool { return g.includes(scope) }) {
			return word
		}
	}
	return ""
}
