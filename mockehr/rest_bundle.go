package mockehr

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/store"
)

// bundle answers POST [base]: a batch, each entry for itself, or a transaction,
// all or nothing (FHIR STU3 2.21.0.17). Who may what is decided by entry.
func (s *Server) bundle(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	if err := acceptable(r); err != nil {
		return err
	}
	c, err := s.caller(r)
	if err != nil {
		return err
	}
	if err := s.known(ctx, c, "SRC-48", "a batch or transaction"); err != nil {
		return err
	}
	o, err := readResource(r, "Bundle")
	if err != nil {
		return err
	}
	var answers []any
	kind := o.Text("type")
	whole := preference(r.Header, "return") == "representation"
	switch kind {
	case "transaction":
		answers, err = s.transaction(ctx, c, o, whole)
	case "batch":
		answers, err = s.batch(ctx, c, o, whole)
	default:
		err = malformed(fmt.Sprintf("the Bundle's type is %q; a batch or transaction is needed here", kind))
	}
	if err != nil {
		return err
	}
	answer := object(member("resourceType", "Bundle"), member("type", kind+"-response"))
	if len(answers) > 0 {
		answer.Set("entry", answers)
	}
	s.writeResource(w, r, http.StatusOK, answer)
	return nil
}

// request is what an entry of a batch or transaction asks for.
type request struct {
	change               // of a POST, PUT or DELETE
	fullURL   string     // what the Bundle calls the resource
	searching bool       // the resource has a conditional reference
	vid       string     // of a GET: the version
	history   bool       // of a GET: all versions
	query     url.Values // of a GET without id: the search
	onlyIf    condition  // of a GET
}

// requestOf reads an entry of a Bundle that has been validated.
func (s *Server) requestOf(entry *fhir.Object) (request, error) {
	asked := entry.Child("request")
	q := request{fullURL: entry.Text("fullUrl"), onlyIf: condition{asked.Text("ifNoneMatch"), asked.Text("ifModifiedSince")}}
	q.method, q.resource = asked.Text("method"), entry.Child("resource")
	q.ifMatch, q.ifNoneExist = asked.Text("ifMatch"), asked.Text("ifNoneExist")
	text := asked.Text("url")
	text = strings.TrimPrefix(strings.TrimPrefix(text, s.base()), "/")
	path, query, conditional := strings.Cut(text, "?")
	parts := strings.Split(strings.TrimSuffix(path, "/"), "/") // Type/?criteria is Type?criteria
	q.typ = parts[0]
	if !fhir.IsResourceType(q.typ) {
		return q, malformed(fmt.Sprintf("request.url %q begins with no resource type; write Type/id, Type?criteria or Type", clip(asked.Text("url"))))
	}
	bad := func() (request, error) {
		return q, malformed(fmt.Sprintf("request.url %q is nothing to %s in a Bundle; operations are called by themselves", clip(asked.Text("url")), q.method))
	}
	if len(parts) > 1 {
		q.id = parts[1]
		if !fhir.ValidID(q.id) {
			return bad()
		}
	}
	if conditional && q.id != "" && q.method != http.MethodGet {
		return bad()
	}
	switch q.method {
	case http.MethodGet:
		return q, q.readGet(parts, query, bad)
	case http.MethodPost:
		if len(parts) > 1 || conditional {
			return bad()
		}
	case http.MethodPut, http.MethodDelete:
		if len(parts) > 2 {
			return bad()
		}
		q.criteria = query
	}
	if q.resource != nil && q.resource.Type() != q.typ {
		return q, malformed(fmt.Sprintf("request.url asks for a %s, and the resource is a %s", q.typ, clip(q.resource.Type())))
	}
	return q, nil
}

func (q *request) readGet(parts []string, query string, bad func() (request, error)) error {
	switch {
	case len(parts) == 1:
		values, err := parseQuery(query)
		if err != nil {
			return malformed("request.url has a query that can't be read: " + err.Error())
		}
		q.query = values
	case len(parts) == 2:
	case parts[2] == "_history" && len(parts) == 3:
		q.history = true
	case parts[2] == "_history" && len(parts) == 4:
		q.vid = parts[3]
	default:
		_, err := bad()
		return err
	}
	return nil
}

// get answers a GET of a Bundle with an entry.
func (s *Server) get(ctx context.Context, tx *store.Tx, c caller, q request) (*fhir.Object, error) {
	var o *fhir.Object
	var err error
	switch {
	case q.query != nil:
		o, err = s.searchset(ctx, tx, c, q.typ, q.query, false)
	case q.history:
		o, err = s.historyOf(ctx, tx, c, q.typ, q.id)
	default:
		v, err := s.version(ctx, tx, c, q.typ, q.id, q.vid)
		if err != nil {
			return nil, err
		}
		if q.onlyIf.unchanged(v) {
			return object(member("response", response(http.StatusNotModified, &v))), nil
		}
		if o, err = fhir.ParseJSON(v.JSON); err != nil {
			return nil, err
		}
		return object(member("resource", o), member("response", response(http.StatusOK, &v))), nil
	}
	if err != nil {
		return nil, err
	}
	return object(member("resource", o), member("response", response(http.StatusOK, nil))), nil
}

// answerOf is the entry that tells what became of a change; whole puts the
// resource into it. It has no fullUrl: that is unique in a Bundle (bdl-7), and a
// batch may speak of one resource twice.
func (s *Server) answerOf(done written, whole bool) (*fhir.Object, error) {
	entry, answer := object(), response(done.status, done.version)
	if v := done.version; v != nil && !v.Deleted {
		answer = object(member("status", statusText(done.status)), member("location", s.location(*v)))
		stampEntry(answer, *v)
		if whole {
			o, err := fhir.ParseJSON(v.JSON)
			if err != nil {
				return nil, err
			}
			entry.Set("resource", o)
		}
	}
	entry.Set("response", answer)
	return entry, nil
}

// response is the response of an entry.
func response(status int, v *store.Version) *fhir.Object {
	o := object(member("status", statusText(status)))
	if v != nil {
		stampEntry(o, *v)
	}
	return o
}

func stampEntry(o *fhir.Object, v store.Version) {
	o.Set("etag", etagOf(v))
	o.Set("lastModified", v.LastUpdated.UTC().Format("2006-01-02T15:04:05.000Z"))
}

func statusText(status int) string { return fmt.Sprintf("%d %s", status, http.StatusText(status)) }

// clip cuts a caller's text for a message.
func clip(text string) string {
	const most = 200
	if len(text) > most {
		text = text[:most] + ".."
	}
	return strings.ToValidUTF8(text, "?")
}
