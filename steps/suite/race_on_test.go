//go:build race

package suite

// UnderRace: the race detector watches. It makes a run ten times slower, so
// that one plays a third of the requirements, and none in which time really passes.
const UnderRace = true
