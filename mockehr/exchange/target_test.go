package exchange

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/clock"
	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/store"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const targetBase = "http://target.example/r3"

var start = time.Date(2017, 9, 9, 10, 0, 0, 0, time.UTC)

// target is an engine with a held clock.
type target struct {
	*Engine
	t     testing.TB
	clock *clock.Clock
	store *store.Store

	updateEvery atomic.Int64 // time.Duration
}

func heldClock() *clock.Clock {
	c := clock.New()
	c.Hold()
	c.Set(start)
	return c
}

func newTarget(t testing.TB, c *clock.Clock) *target {
	t.Helper()
	s, err := store.Open("", store.Options{Clock: c, Base: targetBase})
	require.NoError(t, err)
	transport := &http.Transport{}
	tg := &target{t: t, clock: c, store: s}
	tg.updateEvery.Store(int64(5 * time.Minute))
	tg.Engine = New(Deps{
		Store: s, Clock: c, Checks: check.New(check.Strict), HTTP: &http.Client{Transport: transport}, OwnBase: targetBase,
		Settings: func() Settings {
			return Settings{UpdateEvery: time.Duration(tg.updateEvery.Load()), RequestTimeout: 400 * time.Millisecond}
		},
	})
	require.NoError(t, tg.Start(context.Background()))
	t.Cleanup(func() {
		tg.Close()
		transport.CloseIdleConnections()
		_ = s.Close()
	})
	return tg
}

func (tg *target) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	tg.t.Cleanup(cancel)
	return ctx
}

func (tg *target) connect(s *source, authorization string) Connection {
	tg.t.Helper()
	c, err := tg.Connect(tg.ctx(), Request{Source: s.base, Consent: "c1", JWT: sourceJWT, Authorization: authorization, ExpiresIn: 24 * 60 * 60})
	require.NoError(tg.t, err)
	return c
}

func (tg *target) idle() {
	tg.t.Helper()
	require.NoError(tg.t, tg.clock.Idle(tg.ctx()))
}

// pass moves the clock from timer to timer.
func (tg *target) pass(d time.Duration) {
	tg.t.Helper()
	tg.idle()
	for end := tg.clock.Now().Add(d); ; tg.idle() {
		due, ok := tg.clock.Due()
		if !ok || due.After(end) {
			tg.clock.Set(end)
			tg.idle()
			return
		}
		tg.clock.Set(due)
	}
}

func (tg *target) get(id string) Connection {
	tg.t.Helper()
	c, err := tg.Get(tg.ctx(), id)
	require.NoError(tg.t, err)
	return c
}

// copies are all copies, by the URL of their originals.
func (tg *target) copies() map[string]*fhir.Object {
	tg.t.Helper()
	all := map[string]*fhir.Object{}
	require.NoError(tg.t, tg.store.View(tg.ctx(), func(tx *store.Tx) error {
		return tx.Records(kindHeld, "", func(name string, raw json.RawMessage) error {
			var id string
			if err := json.Unmarshal(raw, &id); err != nil {
				return err
			}
			v, err := tx.Read(strings.Split(name, "/")[1], id)
			if err != nil {
				return err
			}
			o, err := fhir.ParseJSON(v.JSON)
			if err != nil {
				return err
			}
			all[origin(o)] = o
			return nil
		})
	}))
	return all
}

func origin(o *fhir.Object) string {
	for _, t := range o.Child("meta").Objects("tag") {
		if t.Text("system") == originSystem {
			return t.Text("code")
		}
	}
	return ""
}

// equal compares all that the target has of a source with what the source holds of the wanted names.
func (tg *target) equal(s *source, names ...string) {
	tg.t.Helper()
	copies := tg.copies()
	local := map[string]string{} // original's URL -> Type/id of the copy
	for url, o := range copies {
		local[url] = o.Type() + "/" + o.ID()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		have := copies[s.base+"/"+name]
		if !assert.NotNil(tg.t, have, name) {
			continue
		}
		raw, err := json.Marshal(s.resources[name])
		require.NoError(tg.t, err)
		want, err := fhir.ParseJSON(raw)
		require.NoError(tg.t, err)
		want.Set("id", have.ID())
		fhir.EachReference(want, func(r fhir.Reference) {
			base, typ, id, version, ok := fhir.SplitReference(r.Value)
			if !ok || base != "" && base != s.base {
				return
			}
			to := s.base + "/" + typ + "/" + id
			if l := local[to]; l != "" {
				to = l
			} else if version != "" {
				to += "/_history/" + version
			}
			r.Set(to)
		})
		have = have.Clone()
		have.Delete("meta")
		want.Delete("meta")
		assert.True(tg.t, sameObject(want, have), "%s\nwant %s\nhave %s", name, fhir.AppendJSON(nil, want), fhir.AppendJSON(nil, have))
	}
}

// versions is how many versions the copy of an original has.
func (tg *target) versions(url string) int {
	tg.t.Helper()
	o := tg.copies()[url]
	require.NotNil(tg.t, o, url)
	n := 0
	require.NoError(tg.t, tg.store.View(tg.ctx(), func(tx *store.Tx) error {
		all, err := tx.History(o.Type(), o.ID())
		n = len(all)
		return err
	}))
	return n
}

// stored counts all resources of a type, whoever knows of them.
func (tg *target) stored(typ string) int {
	tg.t.Helper()
	n := 0
	require.NoError(tg.t, tg.store.View(tg.ctx(), func(tx *store.Tx) error {
		search, err := store.ParseSearch(typ, map[string][]string{}, false)
		if err != nil {
			return err
		}
		r, err := tx.Search(search, store.Scope{})
		n = r.Total
		return err
	}))
	return n
}

// record are the names of what fill puts and a target can copy.
func record(s *source, patient string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	shared := map[string]bool{"Practitioner/gp": true, "Location/ward": true, "Location/house": true, "Organization/hospital": true, "Medication/aspirin": true}
	var names []string
	for _, n := range s.order {
		if shared[n] || n == "Patient/"+patient || strings.Contains(n, "/"+patient+"-") {
			names = append(names, n)
		}
	}
	return names
}
