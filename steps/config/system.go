package config

import (
	"time"
)

// System is the system under test as its vendor describes it: the YAML file
// that `ccde certify` takes. A role that is not there is played by a mock.
type System struct {
	// System is what is certified, for the report and the certificate.
	System About `yaml:"system"`
	// Source, Target and CAVS are the roles that the system plays.
	Source *Source `yaml:"source"`
	Target *Target `yaml:"target"`
	CAVS   *CAVS   `yaml:"cavs"`
	// Command starts the system; nil: it runs already.
	Command *Command `yaml:"command"`
	// Has are the ids of the MAYs that the system has; "smart" stands for SRC-05
	// and SRC-70 to SRC-79, and "-SRC-78" takes one out.
	Has []string `yaml:"has"`
	// SMART is what SMART sign-in needs (protocol 1.8).
	SMART *SMART `yaml:"smart"`
	// Waivers let a requirement fail for a time, for a reason.
	Waivers []Waiver `yaml:"waivers"`
	// Key is the file of the harness's key, PEM, made on first use.
	Key string `yaml:"key"`
	// Listen is the address of the front door, Advertise the URL by which the
	// system under test reaches it.
	Listen    string   `yaml:"listen"`
	Advertise string   `yaml:"advertise"`
	TLS       TLS      `yaml:"tls"`
	Timeouts  Timeouts `yaml:"timeouts"`

	dir string // the file's folder; relative paths start there
}

// About names the system.
type About struct {
	Name    string `yaml:"name"`
	Version string `yaml:"version"`
	Vendor  string `yaml:"vendor"`
	// Dialect is what it speaks: strict or test.fhir.org (protocol 2).
	Dialect string `yaml:"dialect"`
}

// Source is the system as source EHR.
type Source struct {
	FHIR string `yaml:"fhir"` // its FHIR base
	// Patient is the person's id there, OtherPatient that of another one.
	Patient      string `yaml:"patient"`
	OtherPatient string `yaml:"other-patient"`
	// Loaded says that it holds the fixture patients (`ccde fixtures export`) to the letter.
	Loaded bool `yaml:"loaded"`
	// Consumer is the bearer of the person's app, Admin the administrator's (protocol 1.9).
	Consumer Credential `yaml:"consumer"`
	Admin    Credential `yaml:"admin"`
	// Token is the token endpoint, where its metadata is not to be followed.
	Token string `yaml:"token"`
	// CAVS says whom it asks at $authorize: ours, theirs or none.
	CAVS string `yaml:"cavs"`
	// TrustsOurKeys says that it takes JWTs that the harness's key signs; where it
	// doesn't, JWT is a command that prints one for the application in
	// CCDE_APPLICATION. Not given is true.
	TrustsOurKeys *bool  `yaml:"trusts-our-keys"`
	JWT           Secret `yaml:"jwt"`
}

// Target is the system as target EHR.
type Target struct {
	FHIR string `yaml:"fhir"`
	// Keys is the URL of the key set of its JWTs, where they don't lead to it.
	Keys string `yaml:"keys"`
	// Readback reads the copies, all connections, and $jwt?for= (an administrator).
	Readback Credential `yaml:"readback"`
	Consumer Credential `yaml:"consumer"`
	Update   Update     `yaml:"update"`
	// ExpiredJWT is a JWT that it issued and that is over (TGT-17).
	ExpiredJWT Secret `yaml:"expired-jwt"`
}

// Update says how often a target asks for what is new.
type Update struct {
	Every Duration `yaml:"every"`
}

// CAVS is the system as CAVS.
type CAVS struct {
	URL string `yaml:"url"` // where /cavs is
	// Registry is where its registry is edited (protocol 1.7).
	Registry Registry `yaml:"registry"`
	// Known are JWTs that it knows, for where the registry can't be edited.
	Known Known `yaml:"known"`
	// TrustsOurKeys is as in Source.
	TrustsOurKeys *bool `yaml:"trusts-our-keys"`
}

// Registry is the FHIR API by which a CAVS's registry is edited.
type Registry struct {
	FHIR   string `yaml:"fhir"`
	Bearer Secret `yaml:"bearer"`
}

// Known are JWTs by what the CAVS says of them.
type Known struct {
	Approved   Secret `yaml:"approved"`
	Unsuitable Secret `yaml:"unsuitable"`
	Unknown    Secret `yaml:"unknown"`
}

// Credential is what one sends to be let in.
type Credential struct {
	Bearer Secret `yaml:"bearer"`
}

// Command starts the system under test.
type Command struct {
	Start string `yaml:"start"` // by a shell, in the config file's folder
}

// SMART is what SMART sign-in needs of the vendor.
type SMART struct {
	Client   string      `yaml:"client"`
	Secret   Secret      `yaml:"secret"`
	Redirect string      `yaml:"redirect"`
	Other    SMARTClient `yaml:"other"`  // a second confidential client
	Public   SMARTClient `yaml:"public"` // a client without a secret
	SignIn   Each        `yaml:"sign-in"`
}

// SMARTClient is a client that the vendor registered.
type SMARTClient struct {
	Client string `yaml:"client"`
	Secret Secret `yaml:"secret"`
}

// Each is a command that is called for each sign-in.
type Each struct {
	Command string `yaml:"command"`
}

// Waiver lets a requirement fail until a day.
type Waiver struct {
	ID     string `yaml:"id"`
	Reason string `yaml:"reason"`
	Until  string `yaml:"until"` // the last day, 2027-01-31
}

// Day is the waiver's last day. The file was checked.
func (w Waiver) Day() time.Time {
	day, _ := time.Parse(time.DateOnly, w.Until)
	return day
}

// TLS are files, PEM.
type TLS struct {
	CA   string `yaml:"ca"`   // what signed the system's certificate
	Cert string `yaml:"cert"` // the front door's own
	Key  string `yaml:"key"`
}

// Timeouts bound what is waited for.
type Timeouts struct {
	Request Duration `yaml:"request"` // one answer; 10s
	Copy    Duration `yaml:"copy"`    // a copy, and any time that must really pass; 2m
}

// The defaults of a System.
const (
	DefaultListen  = "127.0.0.1:9000"
	DefaultKey     = "harness.pem"
	DefaultPatient = "example"
	DefaultOther   = "other"
	DefaultRequest = Duration(10 * time.Second)
	DefaultCopy    = Duration(2 * time.Minute)
)

// Roles are the roles that the file names, in the order in which they are judged.
func (s *System) Roles() []string {
	var out []string
	if s.Source != nil {
		out = append(out, "source")
	}
	if s.Target != nil {
		out = append(out, "target")
	}
	if s.CAVS != nil {
		out = append(out, "cavs")
	}
	return out
}

// Trusts says what trusts-our-keys means where it is not given.
func Trusts(given *bool) bool { return given == nil || *given }
