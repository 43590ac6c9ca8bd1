package config

import (
	_ "embed"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// example is a whole file, every field with what it is for.
//
//go:embed example.yaml
var example string

// Example is a file with every field, each with what it is for.
func Example() string { return example }

// Template says what stands in a new file; the zero value is the example's.
type Template struct {
	Name              string   // the system's
	Listen, Advertise string   // the front door
	Roles             []string // the others are commented out; nil = all stay
}

var topLevel = regexp.MustCompile(`^[a-z]+:`)

// Commented is the example as `ccde init` writes it: what one need not say is
// commented out.
func (t Template) Commented() string {
	var out strings.Builder
	section := ""
	for line := range strings.Lines(example) {
		text, optional := strings.CutSuffix(strings.TrimRight(line, "\n"), " #?")
		if name := topLevel.FindString(text); name != "" {
			section = strings.TrimSuffix(name, ":")
		} else if text == "" {
			section = ""
		}
		absent := len(t.Roles) > 0 && slices.Contains([]string{"source", "target", "cavs"}, section) && !slices.Contains(t.Roles, section)
		if optional {
			text = strings.TrimRight(text, " #")
		}
		if (optional || absent) && !strings.HasPrefix(text, "#") {
			text = "# " + strings.Replace(text, "   #", " #", 1)
		}
		text = t.filled(strings.TrimRight(text, " "))
		out.WriteString(text + "\n")
	}
	return out.String()
}

// filled is a line with what the template says in place of the example's.
func (t Template) filled(line string) string {
	for _, one := range []struct{ field, example, value string }{
		{"name", "Acme EHR", t.Name}, {"listen", DefaultListen, t.Listen}, {"advertise", "http://" + DefaultListen, t.Advertise},
	} {
		before, after, ok := strings.Cut(line, one.field+": "+one.example)
		if ok && one.value != "" && strings.TrimSpace(before) == "" {
			return before + one.field + ": " + strconv.Quote(one.value) + after
		}
	}
	return line
}

// Door is what a vendor enters at their side, by what it is for.
type Door struct {
	Advertise    string `json:"advertise"`    // the front door itself
	KeySet       string `json:"keySet"`       // of the harness's JWTs
	TargetKeySet string `json:"targetKeySet"` // of the mock target EHR's JWTs
	CAVS         string `json:"cavs"`         // the mock CAVS
	Source       string `json:"source"`       // the FHIR bases of the mocks
	SecondSource string `json:"source-2"`     //
	Target       string `json:"target"`       //
	Issuer       string `json:"issuer"`       // the iss of the harness's JWTs
	HarnessKeyIs string `json:"key"`          // the file of its key
}

// FrontDoor is what a vendor enters, where keys are those of the file s.Key.
func (s *System) FrontDoor(keys Keys) Door {
	root := s.Advertised()
	return Door{Advertise: root, KeySet: root + "/jwks.json", TargetKeySet: root + "/target/auth/auth_key", CAVS: root + "/cavs/auth/cavs",
		Source: root + "/source/r3", SecondSource: root + "/source-2/r3", Target: root + "/target/r3", Issuer: keys.Issuer, HarnessKeyIs: s.Path(s.Key)}
}
