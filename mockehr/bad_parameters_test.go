package mockehr

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/fhir"
)

// parameter is one of a request: its name and its value[x] as a Parameters
// resource has it.
type parameter struct {
	name, typ string
	value     any // string, fhir.Number, *fhir.Object
}

func parametersOf(list []parameter) *fhir.Object {
	var items []any
	for _, p := range list {
		items = append(items, object(member("name", p.name), member(p.typ, p.value)))
	}
	return object(member("resourceType", "Parameters"), member("parameter", items))
}

// encodings are the ways in which parameters are sent: by name, the body and
// its Content-Type. ok is false for what a way can't say.
var encodings = map[string]func(list []parameter) (body, contentType string, ok bool){
	"form": func(list []parameter) (string, string, bool) {
		v := url.Values{}
		for _, p := range list {
			switch value := p.value.(type) {
			case string:
				v.Add(p.name, value)
			case fhir.Number:
				v.Add(p.name, string(value))
			default:
				return "", "", false
			}
		}
		return v.Encode(), typeForm, true
	},
	"JSON": func(list []parameter) (string, string, bool) {
		return string(fhir.AppendJSON(nil, parametersOf(list))), typeJSON, true
	},
	"XML": func(list []parameter) (string, string, bool) {
		body, err := fhir.AppendXML(nil, parametersOf(list))
		return string(body), typeXML, err == nil
	},
}

func without(list []parameter, name string) []parameter {
	var out []parameter
	for _, p := range list {
		if p.name != name {
			out = append(out, p)
		}
	}
	return out
}

func with(list []parameter, name, typ string, value any) []parameter {
	return append(without(list, name), parameter{name, typ, value})
}

func twice(list []parameter, name string) []parameter {
	for _, p := range list {
		if p.name == name {
			return append(list[:len(list):len(list)], p)
		}
	}
	return list
}

// variants are the wrong forms of a request, by what is wrong and with which parameter.
func variants(good []parameter, required []string) map[[2]string][]parameter {
	long := strings.Repeat("a", 100_000)
	coding := object(member("system", "urn:x"), member("code", "y"))
	out := map[[2]string][]parameter{}
	for _, p := range good {
		out[[2]string{"twice", p.name}] = twice(good, p.name)
		out[[2]string{"oversized", p.name}] = with(good, p.name, "valueString", long)
		out[[2]string{"wrong type", p.name}] = with(good, p.name, "valueCoding", coding)
		out[[2]string{"a resource", p.name}] = append(without(good, p.name), parameter{p.name, "resource", object(member("resourceType", "Basic"), member("code", object(member("text", "x"))))})
		out[[2]string{"empty part", p.name}] = append(without(good, p.name), parameter{p.name, "part", []any{object(member("name", "x"), member("valueString", "y"))}})
	}
	for _, name := range required {
		out[[2]string{"missing", name}] = without(good, name)
	}
	return out
}

func TestConnectRefusesEveryWrongParameter(t *testing.T) {
	for _, dialect := range []string{"strict", "test.fhir.org"} {
		t.Run(dialect, func(t *testing.T) {
			n := newNode(t, func(c *Config) { c.Settings.Dialect = dialect }).as("")
			good := []parameter{
				{"source", "valueUri", "http://127.0.0.1:9/r3"}, {"consent", "valueString", "c1"}, {"expires_in", "valueInteger", fhir.Number("3600")},
				{"patient", "valueId", "example"}, {"jwt", "valueString", n.jwtOf()}, {"authorization", "valueString", "a1"},
			}
			bad := variants(good, []string{"source", "consent", "expires_in", "jwt", "authorization"})
			for what, p := range map[[2]string]parameter{
				{"relative", "source"}: {"source", "valueUri", "r3"}, {"other scheme", "source"}: {"source", "valueUri", "file:///etc/passwd"},
				{"too long", "source"}: {"source", "valueUri", "http://127.0.0.1/" + strings.Repeat("a", 100_000)}, {"with a user", "source"}: {"source", "valueUri", "http://u:p@127.0.0.1/r3"}, {"with a query", "source"}: {"source", "valueUri", "http://127.0.0.1/r3?x=y"},
				{"no id", "consent"}: {"consent", "valueString", "a b"}, {"no id", "patient"}: {"patient", "valueString", "Patient/1"},
				{"zero", "expires_in"}: {"expires_in", "valueInteger", fhir.Number("0")}, {"negative", "expires_in"}: {"expires_in", "valueInteger", fhir.Number("-5")},
				{"a decimal", "expires_in"}: {"expires_in", "valueDecimal", fhir.Number("1.5")}, {"a word", "expires_in"}: {"expires_in", "valueString", "soon"},
				{"too far", "expires_in"}: {"expires_in", "valueString", "99999999999999999999"}, {"garbage", "jwt"}: {"jwt", "valueString", "x.y.z"},
				{"65 characters", "authorization"}: {"authorization", "valueString", strings.Repeat("a", 65)},
			} {
				bad[what] = with(good, p.name, p.typ, p.value)
			}
			for how, encode := range encodings {
				for what, list := range bad {
					body, contentType, ok := encode(list)
					if !ok {
						continue
					}
					for _, accept := range []string{typeJSON, typeXML} {
						a := n.do("POST", "/r3/$connect", body, "Content-Type", contentType, "Accept", accept)
						name := fmt.Sprintf("%s %v as %s", dialect, what, how)
						assert.Equal(t, 400, a.StatusCode, "%s: %s", name, a.body)
						assert.Contains(t, a.Header.Get("Content-Type"), accept, name)
						assert.Contains(t, a.outcome(t), what[1], name)
					}
				}
				body, contentType, _ := encode(good)
				a := n.do("POST", "/r3/$connect", body, "Content-Type", contentType)
				assert.Equal(t, 200, a.StatusCode, "the control as %s: %s", how, a.body)
			}
		})
	}
}

