// Package control is the language of a node's control port, and its client.
//
// The control port is a second listener of a node, HTTP and JSON, never part of the EHR. Each call
// carries "Authorization: Bearer SECRET", the node's own control secret. Errors are JSON
// {"error": "..."} with a 4xx or 5xx status.
//
//	GET    /health            200 once the node is up
//	GET    /settings          Settings
//	PUT    /settings          Settings in; takes effect at once
//	POST   /snapshot          remember the store and the settings
//	POST   /reset             back to the snapshot: no rules, scripts, overrides, cuts or history; the clock real; the copier started again from what the store holds
//	GET    /clock             ClockState
//	POST   /clock             ClockMove in, ClockState out
//	POST   /idle              waits until nothing is in hand; ClockState out
//	GET    /rules             [Rule, ...] in order
//	POST   /rules             Rule in, the same with its id out; it comes after those there are
//	DELETE /rules             all rules, and all scripts
//	DELETE /rules/ID          one
//	GET    /scripts           [ScriptState, ...] in the order they were loaded
//	POST   /scripts           Script in, ScriptState out; its rules come after those there are
//	DELETE /scripts           all scripts, with the rules that they installed
//	DELETE /scripts/NAME      one
//	GET    /history           [Exchange, ...] in order; ?since=N: with seq over N; ?side=received or sent; ?not-by=TEXT: not
//	                          of requests with that User-Agent; ?last=N: of these the latest N
//	DELETE /history
//	GET    /copier            CopierState
//	POST   /load              a FHIR Bundle, collection or transaction, JSON: stored as it is, ids kept
//	PUT    /links             Links: what the node can't reach now
//	POST   /key               a new signing key
//
// Durations are texts such as "5m" or "1h30m"; times are RFC 3339.
package control

// The paths of the control port.
const (
	PathHealth   = "/health"
	PathSettings = "/settings"
	PathSnapshot = "/snapshot"
	PathReset    = "/reset"
	PathClock    = "/clock"
	PathIdle     = "/idle"
	PathRules    = "/rules"
	PathScripts  = "/scripts"
	PathHistory  = "/history"
	PathCopier   = "/copier"
	PathLoad     = "/load"
	PathLinks    = "/links"
	PathKey      = "/key"
)

// Problem is the body of an error.
type Problem struct {
	Error string `json:"error"`
}
