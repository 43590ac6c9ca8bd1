// Command ccde proves that EHRs exchange a person's record as the CCDE protocol says.
package main

import "os"

func main() {
	os.Exit(execute(streams{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Getenv}, os.Args[1:]))
}
