package steps

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/cucumber/godog"
)

// codes is the code system of the CAVS's registry (protocol 1.7).
const codes = "http://healthintersections.com.au/fhir/codes/obs"

const jwtExtension = "http://www.healthintersections.com.au/fhir/StructureDefinition/JWT"

// registration is an application in the CAVS's registry, as the scenario made it.
type registration struct {
	at     *node
	device string // the Device's id
	jwt    string
	all    []*endorsed
	known  *passage // of an application that the CAVS knew before; nil: the scenario registered it
}

// takeKnown makes a JWT of which the CAVS says that status the application's.
func (w *world) takeKnown(ctx context.Context, r *registration, status string) error {
	from := r.at.outside.Known[status]
	if from == nil {
		return w.unjudged(fmt.Sprintf("the config says neither where the registry is edited (cavs.registry) nor a JWT that is %s (cavs.known.%s)", status, status))
	}
	packed, err := from(ctx, "")
	if err != nil {
		return fmt.Errorf("cavs.known.%s: %w", status, err)
	}
	w.rec.Secret("jwt", packed)
	r.jwt, r.known.jwt = packed, packed
	return nil
}

// endorsed is one endorsement of a registration.
type endorsed struct {
	endorsement
	status       string
	category     string // endorsement, or what makes it none
	beside       string // a second performer, who does not count
	phone        string // a telecom of the endorser, before its URL
	observation  string
	organization string
}

// counting are the endorsements that count: those of that category that are
// final or amended.
func (r *registration) counting() []endorsement {
	var out []endorsement
	for _, e := range r.all {
		if e.category == "endorsement" && (e.status == "final" || e.status == "amended") {
			out = append(out, e.endorsement)
		}
	}
	return out
}

// store creates or updates a resource of the registry; id "" creates. It returns the id.
func (w *world) store(ctx context.Context, n *node, typ, id string, resource map[string]any) (string, error) {
	if n.registry == "" {
		return "", w.unjudged("the config does not say where the registry of " + n.title() + " is edited (cavs.registry)")
	}
	bearer, _, err := w.bearerOf("the administrator", n)
	if err != nil {
		return "", err
	}
	resource["resourceType"] = typ
	c := call{kind: aWrite, from: "the administrator", bearer: bearer, to: n, method: http.MethodPost, url: n.registry + "/" + typ, header: fhirJSON()}
	if id != "" {
		resource["id"] = id
		c.method, c.url = http.MethodPut, c.url+"/"+id
	}
	if c.body, err = json.Marshal(resource); err != nil {
		return "", err
	}
	a, err := w.ask(ctx, c)
	if err != nil {
		return "", err
	}
	if a.Status != http.StatusOK && a.Status != http.StatusCreated {
		return "", w.unjudged(fmt.Sprintf("the registry did not take a %s: %s", typ, a.is()))
	}
	if id == "" {
		if id = a.resource().ID(); id == "" {
			_, id, _ = cutLast(a.Header.Get("Location"), typ+"/")
			if before, _, versioned := cutLast(id, "/_history"); versioned {
				id = before
			}
		}
	}
	return id, nil
}

func (w *world) unstore(ctx context.Context, n *node, typ, id string) error {
	bearer, _, err := w.bearerOf("the administrator", n)
	if err != nil {
		return err
	}
	a, err := w.ask(ctx, call{kind: aWrite, from: "the administrator", bearer: bearer, to: n, method: http.MethodDelete, url: n.registry + "/" + typ + "/" + id})
	if err != nil {
		return err
	}
	if a.Status < 200 || a.Status > 299 {
		return w.unjudged(fmt.Sprintf("the registry did not delete %s/%s: %s", typ, id, a.is()))
	}
	return nil
}

func (w *world) saveDevice(ctx context.Context, r *registration, status string) error {
	id, err := w.store(ctx, r.at, "Device", r.device, map[string]any{
		"status":    status,
		"type":      map[string]any{"coding": []any{map[string]any{"system": codes, "code": "app"}}},
		"extension": []any{map[string]any{"url": jwtExtension, "valueString": r.jwt}},
	})
	r.device = id
	return err
}

func (w *world) saveEndorsement(ctx context.Context, r *registration, e *endorsed) error {
	telecom := []any{map[string]any{"system": "url", "value": e.URL}}
	if e.phone != "" {
		telecom = slices.Insert(telecom, 0, any(map[string]any{"system": "phone", "value": e.phone}))
	}
	var err error
	if e.organization, err = w.store(ctx, r.at, "Organization", e.organization, map[string]any{"name": e.Endorser, "telecom": telecom}); err != nil {
		return err
	}
	performers := []any{map[string]any{"reference": "Organization/" + e.organization}}
	if e.beside != "" {
		second, err := w.store(ctx, r.at, "Organization", "", map[string]any{"name": e.beside,
			"telecom": []any{map[string]any{"system": "url", "value": "http://beside.example/"}}})
		if err != nil {
			return err
		}
		performers = append(performers, map[string]any{"reference": "Organization/" + second})
	}
	e.observation, err = w.store(ctx, r.at, "Observation", e.observation, map[string]any{
		"status":    e.status,
		"category":  []any{map[string]any{"coding": []any{map[string]any{"system": codes, "code": e.category}}}},
		"code":      map[string]any{"coding": []any{map[string]any{"system": codes, "code": e.Type}}},
		"subject":   map[string]any{"reference": "Device/" + r.device},
		"performer": performers,
		"comment":   e.Comment,
	})
	return err
}

