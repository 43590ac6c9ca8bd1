// Command lint checks the import rules of the house: which of our packages may
// import which, and what the node's binary must not hold. Test files are free.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

const module = "example.org/ccde/"

// everything under mockehr below the server may ask checks and the clock.
var base = []string{"mockehr/check", "mockehr/clock"}

// allowed names, for each package, what of ours it may import; a package that
// is not listed here is an error, so that a new one gets its place.
var allowed = map[string][]string{
	"features":            {},
	"fixtures":            {},
	"reports":             {},
	"reports/certificate": {"reports"},
	"steps/config":        {},
	"mockehr/fhir":        {},
	"mockehr/control":     {},
	"mockehr/check":       {},
	"mockehr/clock":       {},
	"mockehr/store":       with(base, "mockehr/fhir"),
	"mockehr/oauth":       with(base, "mockehr/fhir", "mockehr/store"),
	"mockehr/cavs":        with(base, "mockehr/fhir", "mockehr/store", "mockehr/oauth"),
	"mockehr/exchange":    with(base, "mockehr/fhir", "mockehr/store", "mockehr/oauth"),
	"mockehr/script":      with(base, "mockehr/fhir", "mockehr/store", "mockehr/oauth", "mockehr/control"),
	"mockehr":             with(base, "mockehr/fhir", "mockehr/store", "mockehr/oauth", "mockehr/cavs", "mockehr/exchange", "mockehr/script", "mockehr/control"),
	"mockehr/cmd/mockehr": {"mockehr"},
	"mockehr/cluster":     {"mockehr", "mockehr/control", "mockehr/oauth", "mockehr/clock", "mockehr/check", "mockehr/fhir", "mockehr/store"},
	"steps/judge":         {"reports", "mockehr/fhir"},
	"steps":               {"steps/judge", "steps/config", "reports", "features", "fixtures", "mockehr/fhir", "mockehr/cluster", "mockehr/control"},
	"steps/suite":         {"steps", "steps/judge", "steps/config", "reports", "features", "fixtures", "mockehr/fhir", "mockehr/cluster", "mockehr/control"},
	"steps/suite/acme":    {},
	"steps/cmd/ccde":      {"steps", "steps/suite", "steps/judge", "steps/config", "reports", "reports/certificate", "features", "fixtures", "mockehr/fhir", "mockehr/cluster", "mockehr/control"},
}

// notInNode are modules that the node's binary must not hold.
var notInNode = []string{"github.com/cucumber/", "github.com/stretchr/", "github.com/testcontainers/", "github.com/moby/", "github.com/docker/"}

func with(list []string, more ...string) []string { return append(slices.Clone(list), more...) }

type pkg struct {
	ImportPath string
	Imports    []string
}

func main() {
	packages, err := list("./...")
	if err != nil {
		fmt.Fprintln(os.Stderr, "lint:", err)
		os.Exit(2)
	}
	problems := imports(packages)
	if slices.ContainsFunc(packages, func(p pkg) bool { return p.ImportPath == module+"mockehr/cmd/mockehr" }) {
		held, err := list("-deps", "./mockehr/cmd/mockehr")
		if err != nil {
			fmt.Fprintln(os.Stderr, "lint:", err)
			os.Exit(2)
		}
		problems = append(problems, node(held)...)
	}
	for _, p := range problems {
		fmt.Fprintln(os.Stderr, "lint:", p)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
}

// imports are the imports that the rules don't allow.
func imports(packages []pkg) (problems []string) {
	for _, p := range packages {
		name, ours := strings.CutPrefix(p.ImportPath, module)
		if !ours {
			continue
		}
		may, known := allowed[name]
		if !known {
			problems = append(problems, name+" has no place in the import rules; give it one in .ci/lint")
			continue
		}
		for _, imported := range p.Imports {
			if what, ours := strings.CutPrefix(imported, module); ours && !slices.Contains(may, what) {
				problems = append(problems, name+" must not import "+what)
			}
		}
	}
	return problems
}

func node(held []pkg) (problems []string) {
	for _, p := range held {
		for _, prefix := range notInNode {
			if strings.HasPrefix(p.ImportPath, prefix) {
				problems = append(problems, "the node's binary holds "+p.ImportPath)
			}
		}
	}
	return problems
}

func list(args ...string) ([]pkg, error) {
	out, err := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports"}, args...)...).Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w", strings.Join(args, " "), err)
	}
	var packages []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); err == io.EOF {
			return packages, nil
		} else if err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
}
