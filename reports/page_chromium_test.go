package reports

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
		const missing = "SKIPPED: no chromium in PATH; install it to test the page in a real browser"
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
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// into keeps what an action answers.
func into[T any](to *T, action chromedp.Action[T]) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, tab *chromedp.Target) (none chromedp.Void, err error) {
		*to, err = action(ctx, tab)
		return none, err
	}
}

// call sends a command of the browser's own protocol.
func call[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, tab *chromedp.Target) (none chromedp.Void, err error) {
		_, err = cdp.Call(ctx, tab, command, params)
		return none, err
	}
}

// until waits for an expression to be true.
func until(expression string) chromedp.Action[chromedp.Void] {
	var yes bool
	return into(&yes, chromedp.Poll[bool](expression))
}

// lowContrast lists texts whose contrast with what is behind them is below 4.5
// to 1 (WCAG AA), among all that is shown.
const lowContrast = `(() => {
  const parse = c => { const m = c.match(/[\d.]+/g).map(Number); return {r: m[0], g: m[1], b: m[2], a: m.length > 3 ? m[3] : 1}; };
  const light = c => { const f = v => { v /= 255; return v <= 0.03928 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4); }; return 0.2126 * f(c.r) + 0.7152 * f(c.g) + 0.0722 * f(c.b); };
  const out = new Set();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let n; n = walk.nextNode();) {
    const e = n.parentElement;
    if (!n.data.trim() || !e.checkVisibility() || ["SCRIPT", "STYLE"].includes(e.tagName)) continue;
    const style = getComputedStyle(e), fg = parse(e.closest("svg") ? style.fill : style.color);
    let bg = {r: 255, g: 255, b: 255};
    for (let p = e; p; p = p.parentElement) { const c = parse(getComputedStyle(p).backgroundColor); if (c.a === 1) { bg = c; break; } }
    const a = light(fg), b = light(bg), ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) out.add(e.tagName + "." + e.getAttribute("class") + " " + ratio.toFixed(2) + " " + n.data.trim().slice(0, 30));
  }
  return Array.from(out);
})()`

// unnamed lists what a screen reader or a keyboard would miss.
const unnamed = `(() => {
  const out = [];
  document.querySelectorAll("input").forEach(e => { if (!e.labels.length) out.push("input " + e.id); });
  document.querySelectorAll("[tabindex]").forEach(e => { if (!e.getAttribute("aria-label") && !e.getAttribute("aria-labelledby")) out.push("region " + e.className); });
  document.querySelectorAll("a[href^='#']").forEach(e => { if (!document.getElementById(e.getAttribute("href").slice(1))) out.push("link to nowhere " + e.getAttribute("href")); });
  const ids = {}; document.querySelectorAll("[id]").forEach(e => { if (ids[e.id]) out.push("id twice " + e.id); ids[e.id] = true; });
  let last = 0; document.querySelectorAll("h1,h2,h3,h4").forEach(e => { const n = +e.tagName[1]; if (n > last + 1) out.push("heading " + e.textContent); last = n; });
  if (document.querySelectorAll("h1").length !== 1 || document.querySelectorAll("main").length !== 1 || !document.documentElement.lang) out.push("page");
  return out;
})()`

