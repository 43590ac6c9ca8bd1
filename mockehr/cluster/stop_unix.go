//go:build unix && !linux

package cluster

import (
	"os"
	"syscall"
)

// suspend stops a process where it stands.
func suspend(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }

// unsuspend lets it go on.
func unsuspend(p *os.Process) error { return p.Signal(syscall.SIGCONT) }
