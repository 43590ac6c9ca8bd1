// Package reports holds the result of a run and writes it down: as one web
// page for people, as JUnit XML for a CI server and as JSON for programs.
//
// The model knows nothing of how a verdict was reached. What goes into it must
// be masked already: a report holds no token, signature or secret.
package reports

import (
	"encoding/json"
	"time"
)

// Schema names the form of report.json. The number grows when a field changes
// its meaning or goes away; new fields leave it as it is.
const Schema = "ccde-report/1"

// Verdict says how a finding, a scenario or a requirement came out, in the
// text that report.json shows.
type Verdict = string

// The verdicts, as the reports name them.
const (
	Passed   Verdict = "passed"
	Warning  Verdict = "warning"  // a SHOULD that was not met, or a form that the dialect tables excuse
	Failed   Verdict = "failed"   // a SHALL, or a claimed MAY, that was not met
	Waived   Verdict = "waived"   // failed, with a waiver that holds
	Skipped  Verdict = "skipped"  // a MAY that the system does not claim, or what its config leaves out
	Unjudged Verdict = "unjudged" // could not be looked at; the finding says what was missing
	Error    Verdict = "error"    // the harness or its config could not judge; says nothing of the system
)

// Verdicts lists all verdicts in the order in which summaries show them.
func Verdicts() []Verdict {
	return []Verdict{Passed, Warning, Failed, Waived, Error, Unjudged, Skipped}
}

// The levels of a requirement (protocol 3).
const (
	SHALL  = "SHALL"
	SHOULD = "SHOULD"
	MAY    = "MAY"
)

// Exchange is one HTTP request and its answer, masked.
type Exchange struct {
	// Seq numbers the exchanges of one scenario from 1, in the order they began.
	Seq int `json:"seq"`
	// At is the real time at which the request began.
	At time.Time `json:"at"`
	// From and To name who called whom: "judge", "consumer", "target", "source", "cavs", ...
	From   string `json:"from"`
	To     string `json:"to"`
	Method string `json:"method"`
	URL    string `json:"url"`
	// RequestHeaders and ResponseHeaders are name and value, in order.
	RequestHeaders  [][2]string `json:"requestHeaders,omitempty"`
	ResponseHeaders [][2]string `json:"responseHeaders,omitempty"`
	RequestBody     string      `json:"requestBody,omitempty"`
	ResponseBody    string      `json:"responseBody,omitempty"`
	// Status is the HTTP status, 0 if no answer came; Error says why then.
	Status     int     `json:"status"`
	DurationMS float64 `json:"durationMs"`
	Error      string  `json:"error,omitempty"`
}

// JWT is a JWT that was seen, without its signature.
type JWT struct {
	// Label is the fingerprint that stands in its place in the exchanges: the same
	// one has the same label throughout a run.
	Label string `json:"label"`
	// Header and Claims are what it holds: an object, or text where it is no JSON.
	Header json.RawMessage `json:"header"`
	Claims json.RawMessage `json:"claims"`
	Seen   []JWTPlace      `json:"seen"`
}

// JWTPlace is where a JWT stood: in an exchange, by its Seq, as "request header
// Authorization", "request body", "answer body", "URL" or the like.
type JWTPlace struct {
	Exchange int    `json:"exchange"`
	Where    string `json:"where"`
}

// Finding is what a step saw of one requirement.
type Finding struct {
	ID       string  `json:"id"`
	Level    string  `json:"level"`
	Verdict  Verdict `json:"verdict"`
	Expected string  `json:"expected,omitempty"`
	// Found is what was there instead, or why nothing could be judged.
	Found string `json:"found,omitempty"`
	// Exchanges are the Seq of those exchanges of the scenario that show it.
	Exchanges []int `json:"exchanges,omitempty"`
	// Scenario is the id of the scenario it comes from; set when a run is rolled up.
	Scenario string `json:"scenario,omitempty"`
}

// Step is one line of a scenario.
type Step struct {
	// Keyword is Given, When, Then, And or But.
	Keyword string `json:"keyword"`
	Text    string `json:"text"`
	// Argument is the doc string or table below the step, as text.
	Argument string `json:"argument,omitempty"`
	// Verdict is passed, failed, skipped, unjudged or error.
	Verdict    Verdict `json:"verdict"`
	DurationMS float64 `json:"durationMs"`
	Error      string  `json:"error,omitempty"`
}

