package script

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/oauth"
	"example.org/ccde/mockehr/store"
)

const (
	maxFound   = 1000             // resources of a search
	askTimeout = 10 * time.Second // of a request of a script's own
)

// records runs a look into the node's records. The script is free meanwhile, and so is whoever holds a
// transaction.
func (t *turn) records(look func(*store.Tx) error) error {
	of := t.p.engine.opt.Store
	if of == nil {
		return errors.New("this node has no records")
	}
	if err := t.asked(); err != nil {
		return err
	}
	return t.aside(func() error { return of().Aside(t.ctx, look) })
}

// fhirRead reads a resource, or a version of it, of the node itself: whoever asks, nobody decides. None
// if it is not there.
func fhirRead(t *turn, _ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var ref string
	if err := starlark.UnpackArgs(name, args, kwargs, "reference", &ref); err != nil {
		return nil, err
	}
	_, typ, id, version, ok := fhir.SplitReference(ref)
	if !ok {
		return nil, fmt.Errorf("%s: reference: %q: use one such as \"Patient/example\"", name, ref)
	}
	var text []byte
	err := t.records(func(tx *store.Tx) error {
		v, err := tx.Read(typ, id)
		if n, bad := strconv.ParseInt(version, 10, 64); bad == nil {
			v, err = tx.ReadVersion(typ, id, n)
		}
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrDeleted) {
			return nil
		}
		text = v.JSON
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if text == nil {
		return starlark.None, nil
	}
	return fromJSON(text)
}

// fhirSearch searches the node's records: all that match, up to a bound, in the order of a search.
func fhirSearch(t *turn, _ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var query string
	if err := starlark.UnpackArgs(name, args, kwargs, "query", &query); err != nil {
		return nil, err
	}
	typ, rest, _ := strings.Cut(query, "?")
	values, err := url.ParseQuery(rest)
	if err != nil {
		return nil, fmt.Errorf("%s: query: %w", name, err)
	}
	var found []store.Version
	err = t.records(func(tx *store.Tx) error {
		values.Set("_count", "200")
		for more := true; more && len(found) < maxFound; {
			search, err := store.ParseSearch(typ, values, true)
			if err != nil {
				return err
			}
			page, err := tx.Search(search, store.Scope{})
			if err != nil {
				return err
			}
			found = append(found, page.Matches...)
			values.Set(store.CursorParam, page.Next)
			more = page.Next != ""
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	items := make([]starlark.Value, 0, len(found))
	for _, v := range found[:min(len(found), maxFound)] {
		item, err := fromJSON(v.JSON)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		items = append(items, item)
	}
	return starlark.NewList(items), nil
}

// unruled marks a request of a script's own: it stands in the history, and no rule acts on it.
type unruled struct{}

// httpAsk sends a request of the script's own, as the node would, and gives the answer; None if there is
// none. Redirects are answers.
func httpAsk(method string) builtin {
	return func(t *turn, _ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		var to string
		var json, body starlark.Value
		var headers, form *starlark.Dict
		if err := starlark.UnpackArgs(name, args, kwargs, "url", &to, "headers?", &headers, "json?", &json, "body?", &body, "form?", &form); err != nil {
			return nil, err
		}
		req, err := ownRequest(method, to, headers, json, body, form)
		if err == nil {
			err = t.asked()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if !t.p.loaded {
			return nil, fmt.Errorf("%s: a script that is being loaded can't ask: do it in a handler", name)
		}
		var res *Response
		err = t.aside(func() error { res = t.p.engine.ask(t.ctx, req); return t.ctx.Err() })
		if err != nil {
			return nil, err
		}
		if res == nil {
			return starlark.None, nil
		}
		return newAnswer(res, true), nil
	}
}

func ownRequest(method, to string, headers *starlark.Dict, json, body starlark.Value, form *starlark.Dict) (*http.Request, error) {
	data, err := bodyFrom(json, body)
	if err != nil {
		return nil, err
	}
	typ := "application/json"
	if json == nil {
		typ = ""
	}
	if form != nil {
		values, _, err := (&fields{dict: form, force: true}).changed(nil)
		if err != nil {
			return nil, fmt.Errorf("form: %w", err)
		}
		data, typ = []byte(url.Values(values).Encode()), "application/x-www-form-urlencoded"
	}
	req, err := http.NewRequest(method, to, bytes.NewReader(data))
	if err != nil || req.URL.Host == "" {
		return nil, fmt.Errorf("url: %q is no absolute http(s) URL", to)
	}
	if typ != "" {
		req.Header.Set("Content-Type", typ)
	}
	if headers == nil {
		return req, nil
	}
	values, _, err := (&fields{dict: headers, force: true}).changed(http.CanonicalHeaderKey)
	if err != nil {
		return nil, fmt.Errorf("headers: %w", err)
	}
	for header, texts := range values {
		req.Header[http.CanonicalHeaderKey(header)] = texts
	}
	return req, nil
}

// ask sends a request past the rules; nil if there is no whole answer within the bounds. Why not, the
// history tells.
func (e *Engine) ask(ctx context.Context, req *http.Request) *Response {
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, unruled{}, true), askTimeout)
	defer cancel()
	resp, err := e.Transport(e.opt.Base).RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxText+1))
	if err != nil {
		return nil
	}
	return &Response{Status: resp.StatusCode, Header: resp.Header, Body: data}
}

// jwtDecode reads a JWT without verifying it; None if it can't be read.
func jwtDecode(_ *turn, _ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var packed string
	if err := starlark.UnpackArgs(name, args, kwargs, "packed", &packed); err != nil {
		return nil, err
	}
	token, err := oauth.Read(packed)
	if err != nil {
		return starlark.None, nil
	}
	out := starlark.NewDict(3)
	for part, text := range map[string][]byte{"header": token.Header, "claims": token.Claims} {
		v, err := fromJSON(text)
		if err != nil {
			return starlark.None, nil
		}
		if err := out.SetKey(starlark.String(part), v); err != nil {
			return nil, err
		}
	}
	return out, out.SetKey(starlark.String("signature"), starlark.String(packed[strings.LastIndexByte(packed, '.')+1:]))
}

// jwtSign makes a JWT: with the node's key, or a fresh one of which nobody knows.
func jwtSign(t *turn, _ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var claims starlark.Value
	var header *starlark.Dict
	which, alg := "node", "RS256"
	if err := starlark.UnpackArgs(name, args, kwargs, "claims", &claims, "key?", &which, "alg?", &alg, "header?", &header); err != nil {
		return nil, err
	}
	packed, err := t.sign(claims, which, alg, header)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return starlark.String(packed), nil
}

func (t *turn) sign(claims starlark.Value, which, alg string, header *starlark.Dict) (packed string, err error) {
	e := t.p.engine
	if e.opt.Issuer == nil {
		return "", errors.New("this node signs nothing")
	}
	body, err := objectOf("claims", claims)
	if err != nil {
		return "", err
	}
	key, kid := e.opt.Issuer().Current()
	switch which {
	case "node":
	case "fresh":
		if err := t.aside(func() (err error) { key, err = e.freshKey(); return err }); err != nil {
			return "", err
		}
	default:
		return "", fmt.Errorf("key: %q is unknown: use \"node\" or \"fresh\"", which)
	}
	head := map[string]any{"kid": kid}
	if header != nil {
		more, err := objectOf("header", header)
		if err != nil {
			return "", err
		}
		for member, value := range more {
			if head[member] = value; value == nil {
				delete(head, member)
			}
		}
	}
	err = t.aside(func() (err error) { packed, err = key.Sign(alg, head, body); return err })
	return packed, err
}

func objectOf(what string, v starlark.Value) (map[string]any, error) {
	made, err := toGo(v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	object, ok := made.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s: a %s: give a dict", what, v.Type())
	}
	return object, nil
}

// freshKey is a key that the node does not publish; it is made once.
func (e *Engine) freshKey() (*oauth.Key, error) {
	e.keyMu.Lock()
	defer e.keyMu.Unlock()
	if e.key == nil {
		key, err := oauth.NewKey()
		if err != nil {
			return nil, err
		}
		e.key = key
	}
	return e.key, nil
}
