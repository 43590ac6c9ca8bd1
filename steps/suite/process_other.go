//go:build !unix

package suite

import "os/exec"

// Without process groups what a command starts outlives it.
func groupOfItsOwn(*exec.Cmd) {}

func killGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }
