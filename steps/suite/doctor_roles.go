package suite

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"example.org/ccde/reports"
	"example.org/ccde/steps"
)

func (d *doctor) source(ctx context.Context, r steps.Role) {
	base := strings.TrimRight(r.FHIR, "/")
	meta := d.metadata(ctx, "source.fhir", base)
	if meta == nil {
		return
	}
	if token := steps.TokenEndpoint(meta); r.Token == "" && token == "" {
		d.warn("source.token", "its CapabilityStatement names no token endpoint (SRC-50)", "name it in rest.security, or give source.token")
	} else if token != "" || r.Token != "" {
		place := r.Token
		if place == "" {
			place = token
		}
		if a := d.reach(ctx, "source.token", http.MethodGet, place); a != nil {
			d.good("source.token", "%s answers", place)
		}
	}
	consumer := d.bearer(ctx, "source.consumer.bearer", r.Consumer, base+"/Consent/ccde-doctor")
	admin := d.bearer(ctx, "source.admin.bearer", r.Admin, base+"/Patient/"+d.s.File.Source.Patient)
	if admin != "" {
		d.patient(ctx, "source.patient", base, admin, d.s.File.Source.Patient)
		d.patient(ctx, "source.other-patient", base, admin, d.s.File.Source.OtherPatient)
	}
	d.smart(ctx, meta, r)
	if consumer != "" && r.Trusts {
		d.sourceTrusts(ctx, base, consumer, r.AsksCAVS)
	}
}

// patient looks whether a patient is there, with data.
func (d *doctor) patient(ctx context.Context, where, base, bearer, id string) {
	a, err := d.send(ctx, http.MethodGet, base+"/Patient/"+url.PathEscape(id), bearer, "", "")
	switch {
	case err != nil:
		d.stop(reports.ExitNotJudged, where, "no answer to a read of Patient/"+id+": "+last(err).Error(), "see that the system is up")
		return
	case a.status == http.StatusForbidden:
		d.stop(reports.ExitUsage, "source.admin.bearer", "it may not read Patient/"+id, "give the bearer of an administrator, who may read everything")
		return
	case a.status != http.StatusOK:
		d.stop(reports.ExitUsage, where, "there is no Patient/"+id+": "+a.is(), "give the id of a patient with a record, or load the fixtures (ccde fixtures export)")
		return
	}
	for _, typ := range []string{"Condition", "Observation", "AllergyIntolerance", "Procedure"} {
		a, err := d.send(ctx, http.MethodGet, base+"/"+typ+"?patient="+url.QueryEscape(id), bearer, "", "")
		var bundle struct{ Entry []json.RawMessage }
		if err == nil && json.Unmarshal(a.body, &bundle) == nil && len(bundle.Entry) > 0 {
			d.good(where, "Patient/%s is there, with data", id)
			return
		}
	}
	d.warn(where, "Patient/"+id+" has no Condition, Observation, AllergyIntolerance or Procedure", "give a patient with a record: an empty one proves little")
}

// visits counts what comes to the front door below a path while it looks.
type visits struct {
	mu   sync.Mutex
	seen []string
}

func (d *doctor) visits(path string) (*visits, func()) {
	v := &visits{}
	root, _ := url.Parse(d.s.door.Root()) // it was parsed when the door was opened
	return v, d.s.door.Watch(func(r *http.Request) {
		if r.UserAgent() != "" && strings.HasPrefix(r.URL.Path, root.Path+path) {
			v.mu.Lock()
			v.seen = append(v.seen, r.URL.Path)
			v.mu.Unlock()
		}
	})
}

// of says whether something came to a path that ends so.
func (v *visits) of(end string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.ContainsFunc(v.seen, func(path string) bool { return strings.HasSuffix(path, end) })
}

func (v *visits) any() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.seen) > 0
}

// wait waits for a visit.
func (v *visits) wait(ctx context.Context, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !v.any() {
		select {
		case <-ctx.Done():
			return v.any()
		case <-tick.C:
		}
	}
	return true
}

