// Package acme is a second implementation of each role of the protocol: a
// source EHR, a target EHR and a CAVS in one server, written from the protocol
// alone. It shares no code with the mock EHR, or with the judge; it exists so
// that the judge is tried on a system that nobody made to fit it.
//
// It is small and keeps its resources in memory, with a journal in a file for
// what must outlive a kill. Where the protocol leaves freedom it takes it, and a
// Style says which: paths, shapes of ids, keys, statuses, page links, order. A
// Defect, one of Defects, breaks one thing in it.
//
// Only tests import it.
package acme
