package cluster

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

const statLine = "42 (a (b) c) S 1 42 42 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 8 0 987654 1 1 1"

func TestParseStat(t *testing.T) {
	start, ok := parseStat(statLine)
	assert.True(t, ok)
	assert.Equal(t, "987654", start)
	for _, bad := range []string{"", "42", "42 (x)", "42 (x) S 1 2", "42 (x) Z 1 42 42 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 8 0 987654"} {
		_, ok := parseStat(bad)
		assert.False(t, ok, bad)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add(statLine)
	f.Fuzz(func(t *testing.T, line string) {
		if start, ok := parseStat(line); ok && start == "" {
			t.Fatal("a start that is empty")
		}
	})
}

func FuzzOwnerOfTag(f *testing.F) {
	f.Add(owner{Run: "r", Host: "h", PID: 3, Start: "9"}.tag("abc"))
	f.Fuzz(func(t *testing.T, tag string) {
		if o, _, ok := ownerOfTag(tag); ok && o.PID <= 0 {
			t.Fatal("an owner without a process")
		}
	})
}
