package mockehr

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/gorilla/mux"

	"example.org/ccde/mockehr/control"
	"example.org/ccde/mockehr/store"
)

// scriptKind names the records that keep the scripts that are loaded, by their
// names: a node that was killed runs them again, before it does anything else.
const scriptKind = "script"

type keptScript struct {
	control.Script
	Place int `json:"place"` // in the order in which they were loaded
}

// addScript loads a script, and keeps it.
func (s *Server) addScript(r *http.Request) (any, error) {
	var text control.Script
	if err := control.Decode(http.MaxBytesReader(nil, r.Body, 1<<20), &text); err != nil {
		return nil, badCall(err)
	}
	state, err := s.script.Load(r.Context(), text)
	if err != nil {
		return nil, badCall(err)
	}
	place := len(s.script.Scripts())
	err = s.store.Update(r.Context(), func(tx *store.Tx) error {
		return tx.PutRecord(scriptKind, text.Name, keptScript{text, place})
	})
	if err != nil {
		s.script.RemoveScript(text.Name)
		return nil, fmt.Errorf("keeping the script %s: %w", text.Name, err)
	}
	return state, nil
}

func (s *Server) removeScript(r *http.Request) (any, error) {
	name := mux.Vars(r)["name"]
	if !s.script.RemoveScript(name) {
		return nil, &badControl{http.StatusNotFound, fmt.Errorf("there is no script %q", name)}
	}
	return nil, s.forgetScripts(r.Context(), name)
}

// forgetScripts keeps a script no longer; "" is all of them.
func (s *Server) forgetScripts(ctx context.Context, name string) error {
	kept, err := s.keptScripts(ctx)
	if err != nil {
		return err
	}
	kept = slices.DeleteFunc(kept, func(k keptScript) bool { return name != "" && k.Name != name })
	if len(kept) == 0 {
		return nil
	}
	return s.store.Update(ctx, func(tx *store.Tx) error {
		for _, k := range kept {
			if err := tx.DeleteRecord(scriptKind, k.Name); err != nil {
				return err
			}
		}
		return nil
	})
}

// reloadScripts loads what the store keeps; what the scripts counted and
// remembered went with the node.
func (s *Server) reloadScripts(ctx context.Context) error {
	kept, err := s.keptScripts(ctx)
	if err != nil {
		return err
	}
	for _, k := range kept {
		if _, err := s.script.Load(ctx, k.Script); err != nil {
			return fmt.Errorf("the script %s, which the node ran before: %w", k.Name, err)
		}
	}
	return nil
}

func (s *Server) keptScripts(ctx context.Context) (kept []keptScript, err error) {
	err = s.store.View(ctx, func(tx *store.Tx) error {
		return tx.Records(scriptKind, "", func(_ string, raw json.RawMessage) error {
			var k keptScript
			if err := json.Unmarshal(raw, &k); err != nil {
				return err
			}
			kept = append(kept, k)
			return nil
		})
	})
	slices.SortFunc(kept, func(a, b keptScript) int { return cmp.Compare(a.Place, b.Place) })
	return kept, err
}
