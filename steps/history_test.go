package steps

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"example.org/ccde/mockehr/control"
)

func TestANextPageIsDataWhereverItIs(t *testing.T) {
	source := &node{name: "source", fhir: "https://ehr.example/acme/fhir"}
	give := func(url, body string) seen {
		return seen{Exchange: control.Exchange{Method: "GET", URL: url, Status: 200, ResponseBody: control.Body{Text: body}}, at: source}
	}
	next := func(url string) string {
		return `{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next","url":"` + url + `"}]}`
	}
	all := []seen{
		give("https://ehr.example/pages?after=1", next("")), // asked for before any answer named it
		give("https://ehr.example/acme/fhir/Observation?patient=a", next("https://ehr.example/acme/fhir?page=2")),
		give("https://ehr.example/acme/fhir?page=2", next("/pages?after=1")),
		give("https://EHR.example/pages?after=1", next("https://other.example/pages?after=2")),
		give("https://other.example/pages?after=2", ""),
		give("https://ehr.example/oauth2/jwks", `{"keys":[]}`),
		give("https://ehr.example/acme/fhir/metadata", ""),
	}
	markPages(all)
	var data []bool
	for _, e := range all {
		data = append(data, e.isData())
	}
	assert.Equal(t, []bool{false, true, true, true, false, false, false}, data)
}
