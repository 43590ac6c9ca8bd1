package steps

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// draft is a request at hand, which a scenario changes before it is sent.
type draft struct {
	kind   kind
	flow   *passage
	fields map[string]any // the resource, or the parameters by name
	base   map[string]any // fields before they were changed
	twice  map[string]bool
	to     *node
	// consent is the Consent's id that $authorize is asked of; "" = the passage's.
	consent string
	fault   string // what is wrong with the JWT that goes with it; "" = nothing
	asParts bool   // as a Parameters resource
	xml     bool   // in XML
	charset bool   // its Content-Type names the charset, UTF-8
	wrong   string // what stands in place of the body; "" = the body
}

// set makes a draft the request at hand.
func (w *world) draft(kind kind, flow *passage, to *node, fields map[string]any) *draft {
	w.thing = &draft{kind: kind, flow: flow, to: to, fields: fields, base: clone(fields), twice: map[string]bool{}}
	return w.thing
}

// unchanged is the draft as it was first.
func (d *draft) unchanged() *draft {
	c := *d
	c.fields, c.twice, c.consent, c.fault, c.wrong = clone(d.base), map[string]bool{}, "", "", ""
	return &c
}

func (w *world) atHand() (*draft, error) {
	if w.thing == nil {
		return nil, fmt.Errorf("no request is at hand; say \"a Consent of ...\", \"an $authorize request\", \"a token request\" or \"a $connect request\" before")
	}
	return w.thing, nil
}

// change sets a part of the request at hand.
func (w *world) change(ctx context.Context, path, value string) error {
	d, err := w.atHand()
	if err != nil {
		return err
	}
	v, err := w.value(ctx, d, value)
	if err != nil {
		return fmt.Errorf("its %q is %s: %w", path, value, err)
	}
	return setPath(d.fields, strings.Split(path, "."), v)
}

// remove takes a part of the request at hand away.
func (w *world) remove(_ context.Context, path string) error {
	d, err := w.atHand()
	if err != nil {
		return err
	}
	steps := strings.Split(path, ".")
	at := d.fields
	for _, s := range steps[:len(steps)-1] {
		at = child(at[s])
	}
	last := steps[len(steps)-1]
	if _, there := at[last]; !there {
		return fmt.Errorf("it has no %q anyway", path)
	}
	delete(at, last)
	return nil
}

// double gives a part of the request at hand twice.
func (w *world) double(_ context.Context, name string) error {
	d, err := w.atHand()
	if err != nil {
		return err
	}
	v, there := d.fields[name]
	if !there {
		return fmt.Errorf("it has no %q to double", name)
	}
	if list, ok := v.([]any); ok {
		d.fields[name] = append(list, cloneValue(list[0]))
		return nil
	}
	d.twice[name] = true
	return nil
}

var relative = regexp.MustCompile(`^(the day of )?(half an hour|(?:a|an|\d+) (?:second|minute|hour|day)s?) (from now|ago)(?: in the zone ([+-]\d\d:\d\d))?$`)

// inZone writes an instant as it is called in a time zone, such as "+05:30".
func inZone(t time.Time, zone, layout string) (string, error) {
	if zone == "" {
		return t.UTC().Format(layout), nil
	}
	there, err := time.Parse("Z07:00", zone)
	return t.In(there.Location()).Format(layout), err
}

// value reads a step's value: JSON, or an instant, or the day of one, by the
// clock of the EHR that the request is for.
func (w *world) value(ctx context.Context, d *draft, text string) (any, error) {
	if m := relative.FindStringSubmatch(text); m != nil {
		by, err := parseDuration(m[2])
		if err != nil {
			return nil, err
		}
		to := d.to
		if to == nil {
			if to, err = w.role(ctx, "the source EHR"); err != nil {
				return nil, err
			}
		}
		now, err := w.now(ctx, to)
		if err != nil {
			return nil, err
		}
		if m[3] == "ago" {
			by = -by
		}
		layout := time.RFC3339
		if m[1] != "" {
			layout = time.DateOnly
		}
		return inZone(now.Add(by), m[4], layout)
	}
	text, err := w.expandValue(ctx, text)
	if err != nil {
		return nil, err
	}
	var v any
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("neither JSON nor a time like \"2 hours from now\": %w", err)
	}
	return v, nil
}

// expandValue is expand for a text that may be a JSON object: only a quoted
// text is looked at.
func (w *world) expandValue(ctx context.Context, text string) (string, error) {
	if !strings.HasPrefix(text, `"`) {
		return text, nil
	}
	return w.expand(ctx, text)
}

// parseDuration reads "2 hours", "half an hour", "a minute".
func parseDuration(text string) (time.Duration, error) {
	if text == "half an hour" {
		return 30 * time.Minute, nil
	}
	count, unit, found := strings.Cut(text, " ")
	n := 1
	if count != "a" && count != "an" {
		var err error
		if n, err = strconv.Atoi(count); err != nil {
			return 0, fmt.Errorf("%q is no duration; write it like \"2 hours\"", text)
		}
	}
	units := map[string]time.Duration{"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}
	d, known := units[strings.TrimSuffix(unit, "s")]
	if !found || !known {
		return 0, fmt.Errorf("%q is no duration; write it like \"2 hours\"", text)
	}
	return time.Duration(n) * d, nil
}

func clone(m map[string]any) map[string]any {
	out := maps.Clone(m)
	for k, v := range out {
		out[k] = cloneValue(v)
	}
	return out
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return clone(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = cloneValue(v[i])
		}
		return out
	}
	return v
}

// child is v as an object, or the first object of a list; a new one if there is none.
func child(v any) map[string]any {
	switch v := v.(type) {
	case map[string]any:
		return v
	case []any:
		if len(v) > 0 {
			return child(v[0])
		}
	}
	return map[string]any{}
}

// setPath sets a value below an object; what is missing on the way is made.
func setPath(at map[string]any, path []string, v any) error {
	for len(path) > 1 {
		next := child(at[path[0]])
		if _, isList := at[path[0]].([]any); !isList {
			at[path[0]] = next
		}
		at, path = next, path[1:]
	}
	at[path[0]] = v
	return nil
}

// cutQuoted is the text between quotation marks.
func cutQuoted(text string) (string, bool) {
	_, rest, found := strings.Cut(text, `"`)
	if !found {
		return "", false
	}
	inner, _, found := strings.Cut(rest, `"`)
	return inner, found
}
