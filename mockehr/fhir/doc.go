// Package fhir reads, writes and checks FHIR STU3 (3.0.2) resources.
//
// A resource is an [Object]: the JSON form as an ordered tree, with numbers as
// text, so that nothing is lost. XML is a projection of that tree through the
// tables of the specification, which are embedded (folder tables); each type is
// read from them when first needed. [Validate] checks a resource against the same
// tables, [SearchParams] and [CompartmentPatients] evaluate it by them.
//
// The parsers take hostile input: what they refuse is a *[SyntaxError] with line,
// column and path; depth is bounded, and there are no entities of one's own. All
// here are pure functions and safe for concurrent use; an Object itself is not.
package fhir
