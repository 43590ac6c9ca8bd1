package suite

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/cucumber/godog"
)

var (
	snippetQuoted = regexp.MustCompile(`"[^"]*"`)
	snippetNumber = regexp.MustCompile(`\d+`)
	snippetWord   = regexp.MustCompile(`[A-Za-z]+`)
)

// snippet is Go code that defines a step, to be pasted where
// Options.ExtraSteps are made.
func snippet(st *godog.Step) string {
	expr := regexp.QuoteMeta(st.Text)
	// QuoteMeta leaves quotes and digits alone.
	expr = snippetQuoted.ReplaceAllString(expr, "\x01")
	args := []string{"ctx context.Context"}
	expr = regexp.MustCompile(`\x01|\d+`).ReplaceAllStringFunc(expr, func(m string) string {
		if m == "\x01" {
			args = append(args, fmt.Sprintf("text%d string", len(args)))
			return `"([^"]*)"`
		}
		args = append(args, fmt.Sprintf("n%d int", len(args)))
		return `(\d+)`
	})
	if a := st.Argument; a != nil && a.DocString != nil {
		args = append(args, "doc *godog.DocString")
	} else if a != nil && a.DataTable != nil {
		args = append(args, "table *godog.Table")
	}
	name := ""
	plain := snippetNumber.ReplaceAllString(snippetQuoted.ReplaceAllString(st.Text, " "), " ")
	for i, word := range snippetWord.FindAllString(plain, -1) {
		word = strings.ToLower(word)
		if i > 0 {
			word = strings.ToUpper(word[:1]) + word[1:]
		}
		name += word
	}
	if name == "" {
		name = "step"
	}
	quote := "`"
	if strings.Contains(expr, "`") {
		quote, expr = `"`, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(expr)
	}
	return fmt.Sprintf(`no step says this. "ccde steps" lists those that there are; a new one looks like this:

	sc.Step(%s^%s$%s, %s)

	func %s(%s) error {
		return godog.ErrPending
	}
`, quote, expr, quote, name, name, strings.Join(args, ", "))
}
