package suite

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"example.org/ccde/mockehr/cluster"
	"example.org/ccde/reports"
	"example.org/ccde/steps"
	"example.org/ccde/steps/judge"
)

// Finding is what the doctor saw of one thing that usually goes wrong.
type Finding struct {
	// Where is the field of the file, or what it is about: source.fhir, front door.
	Where string `json:"where"`
	OK    bool   `json:"ok"`
	// Found says what was seen, Fix what to do about it.
	Found string `json:"found"`
	Fix   string `json:"fix,omitempty"`
	// Exit is reports.ExitUsage or reports.ExitNotJudged where judging makes no
	// sense before this is mended; 0: it can go on.
	Exit int `json:"exit,omitempty"`
}

// Diagnosis is all that the doctor found.
type Diagnosis []Finding

// Exit is the exit code that follows: 2 if the file must be mended, 3 if the
// systems can't be judged as they are now, 0.
func (d Diagnosis) Exit() int {
	code := 0
	for _, f := range d {
		if f.Exit == reports.ExitUsage {
			return f.Exit
		}
		code = max(code, f.Exit)
	}
	return code
}

// maxSkew is how far a system's clock may be from ours.
const maxSkew = 60 * time.Second

// doctor looks at one system.
type doctor struct {
	s      *System
	client *http.Client
	within time.Duration
	found  Diagnosis
}

// Doctor checks, before anything is judged, what usually goes wrong: names,
// TLS, paths, clocks, credentials, the patient, and whether the system reaches
// the front door. What it creates it takes away again.
func (s *System) Doctor(ctx context.Context) (Diagnosis, error) {
	transport, err := cluster.Transport(s.door, s.ca)
	if err != nil {
		return nil, &UsageError{err}
	}
	defer transport.CloseIdleConnections()
	d := &doctor{s: s, within: timeOf(s.File.Timeouts.Request)}
	d.client = &http.Client{Transport: transport, Timeout: d.within,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	roles := s.roles()
	for _, name := range s.Roles {
		switch r := roles[name]; name {
		case "source":
			d.source(ctx, r)
		case "target":
			d.target(ctx, r)
		case "cavs":
			d.cavs(ctx, r)
		}
	}
	return d.found, ctx.Err()
}

func (d *doctor) good(where, format string, args ...any) {
	d.found = append(d.found, Finding{Where: where, OK: true, Found: fmt.Sprintf(format, args...)})
}

// stop is a finding without which nothing can be judged; warn one beside which it can.
func (d *doctor) stop(exit int, where, found, fix string) {
	d.found = append(d.found, Finding{Where: where, Found: found, Fix: fix, Exit: exit})
}
func (d *doctor) warn(where, found, fix string) { d.stop(0, where, found, fix) }

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r *reply) html() bool {
	media, _, _ := mime.ParseMediaType(r.header.Get("Content-Type"))
	return media == "text/html" || media == "application/xhtml+xml"
}

func (r *reply) is() string {
	text := strings.Join(strings.Fields(string(r.body)), " ")
	if runes := []rune(text); len(runes) > 160 {
		text = string(runes[:160]) + " ..."
	}
	return fmt.Sprintf("%d %s %s", r.status, r.header.Get("Content-Type"), text)
}

// send sends a request; body is form-encoded, or a resource.
func (d *doctor) send(ctx context.Context, method, place, bearer, contentType, body string) (*reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, place, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return d.do(req)
}

// do sends a request, and again where the system asks for some time.
func (d *doctor) do(req *http.Request) (*reply, error) {
	req.Header.Set("User-Agent", judge.UserAgent)
	req.Header.Set("Accept", "application/fhir+json, application/json;q=0.9, */*;q=0.1")
	return judge.Patiently(req.Context(), func() (*reply, error) { return d.once(req) }, func(r *reply) (int, http.Header) { return r.status, r.header })
}

func (d *doctor) once(req *http.Request) (_ *reply, err error) {
	if req.Body, err = req.GetBody(); err != nil { // it may have been sent before
		return nil, err
	}
	res, err := d.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	return &reply{res.StatusCode, res.Header, text}, err
}

// reach looks whether a URL's host answers at all: its name, its port, its
// certificate. It returns nil after an error that it has told.
func (d *doctor) reach(ctx context.Context, where, method, place string) *reply {
	r, err := d.send(ctx, method, place, "", "", "")
	if err == nil {
		return r
	}
	u, _ := url.Parse(place) // the file was checked
	found, fix := cause(err, u)
	d.stop(reports.ExitNotJudged, where, found, fix)
	return nil
}

