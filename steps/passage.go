package steps

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"
)

// passage is one record on its way: who authorized what for whom, and what came
// of it. An application that the harness plays has one, and so has every
// connection of a target EHR.
type passage struct {
	app     string // the application's name (sub), where the harness plays it
	source  *node
	target  *node  // nil: the harness plays the application
	patient string // the patient's id at the source
	caller  string // who acts: "the person's app", or "the administrator" for another patient than the config's
	scopes  string

	sent      map[string]any // the Consent, as it was sent
	consentID string

	lasts         length
	jwt           string // the JWT that was authorized
	authorization string
	before        time.Time // the source's time just before $authorize was asked

	token  *tokenAnswer
	tokens []string // every access token so far

	signIn *signIn // of a registered application; nil: one that the harness's JWT speaks for

	identifier string    // the identifier of the run that the source gave the patient
	connection string    // the connection's id
	starter    string    // who sent the $connect that was accepted
	expiresIn  int64     // seconds, as $connect said
	connected  time.Time // the target's time when $connect was accepted; zero = it was not
	copy       string    // the id of the patient's copy at the target
}

// length is how long an authorization is to last: a UCUM quantity.
type length struct {
	value int
	code  string
}

// seconds is the length without the freedom that months and years have.
func (l length) seconds() int64 {
	unit := map[string]int64{"s": 1, "min": 60, "h": 3600, "d": 86400, "wk": 7 * 86400, "mo": 28 * 86400, "a": 365 * 86400}
	return int64(l.value) * unit[l.code]
}

// atMost is the longest that it may mean: a month has up to 31 days, a year 366.
func (l length) atMost() time.Duration {
	days := map[string]int64{"mo": 31, "a": 366}
	if d, calendar := days[l.code]; calendar {
		return time.Duration(int64(l.value)*d) * 24 * time.Hour
	}
	return time.Duration(l.seconds()) * time.Second
}

func (l length) quantity() map[string]any {
	return map[string]any{"value": jsonNumber(l.value), "system": "http://unitsofmeasure.org", "code": l.code}
}

// applicationFlow is the passage of an application that the harness plays; it
// starts one if there is none, and makes it the one at hand.
func (w *world) applicationFlow(ctx context.Context, app string) (*passage, error) {
	source, err := w.role(ctx, "the source EHR")
	if err != nil {
		return nil, err
	}
	if f := w.flows[app]; f != nil {
		f.source, w.flow = orElse(f.source, source), f
		return f, nil
	}
	name := "ccde-application"
	if app == "another application" {
		name = "ccde-other-application"
	}
	f := &passage{app: name, source: source, patient: w.env.patient(), caller: "the person's app", lasts: w.lasts}
	w.flows[app], w.flow = f, f
	return f, nil
}

// patientOf finds the patient that a step speaks of: the id at the source, and who acts for them.
func (w *world) patientOf(who string) (id, caller string) {
	switch who {
	case "the other patient":
		return w.env.otherPatient(), "the administrator"
	case "the patient", "the person", "":
		return w.env.patient(), "the person's app"
	}
	if name, ok := cutQuoted(who); ok {
		return name, "the administrator"
	}
	return "", ""
}

func (l length) String() string { return strconv.Itoa(l.value) + " " + l.code }

// randomText is a text that nothing else has.
func randomText(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b) // never fails, says its documentation
	return hex.EncodeToString(b)
}

// owner is the bearer that sees and stops the connection; one that was started
// without a bearer needs none (protocol 1.9).
func (f *passage) owner() string {
	if f.starter == "the administrator" {
		return f.target.admin
	}
	return f.target.consumer
}

func (f *passage) String() string {
	if f.target == nil {
		return fmt.Sprintf("application %s, patient %s", f.app, f.patient)
	}
	return fmt.Sprintf("patient %s from %s to %s", f.patient, f.source.title(), f.target.title())
}
