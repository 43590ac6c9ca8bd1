package cluster

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOwnVersion(t *testing.T) {
	ours := func(version string) *debug.Module { return &debug.Module{Path: "example.org/ccde", Version: version} }
	for name, c := range map[string]struct {
		info *debug.BuildInfo
		want string
	}{
		"installed":       {&debug.BuildInfo{Main: *ours("v1.2.3")}, "v1.2.3"},
		"a dependency":    {&debug.BuildInfo{Main: debug.Module{Path: "else.where/x"}, Deps: []*debug.Module{ours("v0.1.0")}}, "v0.1.0"},
		"a work tree":     {&debug.BuildInfo{Main: *ours("(devel)")}, ""},
		"a dirty tree":    {&debug.BuildInfo{Main: *ours("v1.2.4-0.20260101000000-abcdef012345+dirty")}, ""},
		"replaced":        {&debug.BuildInfo{Deps: []*debug.Module{{Path: "example.org/ccde", Version: "v1.0.0", Replace: &debug.Module{Path: "../ccde"}}}}, ""},
		"not there":       {&debug.BuildInfo{Main: debug.Module{Path: "example.org/ccdex", Version: "v1.0.0"}}, ""},
		"no modules":      {&debug.BuildInfo{}, ""},
		"no information ": {nil, ""},
	} {
		got, ok := ownVersion(c.info, c.info != nil)
		assert.Equal(t, c.want != "", ok, name)
		if ok {
			assert.Equal(t, c.want, got, name)
		}
	}
}

func TestCheckBinary(t *testing.T) {
	text := filepath.Join(t.TempDir(), "mockehr")
	require.NoError(t, os.WriteFile(text, []byte("#!/bin/sh\n"), 0o700))
	linux := platform{"linux", runtime.GOARCH}
	assert.ErrorContains(t, checkBinary(text, linux), "no Linux program")
	assert.Error(t, checkBinary(text+"-missing", linux))
	assert.ErrorContains(t, checkBinary(t.TempDir(), linux), "no regular file")
	assert.NoError(t, checkBinary(text, platform{"darwin", "arm64"}))
	if runtime.GOOS == "linux" {
		other := "arm64"
		if runtime.GOARCH == other {
			other = "amd64"
		}
		assert.ErrorContains(t, checkBinary(os.Args[0], platform{"linux", other}), "needed is linux/"+other)
	}
}

func TestPortRange(t *testing.T) {
	assert.Equal(t, 32768, portCeiling(32768))
	assert.Equal(t, 49152, portCeiling(49152))
	assert.Equal(t, defaultEphemeral, portCeiling(1024), "a machine whose ephemeral range is nearly all")

	p := newPortRange()
	seen := map[int]bool{}
	for range 50 {
		ports, err := p.drawPair("127.0.0.1")
		require.NoError(t, err)
		for _, port := range []int{ports.EHR, ports.Control} {
			assert.False(t, seen[port])
			seen[port] = true
			assert.GreaterOrEqual(t, port, lowestPort)
			assert.Less(t, port, p.high)
		}
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	taken := l.Addr().(*net.TCPAddr).Port
	full := &portRange{low: taken, high: taken + 1, taken: map[int]bool{}}
	_, err = full.draw("127.0.0.1")
	require.ErrorContains(t, err, "no free port")
	_, err = net.Listen("tcp", l.Addr().String())
	assert.True(t, isPortTaken(err))
	assert.False(t, isPortTaken(nil))
}

func TestTailKeepsTheLastLines(t *testing.T) {
	tail := &tail{limit: 10}
	for range 100 {
		_, err := tail.Write([]byte("abc\n"))
		require.NoError(t, err)
	}
	assert.Equal(t, "...\nabc\nabc\n", tail.String())
	short := newTail()
	_, _ = short.Write([]byte("one\n"))
	assert.Equal(t, "one\n", short.String())
}