// Scenario is one scenario, or one row of an outline, that ran.
type Scenario struct {
	// ID is unique in the run, made of the file's name and the scenario's, the same from run to run.
	ID      string `json:"id"`
	Name    string `json:"name"`
	Feature string `json:"feature"`
	// URI is the feature file's path, Line the line of the scenario's keyword in it.
	URI  string `json:"uri"`
	Line int    `json:"line,omitempty"`
	// Role is the one whose requirements it judges: target, source, cavs or system.
	Role string   `json:"role"`
	Tags []string `json:"tags,omitempty"`
	// Requirements are the ids it judges, in order of its tags.
	Requirements []string   `json:"requirements,omitempty"`
	Verdict      Verdict    `json:"verdict"`
	Started      time.Time  `json:"started"`
	DurationMS   float64    `json:"durationMs"`
	Steps        []Step     `json:"steps"`
	Findings     []Finding  `json:"findings,omitempty"`
	Exchanges    []Exchange `json:"exchanges,omitempty"`
	// JWTs are those that the exchanges hold, decoded.
	JWTs []JWT `json:"jwts,omitempty"`
	// Error says why the harness could not judge; empty if it could.
	Error string `json:"error,omitempty"`
}

// Requirement is one id of the protocol and what became of it.
type Requirement struct {
	ID     string `json:"id"`
	Role   string `json:"role"`
	Level  string `json:"level"`
	Text   string `json:"text,omitempty"`
	Source string `json:"source,omitempty"`
	// Claimed says that the system has what a MAY describes; it counts as a SHALL then.
	Claimed bool    `json:"claimed,omitempty"`
	Verdict Verdict `json:"verdict"`
	// Findings are those of all its scenarios, worst first.
	Findings []Finding `json:"findings,omitempty"`
	// Scenarios are the ids of the scenarios that judge it.
	Scenarios []string `json:"scenarios"`
	// Waiver is the reason for which a failure does not count; empty if there is none.
	Waiver string `json:"waiver,omitempty"`
}

// Counts is a number of requirements by verdict.
type Counts map[Verdict]int

// Group is one line of the summary: the requirements of a role at a level.
type Group struct {
	Role   string `json:"role"`
	Level  string `json:"level"`
	Counts Counts `json:"counts"`
	Total  int    `json:"total"`
}

// Run is a whole run: what ran, where, and what came out.
type Run struct {
	Schema string `json:"schema"`
	// Version is the suite's.
	Version string `json:"version,omitempty"`
	// Files are the feature files and the catalogue that it judged by.
	Files []Digest `json:"files,omitempty"`
	// System, SystemVersion and Vendor name what was judged, as its config does.
	System        string `json:"system,omitempty"`
	SystemVersion string `json:"systemVersion,omitempty"`
	Vendor        string `json:"vendor,omitempty"`
	// Judged are the roles of an outside system that were judged; empty where mocks played all.
	Judged []JudgedRole `json:"judged,omitempty"`
	// Runtime is where the mocks ran: docker, embedded or fake; Why says how it was chosen.
	Runtime string `json:"runtime"`
	Why     string `json:"why,omitempty"`
	// Dialect is what the mocks spoke, JudgeDialect what the judge was told where that differs.
	Dialect      string `json:"dialect"`
	JudgeDialect string `json:"judgeDialect,omitempty"`
	// Selection says what part of the suite was chosen, in words; empty if it was the whole.
	Selection  string    `json:"selection,omitempty"`
	Started    time.Time `json:"started"`
	DurationMS float64   `json:"durationMs"`
	// Partial says that something that counts was not judged, or that the run was cut short.
	Partial bool `json:"partial"`
	// Interrupted says that the run was cut short; what had not run yet is missing.
	Interrupted bool `json:"interrupted,omitempty"`
	// Conformant says that the exit code is 0, or 4: a stale waiver fails nothing.
	Conformant bool `json:"conformant"`
	ExitCode   int  `json:"exitCode"`
	// Counts are of requirements, ScenarioCounts of scenarios.
	Counts         Counts        `json:"counts"`
	ScenarioCounts Counts        `json:"scenarioCounts"`
	Summary        []Group       `json:"summary"`
	Requirements   []Requirement `json:"requirements"`
	Scenarios      []Scenario    `json:"scenarios"`
	// Notes say what the config leaves unjudged, and what the run could not take away again.
	Notes []string `json:"notes,omitempty"`
	// Waivers are all that the config has.
	Waivers []Waiver `json:"waivers,omitempty"`
	// StaleWaivers are ids whose waiver is over or was not needed.
	StaleWaivers []string `json:"staleWaivers,omitempty"`
}

// Digest names a file of the suite by its content.
type Digest struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"` // hex
}

// JudgedRole is a role that an outside system plays, and its URL.
type JudgedRole struct {
	Role string `json:"role"`
	URL  string `json:"url"`
}

// Waiver lets a requirement fail until a day, for a reason.
type Waiver struct {
	ID     string    `json:"id"`
	Reason string    `json:"reason"`
	Until  time.Time `json:"until"` // the last day on which it holds
	// Stale says that it is over, or was not needed.
	Stale bool `json:"stale,omitempty"`
}
