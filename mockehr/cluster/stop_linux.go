package cluster

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// suspend stops a child where it stands. The signal is only on its way when it
// is sent, and the child could still answer; so we wait until all its threads stand.
func suspend(p *os.Process) error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for {
		err := unix.Waitid(unix.P_PID, p.Pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			if err != nil {
				return fmt.Errorf("cluster: process %d was stopped: %w", p.Pid, err)
			}
			return nil
		}
	}
}

// unsuspend lets it go on.
func unsuspend(p *os.Process) error { return p.Signal(syscall.SIGCONT) }
