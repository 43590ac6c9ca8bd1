package mockehr

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"example.org/ccde/mockehr/fhir"
)

// maxForm bounds a form-encoded body, far over any JWT and far under harm.
const maxForm = 1 << 20

// readForm reads an application/x-www-form-urlencoded body, and nothing from
// the query string: secrets don't belong in URLs.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	text, err := readFormText(w, r)
	if err != nil {
		return nil, err
	}
	values, err := parseQuery(text)
	if err != nil {
		return nil, malformed("the form can't be read: " + err.Error())
	}
	for name, texts := range values {
		for _, text := range texts {
			if !utf8.ValidString(name) || !utf8.ValidString(text) {
				return nil, malformed(fmt.Sprintf("the parameter %q of the form is no UTF-8 text", name))
			}
		}
	}
	return values, nil
}

// parseQuery reads a query string or a form. A semicolon stands for itself, as it
// does to those who write URLs (RFC 3986 3.4); to net/url it is an error.
func parseQuery(text string) (url.Values, error) {
	return url.ParseQuery(strings.ReplaceAll(text, ";", "%3B"))
}

// readFormText is the body of a form as it came.
func readFormText(w http.ResponseWriter, r *http.Request) (string, error) {
	media, err := bodyType(r)
	if err != nil {
		return "", err
	}
	if media != "application/x-www-form-urlencoded" {
		return "", unsupported(media, "application/x-www-form-urlencoded")
	}
	body, err := readBody(r, bounded(w, r, maxForm))
	return string(body), err
}

// readParameters reads the named values of an operation: a form, or a
// Parameters resource in which any value[x] of a primitive type is read.
func readParameters(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	media, err := bodyType(r)
	if err != nil {
		return nil, err
	}
	if _, resource := mediaTypes[media]; !resource {
		if media != "application/x-www-form-urlencoded" {
			return nil, unsupported(media, "application/x-www-form-urlencoded, application/fhir+json or application/fhir+xml")
		}
		return readForm(w, r)
	}
	params, err := readResource(r, "Parameters")
	if err != nil {
		return nil, err
	}
	if err := invalid(params); err != nil {
		return nil, err
	}
	values := url.Values{}
	for _, p := range params.Objects("parameter") {
		values.Add(p.Text("name"), primitiveValue(p))
	}
	return values, nil
}

// primitiveValue is the text of a parameter's value[x], "" if it has none of a
// primitive type.
func primitiveValue(p *fhir.Object) string {
	for _, m := range p.Members() {
		if !strings.HasPrefix(m.Name, "value") {
			continue
		}
		switch v := m.Value.(type) {
		case string:
			return v
		case fhir.Number:
			return string(v)
		case bool:
			text, _ := json.Marshal(v)
			return string(text)
		}
	}
	return ""
}

// invalid refuses a resource that is no valid STU3, with every issue found.
func invalid(o *fhir.Object) error {
	var bad []fhir.Issue
	for _, issue := range fhir.Validate(o) {
		if issue.Severity == "error" || issue.Severity == "fatal" {
			bad = append(bad, issue)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return &httpError{status: http.StatusUnprocessableEntity, code: bad[0].Code, message: bad[0].Diagnostics, issues: bad, malformed: true}
}
