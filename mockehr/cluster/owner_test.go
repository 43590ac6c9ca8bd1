package cluster

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOnlyADeadOwnerOfThisMachineIsCondemned(t *testing.T) {
	me := owner{Run: "mine", Host: "here#1", PID: 10, Start: "100"}
	living := map[int]string{10: "100", 20: "200"}
	startOf := func(pid int) (string, bool) { s, ok := living[pid]; return s, ok }
	for name, c := range map[string]struct {
		o    owner
		dead bool
	}{
		"alive":               {owner{"r", "here#1", 20, "200"}, false},
		"gone":                {owner{"r", "here#1", 30, "300"}, true},
		"its pid came again":  {owner{"r", "here#1", 20, "150"}, true},
		"another machine":     {owner{"r", "there#1", 30, "300"}, false},
		"another namespace":   {owner{"r", "here#2", 30, "300"}, false},
		"this run":            {owner{"mine", "here#1", 30, "300"}, false},
		"this process before": {owner{"r", "here#1", 10, "100"}, false},
		"host of a tag":       {owner{"r", hostDigest("here#1"), 30, "300"}, true},
	} {
		assert.Equal(t, c.dead, c.o.dead(me, startOf), name)
	}
}

func TestOwnerLabelsAndTags(t *testing.T) {
	me, err := self()
	require.NoError(t, err)
	got, ok := ownerOf(me.labels())
	require.True(t, ok)
	assert.Equal(t, me, got)
	assert.False(t, got.dead(me, processStart))
	other := me
	other.Run = "another"
	assert.False(t, other.dead(me, processStart), "this very process lives")

	tag := me.tag("0123456789ab")
	got, digest, ok := ownerOfTag(tag)
	require.True(t, ok, tag)
	assert.Equal(t, "0123456789ab", digest)
	assert.Equal(t, owner{Run: me.Run, Host: hostDigest(me.Host), PID: me.PID, Start: me.Start}, got)
	assert.LessOrEqual(t, len(tag), 128)

	for _, foreign := range []map[string]string{nil, {labelRun: "x"}, {labelRun: "x", labelHost: "h", labelPID: "no", labelStart: "1"}, {labelRun: "x", labelHost: "h", labelPID: "-1", labelStart: "1"}} {
		_, ok := ownerOf(foreign)
		assert.False(t, ok, foreign)
	}
	for _, foreign := range []string{"", "ccde-mockehr", "ccde-mockehr:latest", "other:a.b.1.2.c", "ccde-mockehr:a.b.x.2.c"} {
		_, _, ok := ownerOfTag(foreign)
		assert.False(t, ok, foreign)
	}
}

func TestProcessStart(t *testing.T) {
	mine, ok := processStart(os.Getpid())
	require.True(t, ok)
	again, _ := processStart(os.Getpid())
	assert.Equal(t, mine, again)
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	require.NoError(t, cmd.Run())
	_, ok = processStart(cmd.Process.Pid)
	assert.False(t, ok, "it has ended")
}

func TestWorkdirSweepsWhatDeadOwnersLeft(t *testing.T) {
	base := t.TempDir()
	me := owner{Run: "mine", Host: "here", PID: 10, Start: "100"}
	mk := func(host, pid, start string) string {
		path := filepath.Join(base, workdirPrefix+hostDigest(host)+"-"+pid+"-"+start+"-77")
		require.NoError(t, os.MkdirAll(filepath.Join(path, "deep"), 0o700))
		return path
	}
	dead, alive, elsewhere := mk("here", "30", "300"), mk("here", "20", "200"), mk("there", "30", "300")
	w := &workdir{me: me, base: base}
	own, err := w.sub("x-")
	require.NoError(t, err)
	w.sweep(func(pid int) (string, bool) {
		s, ok := map[int]string{10: "100", 20: "200"}[pid]
		return s, ok
	})
	assert.NoDirExists(t, dead)
	for _, path := range []string{alive, elsewhere, own} {
		assert.DirExists(t, path)
	}
	require.NoError(t, w.Close())
	assert.NoDirExists(t, own)
}