// ownJWT is a good JWT of the harness.
func (d *doctor) ownJWT() (string, error) {
	now := time.Now()
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"iss": d.s.keys.Issuer, "sub": "ccde-doctor", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()})
	t.Header["kid"] = steps.KeyID(&d.s.keys.Harness.PublicKey, keySetURL(d.s.door))
	return t.SignedString(d.s.keys.Harness)
}

// sourceTrusts gives a Consent and authorizes the harness: whether the source
// has our keys, or comes for them. A refusal after a visit is for judging.
func (d *doctor) sourceTrusts(ctx context.Context, base, consumer, asks string) {
	packed, err := d.ownJWT()
	if err != nil {
		d.stop(reports.ExitNotJudged, "key", err.Error(), "make a new key")
		return
	}
	consent, _ := json.Marshal(steps.Consent(d.s.File.Source.Patient, "user/*.read")) // a map of texts has no way to fail
	a, err := d.send(ctx, http.MethodPost, base+"/Consent", consumer, "application/fhir+json", string(consent))
	if err != nil || a.status != http.StatusCreated {
		d.warn("source.fhir", "a Consent was not taken, so that trust in our keys was not tried: "+said(a, err), "see SRC-01")
		return
	}
	place, _, _ := strings.Cut(a.header.Get("Location"), "/_history/")
	_, id, found := strings.Cut(place, "Consent/")
	if !found {
		d.warn("source.fhir", "a Consent was taken without a Location that names it", "see SRC-01")
		return
	}
	defer func() {
		_, _ = d.send(context.WithoutCancel(ctx), http.MethodDelete, base+"/Consent/"+id, consumer, "", "")
	}()
	v, end := d.visits("/")
	defer end()
	body, _ := json.Marshal(map[string]any{"resourceType": "Parameters", "parameter": []any{
		map[string]any{"name": "duration", "valueDuration": map[string]any{"value": 60, "system": "http://unitsofmeasure.org", "code": "s"}},
		map[string]any{"name": "jwt", "valueString": packed}}})
	a, err = d.send(ctx, http.MethodPost, base+"/Consent/"+id+"/$authorize", consumer, "application/fhir+json", string(body))
	switch {
	case v.of("/cavs/auth/cavs"): // no mock is there yet, so whatever it answered is right
		d.good("advertise", "the source reaches the front door, and asks our CAVS there")
	case err == nil && a.status == http.StatusOK:
		d.good("source.trusts-our-keys", "$authorize takes a JWT of the harness")
		if asks == "ours" {
			d.warn("source.cavs", "$authorize took the JWT without asking our CAVS", "let it ask "+d.s.door.Root()+"/cavs/auth/cavs, or say cavs: theirs or none")
		}
	case v.any():
		d.good("advertise", "the source reached the front door, though $authorize answered %s", said(a, err))
	default:
		fix := fmt.Sprintf("let the source trust the key set %s, and see that it reaches it (advertise, firewall)", keySetURL(d.s.door))
		if asks == "ours" {
			fix += "; let it ask the CAVS " + d.s.door.Root() + "/cavs/auth/cavs"
		}
		d.stop(reports.ExitNotJudged, "advertise", "$authorize refused a good JWT of the harness, and the source did not come to the front door: "+said(a, err), fix+"; or say trusts-our-keys: false")
	}
}

func said(a *reply, err error) string {
	if err != nil {
		return last(err).Error()
	}
	return a.is()
}

