//go:build race

package acme_test

// underRace: the race detector watches, which makes a run ten times slower.
const underRace = true
