package cluster

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"example.org/ccde/mockehr/clock"
	"example.org/ccde/mockehr/control"
)

// controlHandler is the control port of a fake node, as far as a cluster uses it.
func (n *FakeNode) controlHandler() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, f func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer "+n.Config.Secret {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			if r.Method != http.MethodGet {
				n.mu.Lock()
				n.calls = append(n.calls, r.Method+" "+r.URL.Path)
				n.mu.Unlock()
			}
			answer, err := f(r)
			if err != nil {
				w.WriteHeader(http.StatusBadRequest)
				answer = map[string]string{"error": err.Error()}
			}
			_ = json.NewEncoder(w).Encode(answer) // who asked is gone
		})
	}
	handle("GET /health", func(*http.Request) (any, error) { return struct{}{}, nil })
	handle("GET /settings", func(*http.Request) (any, error) { return n.Settings(), nil })
	handle("PUT /settings", n.putSettings)
	handle("POST /snapshot", n.takeSnapshot)
	handle("POST /reset", n.reset)
	handle("GET /clock", func(*http.Request) (any, error) { return stateOf(n.Clock()), nil })
	handle("POST /clock", n.moveClock)
	handle("POST /idle", func(r *http.Request) (any, error) {
		c := n.Clock()
		if err := c.Idle(r.Context()); err != nil {
			return nil, err
		}
		return stateOf(c), nil
	})
	handle("POST /load", n.load)
	handle("PUT /links", n.putLinks)
	return mux
}

func stateOf(c *clock.Clock) control.ClockState {
	s := control.ClockState{Now: c.Now(), Held: c.Held()}
	if due, ok := c.Due(); ok {
		s.Due = &due
	}
	return s
}

func (n *FakeNode) putSettings(r *http.Request) (any, error) {
	var s control.Settings
	if err := control.Decode(r.Body, &s); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.settings = s
	return s, nil
}

func (n *FakeNode) takeSnapshot(*http.Request) (any, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.snapshot = fakeSnapshot{n.settings, slices.Clone(n.loaded)}
	return struct{}{}, nil
}

func (n *FakeNode) reset(*http.Request) (any, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.settings, n.loaded, n.cut = n.snapshot.settings, slices.Clone(n.snapshot.loaded), nil
	n.clock = clock.New()
	return struct{}{}, nil
}

func (n *FakeNode) moveClock(r *http.Request) (any, error) {
	var m control.ClockMove
	if err := control.Decode(r.Body, &m); err != nil {
		return nil, err
	}
	c := n.Clock()
	if m.Hold {
		c.Hold()
	}
	if m.Set != nil {
		c.Set(*m.Set)
	}
	if m.Add != 0 {
		c.Add(time.Duration(m.Add))
	}
	if m.Run {
		c.Run()
	}
	return stateOf(c), nil
}

func (n *FakeNode) load(r *http.Request) (any, error) {
	var bundle json.RawMessage
	if err := control.Decode(r.Body, &bundle); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.loaded = append(n.loaded, string(bundle))
	return struct{}{}, nil
}

func (n *FakeNode) putLinks(r *http.Request) (any, error) {
	var l control.Links
	if err := control.Decode(r.Body, &l); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = l.Cut
	return l, nil
}
