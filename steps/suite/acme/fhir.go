package acme

import (
	"net/http"
	"strings"
	"time"
)

// fhir answers what is below the FHIR base.
func (s *Server) fhir(c *call) error {
	var err error
	if c.xml, err = negotiate(c.Request); err != nil {
		return err
	}
	s.mu.Lock()
	c.who = s.known(c.Request)
	s.mu.Unlock()
	parts := strings.Split(c.path, "/")
	switch last := parts[len(parts)-1]; {
	case c.path == "metadata":
		return s.metadata(c)
	case c.path == "$jwt":
		return s.jwt(c)
	case c.path == "$connect":
		return s.connect(c)
	case c.path == "$connection":
		return s.connectionOf(c)
	case c.path == "$disconnect":
		return s.disconnect(c)
	case len(parts) == 3 && parts[0] == "Consent" && last == "$authorize":
		return s.authorize(c, parts[1])
	case strings.HasPrefix(last, "$"):
		return wrong(http.StatusNotFound, "there is no such operation")
	}
	if c.who.kind == "nobody" || c.who.kind == "unknown" {
		if !(s.bug("consents-open") && parts[0] == "Consent" && len(parts) == 2) {
			return errLogin
		}
	}
	if c.path == "" && c.URL.Query().Get("page") != "" {
		return s.turn(c)
	}
	if s.defs.kind[parts[0]] != "resource" || !served[parts[0]] && c.who.kind != "admin" {
		if s.bug("unknown-500") {
			return wrong(http.StatusInternalServerError, "no such thing")
		}
		return wrong(http.StatusNotFound, "there is no such type here")
	}
	switch {
	case len(parts) == 1 && c.Method == http.MethodGet:
		return s.search(c, parts[0])
	case len(parts) == 1 && c.Method == http.MethodPost:
		return s.create(c, parts[0])
	case len(parts) == 2 && c.Method == http.MethodGet:
		return s.read(c, parts[0]+"/"+parts[1])
	case len(parts) == 2 && c.Method == http.MethodPut:
		return s.update(c, parts[0], parts[1])
	case len(parts) == 2 && c.Method == http.MethodDelete:
		return s.delete(c, parts[0]+"/"+parts[1])
	case len(parts) > 2:
		return wrong(http.StatusNotFound, "versions are not served")
	}
	return wrong(http.StatusMethodNotAllowed, "%s is not for this path", c.Method)
}

func (s *Server) read(c *call, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.held[key]
	if o == nil {
		if s.bug("unknown-500") {
			return wrong(http.StatusInternalServerError, "no such thing")
		}
		if s.gone[key] && !s.Style.Forbids && (c.who.kind == "admin" || strings.HasPrefix(key, "Consent/")) {
			return wrong(http.StatusGone, "%s was deleted", key)
		}
		return wrong(http.StatusNotFound, "there is no %s", key)
	}
	err := s.mayRead(c.who, o)
	if s.bug("consents-open") && strings.HasPrefix(key, "Consent/") {
		err = nil
	}
	if s.bug("documents-closed") && strings.HasPrefix(key, "Binary/") && c.who.kind != "admin" {
		err = wrong(http.StatusForbidden, "no documents")
	}
	if err != nil {
		return err
	}
	s.give(c, http.StatusOK, s.outside(o))
	return nil
}

// outside is a resource as it is given out.
func (s *Server) outside(o map[string]any) map[string]any {
	out := s.rewrite(o, func(ref string) string {
		if s.Style.AbsoluteReferences && s.local(ref) == ref {
			return s.base() + "/" + ref
		}
		if s.bug("dangling") && strings.HasPrefix(ref, "Practitioner/") {
			return ref + "-gone"
		}
		return ref
	})
	if text(o["resourceType"]) == "Consent" {
		meta := map[string]any{}
		for k, v := range object(o["meta"]) {
			meta[k] = v
		}
		delete(meta, "tag")
		out["meta"] = meta
		out = s.rewrite(o, func(ref string) string { return ref }) // a Consent comes back unchanged
		out["meta"] = meta
		if s.bug("decimals-in-consent") {
			out = shorten(out).(map[string]any)
		}
	}
	return out
}

// rewrite is a copy of a resource with each reference as change has it.
func (s *Server) rewrite(o map[string]any, change func(string) string) map[string]any {
	var walk func(v any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			out := make(map[string]any, len(v))
			for name, one := range v {
				if ref, ok := one.(string); ok && (name == "reference" || name == "url" && v["contentType"] != nil) {
					out[name] = change(ref)
				} else {
					out[name] = walk(one)
				}
			}
			return out
		case []any:
			out := make([]any, len(v))
			for i, one := range v {
				out[i] = walk(one)
			}
			return out
		}
		return v
	}
	return walk(o).(map[string]any)
}

