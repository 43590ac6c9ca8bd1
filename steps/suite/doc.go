// Package suite runs features: for the command, for go test, and for another
// module that brings features and steps of its own.
//
//	run, err := suite.Run(ctx, suite.Options{Runtime: "embedded", Dialect: "strict"})
//
// In a go test, [Test] makes each scenario a subtest, and [NewHarness] judges a
// server that the test starts; README.md shows how.
//
// An error says that nothing could be judged at all; what was judged, and what
// could not be in single scenarios, is in the run.
package suite
