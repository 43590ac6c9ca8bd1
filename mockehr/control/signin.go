package control

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// OAuthClient is an application that is registered for SMART sign-in (protocol 1.8).
type OAuthClient struct {
	ID     string `json:"id"`               // its client_id
	Secret string `json:"secret,omitempty"` // by HTTP Basic or body; "" is a public client, for which PKCE is mandatory
	Name   string `json:"name,omitempty"`   // what the person reads; default is ID
	// Redirects are the redirect_uris that it may use, compared to the letter.
	Redirects []string `json:"redirects"`
	// JWT is the packed JWT that the application has at the CAVS: with it, and with
	// Settings.CAVS, the person sees what the CAVS says of it.
	JWT string `json:"jwt,omitempty"`
}

// Person is someone who can sign in.
type Person struct {
	User     string `json:"user"`
	Password string `json:"password"`
	// Patients are the ids that the person may choose from; none is every patient of the node.
	Patients []string `json:"patients,omitempty"`
}

// DefaultRedirect is the redirect_uri of the default clients.
const DefaultRedirect = "http://127.0.0.1:8765/callback"

// DefaultClients are a confidential and a public client.
func DefaultClients() []OAuthClient {
	return []OAuthClient{
		{ID: "app", Secret: "app-secret", Name: "Sample app", Redirects: []string{DefaultRedirect}},
		{ID: "public-app", Name: "Sample app without a secret", Redirects: []string{DefaultRedirect}},
	}
}

// DefaultPeople is one person, who may choose every patient.
func DefaultPeople() []Person { return []Person{{User: "person", Password: "person-password"}} }

type complaint func(field, format string, args ...any)

func checkClients(clients []OAuthClient, bad complaint) {
	seen := map[string]bool{}
	for i, c := range clients {
		field := fmt.Sprintf("clients[%d]", i)
		switch {
		case c.ID == "":
			bad(field+".id", "missing: give the client_id")
		case !visible(c.ID):
			bad(field+".id", "%q has characters that a client_id can't have: use printable ASCII", shorten(c.ID))
		case seen[c.ID]:
			bad(field+".id", "%q stands there twice: each client has an id of its own", shorten(c.ID))
		}
		seen[c.ID] = true
		if !visible(c.Secret) {
			bad(field+".secret", "has characters that a client_secret can't have: use printable ASCII")
		}
		if len(c.Redirects) == 0 {
			bad(field+".redirects", "missing: give at least one redirect_uri")
		}
		for j, r := range c.Redirects {
			if why := badRedirect(r); why != "" {
				bad(fmt.Sprintf("%s.redirects[%d]", field, j), "%q %s", shorten(r), why)
			}
		}
		if c.JWT != "" && strings.Count(c.JWT, ".") != 2 {
			bad(field+".jwt", "is no packed JWT: give three parts with dots between them, or none")
		}
	}
}

// badRedirect says why a text can't be registered as a redirect_uri (RFC 6749
// 3.1.2, RFC 8252 7.1), "" if it can.
func badRedirect(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme == "":
		return "is no absolute URI: use one such as " + DefaultRedirect
	case strings.Contains(text, "#"):
		return "has a fragment: leave out what begins with #"
	case !visible(text) || strings.Contains(text, " "):
		return "has characters that a URI can't have: percent-encode them"
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host == "":
		return "has no host: use one such as " + DefaultRedirect
	case u.Scheme != "http" && u.Scheme != "https" && !strings.Contains(u.Scheme, "."):
		// Also keeps javascript: and data: out.
		return "has a scheme that is no app's own: use http, https, or a reverse domain name such as com.example.app"
	}
	return ""
}

func checkPeople(people []Person, bad complaint) {
	seen := map[string]bool{}
	for i, p := range people {
		field := fmt.Sprintf("people[%d]", i)
		switch {
		case strings.TrimSpace(p.User) == "":
			bad(field+".user", "missing: give the name to sign in with")
		case p.User != strings.TrimSpace(p.User):
			bad(field+".user", "%q begins or ends with a space: remove it", shorten(p.User))
		case seen[p.User]:
			bad(field+".user", "%q stands there twice: each person has a name of their own", shorten(p.User))
		}
		seen[p.User] = true
		if p.Password == "" {
			bad(field+".password", "missing: give the password to sign in with")
		}
		for j, id := range p.Patients {
			if id == "" || strings.ContainsFunc(id, notInID) || len(id) > 64 {
				bad(fmt.Sprintf("%s.patients[%d]", field, j), "%q is no FHIR id: use the id of a Patient of this node", shorten(id))
			} else if slices.Index(p.Patients, id) != j {
				bad(fmt.Sprintf("%s.patients[%d]", field, j), "%q stands there twice: remove one", id)
			}
		}
	}
}

func notInID(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.'
}

// visible tells whether a text has printable ASCII only (RFC 6749, appendix A).
func visible(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}
