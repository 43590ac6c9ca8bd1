package store

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/fhir"
)

// populate returns Observations of 100 patients as EHRs write them, in three categories.
func populate(b testing.TB, from, n int) []*fhir.Object {
	categories := []string{"laboratory", "vital-signs", "social-history"}
	resources := make([]*fhir.Object, n)
	for i := range resources {
		at := from + i
		resources[i] = parse(b, fmt.Sprintf(`{"resourceType":"Observation","id":"obs-%d","status":"final",
			"identifier":[{"system":"http://hospital.example/obs","value":"%d"}],
			"category":[{"coding":[{"system":"http://hl7.org/fhir/observation-category","code":"%s"}]}],
			"code":{"coding":[{"system":"http://loinc.org","code":"%d-4","display":"something measured"}],"text":"Something measured"},
			"subject":{"reference":"Patient/p%d"},"context":{"reference":"Encounter/e%d"},"performer":[{"reference":"Practitioner/d%d"}],
			"effectiveDateTime":"20%02d-%02d-%02dT10:00:00+01:00","issued":"2017-01-01T00:00:00.000Z",
			"valueQuantity":{"value":%d.50,"unit":"mg/dL","system":"http://unitsofmeasure.org","code":"mg/dL"}}`,
			at, at, categories[at%3], at%200, at%100, at%5000, at%40, at%17, 1+at%12, 1+at%28, at%300))
	}
	return resources
}

const populationSize = 100_000

// populationStore is shared by the benchmarks of reading, and closed by TestMain.
var (
	populationOnce  sync.Once
	populationStore *Store
)

func populated(b *testing.B) *Store {
	b.Helper()
	populationOnce.Do(func() {
		s, err := Open("", Options{})
		require.NoError(b, err)
		for from := 0; from < populationSize; from += 10_000 {
			require.NoError(b, s.Load(context.Background(), populate(b, from, 10_000)))
		}
		populationStore = s
	})
	return populationStore
}

func TestMain(m *testing.M) {
	defer func() {
		if populationStore != nil {
			populationStore.Close()
		}
	}()
	m.Run()
}

// Bulk writes, in transactions of 1000; a resource is one operation.
func BenchmarkLoad(b *testing.B) {
	s, err := Open(b.TempDir(), Options{})
	require.NoError(b, err)
	defer s.Close()
	resources := populate(b, 0, b.N)
	b.ResetTimer()
	for from := 0; from < b.N; from += 1000 {
		require.NoError(b, s.Load(context.Background(), resources[from:min(from+1000, b.N)]))
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "resources/s")
}

// Writes of one resource each, durable when they return.
func BenchmarkPut(b *testing.B) {
	s, err := Open(b.TempDir(), Options{})
	require.NoError(b, err)
	defer s.Close()
	resources := populate(b, 0, b.N)
	b.ResetTimer()
	for _, r := range resources {
		require.NoError(b, s.Load(context.Background(), []*fhir.Object{r}))
	}
}

func benchmarkSearch(b *testing.B, query string, follow bool) {
	s := populated(b)
	values, err := url.ParseQuery(query)
	require.NoError(b, err)
	ctx := context.Background()
	var result Result
	page := func() {
		search, err := ParseSearch("Observation", values, true)
		require.NoError(b, err)
		require.NoError(b, s.View(ctx, func(tx *Tx) error {
			result, err = tx.Search(search, Scope{})
			return err
		}))
	}
	page()
	if follow {
		require.NotEmpty(b, result.Next)
		values.Set(CursorParam, result.Next)
		page()
	}
	require.Len(b, result.Matches, 50)
	for b.Loop() {
		page()
	}
}

func BenchmarkFirstPage(b *testing.B) {
	benchmarkSearch(b, "patient=p7&category=laboratory&_count=50", false)
}

func BenchmarkFollowingPage(b *testing.B) {
	benchmarkSearch(b, "patient=p7&category=laboratory&_count=50", true)
}

func BenchmarkFollowingPageSorted(b *testing.B) {
	benchmarkSearch(b, "patient=p7&category=laboratory&_count=50&_sort=-date", true)
}

func BenchmarkFollowingPageOfAll(b *testing.B) {
	benchmarkSearch(b, "status=final&category=laboratory&_count=50", true)
}

func BenchmarkReadHot(b *testing.B) {
	benchmarkRead(b, func(int) int { return 7 })
}

func BenchmarkReadCold(b *testing.B) {
	benchmarkRead(b, func(i int) int { return i * 7919 % populationSize })
}

func benchmarkRead(b *testing.B, pick func(i int) int) {
	s := populated(b)
	ctx := context.Background()
	for i := 0; b.Loop(); i++ {
		require.NoError(b, s.View(ctx, func(tx *Tx) error {
			_, err := tx.Read("Observation", fmt.Sprintf("obs-%d", pick(i)))
			return err
		}))
	}
}

func BenchmarkOpenEmpty(b *testing.B) {
	for b.Loop() {
		s, err := Open("", Options{})
		require.NoError(b, err)
		require.NoError(b, s.Close())
	}
}

func fixtures(b *testing.B) *Store {
	s, err := Open("", Options{})
	require.NoError(b, err)
	b.Cleanup(func() { s.Close() })
	require.NoError(b, s.Load(context.Background(), populate(b, 0, 500)))
	return s
}

// A node with 500 resources, from a template.
func BenchmarkOpenTemplate(b *testing.B) {
	template := b.TempDir() + "/template.db"
	require.NoError(b, fixtures(b).CopyTo(context.Background(), template))
	for b.Loop() {
		s, err := Open("", Options{Template: template})
		require.NoError(b, err)
		require.NoError(b, s.Close())
	}
}

func BenchmarkSnapshot(b *testing.B) {
	s := fixtures(b)
	for b.Loop() {
		require.NoError(b, s.Snapshot(context.Background()))
	}
}

func BenchmarkRestore(b *testing.B) {
	s := fixtures(b)
	require.NoError(b, s.Snapshot(context.Background()))
	for b.Loop() {
		require.NoError(b, s.Restore(context.Background()))
	}
}
