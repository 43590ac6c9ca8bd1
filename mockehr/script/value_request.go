package script

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"example.org/ccde/mockehr/control"
)

// requestValue is a request in the hands of a script. What it made of it is taken over once its function
// has returned.
type requestValue struct {
	c       *Call
	root    string // of the node: received paths are below it
	fixed   bool   // it can't be changed any more
	set     map[string]string
	query   *fields
	form    *fields
	headers *fields
	body    *bodyValue
}

var requestNames = []string{"bearer", "body", "form", "header", "headers", "host", "json", "method", "path", "query", "text", "url"}

// newRequest is the request of a turn's exchange. Its body may be slow to come: the script is free
// meanwhile.
func newRequest(t *turn, fixed bool) *requestValue {
	c := t.call
	r := &requestValue{c: c, root: t.p.engine.prefix, fixed: fixed, set: map[string]string{}}
	r.body = &bodyValue{fixed: fixed, read: func() (data []byte, err error) {
		whole, read := false, c.peek
		if fixed { // who reads it now goes on as it is
			read = c.body.read
		}
		_ = t.aside(func() error { data, whole, err = read(maxText); return nil })
		if err == nil && !whole {
			err = fmt.Errorf("the request's body is over the %d bytes that a script reads", maxText)
		}
		return data, err
	}}
	return r
}

func (r *requestValue) String() string        { return r.c.Request.Method + " " + r.c.Request.URL.String() }
func (r *requestValue) Type() string          { return "request" }
func (r *requestValue) Freeze()               {}
func (r *requestValue) Truth() starlark.Bool  { return true }
func (r *requestValue) Hash() (uint32, error) { return 0, errors.New("a request can't be a key") }

// AttrNames are the names of what a request has.
func (r *requestValue) AttrNames() []string { return requestNames }

// Attr is what a request has by a name.
func (r *requestValue) Attr(name string) (starlark.Value, error) {
	if text, ok := r.set[name]; ok {
		return starlark.String(text), nil
	}
	in := r.c.Request
	switch name {
	case "method":
		return starlark.String(in.Method), nil
	case "path":
		if r.c.Side == control.Sent {
			return starlark.String(in.URL.Path), nil
		}
		return starlark.String(below(in.URL.Path, r.root)), nil
	case "url":
		return starlark.String(in.URL.String()), nil
	case "host":
		if in.URL.Host != "" {
			return starlark.String(in.URL.Host), nil
		}
		return starlark.String(in.Host), nil
	case "bearer":
		scheme, token, _ := strings.Cut(in.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			token = ""
		}
		return starlark.String(strings.TrimSpace(token)), nil
	case "header":
		return headerBuiltin(func() http.Header { return in.Header }), nil
	case "headers":
		return r.fields(&r.headers, in.Header)
	case "query":
		return r.fields(&r.query, in.URL.Query())
	case "form":
		text, err := r.body.bytes()
		if err != nil {
			return nil, err
		}
		values, err := url.ParseQuery(string(text))
		if err != nil || !strings.HasPrefix(in.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
			values = nil
		}
		return r.fields(&r.form, values)
	}
	return r.body.attr(name)
}

func (r *requestValue) fields(at **fields, values map[string][]string) (starlark.Value, error) {
	if *at == nil {
		*at = newFields(values, r.fixed)
	}
	return (*at).dict, nil
}

// SetField changes what a request has by a name.
func (r *requestValue) SetField(name string, v starlark.Value) error {
	if r.fixed {
		return errors.New("the request can't be changed here any more: change it in on_request, or on_send")
	}
	switch name {
	case "method", "path", "url":
		text, ok := starlark.AsString(v)
		if !ok {
			return fmt.Errorf("%s: a %s: give a text", name, v.Type())
		}
		if name == "url" && r.c.Side != control.Sent {
			return errors.New("url: only of a request that the node sends (on_send): change path and query")
		}
		r.set[name] = text
		return nil
	case "query", "form", "headers":
		dict, ok := v.(*starlark.Dict)
		if !ok {
			return fmt.Errorf("%s: a %s: give a dict", name, v.Type())
		}
		at := map[string]**fields{"query": &r.query, "form": &r.form, "headers": &r.headers}[name]
		*at = &fields{dict: dict, force: true}
		return nil
	}
	return r.body.setField(name, v)
}

