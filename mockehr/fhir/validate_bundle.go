package fhir

import (
	"net/url"
	"strings"
)

// bundle checks what a Bundle's type asks of it and of its entries, and notes
// what its entries are called, for the references within.
func (v *validator) bundle(p *path, o *Object) {
	kind := o.Text("type")
	v.transaction = kind == "transaction"
	v.fullURLs = map[string]string{}
	if o.Has("total") && kind != "searchset" && kind != "history" {
		child := p.child("total")
		v.add(&child, "invariant", "only a searchset or history has a total (bdl-1)")
	}
	versions := map[[2]string]bool{}
	entries := p.child("entry")
	for i, item := range o.List("entry") {
		entry, ok := item.(*Object)
		if !ok {
			continue
		}
		at := entries.item(i)
		v.entry(&at, entry, kind)
		name := entry.Text("fullUrl")
		if name == "" {
			continue
		}
		child := at.child("fullUrl")
		v.fullURL(&child, name, entry.Child("resource"))
		version := [2]string{name, entry.Child("resource").Text("meta", "versionId")}
		if versions[version] && kind != "history" {
			v.add(&child, "invariant", "%q is the fullUrl of an earlier entry too (bdl-7)", shorten(name))
		}
		versions[version] = true
		v.fullURLs[name] = entry.Child("resource").Type()
	}
	v.document(p, o, kind)
}

// fullURL checks what an entry is called.
func (v *validator) fullURL(p *path, text string, resource *Object) {
	if u, err := url.Parse(text); err != nil || !u.IsAbs() {
		v.add(p, "value", "%q is not absolute: a fullUrl is http(s)://.., urn:uuid:.. or urn:oid:..", shorten(text))
		return
	}
	if strings.Contains(text, "/_history/") {
		v.add(p, "invariant", "a fullUrl names a resource, not a version of it (bdl-8)")
		return
	}
	_, typ, id, _, ok := SplitReference(text)
	if ok && resource.ID() != "" && (typ != resource.Type() || id != resource.ID()) {
		v.warn(p, "invariant", "the fullUrl is that of %q, but the resource is %q", typ+"/"+id, shorten(resource.Type())+"/"+shorten(resource.ID()))
	}
}

// entry checks which parts an entry has.
func (v *validator) entry(p *path, entry *Object, kind string) {
	if status := entry.Text("response", "status"); status != "" && (len(status) < 3 || digits(status[:3]) < 3) {
		response := p.child("response")
		child := response.child("status")
		v.add(&child, "value", "%q does not start with the three digits of an HTTP status, such as 201 Created", shorten(status))
	}
	hasRequest, hasResponse := entry.Has("request"), entry.Has("response")
	if !entry.Has("resource") && !hasRequest && !hasResponse {
		v.add(p, "invariant", "an entry needs a resource, unless it has a request or response (bdl-5)")
	}
	if entry.Has("search") && kind != "searchset" {
		child := p.child("search")
		v.add(&child, "invariant", "only the entries of a searchset have this (bdl-2)")
	}
	switch kind {
	case "batch", "transaction":
		if !hasRequest {
			child := p.child("request")
			v.add(&child, "invariant", "each entry of a %s needs a request (bdl-3)", kind)
			break
		}
		v.request(p, entry)
	case "history":
	default:
		if hasRequest {
			child := p.child("request")
			v.add(&child, "invariant", "only the entries of a batch, transaction or history have this (bdl-3)")
		}
	}
	switch kind {
	case "batch-response", "transaction-response":
		if !hasResponse {
			child := p.child("response")
			v.add(&child, "invariant", "each entry of a %s needs a response (bdl-4)", kind)
		}
	case "history":
	default:
		if hasResponse {
			child := p.child("response")
			v.add(&child, "invariant", "only the entries of a batch-response, transaction-response or history have this (bdl-4)")
		}
	}
}

// request checks that an entry has a resource if it is to write one, and only then.
func (v *validator) request(p *path, entry *Object) {
	method, resource := entry.Text("request", "method"), entry.Has("resource")
	child := p.child("resource")
	switch {
	case (method == "POST" || method == "PUT") && !resource:
		v.add(&child, "required", "a %s needs the resource to be written", method)
	case (method == "GET" || method == "DELETE") && resource:
		v.add(&child, "structure", "a %s has no resource", method)
	}
}

// document checks Bundles that begin with a certain resource.
func (v *validator) document(p *path, o *Object, kind string) {
	first := map[string]string{"document": "Composition", "message": "MessageHeader"}[kind]
	if first == "" {
		return
	}
	if typ := o.Child("entry", "resource").Type(); typ != first {
		entries := p.child("entry")
		child := entries.item(0)
		v.add(&child, "invariant", "the first entry of a %s holds a %s", kind, first)
	}
	if kind == "document" && (o.Text("identifier", "system") == "" || o.Text("identifier", "value") == "") {
		child := p.child("identifier")
		v.add(&child, "invariant", "a document needs an identifier with system and value (bdl-9)")
	}
}
