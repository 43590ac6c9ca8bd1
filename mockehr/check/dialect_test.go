package check

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDialects(t *testing.T) {
	tests := map[string]struct {
		name string
		want Dialect
		err  string
	}{
		"none":             {"", Strict, ""},
		"strict":           {"strict", Strict, ""},
		"reference server": {"test.fhir.org", TestFHIR, ""},
		"unknown":          {"loose", "", `dialect "loose" is unknown: use "strict" or "test.fhir.org"`},
		"capitals":         {"Strict", "", `dialect "Strict" is unknown: use "strict" or "test.fhir.org"`},
		"spaces":           {" strict", "", `dialect " strict" is unknown: use "strict" or "test.fhir.org"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseDialect(tt.name)
			assert.Equal(t, tt.want, got)
			if tt.err != "" {
				require.EqualError(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.want, New(Dialect(tt.name)).Dialect())

			c := New(TestFHIR)
			c.SetDialect(Dialect(tt.name))
			assert.Equal(t, tt.want, c.Dialect())
			c = New(Strict)
			c.SetDialect(Dialect(tt.name))
			assert.Equal(t, tt.want, c.Dialect())
		})
	}
}
