package mockehr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"example.org/ccde/mockehr/control"
	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/store"
)

// controlHandler is the control port (package control has the wire). It is no
// part of the EHR: a listener of its own, a bearer of its own.
func (s *Server) controlHandler() http.Handler {
	r := mux.NewRouter()
	on := func(method, path string, h func(r *http.Request) (any, error)) {
		r.HandleFunc(path, s.controlled(h)).Methods(method)
	}
	on("GET", "/health", func(*http.Request) (any, error) { return map[string]string{"node": s.cfg.Name}, nil })
	on("GET", "/settings", func(*http.Request) (any, error) { return s.settings.get(), nil })
	on("PUT", "/settings", s.putSettings)
	on("POST", "/snapshot", func(r *http.Request) (any, error) { return nil, s.snapshot(r.Context()) })
	on("POST", "/reset", func(r *http.Request) (any, error) { return nil, s.reset(r.Context()) })
	on("POST", "/load", s.load)
	on("POST", "/key", func(r *http.Request) (any, error) { return nil, s.issuer.Rotate(r.Context()) })
	on("GET", "/clock", func(*http.Request) (any, error) { return s.clockState(), nil })
	on("POST", "/clock", s.moveClock)
	on("POST", "/idle", s.idle)
	on("GET", "/rules", func(*http.Request) (any, error) { return s.script.Rules(), nil })
	on("POST", "/rules", s.addRule)
	on("DELETE", "/rules", func(r *http.Request) (any, error) { s.script.Clear(); return nil, s.forgetScripts(r.Context(), "") })
	on("DELETE", "/rules/{id}", s.removeRule)
	on("GET", "/scripts", func(*http.Request) (any, error) { return s.script.Scripts(), nil })
	on("POST", "/scripts", s.addScript)
	on("DELETE", "/scripts", func(r *http.Request) (any, error) {
		s.script.ClearScripts()
		return nil, s.forgetScripts(r.Context(), "")
	})
	on("DELETE", "/scripts/{name}", s.removeScript)
	on("GET", "/history", s.getHistory)
	on("DELETE", "/history", func(*http.Request) (any, error) { s.script.ClearHistory(); return nil, nil })
	on("GET", "/copier", s.copier)
	on("PUT", "/links", s.cutLinks)
	return r
}

// controlled guards a control call by the secret and writes its answer: 204
// where there is none.
func (s *Server) controlled(h func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !same(bearerOf(r.Header.Get("Authorization")), s.cfg.Secret) {
			writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "the control port needs its own bearer: the node's secret, as \"ccde up\" prints it"})
			return
		}
		answer, err := h(r)
		var bad *badControl
		switch {
		case errors.As(err, &bad):
			writeJSON(w, bad.status, map[string]string{"error": err.Error()})
		case err != nil:
			writeJSON(w, http.StatusInternalServerError, map[string]string{"error": err.Error()})
		case answer == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			writeJSON(w, http.StatusOK, answer)
		}
	}
}

// badControl is a control call that is wrong itself.
type badControl struct {
	status int
	err    error
}

func (b *badControl) Error() string { return b.err.Error() }
func (b *badControl) Unwrap() error { return b.err }

func badCall(err error) error {
	if err == nil {
		return nil
	}
	return &badControl{http.StatusBadRequest, err}
}

func (s *Server) putSettings(r *http.Request) (any, error) {
	var next control.Settings
	if err := control.Decode(r.Body, &next); err != nil {
		return nil, badCall(err)
	}
	if err := next.Validate(); err != nil {
		return nil, badCall(err)
	}
	if err := s.apply(next); err != nil {
		return nil, badCall(err)
	}
	s.exchange.Refresh()
	return nil, nil
}

// settingsKind names the record that keeps the settings in a snapshot, so that
// a node that was killed since finds them with the rest.
const settingsKind, settingsKey = "settings", "snapshot"

// snapshot keeps the store as it is and the settings with it.
func (s *Server) snapshot(ctx context.Context) error {
	err := s.store.Update(ctx, func(tx *store.Tx) error { return tx.PutRecord(settingsKind, settingsKey, s.settings.get()) })
	if err != nil {
		return err
	}
	return s.store.Snapshot(ctx)
}

