package control

import (
	"fmt"
	"strconv"
	"strings"
)

// Step is one step of a JSON path: into a member of an object, or an item of an array.
type Step struct {
	Name  string // of a member; "" for an item
	Index int    // of an item; negative counts from the end
	Each  bool   // each item: [*]
}

const maxSteps = 100

// ParsePath reads a JSON path such as entry[0].resource.id, link[-1].url or entry[*].resource. A name
// can hold anything but dots and brackets.
func ParsePath(text string) ([]Step, error) {
	var steps []Step
	fail := func(why string) ([]Step, error) {
		return nil, fmt.Errorf("path %q %s: use a form such as entry[0].resource.id", shorten(text), why)
	}
	rest := text
	for first := true; first || rest != ""; first = false {
		if len(steps) == maxSteps {
			return fail(fmt.Sprintf("has over %d steps", maxSteps))
		}
		if strings.HasPrefix(rest, "[") && (!first || len(rest) > 1) {
			inner, after, ok := strings.Cut(rest[1:], "]")
			if !ok {
				return fail("has a [ without ]")
			}
			if inner == "*" {
				steps = append(steps, Step{Each: true})
			} else if n, err := strconv.Atoi(inner); err == nil {
				steps = append(steps, Step{Index: n})
			} else {
				return fail(fmt.Sprintf("has [%s], which is no index", shorten(inner)))
			}
			rest = after
			continue
		}
		if !first {
			if !strings.HasPrefix(rest, ".") {
				return fail("has no dot or bracket after ]")
			}
			rest = rest[1:]
		}
		end := strings.IndexAny(rest, ".[]")
		if end < 0 {
			end = len(rest)
		}
		if end == 0 {
			return fail("has an empty name")
		}
		if rest[end:] != "" && rest[end] == ']' {
			return fail("has a ] without [")
		}
		steps = append(steps, Step{Name: rest[:end]})
		rest = rest[end:]
	}
	return steps, nil
}
