//go:build unix && !linux

package cluster

import (
	"os/exec"
	"syscall"
)

// tie keeps a Ctrl-C of the terminal from a child: ending nodes is for the
// harness to do. That it dies with us is left to its standard input.
func tie(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
