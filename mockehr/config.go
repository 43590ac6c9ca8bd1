package mockehr

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"example.org/ccde/mockehr/control"
)

// Config is all that a node is told at its start. What may change while it
// runs stands in Settings, and can be replaced over the control port.
type Config struct {
	Name string `json:"name"` // the node's name, shown in logs and metadata
	// Root is the node's public root URL, without a slash at its end; it may
	// have a path prefix. The FHIR base is Root + "/r3", the token service
	// Root + "/auth".
	Root    string `json:"root"`
	Listen  string `json:"listen"`  // address of the EHR's listener, "host:port"
	Control string `json:"control"` // address of the control listener; "" = none
	Secret  string `json:"secret"`  // bearer of the control port
	// Dir is the data folder; "" is a temporary one that goes with the node.
	Dir string `json:"dir,omitempty"`
	// Unsynced says that Dir, if given, goes with the node too: a crash of the
	// process must not lose what it holds, one of the machine may.
	Unsynced bool `json:"unsynced,omitempty"`
	// Template is a database that a node without data starts from; "" = none.
	Template string `json:"template,omitempty"`
	// Hosts says where some hosts are dialed, "host:port" by "host:port"; the
	// others as the system's resolver says.
	Hosts map[string]string `json:"hosts,omitempty"`
	// CA are certificates, PEM, that the node trusts beside the system's own.
	CA string `json:"ca,omitempty"`
	// TLS makes the EHR's listener one of TLS 1.2 or later (SEC-04); the root is
	// an https URL then. nil = plain HTTP, or TLS ends in front of the node.
	TLS *Certificate `json:"tls,omitempty"`
	// Key is the node's signing key, PEM; "" = the one kept in Dir, else a new one.
	Key      string           `json:"key,omitempty"`
	Consumer string           `json:"consumer"` // bearer of the person's app (protocol 1.9)
	Admin    string           `json:"admin"`    // bearer of the administrator (protocol 1.9)
	Settings control.Settings `json:"settings"`
}

// Certificate is a certificate with its private key, both PEM; chains begin
// with the node's own.
type Certificate struct {
	Cert string `json:"cert"`
	Key  string `json:"key"`
}

// check says everything that is wrong with the configuration, by field.
func (c Config) check() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
	}
	if c.Name == "" {
		bad("name", "missing; give the node a name")
	}
	if u, err := url.Parse(c.Root); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		bad("root", "%q is no absolute http(s) URL", c.Root)
	} else if strings.HasSuffix(c.Root, "/") || u.RawQuery != "" || u.Fragment != "" {
		bad("root", "%q must end without slash, query and fragment", c.Root)
	}
	if c.TLS != nil {
		if _, err := tls.X509KeyPair([]byte(c.TLS.Cert), []byte(c.TLS.Key)); err != nil {
			bad("tls", "cert and key can't be used: %v; give both in PEM", err)
		}
		if !strings.HasPrefix(c.Root, "https:") {
			bad("root", "%q is no https URL, but tls is given", c.Root)
		}
	}
	if c.Listen == "" {
		bad("listen", "missing; give an address such as 127.0.0.1:8080")
	}
	if c.Control != "" && c.Secret == "" {
		bad("secret", "missing; the control port needs one")
	}
	if c.Consumer == "" {
		bad("consumer", "missing; give the bearer of the person's app")
	}
	if c.Admin == "" {
		bad("admin", "missing; give the administrator's bearer")
	}
	if c.Consumer != "" && c.Consumer == c.Admin {
		bad("consumer", "is the same as admin; the two bearers must differ")
	}
	if err := c.Settings.Validate(); err != nil {
		bad("settings", "%v", err)
	}
	return errors.Join(errs...)
}

// issuer names the system for good: the same root gives the same text in
// every run (protocol 1.1, TGT-07).
func (c Config) issuer() string { return issuerOf(c.Root) }
