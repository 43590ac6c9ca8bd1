package steps

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"

	"example.org/ccde/mockehr/control"
)

// signer answers in the person's name wherever a source shows pages: that is
// the only part of a sign-in that the protocol leaves to each system.
type signer interface {
	// decide opens an authorization request, signs in, chooses the patient, and
	// approves or denies. The answer is the one that ended it: a redirect that
	// leaves the source's pages, or a page that goes no further.
	decide(ctx context.Context, link, patient string, approve bool) (*answer, error)
	// revoke ends all that the person granted an application.
	revoke(ctx context.Context) error
}

// signerAt is who signs in at a source; only at a mock does the harness know how.
func (w *world) signerAt(ctx context.Context, n *node) (signer, error) {
	if n.control == nil {
		if s := n.outside.SMART; s != nil && s.Person != nil {
			return &command{w: w, to: n, person: s.Person}, nil
		}
		return nil, w.unjudged(fmt.Sprintf("nobody can sign in at %s: its pages are its own (smart.sign-in.command)", n.title()))
	}
	s, err := n.control.Settings(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.title(), err)
	}
	if len(s.People) == 0 {
		return nil, w.unjudged(fmt.Sprintf("%s has nobody who could sign in", n.title()))
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	return &pages{w: w, to: n, root: strings.TrimSuffix(n.fhir, "/r3"), person: s.People[0], jar: jar}, nil
}

// pages drives the mock's own pages as a browser without scripts does.
type pages struct {
	w      *world
	to     *node
	root   string
	person control.Person
	jar    http.CookieJar
}

// open sends a request with the cookies, and follows redirects between pages.
func (p *pages) open(ctx context.Context, method, link string, form url.Values) (*answer, error) {
	for range 10 {
		u, err := url.Parse(link)
		if err != nil {
			return nil, fmt.Errorf("the person can't open %q: %w", link, err)
		}
		c := call{kind: aSignIn, from: "the person", to: p.to, method: method, url: link, header: http.Header{"Accept": {"text/html"}}}
		if method == http.MethodPost {
			c.header.Set("Content-Type", "application/x-www-form-urlencoded")
			c.body = []byte(form.Encode())
		}
		var cookies []string
		for _, one := range p.jar.Cookies(u) {
			cookies = append(cookies, one.Name+"="+one.Value)
		}
		if len(cookies) > 0 {
			c.header.Set("Cookie", strings.Join(cookies, "; "))
		}
		a, err := p.w.ask(ctx, c)
		if err != nil {
			return nil, err
		}
		p.jar.SetCookies(u, (&http.Response{Header: a.Header}).Cookies())
		next, err := u.Parse(a.Header.Get("Location"))
		if a.Status < 300 || a.Status > 399 || err != nil || !strings.HasPrefix(next.String(), p.root+"/") {
			return a, nil
		}
		method, link, form = http.MethodGet, next.String(), nil
	}
	return nil, fmt.Errorf("%s redirects for ever", p.to.title())
}

var (
	pageForm   = regexp.MustCompile(`(?s)<form method="post" action="([^"]*)">(.*?)</form>`)
	hiddenPart = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
)

// fill sends the form of a page that has a field, with the person's answers;
// found is false where the page has no such form.
func (p *pages) fill(ctx context.Context, on *answer, field string, answers map[string]string) (a *answer, found bool, err error) {
	for _, m := range pageForm.FindAllStringSubmatch(string(on.Body), -1) {
		if !strings.Contains(m[2], `name="`+field+`"`) {
			continue
		}
		form := url.Values{}
		for _, h := range hiddenPart.FindAllStringSubmatch(m[2], -1) {
			form.Set(h[1], html.UnescapeString(h[2]))
		}
		for name, value := range answers {
			form.Set(name, value)
		}
		base, err := url.Parse(on.call.url)
		if err != nil {
			return nil, false, err
		}
		action, err := base.Parse(html.UnescapeString(m[1]))
		if err != nil {
			return nil, false, err
		}
		a, err = p.open(ctx, http.MethodPost, action.String(), form)
		return a, true, err
	}
	return on, false, nil
}

func (p *pages) credentials() map[string]string {
	return map[string]string{"user": p.person.User, "password": p.person.Password}
}

func (p *pages) decide(ctx context.Context, link, patient string, approve bool) (*answer, error) {
	decision := "deny"
	if approve {
		decision = "approve"
	}
	a, err := p.open(ctx, http.MethodGet, link, nil)
	for _, step := range []struct {
		field   string
		answers map[string]string
	}{
		{"password", p.credentials()}, {"patient", map[string]string{"patient": patient}}, {"decision", map[string]string{"decision": decision}},
	} {
		if err != nil || a.Status != http.StatusOK {
			break
		}
		a, _, err = p.fill(ctx, a, step.field, step.answers)
	}
	return a, err
}

func (p *pages) revoke(ctx context.Context) error {
	a, err := p.open(ctx, http.MethodGet, p.root+"/auth/grants", nil)
	if err == nil {
		a, _, err = p.fill(ctx, a, "password", p.credentials())
	}
	for more := err == nil; more; more = more && err == nil {
		a, more, err = p.fill(ctx, a, "grant", nil)
	}
	if err == nil && a.Status != http.StatusOK {
		err = fmt.Errorf("%s did not let the person revoke: %s", p.to.title(), a.is())
	}
	return err
}
