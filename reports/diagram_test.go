package reports

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func sequence(who ...string) *Scenario {
	s := &Scenario{}
	for i, pair := range who {
		from, to, _ := strings.Cut(pair, ">")
		s.Exchanges = append(s.Exchanges, Exchange{Seq: i + 1, At: time.Unix(int64(i), 0), From: from, To: to, Method: "GET",
			URL: fmt.Sprintf("http://h/r3/Patient/%d?a=<b>&c=\"d\"", i), Status: 200})
	}
	return s
}

func drawn(s *Scenario, about ...int) string {
	return diagram(s, func(seq int) string { return fmt.Sprintf("x1.%d", seq) }, func(seq int) bool {
		for _, n := range about {
			if n == seq {
				return true
			}
		}
		return false
	})
}

// wellFormed reads the SVG as XML to its end and counts its links.
func wellFormed(t *testing.T, text string) (links []string) {
	t.Helper()
	dec := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := dec.Token()
		if err == io.EOF {
			return links
		}
		require.NoError(t, err, text)
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "a" {
			links = append(links, e.Attr[0].Value)
		}
	}
}

func TestDiagram(t *testing.T) {
	s := sequence("the person>source", "source>cavs", "target>source", "source>source", "cavs>target")
	s.Exchanges[1].Status = 0
	text := drawn(s, 3)
	assert.Equal(t, []string{"#x1.1", "#x1.2", "#x1.3", "#x1.4", "#x1.5"}, wellFormed(t, text))
	assert.Contains(t, text, "no answer")
	assert.Contains(t, text, "200 ◆", "the one that a finding is about is marked, not by colour alone")
	assert.Contains(t, text, `aria-label="3: target to source, GET /r3/Patient/2?a=&lt;b&gt;`)
	who, called := participants(s.Exchanges)
	assert.Equal(t, []string{"the person", "source", "cavs", "target"}, who, "who only calls stands first")
	assert.False(t, called["the person"])
	assert.Empty(t, drawn(&Scenario{}))
}

func TestLongDiagram(t *testing.T) {
	pairs := make([]string, 2*wholeDiagram)
	for i := range pairs {
		pairs[i] = "target>source"
	}
	links := wellFormed(t, drawn(sequence(pairs...), 50))
	assert.Equal(t, []string{"#x1.1", "#x1.50", "#x1.51"}, links, "one kind in a row is one arrow, what a finding is about stands alone")
	for i := range pairs {
		pairs[i] = fmt.Sprintf("target>source-%d", i%2)
	}
	pairs = append(pairs, pairs...)
	text := drawn(sequence(pairs...))
	svg, rest, _ := strings.Cut(text, "<p ")
	assert.Len(t, wellFormed(t, svg), maxArrows)
	assert.Contains(t, rest, fmt.Sprintf("%d more exchanges", len(pairs)-maxArrows))
}

func TestTarget(t *testing.T) {
	for in, want := range map[string]string{"http://h:1/r3/a?b=c": "/r3/a?b=c", "https://h": "/", "/a": "/a", "http://a b": "http://a b", "": ""} {
		assert.Equal(t, want, target(in))
	}
	assert.Equal(t, "äö…", shortened("äöüß", 3))
}
