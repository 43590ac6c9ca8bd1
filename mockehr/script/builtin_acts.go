package script

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"go.starlark.net/starlark"
)

// act keeps what a handler does to the exchange at hand, for when it has returned.
func (t *turn) act(name string, do func(*Call)) error {
	if !t.handler {
		return fmt.Errorf("%s: there is no exchange to act on: call it in a function that on_request, on_answer, on_send or on_reply was given", name)
	}
	t.acts = append(t.acts, do)
	return nil
}

// answerAct answers in place of the node, or of the other side.
func answerAct(t *turn, _ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	status := http.StatusOK
	var json, body starlark.Value
	var headers *starlark.Dict
	if err := starlark.UnpackArgs(name, args, kwargs, "status?", &status, "json?", &json, "body?", &body, "headers?", &headers); err != nil {
		return nil, err
	}
	data, err := bodyFrom(json, body)
	if err == nil && (status < 200 || status > 599) {
		err = fmt.Errorf("status: %d can't be answered: use 200 to 599", status)
	}
	header := http.Header{}
	if err == nil {
		err = setAll(header, headers)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if header.Get("Content-Type") == "" && len(data) > 0 {
		header.Set("Content-Type", typeOf(data))
	}
	return starlark.None, t.act(name, func(c *Call) { c.Answer(status, header, data) })
}

// bodyFrom is a body given as a value, or as text or bytes.
func bodyFrom(json, body starlark.Value) ([]byte, error) {
	switch {
	case json != nil && json != starlark.None && body != nil && body != starlark.None:
		return nil, errors.New("json and body are both there: give one")
	case json != nil && json != starlark.None:
		text, err := toJSON(json)
		if err != nil {
			return nil, fmt.Errorf("json: %w", err)
		}
		return text, nil
	case body != nil && body != starlark.None:
		data, err := bytesOf(body)
		if err != nil {
			return nil, fmt.Errorf("body: %w", err)
		}
		return data, nil
	}
	return nil, nil
}

func setAll(h http.Header, dict *starlark.Dict) error {
	if dict == nil {
		return nil
	}
	values, _, err := (&fields{dict: dict, force: true}).changed(http.CanonicalHeaderKey)
	if err != nil {
		return fmt.Errorf("headers: %w", err)
	}
	replaceHeader(h, values)
	return nil
}

// redirectAct answers with a redirect.
func redirectAct(t *turn, _ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var to string
	status := http.StatusTemporaryRedirect
	if err := starlark.UnpackArgs(name, args, kwargs, "url", &to, "status?", &status); err != nil {
		return nil, err
	}
	if _, err := url.Parse(to); err != nil || status < 300 || status > 399 {
		return nil, fmt.Errorf("%s: %d to %q: give a URL, and a status of 300 to 399", name, status, to)
	}
	return starlark.None, t.act(name, func(c *Call) { c.Answer(status, http.Header{"Location": {to}}, nil) })
}

// dropAct closes the connection without an answer.
func dropAct(t *turn, _ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := starlark.UnpackArgs(name, args, kwargs); err != nil {
		return nil, err
	}
	return starlark.None, t.act(name, func(c *Call) { c.Drop() })
}

// cutAct cuts the answer off after so many bytes of its body.
func cutAct(t *turn, _ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	after := 0
	if err := starlark.UnpackArgs(name, args, kwargs, "after", &after); err != nil {
		return nil, err
	}
	if after < 0 {
		return nil, fmt.Errorf("%s: after: %d is negative: use a number of bytes, 0 for none", name, after)
	}
	return starlark.None, t.act(name, func(c *Call) { c.Cut(int64(after)) })
}

// throttleAct gives the answer's body at so many bytes a second.
func throttleAct(t *turn, _ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	rate := 0
	if err := starlark.UnpackArgs(name, args, kwargs, "bytes_a_second", &rate); err != nil {
		return nil, err
	}
	if rate <= 0 {
		return nil, fmt.Errorf("%s: bytes_a_second: %d: use 1 or more", name, rate)
	}
	return starlark.None, t.act(name, func(c *Call) { c.Throttle(int64(rate)) })
}

// waitAct waits at once, in real time.
func waitAct(t *turn, _ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var v starlark.Value
	if err := starlark.UnpackArgs(name, args, kwargs, "duration", &v); err != nil {
		return nil, err
	}
	d, err := durationOf(v)
	switch {
	case err != nil:
	case d < 0 || d > maxWait:
		err = fmt.Errorf("%v: use 0 to %v", d, maxWait)
	case !t.p.loaded:
		err = errors.New("a script that is being loaded can't wait: do it in a handler")
	default:
		err = t.wait(d)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return starlark.None, nil
}

// requestAtHand is the request in whose course the script is called; None where the node acts on its own.
func requestAtHand(t *turn, _ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := starlark.UnpackArgs(name, args, kwargs); err != nil {
		return nil, err
	}
	if t.req == nil {
		return starlark.None, nil
	}
	return t.req, nil
}
