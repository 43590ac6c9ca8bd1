package cavs

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/oauth"
	"example.org/ccde/mockehr/store"
)

// The terms of the registry (protocol 1.7).
const (
	codeSystem   = "http://healthintersections.com.au/fhir/codes/obs"
	jwtExtension = "http://www.healthintersections.com.au/fhir/StructureDefinition/JWT"
)

// endorsementTypes are the codes that an endorsement's Observation may have.
var endorsementTypes = []string{"approval", "warning", "usage-note"}

// pageSize is how many matches are read at a time.
const pageSize = "200"

// application is what is registered of one application: its Devices and what
// was said of them.
type application struct {
	devices      []device
	endorsements []oauth.Endorsement
}

type device struct {
	id, status string
}

// active tells whether all of its Devices are.
func (a application) active() bool {
	return !slices.ContainsFunc(a.devices, func(d device) bool { return d.status != "active" })
}

func (a application) ids() []string {
	list := make([]string, len(a.devices))
	for i, d := range a.devices {
		list[i] = d.id
	}
	return list
}

func (a application) statuses() []string {
	list := make([]string, len(a.devices))
	for i, d := range a.devices {
		list[i] = d.status
	}
	return list
}

// lookUp finds the application that a JWT belongs to; without Devices there is
// none.
func (s *Service) lookUp(tx *store.Tx, token *oauth.Token) (application, error) {
	var found application
	query := url.Values{"type": {codeSystem + "|app"}}
	err := each(tx, "Device", query, func(v store.Version) error {
		if !bytes.Contains(v.JSON, []byte("StructureDefinition/JWT")) {
			return nil // most Devices are no applications: spared the parsing
		}
		o, err := fhir.ParseJSON(v.JSON)
		if err != nil {
			return fmt.Errorf("stored Device/%s: %w", v.ID, err)
		}
		if s.belongs(token, o) {
			found.devices = append(found.devices, device{v.ID, o.Text("status")})
		}
		return nil
	})
	if err != nil {
		return application{}, err
	}
	for _, d := range found.devices {
		list, err := s.endorsementsOf(tx, d.id)
		if err != nil {
			return application{}, err
		}
		found.endorsements = append(found.endorsements, list...)
	}
	return found, nil
}

// belongs tells whether a JWT is of the application that a Device registers: by
// iss and sub of the registered JWT, of which nothing else is read; in dialect
// test.fhir.org only if it is the same to the letter.
func (s *Service) belongs(token *oauth.Token, d *fhir.Object) bool {
	loose := s.opt.Checks.Dialect() == check.TestFHIR
	for _, e := range d.Objects("extension") {
		if e.Text("url") != jwtExtension {
			continue
		}
		packed := e.Text("valueString")
		if loose {
			if packed == token.Packed {
				return true
			}
			continue
		}
		registered, err := oauth.Read(packed)
		if err == nil && registered.Issuer == token.Issuer && registered.Subject == token.Subject {
			return true
		}
	}
	return false
}

// endorsementsOf reads what was said of a Device, the oldest first as the store
// has them.
func (s *Service) endorsementsOf(tx *store.Tx, id string) ([]oauth.Endorsement, error) {
	var list []oauth.Endorsement
	query := url.Values{"subject": {"Device/" + id}, "category": {codeSystem + "|endorsement"}}
	err := each(tx, "Observation", query, func(v store.Version) error {
		o, err := fhir.ParseJSON(v.JSON)
		if err != nil {
			return fmt.Errorf("stored Observation/%s: %w", v.ID, err)
		}
		e, why, err := endorsement(tx, o)
		if err != nil {
			return err
		}
		if why != "" {
			s.opt.Log.Info("an endorsement does not count", slog.String("observation", v.ID), slog.String("why", why))
			return nil
		}
		list = append(list, e)
		return nil
	})
	return list, err
}

// endorsement reads one from its Observation; why tells for what reason it does
// not count.
func endorsement(tx *store.Tx, o *fhir.Object) (e oauth.Endorsement, why string, err error) {
	if status := o.Text("status"); status != "final" && status != "amended" {
		return e, "its status is neither final nor amended", nil
	}
	for _, coding := range o.Child("code").Objects("coding") {
		if coding.Text("system") == codeSystem && slices.Contains(endorsementTypes, coding.Text("code")) {
			e.Type = coding.Text("code")
			break
		}
	}
	if e.Type == "" {
		return e, "its code is no approval, warning or usage-note", nil
	}
	e.Comment = o.Text("comment")
	e.Endorser, why, err = endorser(tx, o)
	return e, why, err
}

// endorser is the Organization that performed: the first one counts.
func endorser(tx *store.Tx, o *fhir.Object) (oauth.Endorser, string, error) {
	for _, p := range o.Objects("performer") {
		_, typ, id, _, ok := fhir.SplitReference(p.Text("reference"))
		if !ok || typ != "Organization" {
			continue
		}
		v, err := tx.Read("Organization", id)
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrDeleted) {
			return oauth.Endorser{}, "its Organization is not here", nil
		}
		if err != nil {
			return oauth.Endorser{}, "", err
		}
		organization, err := fhir.ParseJSON(v.JSON)
		if err != nil {
			return oauth.Endorser{}, "", fmt.Errorf("stored Organization/%s: %w", id, err)
		}
		e := oauth.Endorser{Name: organization.Text("name")}
		for _, t := range organization.Objects("telecom") {
			if t.Text("system") == "url" {
				e.URL = t.Text("value")
				break
			}
		}
		return e, "", nil
	}
	return oauth.Endorser{}, "no Organization performed it", nil
}

// each calls fn for all matches of a search, page by page.
func each(tx *store.Tx, typ string, query url.Values, fn func(store.Version) error) error {
	query.Set("_count", pageSize)
	for {
		search, err := store.ParseSearch(typ, query, true)
		if err != nil {
			return err
		}
		page, err := tx.Search(search, store.Scope{})
		if err != nil {
			return err
		}
		for _, v := range page.Matches {
			if err := fn(v); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		query.Set(store.CursorParam, page.Next)
	}
}
