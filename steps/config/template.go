package config

import (
	_ "embed"
	"strings"
)

// example is a whole file, every field with what it is for.
//
//go:embed example.yaml
var example string

// Example is a file with every field, each with what it is for.
func Example() string { return example }

// Commented is the example as `ccde init` writes it: what one need not say is
// commented out, and name stands for the system.
func Commented(name string) string {
	var out strings.Builder
	for line := range strings.Lines(example) {
		text, optional := strings.CutSuffix(strings.TrimRight(line, "\n"), " #?")
		if optional {
			text = "# " + strings.TrimRight(text, " #")
		}
		out.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	return strings.Replace(out.String(), "Acme EHR", name, 1)
}