// cause says why no answer came, and what to do about it.
func cause(err error, u *url.URL) (found, fix string) {
	var dns *net.DNSError
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var header tls.RecordHeaderError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		return fmt.Sprintf("the host name %s is not known (DNS)", u.Hostname()), "write the name right, or make this machine's resolver know it"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("the certificate of %s has expired, or is not valid yet: %v", u.Host, invalid), "renew the certificate; if it is good, set this machine's clock"
	case errors.As(err, &unknown):
		return fmt.Sprintf("the certificate of %s is signed by somebody whom this machine does not trust", u.Host), "give the CA's certificate as tls.ca"
	case errors.As(err, &name):
		return fmt.Sprintf("the certificate of %s is for another name: %v", u.Host, name), "take the name that the certificate has, or another certificate"
	case errors.As(err, &invalid):
		return fmt.Sprintf("the certificate of %s is not good: %v", u.Host, invalid), "mend the certificate"
	case errors.As(err, &header), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return u.Host + " speaks no TLS at that port", "write http:// for https://, or give the port that speaks TLS"
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("%s does not answer in time", u.Host), "see that it runs and that no firewall is between, or raise timeouts.request"
	}
	return fmt.Sprintf("%s can't be reached: %v", u.Host, last(err)), "start the system, and see that host and port are right"
}

// last is the innermost reason of an error.
func last(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// page tells of a web page where an API should be, and of a path that is not there.
func (d *doctor) page(where string, r *reply, what string) bool {
	switch {
	case r.html():
		d.stop(reports.ExitUsage, where, "a web page answers where "+what+" should be: "+r.is(), "give the URL of the API, not that of a site or portal")
	case r.status == http.StatusNotFound || r.status == http.StatusGone:
		d.stop(reports.ExitUsage, where, "there is nothing at that path: "+r.is(), "write the path right; "+what+" should be there")
	case r.status >= 300 && r.status < 400:
		d.stop(reports.ExitUsage, where, fmt.Sprintf("it redirects to %s", r.header.Get("Location")), "give the URL that it redirects to")
	default:
		return false
	}
	return true
}

// clock compares a system's Date with ours.
func (d *doctor) clock(where string, r *reply) {
	date, err := http.ParseTime(r.header.Get("Date"))
	if err != nil {
		d.warn(where, "its answers have no Date, so that its clock is not seen", "send Date")
		return
	}
	if ahead := time.Until(date); ahead > maxSkew || ahead < -maxSkew {
		word := map[bool]string{true: "ahead of", false: "behind"}[ahead > 0]
		d.stop(reports.ExitNotJudged, where, fmt.Sprintf("its clock is %s %s this machine's", ahead.Abs().Round(time.Second), word),
			"set both clocks by NTP; JWTs and authorizations can't be judged across such a gap")
		return
	}
	d.good(where, "its clock is as ours")
}

// metadata looks at a FHIR base; nil after an error that it has told.
func (d *doctor) metadata(ctx context.Context, where, base string) map[string]any {
	r := d.reach(ctx, where, http.MethodGet, strings.TrimRight(base, "/")+"/metadata")
	if r == nil || d.page(where, r, "[fhir]/metadata") {
		return nil
	}
	d.clock(where, r)
	var v map[string]any
	switch err := json.Unmarshal(r.body, &v); {
	case r.status == http.StatusUnauthorized || r.status == http.StatusForbidden:
		d.stop(reports.ExitUsage, where, "metadata is not open to all: "+r.is(), "open [fhir]/metadata to all (protocol 1.9), or give the right base")
	case r.status != http.StatusOK || err != nil || v["resourceType"] != "CapabilityStatement":
		d.stop(reports.ExitUsage, where, "[fhir]/metadata is no CapabilityStatement in JSON: "+r.is(), "give the FHIR base of an STU3 server")
	case !strings.HasPrefix(fmt.Sprint(v["fhirVersion"]), "3.0"):
		d.stop(reports.ExitUsage, where, fmt.Sprintf("it speaks FHIR %v, not STU3", v["fhirVersion"]), "give the base of its STU3 API (3.0.1 or 3.0.2)")
	default:
		d.good(where, "it answers, FHIR %v", v["fhirVersion"])
		return v
	}
	return nil
}

// bearer gets a secret and asks with it, once more with a new one where it is
// refused; "" after an error that it has told, or where none is given.
func (d *doctor) bearer(ctx context.Context, where string, from steps.Secret, place string) string {
	if from == nil {
		return ""
	}
	refused := ""
	for range 2 {
		text, err := from(ctx, refused)
		if err != nil {
			d.stop(reports.ExitUsage, where, err.Error(), "mend where the secret comes from")
			return ""
		}
		if text == refused {
			break
		}
		r, err := d.send(ctx, http.MethodGet, place, text, "", "")
		if err != nil {
			u, _ := url.Parse(place)
			found, fix := cause(err, u)
			d.stop(reports.ExitNotJudged, where, found, fix)
			return ""
		}
		if r.status != http.StatusUnauthorized {
			d.good(where, "it lets us in")
			return text
		}
		refused = text
	}
	d.stop(reports.ExitUsage, where, "the bearer is refused (401) by "+place, "give a bearer that is good now; a {command: ..} can make a fresh one for each run")
	return ""
}
