//go:build !unix

package cluster

// isAddrInUse is left to the error's text here.
func isAddrInUse(error) bool { return false }