// mayWrite says whether a caller may write a resource as it is to be.
func (s *Server) mayWrite(c *call, o map[string]any) error {
	typ := text(o["resourceType"])
	switch {
	case c.who.kind == "admin":
		return nil
	case c.who.kind == "consumer" && typ == "Consent":
		if p := s.patientOf(o); p != s.Patient && s.Style.Forbids {
			return wrong(http.StatusForbidden, "this bearer is for another patient")
		}
		return nil
	case c.who.kind == "token" && c.who.token.signIn != nil && typ == "Consent":
		if p := s.patientOf(o); p != c.who.token.Patient {
			return wrong(http.StatusForbidden, "the person chose another patient")
		}
		return nil
	case s.bug("read-scope-deletes") && c.Method == http.MethodDelete:
		return nil
	}
	return wrong(http.StatusForbidden, "this bearer may not write that")
}

func (s *Server) create(c *call, typ string) error {
	if c.who.kind != "admin" && typ != "Consent" {
		return wrong(http.StatusForbidden, "this bearer may not write that")
	}
	o, err := s.resource(c, typ)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fit(c, o); err != nil {
		return err
	}
	o["id"] = s.newID()
	s.put(o, c.who.owner())
	place := "/" + typ + "/" + text(o["id"])
	if s.Style.RelativeLinks {
		c.w.Header().Set("Location", s.Style.FHIR+place)
		c.w.WriteHeader(http.StatusCreated) // and no body: nobody asked for one
		return nil
	}
	c.w.Header().Set("Location", s.base()+place+"/_history/1")
	s.give(c, http.StatusCreated, s.outside(o))
	return nil
}

// fit checks what is to be written.
func (s *Server) fit(c *call, o map[string]any) error {
	if err := s.mayWrite(c, o); err != nil {
		return err
	}
	if o["resourceType"] != "Consent" {
		return nil
	}
	if ref := text(object(o["patient"])["reference"]); ref != "" && s.held[s.local(ref)] == nil && !s.bug("patient-not-looked-for") {
		return wrong(http.StatusUnprocessableEntity, "the Consent's patient is not known here")
	}
	if s.Style.RefusesEarly && c.Method == http.MethodPost {
		return s.good(o, time.Time{})
	}
	return nil
}

func (s *Server) update(c *call, typ, id string) error {
	if c.who.kind != "admin" && typ != "Consent" {
		return wrong(http.StatusForbidden, "this bearer may not write that")
	}
	o, err := s.resource(c, typ)
	if err != nil {
		return err
	}
	if o["id"] != id {
		return wrong(http.StatusBadRequest, "the id is not that of the path")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.held[typ+"/"+id]
	if old == nil && c.who.kind != "admin" {
		return wrong(http.StatusMethodNotAllowed, "the ids are the server's")
	}
	owner := c.who.owner()
	if old != nil {
		if c.who.kind != "admin" && ownerOf(old) != owner {
			return wrong(http.StatusForbidden, "somebody else made it")
		}
		owner = ownerOf(old)
	}
	if err := s.fit(c, o); err != nil {
		return err
	}
	s.put(o, owner)
	status := http.StatusOK
	if old == nil {
		status = http.StatusCreated
		c.w.Header().Set("Location", s.base()+"/"+typ+"/"+id)
	}
	s.give(c, status, s.outside(o))
	return nil
}

func (s *Server) delete(c *call, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.held[key]
	if o == nil {
		return wrong(http.StatusNotFound, "there is no %s", key)
	}
	if err := s.mayWrite(c, o); err != nil {
		return err
	}
	if c.who.kind != "admin" && ownerOf(o) != c.who.owner() && !s.bug("read-scope-deletes") {
		return wrong(http.StatusForbidden, "somebody else made it")
	}
	s.remove(key)
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// served are the types that are there for all who may read.
var served = map[string]bool{}

func init() {
	for typ := range inCompartment {
		served[typ] = true
	}
	for _, typ := range []string{"Practitioner", "PractitionerRole", "Organization", "Medication", "Location", "Binary", "Device"} {
		served[typ] = true
	}
}

func (s *Server) metadata(c *call) error {
	var resources []any
	for typ := range served {
		if s.Style.FewMedications && fewer[typ] {
			continue
		}
		r := map[string]any{"type": typ, "interaction": []any{map[string]any{"code": "read"}, map[string]any{"code": "search-type"}}}
		if _, of := inCompartment[typ]; of {
			r["searchParam"] = []any{map[string]any{"name": "patient", "type": "reference"}, map[string]any{"name": "_lastUpdated", "type": "date"}}
		}
		resources = append(resources, r)
	}
	uris := []any{map[string]any{"url": "token", "valueUri": s.Root + s.Style.Token},
		map[string]any{"url": "authorize", "valueUri": s.Root + "/person/authorize"}}
	if s.bug("no-token-endpoint") {
		uris = uris[1:]
	}
	o := map[string]any{"resourceType": "CapabilityStatement", "status": "active", "date": "2017-09-01", "kind": "instance", "fhirVersion": "3.0.1",
		"acceptUnknown": "no", "format": []any{"json", "xml"}, "software": map[string]any{"name": "Acme", "version": "4.2"},
		"implementation": map[string]any{"description": "Acme EHR", "url": s.base()},
		"rest": []any{map[string]any{"mode": "server", "resource": resources,
			"security": map[string]any{"extension": []any{map[string]any{
				"url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris", "extension": uris}}}}}}
	s.give(c, http.StatusOK, o)
	return nil
}
