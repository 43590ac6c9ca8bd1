package control

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// validateAction calls bad for each thing wrong with the action.
func (r Rule) validateAction(bad func(field, format string, args ...any)) {
	switch names := r.actions(); len(names) {
	case 1:
	case 0:
		bad("rule", "has no action: give one of answer, change, wait, drop, cut, throttle, redirect, check")
	default:
		bad("rule", "has %s: one rule has one action, make a rule of each", strings.Join(names, " and "))
	}
	request := r.When() == OnRequest
	if request && (r.Cut != nil || r.Throttle != 0) {
		bad("phase", "cut and throttle act on the answer: remove phase, or set it to \"answer\"")
	}
	if r.Answer != nil {
		r.Answer.validate(bad)
	}
	if r.Change != nil {
		r.Change.validate(r.Side, request, bad)
	}
	if r.Wait < 0 {
		bad("wait", "%s is negative: use a positive duration", r.Wait)
	}
	if r.Cut != nil && r.Cut.After < 0 {
		bad("cut.after", "%d is negative: use a number of bytes, 0 for none", r.Cut.After)
	}
	if r.Throttle < 0 {
		bad("throttle", "%d is negative: use a number of bytes a second", r.Throttle)
	}
	if _, err := url.Parse(r.Redirect); err != nil {
		bad("redirect", "%q is no URL", shorten(r.Redirect))
	}
	if r.Check != nil {
		r.Check.validate(r, bad)
	}
}

// actions lists the actions that are set.
func (r Rule) actions() []string {
	var names []string
	for _, m := range []struct {
		name string
		set  bool
	}{
		{"answer", r.Answer != nil}, {"change", r.Change != nil}, {"wait", r.Wait != 0}, {"drop", r.Drop},
		{"cut", r.Cut != nil}, {"throttle", r.Throttle != 0}, {"redirect", r.Redirect != ""}, {"check", r.Check != nil},
	} {
		if m.set {
			names = append(names, m.name)
		}
	}
	return names
}

func (a *Answer) validate(bad func(field, format string, args ...any)) {
	if a.Status != 0 && (a.Status < 200 || a.Status > 599) {
		bad("answer.status", "%d can't be answered: use 200 to 599", a.Status)
	}
	switch {
	case a.Body != "" && len(a.BodyBase64) > 0:
		bad("answer", "has both body and bodyBase64: remove one")
	case (a.Body != "" || len(a.BodyBase64) > 0) && (a.Status == http.StatusNoContent || a.Status == http.StatusNotModified):
		bad("answer.body", "a %d has none: remove it, or use another status", a.Status)
	}
	headers("answer.headers", a.Headers, bad)
}

func (c *Change) validate(side string, request bool, bad func(field, format string, args ...any)) {
	const field = "change"
	if c.Status != 0 && (c.Status < 200 || c.Status > 599) {
		bad(field+".status", "%d can't be answered: use 200 to 599", c.Status)
	}
	if c.Status != 0 && request {
		bad(field+".status", "a request has none: set phase to \"answer\", or remove it")
	}
	if c.Method != "" && !request {
		bad(field+".method", "an answer has none: set phase to \"request\", or remove it")
	}
	if strings.ContainsFunc(c.Method, notToken) {
		bad(field+".method", "%q is no method", shorten(c.Method))
	}
	if c.URL != "" && (!request || side != Sent) {
		bad(field+".url", "only of a request that is sent: set side to \"sent\" and phase to \"request\", or remove it")
	} else if c.URL != "" && !absolute(c.URL) {
		bad(field+".url", "%q is no absolute http(s) URL", shorten(c.URL))
	}
	bodies := 0
	for _, set := range []bool{c.Body != nil, len(c.BodyBase64) > 0, len(c.Set) > 0} {
		if set {
			bodies++
		}
	}
	if bodies > 1 {
		bad(field, "body, bodyBase64 and set change the body each: use one")
	}
	headers(field+".headers", c.Headers, bad)
	for path := range c.Set {
		if _, err := ParsePath(path); err != nil {
			bad(field+".set", "%v", err)
		}
	}
	if c.Status == 0 && c.Method == "" && c.URL == "" && len(c.Headers) == 0 && bodies == 0 {
		bad(field, "changes nothing: give status, headers, body or set")
	}
}

func (o *Override) validate(r Rule, bad func(field, format string, args ...any)) {
	const field = "check"
	if o.ID == "" {
		bad(field+".id", "is missing: give a requirement's id, such as \"SRC-14\"")
	}
	switch {
	case o.Verdict == "" && len(o.Value) == 0:
		bad(field, "decides nothing: give verdict \"pass\" or \"fail\", or a value")
	case o.Verdict != "" && len(o.Value) != 0:
		bad(field, "has both verdict and value: remove one")
	case o.Verdict != "" && o.Verdict != Pass && o.Verdict != Fail:
		bad(field+".verdict", "%q is unknown: use \"pass\" or \"fail\"", shorten(o.Verdict))
	}
	if o.Message != "" && o.Verdict != Fail {
		bad(field+".message", "goes with verdict \"fail\" only")
	}
	if r.Side == Sent {
		bad("side", "a check is made by what the node receives, or by itself: remove side")
	}
	if r.Phase == OnAnswer {
		bad("phase", "a check is made before the answer: remove phase")
	}
	if r.Match.Body != "" {
		bad("match.body", "a check can't be matched by body: remove it")
	}
}

// headers names what no HTTP header can be called or hold.
func headers(field string, set map[string]string, bad func(field, format string, args ...any)) {
	for name, value := range set {
		switch {
		case name == "" || strings.ContainsFunc(name, notToken):
			bad(field, "%q is no header name", shorten(name))
		case strings.ContainsAny(value, "\r\n\x00"):
			bad(field, "the value of %s has a line break or NUL", name)
		case slices.Contains([]string{"Content-Length", "Transfer-Encoding", "Trailer"}, http.CanonicalHeaderKey(name)):
			bad(field, "%s is HTTP's own: remove it; to break off an answer use cut", name)
		}
	}
}

func notToken(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
}
