package mockehr

import (
	"fmt"
	"net/http"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/oauth"
)

// oauthURIs is the SMART extension that names the OAuth endpoints (SRC-50).
const oauthURIs = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"

// metadata answers GET [base]/metadata: the CapabilityStatement, open to all.
// It states what is there and nothing else.
func (s *Server) metadata(w http.ResponseWriter, r *http.Request) error {
	if err := acceptable(r); err != nil {
		return err
	}
	s.writeResource(w, r, http.StatusOK, s.capability())
	return nil
}

func member(name string, value any) fhir.Member { return fhir.Member{Name: name, Value: value} }

func object(members ...fhir.Member) *fhir.Object { return fhir.NewObject(members...) }

func (s *Server) capability() *fhir.Object {
	var resources []any
	for _, t := range fhir.Types() {
		resources = append(resources, resourceCapability(t))
	}
	return object(
		member("resourceType", "CapabilityStatement"),
		member("contained", definitions()),
		member("name", "ccde mock EHR "+s.cfg.Name),
		member("status", "active"),
		member("date", "2017-09-09"),
		member("publisher", "ccde"),
		member("kind", "instance"),
		member("software", object(member("name", "ccde mockehr"))),
		member("implementation", object(
			member("description", fmt.Sprintf("mock EHR %q: source, target and CAVS of the CCDE protocol, dialect %s", s.cfg.Name, s.checks.Dialect())),
			member("url", s.base()))),
		member("fhirVersion", "3.0.1"),
		member("acceptUnknown", "no"),
		member("format", formats()),
		member("rest", []any{object(
			member("mode", "server"),
			member("security", s.security()),
			member("resource", resources),
			member("interaction", codes("transaction", "batch")),
			member("operation", operations()))}))
}

// security names the OAuth endpoints where any OAuth client looks for them.
func (s *Server) security() *fhir.Object {
	var uris []any
	for _, e := range []struct{ name, path string }{
		{"authorize", "/auth/authorize"}, {"token", "/auth/token"}, {"manage", "/auth/grants"}, {"revoke", "/auth/revoke"},
	} {
		uris = append(uris, object(member("url", e.name), member("valueUri", s.cfg.Root+e.path)))
	}
	return object(
		member("extension", []any{object(member("url", oauthURIs), member("extension", uris))}),
		member("cors", true),
		member("service", []any{securityService("OAuth"), securityService("SMART-on-FHIR")}),
		member("description", "access tokens by the CCDE protocol: a JWT from $jwt, bound to a Consent by $authorize, traded at the token endpoint; "+
			"and by SMART sign-in: a person signs in, chooses a patient and approves"))
}

func securityService(code string) *fhir.Object {
	return object(member("coding", []any{object(
		member("system", "http://hl7.org/fhir/restful-security-service"), member("code", code))}))
}

// smartConfiguration answers .well-known/smart-configuration, which repeats
// the CapabilityStatement's endpoints and names the key set (protocol 1.1).
func (s *Server) smartConfiguration(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                s.issuer.Name(),
		"jwks_uri":                              s.cfg.Root + "/auth/auth_key",
		"authorization_endpoint":                s.cfg.Root + "/auth/authorize",
		"token_endpoint":                        s.cfg.Root + "/auth/token",
		"revocation_endpoint":                   s.cfg.Root + "/auth/revoke",
		"management_endpoint":                   s.cfg.Root + "/auth/grants",
		"grant_types_supported":                 []string{"authorization_code", "refresh_token", "client_credentials"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "none"},
		"code_challenge_methods_supported":      []string{"S256"},
		"scopes_supported":                      []string{oauth.ScopeLaunchPatient, oauth.ScopeOffline, "patient/*.read", "user/*.read"},
		"response_types_supported":              []string{"code"},
		"capabilities": []string{"launch-standalone", "client-public", "client-confidential-symmetric",
			"context-standalone-patient", "permission-offline", "permission-patient", "permission-user"},
	})
	return nil
}

// authKey answers the public key: a JWK Set, in dialect test.fhir.org a single
// JWK (protocol 2).
func (s *Server) authKey(w http.ResponseWriter, r *http.Request) error {
	body, err := s.issuer.KeySet()
	if err != nil {
		return err
	}
	media := "application/jwk-set+json"
	if s.checks.Dialect() == check.TestFHIR {
		media = "application/jwk+json"
	}
	w.Header().Set("Cache-Control", "no-cache")
	writeBytes(w, http.StatusOK, media, body)
	return nil
}
