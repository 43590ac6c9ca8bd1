//go:build !race

package suite_test

const underRace = false
