package store

import (
	"context"
	"fmt"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/fhir"
)

// observation is one with a number, of one patient of ten.
func observation(n int, more string) string {
	return fmt.Sprintf(`{"resourceType":"Observation","id":"o%03d","status":"final","category":[{"coding":[{"code":"laboratory"}]}],
		"subject":{"reference":"Patient/%d"},"effectiveDateTime":"2017-01-%02d","valueQuantity":{"value":%d}%s}`, n, n%10, 1+n%28, n%7, more)
}

func observations(t testing.TB, n int) *Store {
	s := newStore(t, Options{})
	var texts []string
	for i := range n {
		texts = append(texts, observation(i, ""))
	}
	load(t, s, texts...)
	return s
}

// pages follows a search to its end and returns the ids; between pages it calls
// change with the number of the page that comes next, from 1 on.
func pages(t testing.TB, s *Store, query string, scope Scope, change func(page int)) (all []string, totals []int) {
	t.Helper()
	values, err := url.ParseQuery(query)
	require.NoError(t, err)
	for page := 1; page < 1000; page++ {
		search, err := ParseSearch("Observation", values, true)
		require.NoError(t, err)
		var result Result
		view(t, s, func(tx *Tx) error {
			result, err = tx.Search(search, scope)
			return err
		})
		all = append(all, idsOf(result.Matches)...)
		totals = append(totals, result.Total)
		if result.Next == "" {
			return all, totals
		}
		assert.Len(t, result.Matches, search.count)
		values = url.Values{CursorParam: {result.Next}}
		for name, texts := range result.Self {
			if name != CursorParam {
				values[name] = texts
			}
		}
		change(page)
	}
	t.Fatal("the pages have no end")
	return nil, nil
}

func nothing(int) {}

func TestPages(t *testing.T) {
	s := observations(t, 120)
	for _, query := range []string{"_count=50", "_count=7", "_count=40", "_count=120", "_count=119&patient=0,1,2,3,4,5,6,7,8,9", "",
		"_count=7&_sort=date", "_count=7&_sort=-date,_id", "_count=7&_sort=value-quantity,-_id", "_count=11&_sort=-_lastUpdated", "_count=11&_sort=value-string",
		"_count=13&category=laboratory&status=final", "_count=13&date=ge2016", "_count=13&date=ge2016&value-quantity=lt1000&code:missing=true"} {
		all, totals := pages(t, s, query, Scope{}, nothing)
		assert.Len(t, all, 120, query)
		assert.ElementsMatch(t, all, ids(t, s, "Observation", "_count=500", Scope{}), query)
		for _, total := range totals {
			assert.Equal(t, 120, total, query)
		}
	}
	all, totals := pages(t, s, "_count=5&patient=3", Scope{Patient: "3"}, nothing)
	assert.Len(t, all, 12)
	assert.Equal(t, []int{12, 12, 12}, totals)
}

// Whatever happens between pages, what matched throughout comes exactly once.
func TestPagesWhileDataChanges(t *testing.T) {
	const n = 100
	for _, query := range []string{"_count=9", "_count=9&_sort=date", "_count=9&_sort=-date,value-quantity", "_count=9&_sort=_lastUpdated", "_count=9&_sort=-_lastUpdated",
		"_count=9&category=laboratory&_sort=-value-quantity", "_count=9&patient=0,1,2,3,4,5,6,7,8,9", "_count=9&_lastUpdated=ge2026-01-01", "_count=9&_sort=-_id"} {
		t.Run(query, func(t *testing.T) {
			s := observations(t, n)
			gone := map[string]bool{}
			all, totals := pages(t, s, query, Scope{}, func(page int) {
				s.clock.Add(1)
				for i := range 6 {
					at := (page*37 + i*17) % n
					id := fmt.Sprintf("o%03d", at)
					switch {
					case gone[id]:
					case i == 0:
						remove(t, s, "Observation", id)
						gone[id] = true
					case i == 1: // no longer a match, then one again
						load(t, s, fmt.Sprintf(`{"resourceType":"Observation","id":%q}`, id))
						load(t, s, observation(at, ""))
						gone[id] = true // not throughout
					default: // all that one can sort by changes
						load(t, s, fmt.Sprintf(`{"resourceType":"Observation","id":%q,"status":"final","category":[{"coding":[{"code":"laboratory"}]}],
							"subject":{"reference":"Patient/%d"},"effectiveDateTime":"20%02d-01-01","valueQuantity":{"value":%d}}`, id, page%10, (page*13+i*29)%100, page*i-20))
					}
				}
				load(t, s, observation(n+page, "")) // new ones
			})
			times := map[string]int{}
			for _, id := range all {
				times[id]++
			}
			for i := range n {
				id := fmt.Sprintf("o%03d", i)
				if gone[id] {
					assert.LessOrEqual(t, times[id], 1, id)
				} else {
					assert.Equal(t, 1, times[id], id)
				}
			}
			for _, total := range totals {
				assert.Equal(t, n, total, "counted once")
			}
			assert.LessOrEqual(t, len(totals), n/9+1, "new resources don't make the search longer")
		})
	}
}

func TestCursorOfAnotherSearch(t *testing.T) {
	s := observations(t, 20)
	first, err := find(t, s, "Observation", "_count=5&category=laboratory&_sort=date", Scope{Patient: "1"})
	require.NoError(t, err)
	require.Empty(t, first.Next)
	first, err = find(t, s, "Observation", "_count=5&category=laboratory&_sort=date", Scope{})
	require.NoError(t, err)
	require.NotEmpty(t, first.Next)
	next := "&" + CursorParam + "=" + first.Next
	_, err = find(t, s, "Observation", "_count=7&category=laboratory&_sort=date&_format=json"+next, Scope{})
	assert.NoError(t, err, "another page size and format are fine")
	for _, query := range []string{"_count=5&category=vital-signs&_sort=date", "_count=5&category=laboratory", "_sort=-date&category=laboratory", "_sort=date", "category=laboratory&_sort=date&status=final"} {
		_, err = find(t, s, "Observation", query+next, Scope{})
		assert.ErrorContains(t, err, "another search", query)
	}
	_, err = find(t, s, "Observation", "_count=5&category=laboratory&_sort=date"+next, Scope{Patient: "1"})
	assert.ErrorContains(t, err, "another search", "a cursor of a wider scope")
	_, err = find(t, s, "Condition", "_count=5&category=laboratory&_sort=onset-date"+next, Scope{})
	assert.ErrorContains(t, err, "another search")
	for _, cursor := range []string{"", "x", "e30", "bnVsbA", first.Next[:20], first.Next + "AAAA"} {
		_, err = find(t, s, "Observation", "_count=5&category=laboratory&_sort=date&"+CursorParam+"="+url.QueryEscape(cursor), Scope{})
		var bad *SearchError
		assert.ErrorAs(t, err, &bad, cursor)
	}
}

// A cursor holds all it needs: it goes on after a restart.
func TestCursorOutlivesRestart(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	var resources []*fhir.Object
	for i := range 30 {
		resources = append(resources, parse(t, observation(i, "")))
	}
	require.NoError(t, s.Load(context.Background(), resources))
	first, err := find(t, s, "Observation", "_count=20&_sort=-date", Scope{})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	s = openStore(t, dir, Options{})
	second, err := find(t, s, "Observation", "_count=20&_sort=-date&"+CursorParam+"="+first.Next, Scope{})
	require.NoError(t, err)
	assert.Equal(t, 30, second.Total)
	assert.Len(t, second.Matches, 10)
	assert.Empty(t, second.Next)
}