// target asks for a JWT, and connects it to a source that is nothing but a path
// of the front door: it must come there.
func (d *doctor) target(ctx context.Context, r steps.Role) {
	base := strings.TrimRight(r.FHIR, "/")
	if d.metadata(ctx, "target.fhir", base) == nil {
		return
	}
	consumer := d.bearer(ctx, "target.consumer.bearer", r.Consumer, base+"/$connection")
	d.bearer(ctx, "target.readback.bearer", r.Admin, base+"/Patient?_count=1")
	if r.Consumer != nil && consumer == "" {
		return
	}
	path := fmt.Sprintf("/doctor-%d", time.Now().UnixNano())
	source := d.s.door.Root() + path + "/r3"
	a, err := d.send(ctx, http.MethodGet, base+"/$jwt?source="+url.QueryEscape(source), "", "", "")
	if err != nil || a.status != http.StatusOK {
		d.warn("target.fhir", "$jwt gave no JWT, so that the way back was not tried: "+said(a, err), "see TGT-01")
		return
	}
	if places, err := steps.KeySets(ctx, d.client, r, source); err != nil || len(places) == 0 {
		d.warn("target.keys", "its JWT leads to no key set", "see TGT-06, or give target.keys")
	}
	v, end := d.visits(path + "/")
	defer end()
	form := url.Values{"source": {source}, "consent": {"ccde-doctor"}, "expires_in": {"60"}, "jwt": {strings.TrimSpace(string(a.body))}, "authorization": {"ccde-doctor"}}
	a, err = d.send(ctx, http.MethodPost, base+"/$connect", consumer, "application/x-www-form-urlencoded", form.Encode())
	if err != nil || a.status != http.StatusOK {
		d.warn("target.fhir", "$connect was refused, so that the way back was not tried: "+said(a, err), "see TGT-10")
		return
	}
	// When it begins is its own affair, and not one answer: so it has longer than that.
	patience := 3 * d.within
	d.s.doing(fmt.Sprintf("waiting up to %s for the target to come to the front door", patience))
	came := v.wait(ctx, patience)
	if place, err := url.Parse(a.header.Get("Content-Location")); err == nil && place.Query().Get("id") != "" {
		d.s.tells = true
		_, _ = d.send(context.WithoutCancel(ctx), http.MethodPost, base+"/$disconnect", consumer, "application/x-www-form-urlencoded",
			url.Values{"id": {place.Query().Get("id")}}.Encode())
	}
	if !came {
		d.stop(reports.ExitNotJudged, "advertise", fmt.Sprintf("the target took $connect, and did not come to %s within %s", source, patience),
			"see that the target reaches the URL in advertise (name, port, firewall, TLS), and that it may call it; if it only begins later than that, raise timeouts.request, of which this is three times")
		return
	}
	d.good("advertise", "the target reaches the front door")
}

func (d *doctor) cavs(ctx context.Context, r steps.Role) {
	a, err := d.send(ctx, http.MethodPost, r.CAVS, "", "application/x-www-form-urlencoded", "")
	if err != nil {
		u, _ := url.Parse(r.CAVS)
		found, fix := cause(err, u)
		d.stop(reports.ExitNotJudged, "cavs.url", found, fix)
		return
	}
	if d.page("cavs.url", a, "[auth base]/cavs") {
		return
	}
	d.clock("cavs.url", a)
	if a.status == http.StatusMethodNotAllowed || a.status == http.StatusUnauthorized {
		d.stop(reports.ExitUsage, "cavs.url", "it takes no POST without authentication: "+a.is(), "give the URL of /cavs, which is open to all (protocol 1.9)")
		return
	}
	if r.Registry != "" && d.metadata(ctx, "cavs.registry.fhir", r.Registry) != nil {
		d.bearer(ctx, "cavs.registry.bearer", r.Admin, strings.TrimRight(r.Registry, "/")+"/Device?_count=1")
	}
	if !r.Trusts {
		return
	}
	packed, err := d.ownJWT()
	if err != nil {
		d.stop(reports.ExitNotJudged, "key", err.Error(), "make a new key")
		return
	}
	v, end := d.visits("/")
	defer end()
	a, err = d.send(ctx, http.MethodPost, r.CAVS, "", "application/x-www-form-urlencoded", url.Values{"jwt": {packed}}.Encode())
	var verdict struct{ Status string }
	if err == nil && json.Unmarshal(a.body, &verdict) == nil && verdict.Status == "invalid" && !v.any() {
		d.stop(reports.ExitNotJudged, "cavs.trusts-our-keys", "a good JWT of the harness is invalid to it, and it did not come to the front door: "+a.is(),
			fmt.Sprintf("let the CAVS trust the key set %s, and see that it reaches it; or say trusts-our-keys: false", keySetURL(d.s.door)))
		return
	}
	d.good("cavs.trusts-our-keys", "it reads a JWT of the harness")
}
