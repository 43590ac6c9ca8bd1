package cluster

import (
	"os/exec"
	"syscall"
)

// tie makes a child die with us, even if it is stopped, and keeps a Ctrl-C
// of the terminal from it: ending nodes is for the harness to do.
func tie(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
