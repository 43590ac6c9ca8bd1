package cluster

import (
	"fmt"
	"os"
	"strings"
)

// processStart is the start of a living process in clock ticks since boot
// (proc(5), field 22 of stat): unlike a date it never shifts with the clock.
func processStart(pid int) (string, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", false
	}
	return parseStat(string(stat))
}

// parseStat reads the start from a stat line. The second field, the
// command's name, may itself hold spaces and parentheses.
func parseStat(stat string) (string, bool) {
	end := strings.LastIndexByte(stat, ')')
	if end < 0 {
		return "", false
	}
	fields := strings.Fields(stat[end+1:]) // from field 3, the state
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return "", false // dead, and only not yet waited for
	}
	return fields[19], true
}
