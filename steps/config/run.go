// Package config says what is run and where, as a person describes it: by
// flags, over the environment, over defaults.
package config

import (
	"fmt"
	"slices"
	"strings"
)

// Run is where a run happens and what its mocks speak. An empty field was not given.
type Run struct {
	Runtime string // auto, docker or embedded
	Dialect string // strict or test.fhir.org
	Report  string // the folder that the reports go to
}

// The environment variables that stand in for flags.
const (
	EnvRuntime = "CCDE_RUNTIME" // --runtime
	EnvDialect = "CCDE_DIALECT" // --dialect
	EnvReport  = "CCDE_REPORT"  // --report
	// EnvDocker says require, auto or off: what --runtime says with docker, auto
	// and embedded. CCDE_RUNTIME goes before it.
	EnvDocker = "CCDE_DOCKER"
)

// Words are what a field can be.
var (
	runtimes = []string{"auto", "docker", "embedded"}
	dialects = []string{"strict", "test.fhir.org"}
	dockers  = map[string]string{"require": "docker", "auto": "auto", "off": "embedded"}
)

// Resolve fills what the flags leave open from the environment, the rest with
// defaults: auto, strict, reports/out. The error names the flag or variable at
// fault and what it may be.
func Resolve(flags Run, env func(string) string) (Run, error) {
	out := flags
	at := Run{Runtime: "--runtime", Dialect: "--dialect", Report: "--report"}
	if out.Runtime == "" {
		out.Runtime, at.Runtime = env(EnvRuntime), EnvRuntime
	}
	if out.Runtime == "" {
		word := env(EnvDocker)
		if out.Runtime = dockers[word]; out.Runtime == "" && word != "" {
			return out, fmt.Errorf("%s %q is unknown; give require, auto or off", EnvDocker, word)
		}
	}
	if out.Runtime == "" {
		out.Runtime = "auto"
	}
	if out.Dialect == "" {
		out.Dialect, at.Dialect = env(EnvDialect), EnvDialect
	}
	if out.Dialect == "" {
		out.Dialect = "strict"
	}
	if out.Report == "" {
		out.Report, at.Report = env(EnvReport), EnvReport
	}
	if out.Report == "" {
		out.Report = "reports/out"
	}
	if err := oneOf(at.Runtime, out.Runtime, runtimes); err != nil {
		return out, err
	}
	return out, oneOf(at.Dialect, out.Dialect, dialects)
}

func oneOf(at, value string, words []string) error {
	if slices.Contains(words, value) {
		return nil
	}
	return fmt.Errorf("%s %q is unknown; give %s or %s", at, value,
		strings.Join(words[:len(words)-1], ", "), words[len(words)-1])
}
