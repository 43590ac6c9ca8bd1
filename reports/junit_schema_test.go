package reports

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// junitElement is what two schemas of JUnit XML both allow: that of Jenkins'
// xUnit plugin (junit-10.xsd) and that of Ant (windyroad's JUnit.xsd), which is
// the stricter one: it has an order, and attributes that must be there.
type junitElement struct {
	must, may map[string]string // attributes, and the form of their values
	children  []string          // in this order
	once      []string          // children that stand there exactly once
	choice    []string          // of these children there is at most one
	text      bool
}

const (
	anyText = `(?s).*`
	some    = `(?s).*\S.*`
	count   = `\d+`
	decimal = `\d+(\.\d+)?`
)

var junitSchema = map[string]junitElement{
	"testsuites": {children: []string{"testsuite"}},
	"testsuite": {
		must: map[string]string{"id": count, "package": some, "name": some, "hostname": some, "tests": count, "failures": count, "errors": count,
			"time": decimal, "timestamp": `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d`},
		may:      map[string]string{"skipped": count},
		children: []string{"properties", "testcase", "system-out", "system-err"},
		once:     []string{"properties", "system-out", "system-err"},
	},
	"properties": {children: []string{"property"}},
	"property":   {must: map[string]string{"name": some, "value": anyText}},
	"testcase": {must: map[string]string{"name": some, "classname": some, "time": decimal}, children: []string{"skipped", "error", "failure"},
		choice: []string{"skipped", "error", "failure"}},
	"skipped":    {may: map[string]string{"message": anyText, "type": anyText}, text: true},
	"error":      {must: map[string]string{"type": some}, may: map[string]string{"message": anyText}, text: true},
	"failure":    {must: map[string]string{"type": some}, may: map[string]string{"message": anyText}, text: true},
	"system-out": {text: true},
	"system-err": {text: true},
}

type node struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Children []node     `xml:",any"`
	Text     string     `xml:",chardata"`
}

func (n node) attr(name string) string {
	for _, a := range n.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// faults are what the schema does not allow, by path.
func (n node) faults(path string) (out []string) {
	path += "/" + n.XMLName.Local
	bad := func(format string, args ...any) { out = append(out, path+": "+fmt.Sprintf(format, args...)) }
	e, known := junitSchema[n.XMLName.Local]
	if !known || n.XMLName.Space != "" {
		bad("no such element")
		return out
	}
	seen := map[string]bool{}
	for _, a := range n.Attrs {
		form, must := e.must[a.Name.Local]
		if !must {
			form = e.may[a.Name.Local]
		}
		seen[a.Name.Local] = true
		if form == "" {
			bad("no attribute %s", a.Name.Local)
		} else if !regexp.MustCompile("^(?:" + form + ")$").MatchString(a.Value) {
			bad("%s=%q", a.Name.Local, a.Value)
		}
	}
	for name := range e.must {
		if !seen[name] {
			bad("attribute %s is missing", name)
		}
	}
	if !e.text && strings.TrimSpace(n.Text) != "" {
		bad("text %q", n.Text)
	}
	last, counts, chosen := 0, map[string]int{}, 0
	for _, c := range n.Children {
		at := slices.Index(e.children, c.XMLName.Local)
		if at < last {
			bad("%s is not allowed here", c.XMLName.Local)
		}
		last = max(at, last)
		counts[c.XMLName.Local]++
		if slices.Contains(e.choice, c.XMLName.Local) {
			chosen++
		}
		out = append(out, c.faults(path)...)
	}
	for _, name := range e.once {
		if counts[name] != 1 {
			bad("%d %s, want 1", counts[name], name)
		}
	}
	if chosen > 1 {
		bad("%d of %s, want one at most", chosen, strings.Join(e.choice, ", "))
	}
	return out
}

func readXML(text string) (n node, err error) {
	dec := xml.NewDecoder(strings.NewReader(text))
	if err := dec.Decode(&n); err != nil {
		return n, err
	}
	if _, err := dec.Token(); err != io.EOF {
		if rest, _ := dec.Token(); rest != nil {
			return n, fmt.Errorf("after the root: %v", rest)
		}
	}
	return n, nil
}

// odd is a run whose texts have all that XML can't hold, or must escape.
func odd() *Run {
	run := all()
	run.Scenarios = append(run.Scenarios, Scenario{ID: "empty"}) // of a feature without a name
	for i := range run.Scenarios {
		s := &run.Scenarios[i]
		s.Name += " <&>\"'\x00\x1b[31m]]>\uFFFE"
		s.Error = s.Name
		for j := range s.Findings {
			s.Findings[j].Found = "line\nline\r\n\x07" + s.Name
		}
	}
	run.RollUp()
	return run
}

func TestJUnitIsValid(t *testing.T) {
	for name, run := range map[string]*Run{"all verdicts": all(), "odd texts": odd(), "empty": {}} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			require.NoError(t, WriteJUnit(&b, run))
			root, err := readXML(b.String())
			require.NoError(t, err)
			assert.Equal(t, "testsuites", root.XMLName.Local)
			assert.Empty(t, root.faults(""))
			total := 0
			for _, suite := range root.Children {
				counts, time := map[string]int{}, 0.0
				for _, c := range suite.Children {
					if c.XMLName.Local != "testcase" {
						continue
					}
					counts["testcase"]++
					for _, result := range c.Children {
						counts[result.XMLName.Local]++
					}
					one, err := strconv.ParseFloat(c.attr("time"), 64)
					require.NoError(t, err)
					time += one
				}
				for attribute, element := range map[string]string{"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"} {
					assert.Equal(t, strconv.Itoa(counts[element]), suite.attr(attribute), attribute)
				}
				said, err := strconv.ParseFloat(suite.attr("time"), 64)
				require.NoError(t, err)
				assert.InDelta(t, time, said, 0.01)
				total += counts["testcase"]
			}
			assert.Equal(t, len(run.Scenarios), total)
		})
	}
}

// TestJUnitSchemaFindsFaults: a check that lets all pass is none.
func TestJUnitSchemaFindsFaults(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, WriteJUnit(&b, all()))
	good := b.String()
	for _, c := range [][2]string{
		{`<testsuites>`, `<testsuites><x/>`}, {` hostname="localhost"`, ``}, {` tests="6"`, ` tests="six"`}, {`<system-err></system-err>`, ``},
		{`<properties>`, `<properties>text`}, {` classname="`, ` class="`}, {`timestamp="0001`, `timestamp="1`}, {`<failure `, `<error type="x"/><failure `},
		{`type="failed"`, ``}, {`<properties>`, `<testcase name="a" classname="b" time="1"/><properties>`},
	} {
		text := strings.Replace(good, c[0], c[1], 1)
		require.NotEqual(t, good, text, c[0])
		root, err := readXML(text)
		require.NoError(t, err)
		assert.NotEmpty(t, root.faults(""), c[1])
	}
}
