package check

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	decision = regexp.MustCompile(`(Do|do|doToken|Value|sendBack|refuse|checkGrant|known|give|authenticate|refuseParameter|Refuse|refuseToken|badID|refuseClient)\([^"\n]*"([A-Z]{3}-[0-9]{2})"|(?:const (?:id|of)|id)(?:, name)? :?= "([A-Z]{3}-[0-9]{2})"|^\s*\{+"([A-Z]{3}-[0-9]{2})"`)
	// TGT-40 is the id of a refusal that nothing decides: a parameter that is missing.
	undecided = map[string]bool{"TGT-40": true}
)

// What is known here is what the node's code decides, no more and no less.
func TestKnownIsWhatTheCodeDecides(t *testing.T) {
	made := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "check" || d.Name() == "script") {
			return errOr(err, filepath.SkipDir)
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			for _, m := range decision.FindAllStringSubmatch(line, -1) {
				if id := m[2] + m[3] + m[4]; !undecided[id] {
					made[id] = true
				}
			}
		}
		return nil
	})
	require.NoError(t, err)
	listed := map[string]bool{}
	for _, k := range All() {
		assert.False(t, listed[k.ID], "%s stands there twice", k.ID)
		listed[k.ID] = true
		found, ok := Find(k.ID)
		assert.True(t, ok && found == k)
		assert.True(t, k.YesOrNo || k.Value != "", "%s decides something", k.ID)
	}
	assert.Equal(t, made, listed)
	_, ok := Find("SRC-99")
	assert.False(t, ok)
}

func errOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}
