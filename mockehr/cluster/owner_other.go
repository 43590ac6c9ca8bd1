//go:build !linux

package cluster

import (
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// processStart is the start of a living process in seconds since 1970, as
// ps(1) tells it.
func processStart(pid int) (string, bool) {
	cmd := exec.Command("ps", "-o", "lstart=", "-p", strconv.Itoa(pid))
	cmd.Env = append(cmd.Environ(), "LC_ALL=C", "TZ=UTC")
	out, err := cmd.Output()
	if err != nil {
		return "", false
	}
	start, err := time.Parse(time.ANSIC, strings.Join(strings.Fields(string(out)), " "))
	if err != nil {
		return "", false
	}
	return strconv.FormatInt(start.Unix(), 10), true
}
