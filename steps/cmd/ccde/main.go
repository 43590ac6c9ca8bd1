// Command ccde proves that EHRs exchange a person's record as the CCDE protocol says.
package main

import (
	"os"
	"runtime/debug"
)

// garbage is how much the heap may grow before it is collected, in percent: a
// run makes much that dies soon, and ends soon itself. GOGC says otherwise.
const garbage = 400

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	os.Exit(execute(streams{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Getenv}, os.Args[1:]))
}
