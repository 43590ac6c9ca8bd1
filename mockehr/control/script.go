package control

import (
	"errors"
	"fmt"
	"regexp"
)

// MaxScript is the longest text of a script, in bytes.
const MaxScript = 64 << 10

// Script makes a node misbehave in ways that no single rule can: a text in Starlark whose functions are
// called by rules that it installs (mockehr/script/README.md).
type Script struct {
	Name string `json:"name"` // for messages and ids of rules, such as slow-token.star; unique in the node
	Text string `json:"text"`
}

var scriptName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.= -]{0,99}$`)

// Validate returns what is wrong, with the field and the fix; nil if nothing is. Whether the text is
// Starlark only the node can tell.
func (s Script) Validate() error {
	var errs []error
	if !scriptName.MatchString(s.Name) {
		errs = append(errs, fmt.Errorf("name: %q is no name of a script: use one such as \"slow-token.star\"", shorten(s.Name)))
	}
	if len(s.Text) > MaxScript {
		errs = append(errs, fmt.Errorf("text: has %d bytes; at most %d are taken: make several scripts of it", len(s.Text), MaxScript))
	}
	return errors.Join(errs...)
}

// ScriptState is a script at work.
type ScriptState struct {
	Name  string   `json:"name"`
	Rules []string `json:"rules"` // ids of the rules that it installed: NAME:LINE
	// Errors are what went wrong while it ran, each NAME:LINE:COLUMN: what; the first 50.
	Errors []string       `json:"errors,omitempty"`
	Log    []string       `json:"log,omitempty"`    // what it logged: the first 200 lines
	Counts map[string]int `json:"counts,omitempty"` // what it counted
}
