// Package steps is how a feature is said: step definitions by topic, and the
// world in which one scenario happens.
//
// Steps act over real HTTP, as a person's app, an application or a
// stranger would, and read raw answers: they share no protocol code with the
// mock EHRs. A mock is touched in two ways only: at its EHR port, as anyone
// does, and at its control port, to set the stage and to see what it received.
package steps
