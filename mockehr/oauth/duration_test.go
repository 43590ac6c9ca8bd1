package oauth

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAfter(t *testing.T) {
	at := func(text string) time.Time {
		v, err := time.Parse(time.RFC3339Nano, text)
		require.NoError(t, err)
		return v
	}
	for _, c := range []struct{ from, value, unit, want string }{
		{"2017-09-09T10:00:00Z", "1", "s", "2017-09-09T10:00:01Z"},
		{"2017-09-09T10:00:00Z", "0.5", "s", "2017-09-09T10:00:00.5Z"},
		{"2017-09-09T10:00:00Z", "1.5e1", "min", "2017-09-09T10:15:00Z"},
		{"2017-09-09T10:00:00Z", "2.5", "h", "2017-09-09T12:30:00Z"},
		{"2017-09-09T10:00:00Z", "1", "d", "2017-09-10T10:00:00Z"},
		{"2017-09-09T10:00:00Z", "2", "wk", "2017-09-23T10:00:00Z"},
		{"2017-09-09T10:00:00Z", "3", "mo", "2017-12-09T10:00:00Z"},
		{"2017-09-09T10:00:00Z", "3.0", "mo", "2017-12-09T10:00:00Z"},
		{"2017-01-31T10:00:00Z", "1", "mo", "2017-02-28T10:00:00Z"},
		{"2016-01-30T10:00:00Z", "1", "mo", "2016-02-29T10:00:00Z"},
		{"2017-08-31T10:00:00Z", "13", "mo", "2018-09-30T10:00:00Z"},
		{"2016-02-29T10:00:00Z", "1", "a", "2017-02-28T10:00:00Z"},
		{"2017-09-09T10:00:00Z", "100", "a", "2117-09-09T10:00:00Z"},
	} {
		got, err := After(at(c.from), c.value, c.unit)
		require.NoError(t, err, "%v", c)
		require.Equal(t, at(c.want), got, "%v", c)
	}
	for _, c := range []struct{ value, unit string }{
		{"0", "mo"}, {"-3", "mo"}, {"0.0", "s"}, {"1.5", "mo"}, {"0.5", "a"}, {"", "s"}, {"three", "mo"}, {" 3", "mo"}, {"0x3", "mo"}, {"1_000", "s"},
		{"NaN", "s"}, {"inf", "s"}, {"+3", "mo"}, {"101", "a"}, {"1201", "mo"}, {"1e9999", "s"}, {"1e12", "s"}, {"99999999999999999999999", "a"}, {"36600", "d"},
		{"3", ""}, {"3", "kg"}, {"3", "m"}, {"3", "months"}, {"3", "S"}, {"3", "ms"}, {"3", "Mo"},
	} {
		_, err := After(start, c.value, c.unit)
		require.Error(t, err, "%v", c)
	}
}

func FuzzAfter(f *testing.F) {
	f.Add("3", "mo")
	f.Add("1e10", "s")
	f.Add("-0.1", "wk")
	f.Add("5200", "wk")
	f.Fuzz(func(t *testing.T, value, unit string) {
		until, err := After(start, value, unit)
		if err != nil {
			require.Less(t, len(err.Error()), 300)
			return
		}
		require.False(t, until.Before(start))
		require.False(t, until.After(start.AddDate(maxYears, 0, 1)))
	})
}
