package exchange

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"example.org/ccde/mockehr/check"

	"github.com/stretchr/testify/assert"
)

// Each decision can be overridden, and then shows.
func TestDecisionsCanBeBroken(t *testing.T) {
	value := func(v any) check.Override {
		return func(context.Context, check.Inputs, any) (any, bool) { return v, true }
	}
	other := newSource(t, nil)
	for name, c := range map[string]struct {
		id       string
		override check.Override
		before   func(s *source)
		shows    func(t *testing.T, s *source, tg *target, conn Connection)
	}{
		"sends another grant": {"TGT-20", value(map[string]string{"grant_type": "password"}), nil, func(t *testing.T, s *source, _ *target, _ Connection) {
			assert.Equal(t, "password", s.seen("/auth/token")[0].Form.Get("grant_type"))
		}},
		"another JWT": {"TGT-21", value("x.y.z"), nil, func(t *testing.T, s *source, _ *target, _ Connection) {
			assert.Equal(t, "Bearer x.y.z", s.seen("/auth/token")[0].Auth)
		}},
		"token in the URL": {"TGT-22", value("query"), nil, func(t *testing.T, s *source, _ *target, _ Connection) {
			assert.Contains(t, s.seen("Patient/p1")[0].Query, "access_token=")
			assert.Empty(t, s.seen("Patient/p1")[0].Auth)
		}},
		"token to another host": {"TGT-23", value(nil), func(s *source) {
			s.answer(on(condition, text(200, "application/json", `{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next","url":"`+other.base+`/x"}]}`)))
		}, func(t *testing.T, _ *source, _ *target, _ Connection) {
			assert.NotEmpty(t, other.seen("/x")[0].Auth)
		}},
		"forgets a query": {"TGT-24", func(_ context.Context, _ check.Inputs, v any) (any, bool) { return v.([]string)[:3], true }, nil, func(t *testing.T, s *source, _ *target, _ Connection) {
			assert.Empty(t, s.seen(condition))
		}},
		"drops the next page": {"TGT-25", value(""), nil, func(t *testing.T, _ *source, tg *target, conn Connection) {
			assert.Equal(t, 52, tg.get(conn.ID).Copied["Observation"]-1)
		}},
		"alters content": {"TGT-26", func(_ context.Context, in check.Inputs, v any) (any, bool) {
			if in["type"] != "Condition" {
				return nil, false
			}
			r := v.(resource)
			r.Set("clinicalStatus", "resolved")
			return r, true
		}, nil, func(t *testing.T, s *source, tg *target, _ Connection) {
			assert.Equal(t, "resolved", tg.copies()[s.base+"/Condition/p1-c"].Text("clinicalStatus"))
		}},
		"always asks for all": {"TGT-27", value(""), nil, func(t *testing.T, s *source, tg *target, _ Connection) {
			s.forget()
			tg.pass(5 * time.Minute)
			assert.NotContains(t, s.seen(condition)[0].Query, "_lastUpdated")
		}},
		"goes on after the end": {"TGT-28", value(true), nil, func(t *testing.T, s *source, tg *target, _ Connection) {
			tg.updateEvery.Store(int64(6 * time.Hour))
			tg.pass(25 * time.Hour)
			s.forget()
			tg.pass(6 * time.Hour)
			assert.NotEmpty(t, s.seen("Patient/p1"))
		}},
		"gets no new token": {"TGT-29", value(false), nil, func(t *testing.T, s *source, tg *target, conn Connection) {
			s.revokeTokens()
			tg.pass(10 * time.Minute)
			assert.Len(t, s.seen("/auth/token"), 1)
			assert.Equal(t, Failed, tg.get(conn.ID).Status)
		}},
		"doesn't wait": {"TGT-30", value(0), func(s *source) { s.answer(times(2, on(condition, text(503, "text/plain", "")))) }, func(t *testing.T, s *source, _ *target, _ Connection) {
			asked := s.seen(condition)
			assert.Equal(t, asked[0].At, asked[2].At)
		}},
		"forgets after a crash": {"TGT-31", value(false), nil, func(t *testing.T, s *source, tg *target, _ Connection) {
			tg.Close()
			assert.NoError(t, tg.Start(tg.ctx()))
			s.forget()
			tg.pass(time.Hour)
			assert.Empty(t, s.seen(""))
		}},
		"mixes patients": {"TGT-32", func(_ context.Context, in check.Inputs, v any) (any, bool) {
			return "the one", in["type"] == "Patient"
		}, nil, func(t *testing.T, s *source, tg *target, _ Connection) {
			s.fill("p2", 1)
			s.patients["auth-2"] = "p2"
			tg.connect(s, "auth-2")
			tg.idle()
			assert.Equal(t, 1, tg.stored("Patient"))
		}},
		"takes anything": {"TGT-33", value(true), func(s *source) {
			s.answer(on(condition, bundle(`{"resource":{"resourceType":"Immunization","id":"x","patient":{"reference":"Patient/p1"}}}`)))
		}, func(t *testing.T, s *source, tg *target, _ Connection) {
			assert.NotNil(t, tg.copies()[s.base+"/Immunization/x"])
		}},
		"copies again": {"TGT-34", value(""), nil, func(t *testing.T, s *source, tg *target, conn Connection) {
			assert.NotEqual(t, conn.ID, tg.connect(s, "auth-1").ID)
		}},
		"doesn't stop": {"TGT-41", value(false), nil, func(t *testing.T, s *source, tg *target, conn Connection) {
			assert.NoError(t, tg.Disconnect(tg.ctx(), conn.ID))
			assert.NoError(t, tg.Disconnect(tg.ctx(), conn.ID))
			s.forget()
			tg.pass(10 * time.Minute)
			assert.Equal(t, Stopped, tg.get(conn.ID).Status)
			assert.NotEmpty(t, s.seen("Patient/p1"))
		}},
		"shows a token": {"TGT-42", func(_ context.Context, in check.Inputs, v any) (any, bool) {
			return v.(string) + " " + in["token"].(string), true
		}, func(s *source) { s.answer(on(condition, text(500, "text/plain", ""))) }, func(t *testing.T, s *source, tg *target, conn Connection) {
			tg.pass(time.Minute)
			assert.Contains(t, tg.get(conn.ID).Message, "urn:oauth:")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			clk := heldClock()
			s, tg := newSource(t, clk), newTarget(t, clk)
			s.fill("p1", 60)
			if c.before != nil {
				c.before(s)
			}
			tg.Checks.Override(c.id, c.override)
			conn := tg.connect(s, "auth-1")
			tg.pass(10 * time.Second)
			c.shows(t, s, tg, conn)
		})
	}
}

