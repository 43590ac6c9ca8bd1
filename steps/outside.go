package steps

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"example.org/ccde/steps/judge"
)

// This file is what a scenario does differently with an outside system: its
// credentials are the config's, and what is made there is taken away again.

// outside fills a node from the config of the system that plays it.
func (w *world) outside(ctx context.Context, n *node, r Role) error {
	n.outside = &r
	n.fhir, n.token, n.cavs, n.keys = strings.TrimRight(r.FHIR, "/"), r.Token, r.CAVS, r.Keys
	n.registry = strings.TrimRight(orElse(r.Registry, r.FHIR), "/")
	for _, one := range []struct {
		to   *string
		from Secret
	}{{&n.consumer, r.Consumer}, {&n.admin, r.Admin}, {&n.readback, r.Readback}} {
		*one.to = ""
		if one.from == nil {
			continue
		}
		bearer, err := one.from(ctx, "")
		if err != nil {
			return fmt.Errorf("a bearer for %s: %w", n.title(), err)
		}
		w.env.Masker.Standing("bearer", bearer)
		*one.to = bearer
	}
	n.readback = orElse(n.readback, n.admin)
	return nil
}

// renewed is another bearer in place of one that was refused, where the config
// has a command for it.
func (w *world) renewed(ctx context.Context, n *node, refused string) (string, bool) {
	if n.outside == nil || refused == "" {
		return "", false
	}
	var from Secret
	switch refused {
	case n.consumer:
		from = n.outside.Consumer
	case n.admin:
		from = n.outside.Admin
	case n.readback:
		from = n.outside.Readback
	}
	if from == nil {
		return "", false
	}
	fresh, err := from(ctx, refused)
	if err != nil || fresh == "" || fresh == refused {
		return "", false
	}
	w.env.Masker.Standing("bearer", fresh)
	for _, held := range []*string{&n.consumer, &n.admin, &n.readback} {
		if *held == refused {
			*held = fresh
		}
	}
	return fresh, true
}

// created is a resource that a scenario made at an outside system.
type created struct {
	at     *node
	url    string
	bearer string
}

// remember keeps what a good answer of an outside system made or took away.
func (w *world) remember(a *answer) {
	c := a.call
	if c.to.outside == nil || a.Status < 200 || a.Status > 299 {
		return
	}
	switch c.method {
	case http.MethodPost, http.MethodPut:
		if a.Status != http.StatusCreated {
			return
		}
		place, _, _ := strings.Cut(a.Header.Get("Location"), "/_history/")
		base, err := url.Parse(c.url)
		if err != nil {
			return
		}
		if place == "" && c.method == http.MethodPut {
			place = c.url
		} else if o := a.resource(); place == "" && o != nil && o.ID() != "" {
			place = c.url + "/" + o.ID()
		}
		u, err := base.Parse(place)
		if err == nil && place != "" {
			w.made = append(w.made, created{c.to, u.String(), c.bearer})
		}
	case http.MethodDelete:
		w.made = slices.DeleteFunc(w.made, func(m created) bool { return sameURL(m.url, c.url) })
	}
}

// cleanUp ends what goes on at outside systems for this scenario, and takes
// away what it made there, the latest first. What stays is noted.
func (w *world) cleanUp(ctx context.Context) {
	if w.ours() {
		return
	}
	for _, f := range w.flows {
		// Not the JWT: a target may give out the same one again.
		for _, secret := range append(slices.Clone(f.tokens), f.authorization) {
			if secret != "" {
				w.env.spent.Store(secret, true)
			}
		}
		if f.target == nil || f.target.outside == nil {
			continue
		}
		if f.connection != "" {
			w.quietly(ctx, http.MethodPost, f.target.fhir+"/$disconnect", f.owner(), url.Values{"id": {f.connection}}.Encode())
		}
		if f.copy != "" {
			w.note("target: Patient/" + f.copy + " and its record, copied by the run, are still there")
		}
	}
	for _, m := range slices.Backward(w.made) {
		status := w.quietly(ctx, http.MethodDelete, m.url, m.bearer, "")
		if (status == http.StatusUnauthorized || status == http.StatusForbidden) && m.at.admin != "" && m.at.admin != m.bearer {
			status = w.quietly(ctx, http.MethodDelete, m.url, m.at.admin, "")
		}
		if status == 0 || status > 299 && status != http.StatusNotFound && status != http.StatusGone {
			w.note(fmt.Sprintf("%s: %s, made by the run, could not be removed (DELETE: %d)", m.at.name, m.url, status))
		}
	}
}

func (w *world) note(text string) {
	if w.env.Note != nil {
		w.env.Note(w.rec.RedactURL(text))
	}
}

// quietly sends a request that is no evidence; 0 is no answer.
func (w *world) quietly(ctx context.Context, method, place, bearer, form string) int {
	req, err := http.NewRequestWithContext(ctx, method, place, bytes.NewReader([]byte(form)))
	if err != nil {
		return 0
	}
	req.Header.Set("User-Agent", judge.UserAgent)
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	if form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := w.http.Do(req)
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}
