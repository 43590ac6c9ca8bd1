//go:build !race

package steps

const underRace = false