func TestPageInChromium(t *testing.T) {
	run := full()
	run.Scenarios[1].Exchanges = sequence("the person>source", "source>cavs", "target>source", "the person's app>target").Exchanges
	run.RollUp()
	dir := t.TempDir()
	require.NoError(t, Write(dir, run))
	address := "file://" + filepath.Join(dir, HTMLFile)
	ctx := chromium(t)
	var mu sync.Mutex
	var asked []string
	require.NoError(t, chromedp.Listen(ctx, func(e any) {
		if r, ok := e.(*network.EventRequestWillBeSent); ok {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, r.Request.URL)
		}
	}))

	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{375, 1280} {
			t.Run(fmt.Sprintf("%s at %d", scheme, width), func(t *testing.T) {
				var wide, opened int64
				var faint, missed []string
				require.NoError(t, chromedp.Do(ctx,
					call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}),
					chromedp.EmulateViewport(width, 900),
					chromedp.Navigate(address),
					into(&opened, chromedp.Evaluate[int64](`Array.from(document.querySelectorAll("details")).filter(d => d.open = true).length`)),
					into(&wide, chromedp.Evaluate[int64](`document.documentElement.scrollWidth`)),
					into(&faint, chromedp.Evaluate[[]string](lowContrast)),
					into(&missed, chromedp.Evaluate[[]string](unnamed)),
				))
				assert.Positive(t, opened)
				assert.LessOrEqual(t, wide, width, "it scrolls sideways")
				assert.Empty(t, faint)
				assert.Empty(t, missed)
			})
		}
	}

	t.Run("filters", func(t *testing.T) {
		shown := chromedp.Evaluate[int](`Array.from(document.querySelectorAll(".s")).filter(e => e.checkVisibility()).length`)
		var all, failed, found, none int
		var told string
		says := func(n int) chromedp.Action[chromedp.Void] {
			return until(fmt.Sprintf(`document.getElementById("shown").textContent.startsWith("%d of")`, n))
		}
		require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(address), into(&all, shown),
			chromedp.Click(chromedp.CSS(`label[for="f-error"]`)), says(1), into(&failed, shown),
			chromedp.Click(chromedp.CSS(`label[for="f-all"]`)), says(len(run.Scenarios)), chromedp.SendKeys(chromedp.CSS("#q"), "TELLS src-12"), says(1),
			into(&found, shown), into(&told, chromedp.Text(chromedp.CSS("#shown"))),
			chromedp.SendKeys(chromedp.CSS("#q"), "zzz"), says(0), into(&none, shown),
		))
		assert.Equal(t, []int{len(run.Scenarios), 1, 1, 0}, []int{all, failed, found, none})
		assert.Equal(t, fmt.Sprintf("1 of %d scenarios", len(run.Scenarios)), told)
	})

	t.Run("an arrow opens its exchange, by the keyboard too", func(t *testing.T) {
		const open = `document.getElementById("x2.3").open`
		var before bool
		require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(address), into(&before, chromedp.Evaluate[bool](open)),
			chromedp.Focus(chromedp.CSS(`svg a[href="#x2.3"]`)), chromedp.KeyEvent(kb.Enter), until(open)))
		assert.False(t, before)
	})

	t.Run("without scripts", func(t *testing.T) {
		var text string
		require.NoError(t, chromedp.Do(ctx,
			call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}), chromedp.Navigate(address),
			into(&text, chromedp.Text(chromedp.CSS("body"))),
			call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{})))
		for _, want := range []string{"Could not judge all of it", "text of SRC-11", "400 <b>&", "Who called whom", "fixed in 4.3"} {
			assert.Contains(t, text, want)
		}
		assert.NotContains(t, text, "of 6 scenarios", "what needs a script is not there")
	})

	t.Run("in print", func(t *testing.T) {
		var shown bool
		var pdf cdppage.PrintToPDFResult
		require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(address),
			call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"}),
			// The warning's scenario is closed on the screen.
			into(&shown, chromedp.Evaluate[bool](`Array.from(document.querySelectorAll(".s.v-warning .steps")).every(e => e.getClientRects().length > 0)`)),
			into(&pdf, func(ctx context.Context, tab *chromedp.Target) (cdppage.PrintToPDFResult, error) {
				return cdp.Call(ctx, tab, cdppage.PrintToPDF, cdppage.PrintToPDFParams{})
			}),
			call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{})))
		assert.True(t, shown, "what did not pass is told whole")
		assert.True(t, strings.HasPrefix(string(pdf.Data), "%PDF"))
	})

	mu.Lock()
	defer mu.Unlock()
	for _, u := range asked {
		assert.Equal(t, address, strings.Split(u, "#")[0], "it needs nothing else")
	}
	assert.NotEmpty(t, asked)
}
