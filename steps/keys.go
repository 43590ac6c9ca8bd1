package steps

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/MicahParks/jwkset"

	"example.org/ccde/steps/judge"
)

// keysOf finds the public keys that a JWT's kid leads to. A judge tries every
// place that protocol 1.1 names, in its order; tried says which there were.
func (w *world) keysOf(ctx context.Context, a *answer, header map[string]any) (keys []any, tried []string, err error) {
	n := a.call.to
	kid, _ := header["kid"].(string)
	if strings.HasPrefix(kid, "/") && !w.configuredHas(ctx, n, kid) {
		if err := w.form(a, "TGT-06", judge.JWTKeyID, false, "kid as an absolute URL, or as the key set of jwks_uri has it", kid); err != nil {
			return nil, nil, err
		}
	}
	places, err := w.keyPlaces(ctx, n, kid)
	if err != nil {
		return nil, nil, err
	}
	for _, place := range places {
		found, err := w.fetchKeys(ctx, a, n, place, kid)
		tried = append(tried, place)
		if err != nil {
			return nil, tried, err
		}
		keys = append(keys, found...)
	}
	return keys, tried, nil
}

// configuredHas says whether the set of jwks_uri has the kid to the letter.
func (w *world) configuredHas(ctx context.Context, n *node, kid string) bool {
	place := w.jwksURI(ctx, n)
	if place == "" {
		return false
	}
	a, err := w.ask(ctx, call{from: "nobody", to: n, method: http.MethodGet, url: place, header: http.Header{"Accept": {"application/json"}}})
	var set struct{ Keys []struct{ Kid string } }
	return err == nil && json.Unmarshal(a.Body, &set) == nil && slices.ContainsFunc(set.Keys, func(k struct{ Kid string }) bool { return k.Kid == kid })
}

// namedEndpoint is the token endpoint, if there is one: a target needs none.
func (w *world) namedEndpoint(ctx context.Context, n *node) string {
	if n.token != "" {
		return n.token
	}
	uri, _, _ := w.named(ctx, n, "token") // one that can't be asked names none
	return uri
}

// keyPlaces are the places where a kid may lead to, in the order of protocol 1.1.
func (w *world) keyPlaces(ctx context.Context, n *node, kid string) ([]string, error) {
	base, err := url.Parse(n.fhir)
	if err != nil {
		return nil, err
	}
	var places []string
	if n.keys != "" {
		places = append(places, n.keys)
	}
	if u, err := url.Parse(kid); err == nil && kid != "" {
		switch {
		case u.IsAbs() && u.Host != "":
			u.Fragment = ""
			places = append(places, u.String())
		case strings.HasPrefix(kid, "/"):
			places = append(places, base.Scheme+"://"+base.Host+kid)
			if beside, _, ok := cutLast(w.namedEndpoint(ctx, n), "/"); ok {
				places = append(places, beside+kid)
			}
		}
	}
	if configured := w.jwksURI(ctx, n); configured != "" {
		places = append(places, configured)
	}
	return places, nil
}

// KeySets are the places where a target's keys may be, by its config, by the
// kid of a JWT that it gives out, and by what it publishes (protocol 1.1): what
// a mock that plays the source must trust. source is the FHIR base that the JWT
// is asked for.
func KeySets(ctx context.Context, client *http.Client, r Role, source string) ([]string, error) {
	w := &world{env: &Env{}, rec: judge.NewRecord(judge.Options{}), http: client, nodes: map[string]*node{}, news: map[string]any{}}
	n := &node{name: "target", fhir: strings.TrimRight(r.FHIR, "/"), token: r.Token, keys: r.Keys, outside: &r}
	w.nodes["target"] = n
	a, err := w.ask(ctx, call{kind: aJWT, from: "the person", to: n, method: http.MethodGet, url: n.fhir + "/$jwt?source=" + url.QueryEscape(source)})
	if err != nil {
		return nil, err
	}
	_, header, err := unpacked(strings.TrimSpace(string(a.Body)))
	if err != nil {
		return nil, fmt.Errorf("$jwt answered %s", a.is())
	}
	kid, _ := header["kid"].(string)
	places, err := w.keyPlaces(ctx, n, kid)
	if err != nil {
		return nil, err
	}
	// A place that holds no such key would only keep a reader from being sure.
	var good []string
	for _, place := range places {
		if keys, err := w.fetchKeys(ctx, a, n, place, kid); err == nil && len(keys) > 0 && !slices.Contains(good, place) {
			good = append(good, place)
		}
	}
	if len(good) > 0 {
		return good, nil
	}
	return places, nil
}

// jwksURI is what .well-known/smart-configuration says, "" if nothing.
func (w *world) jwksURI(ctx context.Context, n *node) string {
	a, err := w.ask(ctx, call{from: "nobody", to: n, method: http.MethodGet, url: n.fhir + "/.well-known/smart-configuration",
		header: http.Header{"Accept": {"application/json"}}})
	if err != nil || a.Status != http.StatusOK {
		return ""
	}
	return asText(a.json()["jwks_uri"])
}

// fetchKeys reads a key set, or a single JWK, and takes the keys that fit kid: the
// same kid to the letter, none, or the set's own URL where it has one key.
func (w *world) fetchKeys(ctx context.Context, about *answer, n *node, place, kid string) ([]any, error) {
	a, err := w.ask(ctx, call{from: "nobody", to: n, method: http.MethodGet, url: place, header: http.Header{"Accept": {"application/json"}}})
	if err != nil || a.Status != http.StatusOK {
		return nil, nil // another place may have it
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
		Kty  string            `json:"kty"`
	}
	if json.Unmarshal(a.Body, &set) != nil {
		return nil, nil
	}
	if set.Kty != "" {
		if err := w.form(about, "TGT-06", judge.AuthKey, false, "a JWK Set at "+place, "a single JWK"); err != nil {
			return nil, err
		}
		set.Keys = []json.RawMessage{a.Body}
	}
	var out []any
	for _, text := range set.Keys {
		var m jwkset.JWKMarshal
		if json.Unmarshal(text, &m) != nil {
			continue
		}
		fits := m.KID == "" || m.KID == kid || len(set.Keys) == 1 && kid == place
		// A path is the form of a kid in the other dialect: there the place is the name.
		if !fits && !(strings.HasPrefix(kid, "/") && strings.HasSuffix(place, kid) && len(set.Keys) == 1) {
			continue
		}
		k, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{SkipAll: true})
		if err == nil {
			out = append(out, k.Key())
		}
	}
	return out, nil
}