// reset puts everything back to the snapshot. The copier rests meanwhile: what
// it would write belongs to the time before.
func (s *Server) reset(ctx context.Context) error {
	s.script.Clear()
	s.links.set(nil)
	s.exchange.Close()
	s.clock.Reset()
	if err := s.store.Restore(ctx); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = &badControl{http.StatusConflict, errors.New("there is no snapshot; POST /snapshot first")}
		}
		return errors.Join(err, s.exchange.Start(ctx))
	}
	var kept control.Settings
	err := s.store.View(ctx, func(tx *store.Tx) error { return tx.Record(settingsKind, settingsKey, &kept) })
	if err != nil {
		return fmt.Errorf("the snapshot's settings: %w", err)
	}
	if err := s.issuer.Reload(ctx); err != nil {
		return err
	}
	s.trust.Forget()
	if err := s.apply(kept); err != nil {
		return err
	}
	s.script.ClearHistory()
	if err := s.forgetScripts(ctx, ""); err != nil { // those of the snapshot itself
		return err
	}
	return s.exchange.Start(ctx)
}

// load stores the resources of a Bundle as they are.
func (s *Server) load(r *http.Request) (any, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, badCall(err)
	}
	bundle, err := fhir.ParseJSON(body)
	if err != nil {
		return nil, badCall(err)
	}
	if bundle.Type() != "Bundle" {
		return nil, badCall(fmt.Errorf("resourceType is %q, where Bundle is needed", bundle.Type()))
	}
	var resources []*fhir.Object
	for i, entry := range bundle.Objects("entry") {
		resource := entry.Child("resource")
		if !fhir.IsResourceType(resource.Type()) || !fhir.ValidID(resource.ID()) {
			return nil, badCall(fmt.Errorf("entry[%d].resource: needs a resourceType of STU3 and an id", i))
		}
		resources = append(resources, resource)
	}
	if err := s.store.Load(r.Context(), resources); err != nil {
		return nil, err
	}
	return map[string]int{"loaded": len(resources)}, nil
}

func (s *Server) clockState() control.ClockState {
	state := control.ClockState{Now: s.clock.Now(), Held: s.clock.Held()}
	if due, ok := s.clock.Due(); ok {
		state.Due = &due
	}
	return state
}

func (s *Server) moveClock(r *http.Request) (any, error) {
	var move control.ClockMove
	if err := control.Decode(r.Body, &move); err != nil {
		return nil, badCall(err)
	}
	if move.Hold {
		s.clock.Hold()
	}
	if move.Set != nil {
		s.clock.Set(*move.Set)
	}
	if move.Add != 0 {
		s.clock.Add(time.Duration(move.Add))
	}
	if move.Run {
		s.clock.Run()
	}
	s.exchange.Refresh()
	return s.clockState(), nil
}

func (s *Server) idle(r *http.Request) (any, error) {
	if err := s.clock.Idle(r.Context()); err != nil {
		return nil, err
	}
	return s.clockState(), nil
}

func (s *Server) addRule(r *http.Request) (any, error) {
	var rule control.Rule
	if err := control.Decode(r.Body, &rule); err != nil {
		return nil, badCall(err)
	}
	added, err := s.script.Add(rule)
	return added, badCall(err)
}

func (s *Server) removeRule(r *http.Request) (any, error) {
	if id := mux.Vars(r)["id"]; !s.script.Remove(id) {
		return nil, &badControl{http.StatusNotFound, fmt.Errorf("there is no rule %q", id)}
	}
	return nil, nil
}

func (s *Server) getHistory(r *http.Request) (any, error) {
	q, err := control.ParseHistoryQuery(r.URL.Query())
	if err != nil {
		return nil, badCall(err)
	}
	return s.script.History(q), nil
}

func (s *Server) copier(r *http.Request) (any, error) {
	all, err := s.exchange.List(r.Context())
	if err != nil {
		return nil, err
	}
	state := control.CopierState{Connections: []control.ConnectionState{}}
	for _, c := range all {
		state.Connections = append(state.Connections, control.ConnectionState{
			ID: c.ID, Source: c.Source, Consent: c.Consent, Patient: c.Patient, Owner: c.Owner, Status: string(c.Status), Message: c.Message,
			Started: c.Started, LastCheck: c.LastCheck, NextCheck: c.NextCheck, Expires: c.Expires, Copied: c.Copied})
	}
	return state, nil
}

func (s *Server) cutLinks(r *http.Request) (any, error) {
	var links control.Links
	if err := control.Decode(r.Body, &links); err != nil {
		return nil, badCall(err)
	}
	s.links.set(links.Cut)
	return nil, nil
}
