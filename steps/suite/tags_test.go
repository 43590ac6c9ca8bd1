package suite

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTags(t *testing.T) {
	cases := []struct {
		expr, tags string
		want       bool
	}{
		{"", "", true},
		{"  ", "@a", true},
		{"@a", "@a @b", true},
		{"a", "@a", true},
		{"@a", "@ab", false},
		{"@a or @b", "@b", true},
		{"@a,@b", "@b", true},
		{"@a,@b", "@c", false},
		{"@a and not @b", "@a", true},
		{"@a and not @b", "@a @b", false},
		{"@a && ~@b", "@a", true},
		{"~@b", "@a", true},
		{"!@b", "@b", false},
		{"not not @b", "@b", true},
		{"@a or @b and @c", "@a", true},
		{"(@a or @b) and @c", "@a", false},
		{"(@a,@b) && @c", "@b @c", true},
		{"not (@a or @b)", "@c", true},
		{"@SRC-14 AND @x", "@SRC-14 @x", true},
	}
	for _, c := range cases {
		e, err := parseTags(c.expr)
		require.NoError(t, err, c.expr)
		assert.Equal(t, c.want, e(strings.Fields(c.tags)), "%q for %q", c.expr, c.tags)
	}
	for _, bad := range []string{"@a,", ",@a", "@a &&", "@a and", "not", "(@a", "@a)", "@a @b", "@", "@a,@b && @c", "()"} {
		_, err := parseTags(bad)
		assert.ErrorContains(t, err, bad, bad)
	}
}

func FuzzTags(f *testing.F) {
	for _, s := range []string{"@a and not (@b or @c)", "@a,@b", "~@a && @b", "((", ")", "@"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if e, err := parseTags(text); err == nil {
			e([]string{"@a"}) // must not panic
		}
	})
}
