package script

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"example.org/ccde/mockehr/control"
)

// ruleOf makes a rule of the control port one of the engine. wire is valid and has its defaults. A rule
// that decides a check has no Act: the check asks it.
func ruleOf(wire control.Rule) Rule {
	r := Rule{ID: wire.ID, Side: wire.Side, Phase: wire.Phase, Match: wire.Match,
		Skip: wire.Skip, Every: wire.Every, Times: wire.Times}
	switch {
	case wire.Answer != nil:
		r.Act = answerWith(*wire.Answer)
	case wire.Change != nil && wire.Phase == control.OnRequest:
		r.Act = changeRequest(*wire.Change)
	case wire.Change != nil:
		r.Act = changeAnswer(*wire.Change)
	case wire.Wait != 0:
		r.Act = func(ctx context.Context, c *Call) error { return c.Wait(ctx, wire.Wait.Std()) }
	case wire.Drop:
		r.Act = func(_ context.Context, c *Call) error { c.Drop(); return nil }
	case wire.Cut != nil:
		r.Act = cutAfter(wire.Cut.After)
	case wire.Throttle != 0:
		r.Act = func(_ context.Context, c *Call) error { c.Throttle(wire.Throttle); return nil }
	case wire.Redirect != "":
		r.Act = func(_ context.Context, c *Call) error {
			c.Answer(http.StatusTemporaryRedirect, http.Header{"Location": {wire.Redirect}}, nil)
			return nil
		}
	}
	return r
}

func answerWith(a control.Answer) func(context.Context, *Call) error {
	status, body := a.Status, bodyOf(a.Body, a.BodyBase64)
	if status == 0 {
		status = http.StatusOK
	}
	header := http.Header{}
	for name, value := range a.Headers {
		header.Set(name, value)
	}
	if header.Get("Content-Type") == "" && len(body) > 0 {
		header.Set("Content-Type", typeOf(body))
	}
	return func(_ context.Context, c *Call) error {
		c.Answer(status, header.Clone(), body)
		return nil
	}
}

// typeOf is the media type of a body that comes without.
func typeOf(body []byte) string {
	var resource struct {
		Type string `json:"resourceType"`
	}
	switch {
	case !json.Valid(body):
		return "text/plain; charset=utf-8"
	case json.Unmarshal(body, &resource) == nil && resource.Type != "":
		return "application/fhir+json"
	}
	return "application/json"
}

func bodyOf(text string, raw []byte) []byte {
	if len(raw) > 0 {
		return raw
	}
	return []byte(text)
}

func cutAfter(n int64) func(context.Context, *Call) error {
	return func(_ context.Context, c *Call) error {
		if size := len(c.Response.Body); n >= int64(size) {
			return fmt.Errorf("cut.after: the answer's body has only %d bytes: use less", size)
		}
		c.Cut(n)
		return nil
	}
}

// changed is the body that a change makes of another; the same if it changes none.
func changed(change control.Change, body func() ([]byte, error)) (data []byte, is bool, err error) {
	switch {
	case change.Body != nil:
		return []byte(*change.Body), true, nil
	case len(change.BodyBase64) > 0:
		return change.BodyBase64, true, nil
	case len(change.Set) > 0:
		was, err := body()
		if err != nil {
			return nil, false, err
		}
		data, err = editJSON(was, change.Set)
		return data, err == nil, err
	}
	return nil, false, nil
}

func changeAnswer(change control.Change) func(context.Context, *Call) error {
	return func(_ context.Context, c *Call) error {
		res := c.Response
		data, is, err := changed(change, func() ([]byte, error) { return res.Body, nil })
		if err != nil {
			return err // before anything is changed: a rule acts whole or not at all
		}
		if is {
			res.Body = data
		}
		if change.Status != 0 {
			res.Status = change.Status
		}
		setHeaders(res.Header, change.Headers)
		return nil
	}
}

func changeRequest(change control.Change) func(context.Context, *Call) error {
	return func(_ context.Context, c *Call) error {
		r := c.Request
		data, is, err := changed(change, c.Body)
		if err != nil {
			return err
		}
		if change.URL != "" {
			to, err := url.Parse(change.URL)
			if err != nil {
				return fmt.Errorf("change.url: %w", err)
			}
			r.URL, r.Host = to, to.Host
		}
		if is {
			c.SetBody(data)
		}
		if change.Method != "" {
			r.Method = change.Method
		}
		for name, value := range change.Headers {
			if http.CanonicalHeaderKey(name) == "Host" { // net/http keeps it apart
				r.Host = value
			}
		}
		setHeaders(r.Header, change.Headers)
		r.Header.Del("Host")
		return nil
	}
}

// setHeaders sets headers; an empty value takes one away.
func setHeaders(h http.Header, set map[string]string) {
	for name, value := range set {
		if value == "" {
			h.Del(name)
			continue
		}
		h.Set(name, value)
	}
}
