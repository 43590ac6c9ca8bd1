package mockehr

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.org/ccde/fixtures"
	"example.org/ccde/mockehr/fhir"
)

// population is that of a sandbox: its Bundles, and how many resources they hold.
var population = sync.OnceValues(func() (bundles [][]byte, resources int) {
	for raw, err := range fixtures.Population(fixtures.PopulationOptions{}) {
		if err != nil {
			panic(err)
		}
		bundle, err := fhir.ParseJSON(raw)
		if err != nil {
			panic(err)
		}
		bundles, resources = append(bundles, raw), resources+len(bundle.Objects("entry"))
	}
	return bundles, resources
})

// A sandbox's transaction Bundles, each by a POST; a resource is what is counted.
func BenchmarkTransactions(b *testing.B) {
	bundles, resources := population()
	var peak uint64
	loaded := 0
	for b.Loop() {
		b.StopTimer()
		n := newNode(b)
		b.StartTimer()
		for _, raw := range bundles {
			a := n.post("", string(raw))
			require.Equal(b, 200, a.StatusCode, a.body)
		}
		b.StopTimer()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapInuse)
		loaded += resources
		n.close()
		b.StartTimer()
	}
	b.ReportMetric(float64(loaded)/b.Elapsed().Seconds(), "resources/s")
	b.ReportMetric(float64(peak)/(1<<20), "MiB")
}

// bare is a plain net/http server that answers everything with the same bytes.
func bare(b *testing.B, body []byte, header http.Header) (url string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		for name, values := range header {
			h[name] = values
		}
		_, _ = w.Write(body)
	})}
	go func() { _ = server.Serve(listener) }()
	b.Cleanup(func() { _ = server.Close() })
	return "http://" + listener.Addr().String()
}

// rate is how many requests a second one URL answers, over a while.
func rate(b *testing.B, client *http.Client, url string, requests int) float64 {
	r, err := http.NewRequest("GET", url, nil)
	require.NoError(b, err)
	r.Header.Set("Authorization", "Bearer "+adminBearer)
	r.Header.Set("Accept", typeJSON)
	var body bytes.Buffer
	began := time.Now()
	for range requests {
		res, err := client.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		body.Reset()
		if _, err := io.Copy(&body, res.Body); err != nil || res.StatusCode != 200 {
			b.Fatal(res.StatusCode, err)
		}
		res.Body.Close()
	}
	return float64(requests) / time.Since(began).Seconds()
}

// Reads by id, beside a bare handler that sends the same bytes to the same
// client. Both are asked in turns, so that what else the machine does hits both.
func BenchmarkReadByID(b *testing.B) {
	n := newNode(b)
	n.load(patientExample)
	a := n.get("/Patient/example")
	plain := bare(b, []byte(a.body), a.Header)
	const turn = 500
	var ours, theirs float64
	turns := 0.0
	for b.Loop() {
		theirs += 1 / rate(b, n.client, plain+"/r3/Patient/example", turn)
		ours += 1 / rate(b, n.client, n.base()+"/Patient/example", turn)
		turns++
	}
	b.ReportMetric(turns/ours, "reads/s")
	b.ReportMetric(turns/theirs, "bare/s")
	b.ReportMetric(theirs/ours, "ratio")
}

// Pages of 50 from 100,000 Observations of 100 patients.
func BenchmarkSearchPages(b *testing.B) {
	n := newNode(b)
	const size, patients = 100_000, 100
	for from := 0; from < size; from += 10_000 {
		var resources []*fhir.Object
		for i := from; i < from+10_000; i++ {
			resources = append(resources, parsed(b, fmt.Sprintf(`{"resourceType":"Observation","id":"o%d","status":"final",
				"category":[{"coding":[{"system":"http://hl7.org/fhir/observation-category","code":"%s"}]}],
				"code":{"coding":[{"system":"http://loinc.org","code":"%d-4"}],"text":"Something measured"},
				"subject":{"reference":"Patient/p%d"},"performer":[{"reference":"Practitioner/d%d"}],"effectiveDateTime":"20%02d-%02d-%02dT10:00:00+01:00",
				"valueQuantity":{"value":%d.50,"unit":"mg/dL","system":"http://unitsofmeasure.org","code":"mg/dL"}}`,
				i, []string{"laboratory", "vital-signs", "social-history"}[i/patients%3], i%200, i%patients, i%40, i%17, 1+i%12, 1+i%28, i%300)))
		}
		require.NoError(b, n.store.Load(b.Context(), resources))
	}
	first := n.base() + "/Observation?patient=p7&category=laboratory&_count=50"
	second := n.do("GET", first, "").link(b, "next")
	third := n.do("GET", second, "").link(b, "next")
	for name, url := range map[string]string{"first": first, "second": second, "third": third} {
		require.NotEmpty(b, url)
		b.Run(name, func(b *testing.B) {
			require.Len(b, n.do("GET", url, "").ids(b), 50)
			requests := 0
			for b.Loop() {
				rate(b, n.client, url, 1)
				requests++
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(requests)/1000, "ms/page")
		})
	}
}
