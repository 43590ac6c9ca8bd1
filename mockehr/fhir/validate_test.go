package fhir

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What the specification gives as an example is valid.
func TestValidateExamples(t *testing.T) {
	for _, e := range examples(t) {
		t.Run(e.name, func(t *testing.T) {
			o, err := ParseJSON(e.json)
			require.NoError(t, err)
			for _, issue := range Validate(o) {
				assert.Equal(t, "warning", issue.Severity, "%s: %s", issue.Code, issue.Diagnostics)
			}
		})
	}
	assert.NotEmpty(t, examples(t))
}
