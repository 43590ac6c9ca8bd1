package fhir

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseDateTime(t *testing.T) {
	for _, c := range []struct{ text, start, end string }{
		{"2017", "2017-01-01T00:00:00Z", "2018-01-01T00:00:00Z"},
		{"9999", "9999-01-01T00:00:00Z", "10000-01-01T00:00:00Z"},
		{"2017-12", "2017-12-01T00:00:00Z", "2018-01-01T00:00:00Z"},
		{"2016-02-29", "2016-02-29T00:00:00Z", "2016-03-01T00:00:00Z"},
		{"2017-09-09T10:20Z", "2017-09-09T10:20:00Z", "2017-09-09T10:21:00Z"},
		{"2017-09-09T10:20:30Z", "2017-09-09T10:20:30Z", "2017-09-09T10:20:31Z"},
		{"2017-09-09T10:20:30", "2017-09-09T10:20:30Z", "2017-09-09T10:20:31Z"},
		{"2017-09-09T10:20:30+02:00", "2017-09-09T08:20:30Z", "2017-09-09T08:20:31Z"},
		{"2017-09-09T23:20:30-11:30", "2017-09-10T10:50:30Z", "2017-09-10T10:50:31Z"},
		{"2017-09-09T10:20:30.5Z", "2017-09-09T10:20:30.5Z", "2017-09-09T10:20:30.6Z"},
		{"2017-09-09T10:20:30.123Z", "2017-09-09T10:20:30.123Z", "2017-09-09T10:20:30.124Z"},
		{"2017-09-09T10:20:30.1234567891234Z", "2017-09-09T10:20:30.123456789Z", "2017-09-09T10:20:30.12345679Z"},
		{"2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z", "2017-01-01T00:00:01Z"},
	} {
		t.Run(c.text, func(t *testing.T) {
			start, end, err := ParseDateTime(c.text)
			require.NoError(t, err)
			assert.Equal(t, c.start, start.Format(time.RFC3339Nano))
			assert.Equal(t, c.end, end.Format(time.RFC3339Nano))
			assert.Equal(t, time.UTC, start.Location())
		})
	}
}

func TestParseDateTimeRefuses(t *testing.T) {
	for _, text := range []string{
		"", "0000", "201", "20170", "2017-", "2017-1", "2017-13", "2017-00", "2017-02-29", "2017-02-32", "2017-01-01T", "2017-01-01T10",
		"2017-01-01T24:00:00Z", "2017-01-01T10:60:00Z", "2017-01-01T10:00:61Z", "2017-01-01T10:00:00.Z", "2017-01-01T10:00:00z",
		"2017-01-01T10:00:00+2:00", "2017-01-01T10:00:00+15:00", "2017-01-01T10:00:00Zx", "2017-01-01 10:00:00Z", "x017", "-2017", "２０１７",
	} {
		_, _, err := ParseDateTime(text)
		assert.Error(t, err, text)
	}
}

func FuzzParseDateTime(f *testing.F) {
	for _, text := range []string{"2017", "2017-09", "2017-09-09", "2017-09-09T10:20:30.5+02:00", "2016-12-31T23:59:60Z", "9999-12-31T23:59:60-14:00"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		start, end, err := ParseDateTime(text)
		if err == nil && !start.Before(end) {
			t.Fatalf("%q: %v is not before %v", text, start, end)
		}
	})
}
