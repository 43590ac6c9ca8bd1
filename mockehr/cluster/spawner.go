package cluster

import (
	"os/exec"
	"runtime"
	"sync"
)

// spawner starts processes on one thread that lives as long as it does. On
// Linux a child may be told to die with the thread that started it, and Go
// ends threads when it likes.
type spawner struct {
	once  sync.Once
	jobs  chan spawnJob
	ended chan struct{}
	stop  sync.Once
}

type spawnJob struct {
	cmd  *exec.Cmd
	done chan error
}

func newSpawner() *spawner {
	return &spawner{jobs: make(chan spawnJob), ended: make(chan struct{})}
}

// start starts cmd such that it dies with this process, as far as the
// system can do that.
func (s *spawner) start(cmd *exec.Cmd) error {
	s.once.Do(func() { go s.run() })
	tie(cmd)
	job := spawnJob{cmd, make(chan error, 1)}
	select {
	case s.jobs <- job:
		return <-job.done
	case <-s.ended:
		return errClosed
	}
}

func (s *spawner) run() {
	runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
	for {
		select {
		case job := <-s.jobs:
			job.done <- job.cmd.Start()
		case <-s.ended:
			return
		}
	}
}

func (s *spawner) close() { s.stop.Do(func() { close(s.ended) }) }
