package mockehr

import (
	"fmt"
	"net/http"

	"github.com/gorilla/mux"

	"example.org/ccde/mockehr/fhir"
)

// validate answers POST [base]/$validate, [base]/[type]/$validate and
// [base]/[type]/[id]/$validate (FHIR STU3 2.24.4): the resource, as it is or
// within Parameters, is looked at and not stored. Whatever is found, the answer
// is 200 and an OperationOutcome.
func (s *Server) validate(w http.ResponseWriter, r *http.Request) error {
	if err := acceptable(r); err != nil {
		return err
	}
	c, err := s.caller(r)
	if err != nil {
		return err
	}
	if err := s.known(r.Context(), c, "SRC-48", "$validate"); err != nil {
		return err
	}
	typ, id := mux.Vars(r)["type"], mux.Vars(r)["id"]
	if typ != "" && !fhir.IsResourceType(typ) {
		return noSuchType(typ)
	}
	o, err := readResource(r)
	if err != nil {
		return err
	}
	if !fhir.IsResourceType(o.Type()) {
		return malformed(fmt.Sprintf("resourceType is %q, which is no resource type of FHIR STU3", clip(o.Type())))
	}
	mode := ""
	if o.Type() == "Parameters" && typ != "Parameters" {
		if o, mode, err = validateRequest(o, id); err != nil {
			return err
		}
	}
	var issues []fhir.Issue
	if o != nil {
		issues = s.validated(o, mode, typ, id)
	}
	s.writeResource(w, r, http.StatusOK, fhir.Outcome(issues...))
	return nil
}

// validateRequest reads the Parameters of $validate: resource and mode.
func validateRequest(params *fhir.Object, id string) (resource *fhir.Object, mode string, err error) {
	for _, p := range params.Objects("parameter") {
		switch p.Text("name") {
		case "resource":
			resource = p.Child("resource")
		case "mode":
			mode = primitiveValue(p)
		case "profile":
			return nil, "", &httpError{status: http.StatusUnprocessableEntity, code: "not-supported", message: "the parameter profile: profiles aren't known here; leave it out"}
		}
	}
	switch mode {
	case "", "create", "update", "delete":
	default:
		return nil, "", &httpError{status: http.StatusBadRequest, code: "value", message: "the parameter mode is " + clip(mode) + "; it can be create, update or delete"}
	}
	if resource == nil && (mode != "delete" || id == "") {
		return nil, "", &httpError{status: http.StatusBadRequest, code: "required", message: "the parameter resource is missing; give the resource to look at"}
	}
	return resource, mode, nil
}

// validated is all that is wrong with a resource, in itself and for what the
// mode says is to be done with it.
func (s *Server) validated(o *fhir.Object, mode, typ, id string) []fhir.Issue {
	issues := fhir.Validate(o)
	wrong := func(code, expression, message string) {
		issues = append(issues, fhir.Issue{Severity: "error", Code: code, Diagnostics: message, Expression: []string{expression}})
	}
	if typ != "" && o.Type() != typ {
		wrong("structure", clip(o.Type()), "the resource is a "+clip(o.Type())+", and the URL asks about a "+typ)
	}
	switch {
	case mode == "update" && o.ID() == "":
		wrong("required", o.Type()+".id", "an update needs the id of the resource")
	case mode != "create" && id != "" && o.ID() != id:
		wrong("value", o.Type()+".id", "the id is "+clip(o.ID())+", and the URL's is "+clip(id))
	}
	return issues
}
