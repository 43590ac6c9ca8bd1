//go:build race

package steps

// underRace: the race detector watches, and SQLite under it is 12 times slower.
const underRace = true
