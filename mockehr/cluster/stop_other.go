//go:build !unix

package cluster

import (
	"fmt"
	"os"
	"runtime"
)

func suspend(*os.Process) error {
	return fmt.Errorf("cluster: a process can't be paused on %s; use the docker runtime", runtime.GOOS)
}

func unsuspend(p *os.Process) error { return suspend(p) }