func FuzzPage(f *testing.F) {
	f.Add(`{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next","url":"Observation?x"}],"entry":[{"fullUrl":"http://s.example/r3/Observation/1","resource":{"resourceType":"Observation","id":"1","subject":{"reference":"Patient/p1"}}}]}`)
	f.Add(`{"resourceType":"Bundle","type":"searchset","entry":[{"search":{"mode":"include"},"resource":{"resourceType":"Device","id":"1","type":{"coding":[{"system":"x"}]}}},{},null,1]}`)
	f.Add(`{"resourceType":["Bundle"],"type":{},"entry":{"resource":[]},"link":[[{"relation":"next","url":1}]]}`)
	w := &worker{Engine: New(Deps{})}
	w.current.Store(&state{Base: "http://s.example/r3", Patient: "p1"})
	f.Fuzz(func(t *testing.T, body string) {
		a := &answer{url: w.base(), status: 200, header: httptest.NewRecorder().Header(), body: []byte(body)}
		items, next, err := w.parsePage("Observation?category=laboratory&patient=p1", a)
		if err == nil {
			for _, it := range items {
				if it.typ == "Observation" && it.id == "" || it.typ == "Consent" {
					t.Fatalf("took %s", it.key)
				}
			}
		} else if asFailure(err) == nil && !errors.As(err, new(interface{ Unwrap() []error })) {
			t.Fatalf("not a failure: %v", err)
		}
		if next != "" && !strings.Contains(next, ":") {
			t.Fatalf("not absolute: %q", next)
		}
		referred(items, referredAny)
	})
}

func FuzzGrant(f *testing.F) {
	f.Add(`{"access_token":"a","token_type":"Bearer","expires_in":"7621372","scope":"user/*.*","patient":"example"}`)
	f.Add(`{"access_token":"a","expires_in":1e400}`)
	f.Add(`{"access_token":"a\n","expires_in":-1}`)
	u := httptest.NewRequest("GET", "http://s.example/auth/token", nil).URL
	f.Fuzz(func(t *testing.T, body string) {
		g, err := readGrant(&answer{url: u, status: 200, header: map[string][]string{}, body: []byte(body)})
		if err == nil && (g.token == "" || strings.ContainsAny(g.token, "\r\n ") || g.life < 0) {
			t.Fatalf("took %+v", g)
		}
	})
}
