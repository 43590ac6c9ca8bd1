//go:build !race

package acme_test

const underRace = false
