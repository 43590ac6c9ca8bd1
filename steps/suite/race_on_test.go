//go:build race

package suite

// UnderRace: the race detector watches. It makes a run ten times slower, and
// one run takes every path of harness and nodes.
const UnderRace = true
