package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client calls the control port of one node. Its methods return an [*Error] for an answer that is not
// 2xx, else the transport's error.
type Client struct {
	base   string
	secret string
	http   *http.Client
}

// New returns a client of the control port at baseURL. hc may be nil for http.DefaultClient; calls
// that wait ([Client.Idle]) are bounded by their context, so hc should have no timeout of its own.
func New(baseURL, secret string, hc *http.Client) *Client {
	if hc == nil {
		hc = http.DefaultClient
	}
	return &Client{base: strings.TrimRight(baseURL, "/"), secret: secret, http: hc}
}

// Error is an answer of the control port that is not 2xx.
type Error struct {
	Method, Path string
	Status       int
	Body         string // the message of a [Problem], else the text as it came, shortened
}

// Error says what was asked and what came back.
func (e *Error) Error() string {
	return fmt.Sprintf("control: %s %s: %d %s: %s", e.Method, e.Path, e.Status, http.StatusText(e.Status), e.Body)
}

// Health returns nil once the node is up.
func (c *Client) Health(ctx context.Context) error {
	return c.call(ctx, http.MethodGet, PathHealth, nil, nil)
}

// Settings are the node's.
func (c *Client) Settings(ctx context.Context) (Settings, error) {
	return get[Settings](ctx, c, PathSettings)
}

// SetSettings replaces the node's settings.
func (c *Client) SetSettings(ctx context.Context, s Settings) error {
	return c.call(ctx, http.MethodPut, PathSettings, s, nil)
}

// Snapshot remembers the node's state for [Client.Reset].
func (c *Client) Snapshot(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, PathSnapshot, nil, nil)
}

// Reset brings the node back to its snapshot.
func (c *Client) Reset(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, PathReset, nil, nil)
}

// Clock is what the node's clock shows.
func (c *Client) Clock(ctx context.Context) (ClockState, error) {
	return get[ClockState](ctx, c, PathClock)
}

// HoldClock stops the node's clock where it is.
func (c *Client) HoldClock(ctx context.Context) (ClockState, error) {
	return c.MoveClock(ctx, ClockMove{Hold: true})
}

// RunClock lets the node's clock go on from where it is.
func (c *Client) RunClock(ctx context.Context) (ClockState, error) {
	return c.MoveClock(ctx, ClockMove{Run: true})
}

// SetClock moves the node's clock to t.
func (c *Client) SetClock(ctx context.Context, t time.Time) (ClockState, error) {
	return c.MoveClock(ctx, ClockMove{Set: &t})
}

// AddClock moves the node's clock by d.
func (c *Client) AddClock(ctx context.Context, d time.Duration) (ClockState, error) {
	return c.MoveClock(ctx, ClockMove{Add: Duration(d)})
}

// MoveClock holds, moves and releases the node's clock, in that order.
func (c *Client) MoveClock(ctx context.Context, move ClockMove) (ClockState, error) {
	var out ClockState
	err := c.call(ctx, http.MethodPost, PathClock, move, &out)
	return out, err
}

// Idle returns once the node has nothing in hand, or with ctx's error.
func (c *Client) Idle(ctx context.Context) (ClockState, error) {
	var out ClockState
	err := c.call(ctx, http.MethodPost, PathIdle, nil, &out)
	return out, err
}

// Rules are those of the node, in order.
func (c *Client) Rules(ctx context.Context) ([]Rule, error) {
	return get[[]Rule](ctx, c, PathRules)
}

// AddRule installs a rule after those there are, and returns its id.
func (c *Client) AddRule(ctx context.Context, r Rule) (string, error) {
	if err := r.Validate(); err != nil {
		return "", err
	}
	var out Rule
	err := c.call(ctx, http.MethodPost, PathRules, r, &out)
	return out.ID, err
}

// RemoveRule takes one rule away.
func (c *Client) RemoveRule(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, PathRules+"/"+url.PathEscape(id), nil, nil)
}

// ClearRules takes all rules away.
func (c *Client) ClearRules(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, PathRules, nil, nil)
}

// Scripts are those of the node, in the order they were loaded.
func (c *Client) Scripts(ctx context.Context) ([]ScriptState, error) {
	return get[[]ScriptState](ctx, c, PathScripts)
}

// AddScript loads a script; its rules come after those there are. What is wrong with its text is an
// [*Error] that names file and line.
func (c *Client) AddScript(ctx context.Context, s Script) (ScriptState, error) {
	if err := s.Validate(); err != nil {
		return ScriptState{}, err
	}
	var out ScriptState
	err := c.call(ctx, http.MethodPost, PathScripts, s, &out)
	return out, err
}

// RemoveScript takes one script away, with its rules.
func (c *Client) RemoveScript(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, PathScripts+"/"+url.PathEscape(name), nil, nil)
}

// ClearScripts takes all scripts away, with their rules.
func (c *Client) ClearScripts(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, PathScripts, nil, nil)
}

// History is what the node received and sent, in order.
func (c *Client) History(ctx context.Context, q HistoryQuery) ([]Exchange, error) {
	path := PathHistory
	if v := q.Values(); len(v) > 0 {
		path += "?" + v.Encode()
	}
	return get[[]Exchange](ctx, c, path)
}

// ClearHistory forgets it.
func (c *Client) ClearHistory(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, PathHistory, nil, nil)
}

// Copier is what the node copies.
func (c *Client) Copier(ctx context.Context) (CopierState, error) {
	return get[CopierState](ctx, c, PathCopier)
}

// Load stores the resources of a FHIR Bundle (JSON) as they are, with their ids.
func (c *Client) Load(ctx context.Context, bundle []byte) error {
	return c.call(ctx, http.MethodPost, PathLoad, json.RawMessage(bundle), nil)
}

// Cut makes the node unable to reach these "host:port", and no others; nil mends all.
func (c *Client) Cut(ctx context.Context, hosts []string) error {
	return c.call(ctx, http.MethodPut, PathLinks, Links{Cut: append([]string{}, hosts...)}, nil)
}

// RotateKey gives the node a new signing key.
func (c *Client) RotateKey(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, PathKey, nil, nil)
}

func get[T any](ctx context.Context, c *Client, path string) (T, error) {
	var out T
	err := c.call(ctx, http.MethodGet, path, nil, &out)
	return out, err
}

// call sends in as JSON (nil: no body) and reads the answer into out (nil: passed over).
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if raw, ok := in.(json.RawMessage); ok {
		body = bytes.NewReader(raw)
	} else if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("control: %s %s: %w", method, path, err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("control: %s %s: %w", method, path, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.secret)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("control: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return &Error{Method: method, Path: path, Status: resp.StatusCode, Body: problem(resp.Body)}
	}
	if out == nil {
		_, err = io.Copy(io.Discard, resp.Body) // so that the connection can be used again
	} else {
		err = json.NewDecoder(resp.Body).Decode(out)
	}
	if err != nil {
		return fmt.Errorf("control: %s %s: the answer: %w", method, path, err)
	}
	return nil
}

// problem is the message of an error answer.
func problem(body io.Reader) string {
	const most = 64 << 10
	text, err := io.ReadAll(io.LimitReader(body, most))
	if err != nil && len(text) == 0 {
		return "(its body could not be read: " + err.Error() + ")"
	}
	var p Problem
	if json.Unmarshal(text, &p) == nil && p.Error != "" {
		return p.Error
	}
	return strings.TrimSpace(string(text))
}
