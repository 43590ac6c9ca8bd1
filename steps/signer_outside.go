package steps

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// command signs in at an outside source by what its vendor's config names.
type command struct {
	w      *world
	to     *node
	person func(ctx context.Context, link, what string) (string, error)
}

// decide opens the link first: what is refused outright needs no person. Where a
// page comes, or one that leads to others, the command goes on.
func (c *command) decide(ctx context.Context, link, _ string, approve bool) (*answer, error) {
	a, err := c.w.ask(ctx, call{kind: aSignIn, from: "the person", to: c.to, method: http.MethodGet, url: link, header: http.Header{"Accept": {"text/html"}}})
	if err != nil || a.Status >= 400 || c.home(link, a.Header.Get("Location")) {
		return a, err
	}
	what := "deny"
	if approve {
		what = "approve"
	}
	at, err := c.person(ctx, link, what)
	if err != nil {
		return nil, err
	}
	if !c.home(link, at) {
		return &answer{Response: a.Response, call: a.call, shown: true}, nil
	}
	if back, err := url.Parse(at); err == nil {
		c.w.rec.Secret("code", back.Query().Get("code"))
	}
	gone := *a.Response
	gone.Status, gone.Header, gone.Body = http.StatusFound, http.Header{"Location": {at}}, nil
	return &answer{Response: &gone, call: a.call}, nil
}

// home says that a URL is where the application waits: the redirect_uri that was
// asked for, or the registered one.
func (c *command) home(link, at string) bool {
	if at == "" {
		return false
	}
	places := []string{c.to.outside.SMART.Redirect}
	if u, err := url.Parse(link); err == nil && u.Query().Get("redirect_uri") != "" {
		places = append(places, u.Query().Get("redirect_uri"))
	}
	for _, place := range places {
		if strings.HasPrefix(at, place) {
			return true
		}
	}
	return false
}

func (c *command) revoke(ctx context.Context) error {
	f := c.w.flow
	if f == nil || f.signIn == nil || f.signIn.link == "" {
		return fmt.Errorf("the person granted nothing yet")
	}
	_, err := c.person(ctx, f.signIn.link, "revoke")
	return err
}

// outsideClient is the passage of an application that an outside source's vendor
// registered for us.
func (w *world) outsideClient(ctx context.Context, source *node, name string) (*passage, error) {
	s := source.outside.SMART
	if s == nil || s.Redirect == "" {
		return nil, w.unjudged(fmt.Sprintf("no application is registered at %s (smart.client, smart.redirect)", source.title()))
	}
	one, field := s.Web, "smart.client"
	if name == "the phone application" {
		one, field = s.Phone, "smart.public"
	}
	if one.ID == "" {
		return nil, w.unjudged(fmt.Sprintf("no such application is registered at %s (%s)", source.title(), field))
	}
	secret := ""
	if one.Secret != nil {
		var err error
		if secret, err = one.Secret(ctx, ""); err != nil {
			return nil, fmt.Errorf("smart.secret: %w", err)
		}
		w.env.Masker.Standing("secret", secret)
	}
	f := &passage{app: one.ID, source: source, patient: w.env.patient(), caller: name, lasts: w.lasts,
		signIn: &signIn{id: one.ID, secret: secret, redirect: s.Redirect}}
	w.flows[name], w.flow = f, f
	return f, nil
}
