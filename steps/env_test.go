package steps

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestAScenarioHasTimeForItsWaits(t *testing.T) {
	assert.Equal(t, 2*time.Minute, (&Env{Timeouts: Timeouts{Copy: time.Hour}}).ScenarioTime(), "mocks' time is not real")
	for _, env := range []*Env{{}, {Timeouts: Timeouts{Copy: 15 * time.Second}}, {UpdateEvery: 45 * time.Second}, {UpdateEvery: time.Minute, Timeouts: Timeouts{Copy: 5 * time.Minute}}} {
		env.Roles = map[string]Role{"target": {}}
		// A copy, two updates with what they bring, and what is left of a connection that lasts for two.
		waits := env.Timeouts.copy() + 2*(env.UpdateEvery+env.Timeouts.copy()) + env.UpdateEvery*5/2
		assert.Greater(t, env.ScenarioTime(), waits, "%+v", env)
	}
}