// commit is how the exchange takes over what was changed; nil if nothing was.
func (r *requestValue) commit() (apply func(*Call), err error) {
	if r.fixed {
		return nil, nil
	}
	query, queryChanged, err := r.query.changed(nil)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	headers, headersChanged, err := r.headers.changed(http.CanonicalHeaderKey)
	if err != nil {
		return nil, fmt.Errorf("headers: %w", err)
	}
	form, formChanged, err := r.form.changed(nil)
	if err != nil {
		return nil, fmt.Errorf("form: %w", err)
	}
	body, bodyChanged, err := r.body.changed()
	if err != nil {
		return nil, err
	}
	if formChanged {
		body, bodyChanged = []byte(url.Values(form).Encode()), true
	}
	to := *r.c.Request.URL
	if text, ok := r.set["url"]; ok {
		next, err := url.Parse(text)
		if err != nil || next.Host == "" {
			return nil, fmt.Errorf("url: %q is no absolute URL", text)
		}
		to = *next
	}
	if text, ok := r.set["path"]; ok {
		if r.c.Side == control.Received {
			text = r.root + text
		}
		to.Path, to.RawPath = text, ""
	}
	if queryChanged {
		to.RawQuery = url.Values(query).Encode()
	}
	return func(c *Call) {
		if _, ok := r.set["url"]; ok {
			c.Request.Host = to.Host
		}
		c.Request.URL = &to
		if method, ok := r.set["method"]; ok {
			c.Request.Method = strings.ToUpper(method)
		}
		if headersChanged {
			replaceHeader(c.Request.Header, headers)
		}
		if bodyChanged {
			c.SetBody(body)
		}
	}, nil
}

// answerValue is an answer in the hands of a script.
type answerValue struct {
	res     *Response
	status  int
	headers *fields
	body    *bodyValue
}

var answerNames = []string{"body", "header", "headers", "json", "status", "text"}

func newAnswer(res *Response, fixed bool) *answerValue {
	return &answerValue{res: res, status: res.Status, body: &bodyValue{fixed: fixed, read: func() ([]byte, error) {
		if len(res.Body) > maxText {
			return nil, fmt.Errorf("the answer's body is over the %d bytes that a script reads", maxText)
		}
		return res.Body, nil
	}}}
}

func (a *answerValue) String() string        { return fmt.Sprintf("answer(%d)", a.status) }
func (a *answerValue) Type() string          { return "answer" }
func (a *answerValue) Freeze()               {}
func (a *answerValue) Truth() starlark.Bool  { return true }
func (a *answerValue) Hash() (uint32, error) { return 0, errors.New("an answer can't be a key") }

// AttrNames are the names of what an answer has.
func (a *answerValue) AttrNames() []string { return answerNames }

// Attr is what an answer has by a name.
func (a *answerValue) Attr(name string) (starlark.Value, error) {
	switch name {
	case "status":
		return starlark.MakeInt(a.status), nil
	case "header":
		return headerBuiltin(func() http.Header { return a.res.Header }), nil
	case "headers":
		if a.headers == nil {
			a.headers = newFields(a.res.Header, a.body.fixed)
		}
		return a.headers.dict, nil
	}
	return a.body.attr(name)
}

// SetField changes what an answer has by a name.
func (a *answerValue) SetField(name string, v starlark.Value) error {
	if a.body.fixed {
		return errors.New("this answer goes nowhere: change the one that a handler is given")
	}
	switch name {
	case "status":
		status, err := starlark.AsInt32(v)
		if err != nil || status < 200 || status > 599 {
			return fmt.Errorf("status: %v can't be answered: use 200 to 599", v)
		}
		a.status = status
		return nil
	case "headers":
		dict, ok := v.(*starlark.Dict)
		if !ok {
			return fmt.Errorf("headers: a %s: give a dict", v.Type())
		}
		a.headers = &fields{dict: dict, force: true}
		return nil
	}
	return a.body.setField(name, v)
}

func (a *answerValue) commit() (apply func(*Call), err error) {
	headers, headersChanged, err := a.headers.changed(http.CanonicalHeaderKey)
	if err != nil {
		return nil, fmt.Errorf("headers: %w", err)
	}
	body, bodyChanged, err := a.body.changed()
	if err != nil {
		return nil, err
	}
	return func(c *Call) {
		c.Response.Status = a.status
		if headersChanged {
			replaceHeader(c.Response.Header, headers)
		}
		if bodyChanged {
			c.Response.Body = slices.Clone(body)
		}
	}, nil
}
