package fhir

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// coding is a code and the system it belongs to.
type coding struct{ system, code string }

// valueSet is what a required binding allows. Its codes are read when first needed.
type valueSet struct {
	url string

	once    sync.Once
	codings map[coding]bool
	codes   map[string]bool
}

// valueSets are those that the types read so far are bound to.
var valueSets sync.Map // URL -> *valueSet

// valueSetOf returns the value set with that URL, nil for "".
func valueSetOf(url string) *valueSet {
	if url == "" {
		return nil
	}
	set, _ := valueSets.LoadOrStore(url, &valueSet{url: url})
	return set.(*valueSet)
}

// known tells whether s is a value set whose codes the specification has.
func (s *valueSet) known() bool {
	if s == nil {
		return false
	}
	s.once.Do(func() {
		s.codings, s.codes = map[coding]bool{}, map[string]bool{}
		for _, row := range codeRows(s.url) {
			if !row.Abstract {
				s.codings[coding{row.System, row.Code}] = true
				s.codes[row.Code] = true
			}
		}
	})
	return len(s.codes) > 0
}

// has tells whether a Coding is of the value set, which is known.
func (s *valueSet) has(c *Object) bool {
	return s.codings[coding{c.Text("system"), c.Text("code")}]
}

// list names the codes of a small value set for a message, "" for a large one.
func (s *valueSet) list() string {
	if len(s.codes) > 12 {
		return ""
	}
	return strings.Join(slices.Sorted(maps.Keys(s.codes)), ", ")
}
