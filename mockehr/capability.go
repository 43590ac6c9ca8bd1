package mockehr

import (
	"maps"
	"slices"

	"example.org/ccde/mockehr/fhir"
)

// formats are the media types that resources travel in, FHIR's own first.
func formats() []any {
	list := []any{"application/fhir+json", "application/fhir+xml"}
	for _, media := range slices.Sorted(maps.Keys(mediaTypes)) {
		if !slices.Contains(list, any(media)) {
			list = append(list, media)
		}
	}
	return list
}

// codes are interactions as a CapabilityStatement lists them.
func codes(names ...string) []any {
	var list []any
	for _, name := range names {
		list = append(list, object(member("code", name)))
	}
	return list
}

// resourceCapability is what can be done with a type: the same with each, but
// for what it can be searched by.
func resourceCapability(typ string) *fhir.Object {
	params, includes := []any{}, []any{"*"}
	for _, p := range fhir.SearchParams(typ) {
		params = append(params, object(member("name", p.Code), member("type", p.Type)))
		if p.Type == "reference" {
			includes = append(includes, typ+":"+p.Code)
		}
	}
	return object(
		member("type", typ),
		member("interaction", codes("read", "vread", "update", "delete", "history-instance", "create", "search-type")),
		member("versioning", "versioned-update"),
		member("readHistory", true),
		member("updateCreate", true),
		member("conditionalCreate", true),
		member("conditionalRead", "full-support"),
		member("conditionalUpdate", true),
		member("conditionalDelete", "single"),
		member("searchInclude", includes),
		member("searchParam", params))
}

// definition is an operation of the protocol, as its OperationDefinition tells it.
type definition struct {
	name, title string
	instance    string // the type that it is called on an instance of; "" for the system
	changes     bool
	parameters  []definedParameter
}

type definedParameter struct {
	name, use, typ string
	min            int
	max            string
}

// protocolOperations are those of protocol 1.1, 1.3 and 1.6.
var protocolOperations = []definition{
	{"jwt", "Issue a JWT that says who this system is", "", false, []definedParameter{
		{"source", "in", "uri", 0, "1"}, {"for", "in", "string", 0, "1"}, {"jwt", "out", "string", 1, "1"}}},
	{"authorize", "Bind an application's JWT to a Consent", "Consent", true, []definedParameter{
		{"duration", "in", "Duration", 1, "1"}, {"jwt", "in", "string", 1, "1"}, {"id", "out", "id", 1, "1"}}},
	{"connect", "Copy a person's record from a source, now and then", "", true, []definedParameter{
		{"source", "in", "uri", 1, "1"}, {"consent", "in", "id", 1, "1"}, {"expires_in", "in", "integer", 1, "1"}, {"patient", "in", "id", 0, "1"},
		{"jwt", "in", "string", 1, "1"}, {"authorization", "in", "string", 1, "1"}, {"return", "out", "OperationOutcome", 1, "1"}}},
	{"connection", "Tell how copying goes", "", false, []definedParameter{{"id", "in", "string", 0, "1"}}},
	{"disconnect", "Stop copying", "", true, []definedParameter{{"id", "in", "string", 1, "1"}, {"return", "out", "OperationOutcome", 1, "1"}}},
}

// definitions are the OperationDefinitions of the protocol's own operations,
// contained, so that what operations refers to is there.
func definitions() []any {
	var list []any
	for _, d := range protocolOperations {
		o := object(
			member("resourceType", "OperationDefinition"),
			member("id", d.name),
			member("name", d.title),
			member("status", "active"),
			member("kind", "operation"),
			member("idempotent", !d.changes),
			member("code", d.name))
		if d.instance != "" {
			o.Set("resource", []any{d.instance})
		}
		o.Set("system", d.instance == "")
		o.Set("type", false)
		o.Set("instance", d.instance != "")
		var parameters []any
		for _, p := range d.parameters {
			parameters = append(parameters, object(member("name", p.name), member("use", p.use), member("min", p.min), member("max", p.max), member("type", p.typ)))
		}
		o.Set("parameter", parameters)
		list = append(list, o)
	}
	return list
}

// operations are those that can be called: the protocol's, and $validate.
func operations() []any {
	var list []any
	for _, d := range protocolOperations {
		list = append(list, object(member("name", d.name), member("definition", object(member("reference", "#"+d.name)))))
	}
	return append(list, object(member("name", "validate"),
		member("definition", object(member("reference", "http://hl7.org/fhir/OperationDefinition/Resource-validate")))))
}
