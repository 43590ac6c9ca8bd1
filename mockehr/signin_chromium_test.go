package mockehr

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"example.org/ccde/mockehr/control"
)

// chromium is a tab of a real Chromium. Without one the test is skipped, and
// says so; in CI it fails.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		const missing = "SKIPPED: no chromium in PATH; install it to test the pages in a real browser"
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true), chromedp.UserDataDir(t.TempDir()))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(ctx)) // starts it; a time limit is for what it does
	ctx, cancel = context.WithTimeout(ctx, 90*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// application is a client's own server: its redirect_uri sends the browser on,
// to a page of another origin, as many do.
type application struct {
	redirect string
	code     atomic.Pointer[string]
	err      atomic.Pointer[string]
}

func newApplication(t *testing.T) *application {
	t.Helper()
	a := &application{}
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!DOCTYPE html><html lang="en"><title>Home of the app</title><h1 id="home">Welcome back</h1></html>`)
	}))
	t.Cleanup(home.Close)
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if code := r.URL.Query().Get("code"); code != "" && r.URL.Query().Get("state") == "xyz" {
			a.code.Store(&code)
		}
		if refused := r.URL.Query().Get("error"); refused != "" {
			a.err.Store(&refused)
		}
		http.Redirect(w, r, home.URL, http.StatusFound)
	}))
	t.Cleanup(back.Close)
	a.redirect = back.URL + "/back"
	return a
}

func (a *application) on(n *signInNode) *oauth2.Config {
	return n.client("browser-app", "secret", a.redirect, "launch/patient", "patient/*.read", "offline_access")
}

func (a *application) node(t *testing.T) *signInNode {
	return newSignInNode(t, func(s *control.Settings) {
		s.Clients = append(s.Clients, control.OAuthClient{ID: "browser-app", Secret: "secret", Name: "Browser App", Redirects: []string{a.redirect}})
	})
}

// accessible holds a page to what a keyboard and a screen reader need.
const accessible = `(() => {
  const bad = [];
  const say = (e, why) => bad.push((e.outerHTML || '').slice(0, 80) + ': ' + why);
  if (document.documentElement.lang !== 'en') bad.push('no lang');
  if (!document.title) bad.push('no title');
  if (document.querySelectorAll('h1').length !== 1) bad.push('not one h1');
  if (document.querySelectorAll('main').length !== 1) bad.push('not one main');
  for (const e of document.querySelectorAll('input:not([type=hidden])')) {
    if (!e.labels || e.labels.length !== 1 || !e.labels[0].textContent.trim()) say(e, 'no label');
    if (e.type === 'radio' && !e.closest('fieldset')?.querySelector('legend')) say(e, 'no legend');
  }
  for (const e of document.querySelectorAll('button')) if (!e.textContent.trim()) say(e, 'no text');
  for (const e of document.querySelectorAll('[aria-describedby],[aria-labelledby]'))
    for (const id of [e.getAttribute('aria-describedby'), e.getAttribute('aria-labelledby')])
      if (id && !document.getElementById(id)) say(e, 'refers to ' + id);
  const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
  if (new Set(ids).size !== ids.length) bad.push('an id twice');
  if ([...document.querySelectorAll('[tabindex]')].some(e => e.tabIndex > 0)) bad.push('tabindex over 0');
  const light = c => { const [r, g, b] = c.match(/[\d.]+/g).map(x => { x /= 255; return x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4; });
    return .2126 * r + .7152 * g + .0722 * b; };
  const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\)$/.test(c)) return c; } return 'rgb(255, 255, 255)'; };
  for (const e of document.querySelectorAll('p, h1, h2, li, label, legend, button, input, strong, span')) {
    if (!e.offsetParent) continue;
    const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) say(e, 'contrast ' + (a + .05) / (b + .05));
  }
  if (getComputedStyle(document.querySelector('header')).borderBottomStyle !== 'solid') bad.push('the style is not there');
  return bad;
})()`

func isAccessible(page string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		bad, err := chromedp.Evaluate[[]string](accessible)(ctx, tab)
		if err == nil && len(bad) > 0 {
			err = fmt.Errorf("%s: %s", page, strings.Join(bad, "; "))
		}
		return err
	})
}

// into keeps the value of an action.
func into[T any](to *T, action chromedp.Action[T]) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, tab *chromedp.Target) (err error) {
		*to, err = action(ctx, tab)
		return err
	})
}

// complaints collects what the browser logs: a Content-Security-Policy that
// stands in the way says so there.
func complaints(t *testing.T, ctx context.Context) func() []string {
	t.Helper()
	var mu sync.Mutex
	var list []string
	require.NoError(t, chromedp.Listen(ctx, func(event any) {
		if e, ok := event.(*log.EventEntryAdded); ok && e.Entry.Source == log.EntrySourceSecurity {
			mu.Lock()
			defer mu.Unlock()
			list = append(list, e.Entry.Text)
		}
	}))
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return list
	}
}

func TestAPersonSignsInWithChromium(t *testing.T) {
	ctx := chromium(t)
	app := newApplication(t)
	n := app.node(t)
	said := complaints(t, ctx)
	var title, focused string
	require.NoError(t, chromedp.Do(ctx,
		chromedp.Navigate(app.on(n).AuthCodeURL("xyz")),
		isAccessible("sign-in"),
		chromedp.SendKeys(chromedp.CSS("#user"), "person"),
		chromedp.SendKeys(chromedp.CSS("#password"), "wrong"),
		chromedp.Click(chromedp.CSS("button")),
		chromedp.WaitVisible(chromedp.CSS(".error")),
		isAccessible("sign-in, once more"),
		into(&title, chromedp.Title()),
		into(&focused, chromedp.Evaluate[string](`document.activeElement.getAttribute('role')`)),
		chromedp.SendKeys(chromedp.CSS("#password"), "password"),
		chromedp.Click(chromedp.CSS("button")),
		chromedp.WaitVisible(chromedp.CSS("#patient-0")),
		isAccessible("patient"),
		chromedp.Click(chromedp.CSS("#patient-0")),
		chromedp.Click(chromedp.CSS("button")),
		chromedp.WaitVisible(chromedp.CSS("#asks")),
		isAccessible("approval"),
		chromedp.Reload(), // does no harm
		chromedp.WaitVisible(chromedp.CSS("#asks")),
		chromedp.Click(chromedp.CSS("button[value=approve]")),
		chromedp.WaitVisible(chromedp.CSS("#home")),
	))
	assert.True(t, strings.HasPrefix(title, "Error: "), title)
	assert.Equal(t, "alert", focused, "a screen reader begins with the error")
	assert.Empty(t, said())
	require.NotNil(t, app.code.Load())
	token, err := app.on(n).Exchange(context.Background(), *app.code.Load())
	require.NoError(t, err)
	assert.Equal(t, "example", token.Extra("patient"))

	require.NoError(t, chromedp.Do(ctx,
		chromedp.Navigate(n.root+"/auth/grants"),
		isAccessible("sign-in to the grants"),
		chromedp.SendKeys(chromedp.CSS("#user"), "person"),
		chromedp.SendKeys(chromedp.CSS("#password"), "password"+kb.Enter),
		chromedp.WaitVisible(chromedp.CSS("#grant-0")),
		isAccessible("grants"),
		chromedp.Click(chromedp.CSS("section button")),
		chromedp.WaitVisible(chromedp.CSS(".done")),
		isAccessible("grants, one less"),
		chromedp.Click(chromedp.CSS("button.other")),
		chromedp.WaitNotPresent(chromedp.CSS("button")),
		isAccessible("signed out"),
	))
	n.over(t, app.on(n), token)

	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(n.root+"/auth/authorize"), chromedp.WaitVisible(chromedp.CSS(".error")), isAccessible("error")))
}

// TestAPersonSignsInByKeyboardAlone goes from control to control by Tab, as one
// without a mouse does, and finds each by what has the focus.
func TestAPersonSignsInByKeyboardAlone(t *testing.T) {
	ctx := chromium(t)
	app := newApplication(t)
	n := app.node(t)
	// tabTo presses Tab until the control has the focus, and sees that it shows.
	tabTo := func(selector string) chromedp.Action[chromedp.Void] {
		return chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
			for range 10 {
				if _, err := chromedp.KeyEvent(kb.Tab)(ctx, tab); err != nil {
					return err
				}
				at, err := chromedp.Evaluate[bool](`document.activeElement.matches('`+selector+`')`)(ctx, tab)
				if err != nil {
					return err
				}
				if !at {
					continue
				}
				outlined, err := chromedp.Evaluate[bool](`getComputedStyle(document.activeElement).outlineStyle === 'solid'`)(ctx, tab)
				if err == nil && !outlined {
					err = fmt.Errorf("%s: the focus can't be seen", selector)
				}
				return err
			}
			return fmt.Errorf("%s: not reached by Tab", selector)
		})
	}
	require.NoError(t, chromedp.Do(ctx,
		chromedp.Navigate(app.on(n).AuthCodeURL("xyz")),
		tabTo("#user"), chromedp.KeyEvent("person"),
		tabTo("#password"), chromedp.KeyEvent("password"), chromedp.KeyEvent(kb.Enter),
		chromedp.WaitVisible(chromedp.CSS("#patient-0")),
		tabTo("input[type=radio]"), chromedp.KeyEvent(" "), chromedp.KeyEvent(kb.ArrowDown),
		tabTo("button"), chromedp.KeyEvent(kb.Enter),
		chromedp.WaitVisible(chromedp.CSS("#asks")),
		tabTo("button[value=deny]"), chromedp.KeyEvent(" "),
		chromedp.WaitVisible(chromedp.CSS("#home")),
	))
	require.NotNil(t, app.err.Load())
	assert.Equal(t, "access_denied", *app.err.Load())
	require.NoError(t, chromedp.Do(ctx,
		chromedp.Navigate(app.on(n).AuthCodeURL("xyz")),
		tabTo("#user"), chromedp.KeyEvent("person"),
		tabTo("#password"), chromedp.KeyEvent("password"), chromedp.KeyEvent(kb.Enter),
		chromedp.WaitVisible(chromedp.CSS("#patient-0")),
		tabTo("input[type=radio]"), chromedp.KeyEvent(" "), chromedp.KeyEvent(kb.ArrowDown),
		tabTo("button"), chromedp.KeyEvent(kb.Enter),
		chromedp.WaitVisible(chromedp.CSS("#asks")),
		tabTo("button[value=approve]"), chromedp.KeyEvent(kb.Enter),
		chromedp.WaitVisible(chromedp.CSS("#home")),
	))
	require.NotNil(t, app.code.Load())
	token, err := app.on(n).Exchange(context.Background(), *app.code.Load())
	require.NoError(t, err)
	assert.Equal(t, "other", token.Extra("patient"))
}
