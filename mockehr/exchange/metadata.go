package exchange

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/fhir"
)

const oauthURIs = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"

// capability is what the source's CapabilityStatement lets a client do.
type capability struct {
	all   bool            // it names no types
	types map[string]bool // that can be searched
}

func (c capability) searches(typ string) bool { return c.all || c.types[typ] }

// discover reads the source's metadata: what it can do, and where its token endpoint is.
func (w *worker) discover(ctx context.Context) error {
	base := w.state().Base
	a, err := w.open(ctx, base+"/metadata", acceptFHIR)
	if err != nil {
		return err
	}
	if f := w.failureOf(a); f != nil {
		return f
	}
	w.dated, w.datedAt = dateOf(a), w.Clock.Now()
	o, err := fhir.ParseJSON(a.body)
	if err != nil {
		return fail(broken, "the metadata of %s is %s that can't be read: %v", base, a.kindOf(), err)
	}
	if o.Type() != "CapabilityStatement" {
		return fail(broken, "the metadata of %s is no CapabilityStatement", base)
	}
	rest := serverRest(o)
	w.caps = capabilityOf(rest)
	endpoint := tokenURI(rest)
	if endpoint == "" {
		if endpoint, err = w.smartEndpoint(ctx, base); err != nil {
			return err
		}
	}
	return w.useEndpoint(ctx, endpoint)
}

// serverRest is the part of a CapabilityStatement that speaks of the server.
func serverRest(o *fhir.Object) *fhir.Object {
	parts := o.Objects("rest")
	for _, p := range parts {
		if p.Text("mode") == "server" {
			return p
		}
	}
	if len(parts) > 0 {
		return parts[0]
	}
	return nil
}

func capabilityOf(rest *fhir.Object) capability {
	c := capability{types: map[string]bool{}}
	resources := rest.Objects("resource")
	c.all = len(resources) == 0
	for _, r := range resources {
		interactions := r.Objects("interaction")
		search := len(interactions) == 0
		for _, i := range interactions {
			search = search || i.Text("code") == "search-type"
		}
		if search {
			c.types[r.Text("type")] = true
		}
	}
	return c
}

// tokenURI is the token endpoint of the oauth-uris extension, "" if there is none.
func tokenURI(rest *fhir.Object) string {
	for _, security := range rest.Objects("security") {
		for _, e := range security.Objects("extension") {
			if e.Text("url") != oauthURIs {
				continue
			}
			for _, part := range e.Objects("extension") {
				if part.Text("url") == "token" {
					return part.Text("valueUri")
				}
			}
		}
	}
	return ""
}

// smartEndpoint is the token endpoint that .well-known/smart-configuration names.
func (w *worker) smartEndpoint(ctx context.Context, base string) (string, error) {
	a, err := w.open(ctx, base+"/.well-known/smart-configuration", acceptJSON)
	if err != nil {
		return "", err
	}
	if f := w.failureOf(a); f != nil && f.kind == passing {
		return "", f
	}
	var conf struct {
		TokenEndpoint string `json:"token_endpoint"`
	}
	if a.status != http.StatusOK || json.Unmarshal(a.body, &conf) != nil || conf.TokenEndpoint == "" {
		return "", fail(broken, "the metadata of %s names no token endpoint", base)
	}
	return conf.TokenEndpoint, nil
}

// useEndpoint takes the token endpoint that the metadata names, if JWT and authorization may go there
// (TGT-23). It may be on another host, but not on a worse protected one.
func (w *worker) useEndpoint(ctx context.Context, text string) error {
	base := w.base()
	var verdict error
	u, err := url.Parse(text)
	if err == nil {
		u = (&url.URL{Scheme: base.Scheme, Host: base.Host, Path: base.Path + "/"}).ResolveReference(u)
		text = u.String()
	}
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		verdict = fail(broken, "the token endpoint that the metadata names is no http(s) URL")
	case base.Scheme == "https" && u.Scheme == "http":
		verdict = fail(broken, "the token endpoint %s is without TLS, the source is not", where(u))
	}
	in := check.Inputs{"url": text, "source": base.String(), "by": "metadata", "secret": "jwt"}
	if err := refusal(w.Checks.Do(ctx, "TGT-23", in, verdict), broken); err != nil {
		return err
	}
	w.endpoint = text
	return nil
}
