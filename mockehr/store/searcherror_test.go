package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSearchErrors(t *testing.T) {
	many := "a" + strings.Repeat(",a", 10_000)
	for _, c := range []struct{ typ, query, param, message string }{
		{"Nonsense", "", "", "no resource type"},
		{"Patient", "gender:exact=x", "gender:exact", "not, missing"},
		{"Patient", "gender:=x", "gender:", "isn't supported"},
		{"Patient", "family:not=x", "family:not", "exact"},
		{"Patient", "birthdate:not=1970", "birthdate:not", "missing"},
		{"Patient", "gender:missing=maybe", "gender:missing", "neither true nor false"},
		{"Patient", "gender=", "gender", "empty"},
		{"Patient", "gender=a,,b", "gender", "empty"},
		{"Patient", "gender=%7C", "gender", "neither system nor code"},
		{"Patient", "gender=a%7Cb%7Cc", "gender", "system|code"},
		{"Patient", "gender=%ff", "gender", "UTF-8"},
		{"Patient", "gender=" + many, "gender", "500"},
		{"Patient", "family=" + strings.Repeat("a", 10_000), "family", "bytes"},
		{"Patient", "family=%CC%81", "family", "letter"},
		{"Patient", "birthdate=99999-01-01", "birthdate", "no FHIR date"},
		{"Patient", "birthdate=2017-02-30", "birthdate", "no such day"},
		{"Patient", "birthdate=gt", "birthdate", "no FHIR date"},
		{"Patient", "birthdate=xx2017", "birthdate", "no FHIR date"},
		{"Patient", "_lastUpdated=yesterday", "_lastUpdated", "no FHIR date"},
		{"Patient", "_lastUpdated:missing=true", "_lastUpdated:missing", "isn't supported"},
		{"Patient", "_id=a b", "_id", "no FHIR id"},
		{"Patient", "_count=-1", "_count", "0 or more"},
		{"Patient", "_count=x", "_count", "0 or more"},
		{"Patient", "_count=1&_count=2", "_count", "once"},
		{"Patient", "_summary=all", "_summary", "count"},
		{"Patient", "_sort=gender", "_sort", "date, string"},
		{"Patient", "_sort=nonsense", "_sort", "nonsense"},
		{"Patient", "_sort:desc=family", "_sort:desc", "_sort=-date"},
		{"Patient", "_sort=family,given,name,address,birthdate", "_sort", "at most 4"},
		{"Patient", "nonsense=1", "nonsense", "no such search parameter"},
		{"Patient", "organization.name=x", "organization.name", "no such search parameter"},
		{"Patient", "_include=Patient", "_include", "Patient:param"},
		{"Patient", "_include=Observation:subject", "_include", "another type"},
		{"Patient", "_include=Patient:gender", "_include", "no reference parameter"},
		{"Patient", "_include=Patient:organization:Nonsense", "_include", "no resource type"},
		{"Patient", "_include:recurse=Patient:link", "_include:recurse", "isn't supported"},
		{"Patient", "_cursor=nonsense", CursorParam, "first page"},
		{"Observation", "subject=a/b/c", "subject", "Type/id"},
		{"Observation", "subject:Patient=Group/1", "subject:Patient", "asks for a Patient"},
		{"Observation", "value-quantity=x", "value-quantity", "no number"},
		{"Observation", "value-quantity=1e999", "value-quantity", "no number"},
		{"Observation", "value-quantity=NaN", "value-quantity", "no number"},
		{"Observation", "value-quantity=0x1p3", "value-quantity", "no number"},
		{"Observation", "value-quantity=5||", "", ""},
		{"Observation", "value-quantity=5|mg", "value-quantity", "no quantity"},
	} {
		t.Run(c.typ+"?"+c.query[:min(len(c.query), 40)], func(t *testing.T) {
			s := newStore(t, Options{})
			began := time.Now()
			_, err := find(t, s, c.typ, c.query, Scope{})
			assert.Less(t, time.Since(began), time.Second)
			if c.message == "" {
				assert.NoError(t, err)
				return
			}
			var bad *SearchError
			require.True(t, errors.As(err, &bad), "%v", err)
			assert.Equal(t, c.param, bad.Param)
			assert.Contains(t, bad.Message, c.message)
			assert.Less(t, len(err.Error()), 400, "a message, not the query")
		})
	}
}

func FuzzParseSearch(f *testing.F) {
	for _, query := range []string{
		"", "patient=p1&category=laboratory&_count=50", "code=http://loinc.org%7C1,2&_sort=-date,code&_include=*", "date=ge2017-03-05T10:20:30.5%2B02:00",
		"value-quantity=ap5.4%7C%7Cmg", `value-string:contains=a\,b`, "category:not=x&code:missing=true", "_cursor=eyJxIjoxfQ", "subject:Patient=1&_id=a,b",
		"_lastUpdated=gt2020&_summary=count", "value-quantity=1e-400,2e308", "_sort=value-string&_cursor=e30",
	} {
		f.Add(query)
	}
	s := newStore(f, Options{})
	load(f, s, `{"resourceType":"Observation","id":"1","code":{"coding":[{"code":"x"}]},"subject":{"reference":"Patient/1"}}`)
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		for _, strict := range []bool{false, true} {
			search, err := ParseSearch("Observation", values, strict)
			if err == nil {
				err = s.View(context.Background(), func(tx *Tx) error {
					_, err := tx.Search(search, Scope{Patient: "1"})
					return err
				})
			}
			var bad *SearchError
			if err != nil && !errors.As(err, &bad) {
				t.Fatalf("%s: %v", query, err)
			}
		}
	})
}

func ExampleSearchError() {
	_, err := ParseSearch("Patient", url.Values{"birthdate": {"2017-02-30"}}, false)
	fmt.Println(err)
	// Output: birthdate: "2017-02-30" is no FHIR date: the month has no such day; write YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with Z or +hh:mm, after one of the prefixes eq ne gt lt ge le sa eb ap if you like
}
