// Package fhir reads, writes and checks FHIR STU3 (3.0.2) resources.
//
// A resource is an [Object]: the JSON form as an ordered tree, with numbers as
// text, so that nothing is lost. XML is a projection of that tree through the
// tables of the specification, which are embedded (folder tables) and loaded
// when first needed. [Validate] checks a resource against the same tables.
//
// Everything here is a pure function of its arguments and safe for concurrent
// use; an Object itself is not.
package fhir