func (w *world) registered(ctx context.Context, app, title string) error {
	return w.registeredWith(ctx, app, title, nil)
}

func (w *world) registeredWith(ctx context.Context, app, title string, table *godog.Table) error {
	n, err := w.role(ctx, title)
	if err != nil {
		return err
	}
	f, err := w.applicationJWT(ctx, app, n)
	if err != nil {
		return err
	}
	r := &registration{at: n, jwt: f.jwt}
	if n.outside != nil && n.registry == "" && table == nil {
		// Nothing can be registered: one that is stands for it.
		r.known = f
		w.apps[app], w.device = r, app
		return w.takeKnown(ctx, r, "approved")
	}
	if err := w.saveDevice(ctx, r, "active"); err != nil {
		return err
	}
	w.apps[app], w.device = r, app
	rows, err := endorsementRows(table)
	if err != nil {
		return err
	}
	for _, e := range rows {
		if err := w.saveEndorsement(ctx, r, e); err != nil {
			return err
		}
		r.all = append(r.all, e)
	}
	return nil
}

// endorsementRows reads a table with the columns endorser, url, type, comment, status, category, beside and phone.
func endorsementRows(table *godog.Table) ([]*endorsed, error) {
	if table == nil || len(table.Rows) == 0 {
		return nil, nil
	}
	known := []string{"endorser", "url", "type", "comment", "status", "category", "beside", "phone"}
	var out []*endorsed
	for _, row := range table.Rows[1:] {
		e := &endorsed{status: "final", category: "endorsement"}
		for i, cell := range row.Cells {
			switch name := table.Rows[0].Cells[i].Value; name {
			case "endorser":
				e.Endorser = cell.Value
			case "url":
				e.URL = cell.Value
			case "type":
				e.Type = cell.Value
			case "comment":
				e.Comment = cell.Value
			case "status":
				e.status = cell.Value
			case "category":
				e.category = cell.Value
			case "beside":
				e.beside = cell.Value
			case "phone":
				e.phone = cell.Value
			default:
				return nil, fmt.Errorf("the table's column %q is none of %v", name, known)
			}
		}
		out = append(out, e)
	}
	return out, nil
}

func (w *world) targetRegistered(ctx context.Context, target, title string) error {
	n, err := w.role(ctx, title)
	if err != nil {
		return err
	}
	if err := w.hasJWT(ctx, target); err != nil {
		return err
	}
	r := &registration{at: n, jwt: string(w.last.Body)}
	name := roleName(target)
	w.apps[name], w.device = r, name
	return w.saveDevice(ctx, r, "active")
}

func (w *world) knownAndAsked(ctx context.Context, known, asks string) error {
	if err := w.targetRegistered(ctx, known, "the CAVS"); err != nil {
		return err
	}
	return w.asksCAVS(ctx, asks)
}

func (w *world) registrationAtHand() (*registration, error) {
	r := w.apps[w.device]
	if r == nil {
		return nil, fmt.Errorf("nothing is registered yet")
	}
	return r, nil
}

func (w *world) deviceStatus(ctx context.Context, status string) error {
	r, err := w.registrationAtHand()
	if err != nil {
		return err
	}
	if r.known != nil {
		return w.takeKnown(ctx, r, map[bool]string{true: "approved", false: "unsuitable"}[status == "active"])
	}
	return w.saveDevice(ctx, r, status)
}

func (w *world) deviceDeleted(ctx context.Context) error {
	r, err := w.registrationAtHand()
	if err != nil {
		return err
	}
	if r.known != nil {
		return w.unjudged("the config does not say where the registry is edited (cavs.registry)")
	}
	for _, e := range r.all {
		if err := w.unstore(ctx, r.at, "Observation", e.observation); err != nil {
			return err
		}
	}
	r.all = nil
	return w.unstore(ctx, r.at, "Device", r.device)
}

func (w *world) endorsedBy(name string) (*registration, *endorsed, error) {
	r, err := w.registrationAtHand()
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(r.all, func(e *endorsed) bool { return e.Endorser == name })
	if i < 0 {
		return nil, nil, fmt.Errorf("nobody called %q endorses it", name)
	}
	return r, r.all[i], nil
}

func (w *world) endorsementChanged(ctx context.Context, name, comment, kind string) error {
	r, e, err := w.endorsedBy(name)
	if err != nil {
		return err
	}
	e.Comment, e.Type = comment, kind
	return w.saveEndorsement(ctx, r, e)
}

func (w *world) endorsementDeleted(ctx context.Context, name string) error {
	r, e, err := w.endorsedBy(name)
	if err != nil {
		return err
	}
	r.all = slices.DeleteFunc(r.all, func(one *endorsed) bool { return one == e })
	return w.unstore(ctx, r.at, "Observation", e.observation)
}

func (w *world) endorserChanged(ctx context.Context, name, newName, url string) error {
	r, e, err := w.endorsedBy(name)
	if err != nil {
		return err
	}
	e.Endorser, e.URL = newName, url
	return w.saveEndorsement(ctx, r, e)
}