func TestAuthorizeRefusesEveryWrongParameter(t *testing.T) {
	for dialect, fails := range map[string]int{"strict": 0, "test.fhir.org": http.StatusInternalServerError} {
		t.Run(dialect, func(t *testing.T) {
			n := newNode(t, func(c *Config) { c.Settings.Dialect = dialect })
			n.trustItself()
			n.load(patientExample)
			n = n.as(consumerBearer)
			made := n.post("/Consent", consentFor("example", "user/*.read"))
			require.Equal(t, 201, made.StatusCode, made.body)
			path := "/r3/Consent/" + made.resource(t).ID() + "/$authorize"
			duration := func(value any, code string) *fhir.Object {
				return object(member("value", value), member("system", "http://unitsofmeasure.org"), member("code", code))
			}
			good := []parameter{{"duration", "valueDuration", duration(fhir.Number("3"), "mo")}, {"jwt", "valueString", n.jwtOf()}}
			bad := variants(good, []string{"duration", "jwt"})
			for what, p := range map[[2]string]parameter{
				{"a string", "duration"}:       {"duration", "valueString", "3 months"},
				{"zero", "duration"}:           {"duration", "valueDuration", duration(fhir.Number("0"), "mo")},
				{"negative", "duration"}:       {"duration", "valueDuration", duration(fhir.Number("-1"), "mo")},
				{"endless", "duration"}:        {"duration", "valueDuration", duration(fhir.Number("99999999999999999"), "a")},
				{"no unit", "duration"}:        {"duration", "valueDuration", object(member("value", fhir.Number("3")))},
				{"a unit of mass", "duration"}: {"duration", "valueDuration", duration(fhir.Number("3"), "kg")},
				{"without value", "duration"}:  {"duration", "valueDuration", object(member("system", "http://unitsofmeasure.org"), member("code", "mo"))},
				{"a boolean", "jwt"}:           {"jwt", "valueBoolean", true},
				{"garbage", "jwt"}:             {"jwt", "valueString", "x.y.z"},
				{"three dots", "jwt"}:          {"jwt", "valueString", "..."},
			} {
				bad[what] = with(good, p.name, p.typ, p.value)
			}
			for _, how := range []string{"JSON", "XML"} {
				for what, list := range bad {
					body, contentType, ok := encodings[how](list)
					if !ok {
						continue
					}
					for _, accept := range []string{typeJSON, typeXML} {
						a := n.do("POST", path, body, "Content-Type", contentType, "Accept", accept)
						name := fmt.Sprintf("%s %v as %s", dialect, what, how)
						if fails == 0 {
							assert.Contains(t, []int{400, 422}, a.StatusCode, "%s: %s", name, a.body)
						} else {
							assert.Equal(t, fails, a.StatusCode, "%s: %s", name, a.body)
						}
						assert.Contains(t, a.Header.Get("Content-Type"), accept, name)
						assert.Contains(t, a.outcome(t), what[1], name)
					}
				}
				body, contentType, _ := encodings[how](good)
				a := n.do("POST", path, body, "Content-Type", contentType)
				assert.Equal(t, 200, a.StatusCode, "the control as %s: %s", how, a.body)
			}
		})
	}
}
