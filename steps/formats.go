package steps

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"example.org/ccde/mockehr/fhir"
)

func formatSteps() []step {
	return []step{
		{`it is sent to {role} as {format}`,
			"Sends the Consent at hand in that format.",
			`When it is sent to the source EHR as XML`, (*world).sentAsFormat},
		{`the Consent comes back unchanged as {format}`,
			"Reads the Consent in that format and compares it with what was sent, but for id, meta and narrative. Judges SRC-03.",
			`Then the Consent comes back unchanged as XML`, (*world).consentComesBack},
		{`{caller} reads "{path}" at {role}, accepting "{media type}"`,
			"Sends a GET with that Accept.",
			`When the application reads "Patient/{patient}" at the source EHR, accepting "application/fhir+xml"`, (*world).readsAccepting},
		{`the answer is in {format}`,
			"The last answer is a resource in that format, and says so in Content-Type. Judges the scenario's first id.",
			`Then the answer is in XML`, (*world).answerInFormat},
		{`the answer should be in {format}`,
			"The same as a SHOULD.",
			`Then the answer should be in XML`, (*world).answerShouldBeInFormat},
	}
}

// mediaTypeOf is the media type of a format, as STU3 names it.
var mediaTypeOf = map[string]string{"JSON": "application/fhir+json", "XML": "application/fhir+xml"}

func (w *world) sentAsFormat(ctx context.Context, title, format string) error {
	to, err := w.role(ctx, title)
	if err != nil {
		return err
	}
	return w.sendAtHand(ctx, func(d *draft) { d.xml = format == "XML" }, "", to)
}

// asXML makes a call's JSON body XML.
func (c *call) asXML() error {
	o, err := fhir.ParseJSON(c.body)
	if err != nil {
		return fmt.Errorf("the request at hand is no resource: %w", err)
	}
	c.body, err = fhir.AppendXML(nil, o)
	c.header = http.Header{"Content-Type": {mediaTypeOf["XML"]}}
	return err
}

// isXML says whether a call's body is in XML.
func (c call) isXML() bool { return strings.Contains(c.header.Get("Content-Type"), "xml") }

func (w *world) consentComesBack(ctx context.Context, format string) error {
	c, err := w.consentRead(ctx, w.flow)
	if err != nil {
		return err
	}
	c.header = http.Header{"Accept": {mediaTypeOf[format]}}
	if err := w.attempt(ctx, c); err != nil {
		return err
	}
	a := w.last
	got, fault := a.in(format)
	if fault != "" {
		return w.fail(a, "SRC-03", "the Consent in "+format, fault)
	}
	text, err := json.Marshal(w.flow.sent)
	if err != nil {
		return err
	}
	sent, err := fhir.ParseJSON(text)
	if err != nil {
		return err
	}
	for _, name := range []string{"id", "meta", "text"} {
		got.Delete(name)
		sent.Delete(name)
	}
	if !fhir.Equal(sent, got) {
		return w.fail(a, "SRC-03", "the Consent as it was sent, but for id, meta and narrative: "+string(fhir.AppendJSON(nil, sent)), string(fhir.AppendJSON(nil, got)))
	}
	return nil
}

func (w *world) readsAccepting(ctx context.Context, caller, path, title, accept string) error {
	c, err := w.readCall(ctx, caller, path, title)
	if err != nil {
		return err
	}
	c.header = http.Header{"Accept": {accept}}
	return w.attempt(ctx, c)
}

// in is the answer's resource in a format; fault is why it is none.
func (a *answer) in(format string) (o *fhir.Object, fault string) {
	if a.Status != http.StatusOK || !strings.Contains(a.Header.Get("Content-Type"), strings.ToLower(format)) {
		return nil, a.is()
	}
	parse := fhir.ParseJSON
	if format == "XML" {
		parse = fhir.ParseXML
	}
	o, err := parse(a.Body)
	if err != nil {
		return nil, err.Error() + " in " + a.is()
	}
	if !fhir.IsResourceType(o.Type()) {
		return nil, "no resource: " + a.is()
	}
	return o, ""
}

func (w *world) answerInFormat(_ context.Context, format string) error {
	if _, fault := w.last.in(format); fault != "" {
		return w.fail(w.last, w.subject, "200 and a resource in "+format+", with its Content-Type", fault)
	}
	return nil
}

func (w *world) answerShouldBeInFormat(_ context.Context, format string) error {
	if _, fault := w.last.in(format); fault != "" {
		w.warn(w.last, w.subject, "200 and a resource in "+format+", with its Content-Type", fault)
	}
	return nil
}
