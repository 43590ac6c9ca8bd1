package reports

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"path"
	"strings"
)

// The elements of JUnit XML, in the order and with the attributes that the
// schemas of Ant and of Jenkins both allow. (So the root has no counts: Ant's
// allows none there.)
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		ID         int             `xml:"id,attr"`
		Package    string          `xml:"package,attr"`
		Name       string          `xml:"name,attr"`
		Timestamp  string          `xml:"timestamp,attr"`
		Hostname   string          `xml:"hostname,attr"`
		Tests      int             `xml:"tests,attr"`
		Failures   int             `xml:"failures,attr"`
		Errors     int             `xml:"errors,attr"`
		Skipped    int             `xml:"skipped,attr"`
		Time       string          `xml:"time,attr"`
		Properties []junitProperty `xml:"properties>property"`
		Cases      []junitCase     `xml:"testcase"`
		Out        string          `xml:"system-out"`
		Err        string          `xml:"system-err"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		ClassName string       `xml:"classname,attr"`
		Name      string       `xml:"name,attr"`
		Time      string       `xml:"time,attr"`
		Skipped   *junitResult `xml:"skipped"`
		Error     *junitResult `xml:"error"`
		Failure   *junitResult `xml:"failure"`
	}
	junitResult struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes one test suite for each feature file and one test case for
// each scenario. Skipped and unjudged scenarios are skips; warnings pass, and
// stand in the suite's output.
func WriteJUnit(w io.Writer, run *Run) error {
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(junitSuites{Suites: junitOf(run)}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func junitOf(run *Run) []junitSuite {
	var suites []junitSuite
	at := map[string]int{}
	total := map[string]float64{}
	for i := range run.Scenarios {
		s := &run.Scenarios[i]
		n, ok := at[s.URI]
		if !ok {
			n = len(suites)
			at[s.URI] = n
			suites = append(suites, junitSuite{
				ID: n, Package: "ccde." + s.Role, Name: cmp.Or(s.Feature, s.URI, "without a name"), Hostname: "localhost",
				// The schema wants a local time without zone; UTC is as local as any.
				Timestamp: s.Started.UTC().Format("2006-01-02T15:04:05"),
				Properties: []junitProperty{
					{"feature", s.URI}, {"runtime", run.Runtime}, {"dialect", run.Dialect},
				},
			})
		}
		suite := &suites[n]
		total[s.URI] += s.DurationMS
		suite.Time = seconds(total[s.URI])
		suite.Tests++
		suite.Cases = append(suite.Cases, suite.add(s))
	}
	return suites
}

// add counts the scenario in its suite and answers its test case.
func (suite *junitSuite) add(s *Scenario) junitCase {
	c := junitCase{
		ClassName: "ccde." + s.Role + "." + strings.TrimSuffix(path.Base(s.URI), ".feature"),
		Name:      s.Name,
		Time:      seconds(s.DurationMS),
	}
	first, text := s.told()
	result := &junitResult{Message: first, Type: cmp.Or(s.Verdict, Error), Text: text}
	switch s.Verdict {
	case Failed:
		suite.Failures++
		c.Failure = result
	case Skipped, Unjudged, Waived:
		suite.Skipped++
		c.Skipped = &junitResult{Message: s.Verdict + ": " + first}
	case Passed:
	case Warning:
		suite.Out += s.Name + "\n" + text
	default:
		suite.Errors++
		c.Error = result
	}
	return c
}

// told says in a line, and at length, what kept a scenario from passing.
func (s *Scenario) told() (first, text string) {
	var b strings.Builder
	for _, f := range s.Findings {
		if f.Verdict == Passed {
			continue
		}
		if first == "" && f.Verdict == s.Verdict {
			first = strings.TrimRight(f.ID+" "+f.Verdict+": "+oneLine(f.Found), ": ")
		}
		fmt.Fprintf(&b, "%s (%s) %s\n", f.ID, f.Level, f.Verdict)
		if f.Expected != "" {
			fmt.Fprintf(&b, "  expected: %s\n", f.Expected)
		}
		if f.Found != "" {
			fmt.Fprintf(&b, "  found:    %s\n", f.Found)
		}
	}
	if s.Error != "" {
		if first == "" {
			first = oneLine(s.Error)
		}
		fmt.Fprintf(&b, "%s\n", s.Error)
	}
	for _, step := range s.Steps {
		if step.Verdict != Passed {
			fmt.Fprintf(&b, "at step: %s %s\n", step.Keyword, step.Text)
			break
		}
	}
	fmt.Fprintf(&b, "%s:%d\n", s.URI, s.Line)
	return first, b.String()
}

func oneLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

func seconds(ms float64) string { return fmt.Sprintf("%.3f", ms/1000) }
