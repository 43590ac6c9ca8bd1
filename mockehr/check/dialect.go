package check

import "fmt"

// Dialect is how a node speaks and how strictly it decides (protocol section 2).
type Dialect string

// The dialects.
const (
	Strict   Dialect = "strict"        // as the protocol says
	TestFHIR Dialect = "test.fhir.org" // as the reference server of August 2017 did
)

// ParseDialect reads a dialect's name; "" is [Strict].
func ParseDialect(name string) (Dialect, error) {
	switch d := orStrict(Dialect(name)); d {
	case Strict, TestFHIR:
		return d, nil
	default:
		return "", fmt.Errorf("dialect %q is unknown: use %q or %q", name, Strict, TestFHIR)
	}
}

func orStrict(d Dialect) Dialect {
	if d == "" {
		return Strict
	}
	return d
}
