package config

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestResolve(t *testing.T) {
	cases := []struct {
		name  string
		flags Run
		env   map[string]string
		want  Run
		err   string
	}{
		{"defaults", Run{}, nil, Run{"auto", "strict", "reports/out"}, ""},
		{"flags go first", Run{"docker", "test.fhir.org", "a"}, map[string]string{EnvRuntime: "embedded", EnvDialect: "strict", EnvReport: "b"}, Run{"docker", "test.fhir.org", "a"}, ""},
		{"environment", Run{}, map[string]string{EnvRuntime: "embedded", EnvDialect: "test.fhir.org", EnvReport: "b"}, Run{"embedded", "test.fhir.org", "b"}, ""},
		{"docker required", Run{}, map[string]string{EnvDocker: "require"}, Run{"docker", "strict", "reports/out"}, ""},
		{"docker off", Run{}, map[string]string{EnvDocker: "off"}, Run{"embedded", "strict", "reports/out"}, ""},
		{"runtime before docker", Run{}, map[string]string{EnvDocker: "require", EnvRuntime: "embedded"}, Run{"embedded", "strict", "reports/out"}, ""},
		{"bad flag", Run{Runtime: "podman"}, nil, Run{}, `--runtime "podman" is unknown; give auto, docker or embedded`},
		{"bad variable", Run{}, map[string]string{EnvDialect: "stu3"}, Run{}, `CCDE_DIALECT "stu3" is unknown; give strict or test.fhir.org`},
		{"bad docker", Run{}, map[string]string{EnvDocker: "yes"}, Run{}, `CCDE_DOCKER "yes" is unknown; give require, auto or off`},
	}
	for _, c := range cases {
		got, err := Resolve(c.flags, func(name string) string { return c.env[name] })
		if c.err != "" {
			assert.EqualError(t, err, c.err, c.name)
			continue
		}
		assert.NoError(t, err, c.name)
		assert.Equal(t, c.want, got, c.name)
	}
}
