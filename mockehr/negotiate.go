package mockehr

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"example.org/ccde/mockehr/fhir"
)

// format is one of the two that FHIR resources travel in.
type format int

const (
	formatJSON format = iota
	formatXML
)

// mediaTypes are those understood, with the older STU2 names, and what each
// is answered with: what was asked for (FHIR STU3, RESTful API 2.21.0.6).
var mediaTypes = map[string]format{
	"application/fhir+json": formatJSON, "application/json": formatJSON, "application/json+fhir": formatJSON, "text/json": formatJSON,
	"application/fhir+xml": formatXML, "application/xml": formatXML, "application/xml+fhir": formatXML, "text/xml": formatXML,
}

// formatNames are the short values of _format.
var formatNames = map[string]string{"json": "application/fhir+json", "xml": "application/fhir+xml"}

// representation is the form an answer takes.
type representation struct {
	format    format
	mediaType string
	pretty    bool
}

// negotiate decides the form of the answer from _format, else Accept.
// ok is false where nothing that was asked for is spoken here (406).
func negotiate(r *http.Request) (rep representation, ok bool) {
	query := r.URL.Query()
	rep = representation{format: formatJSON, mediaType: "application/fhir+json", pretty: query.Get("_pretty") == "true"}
	if asked := query.Get("_format"); asked != "" {
		// A literal + in a query string arrives as a space.
		asked = strings.ReplaceAll(asked, " ", "+")
		if full, short := formatNames[asked]; short {
			asked = full
		}
		media, _, err := mime.ParseMediaType(asked)
		if err != nil {
			return rep, false
		}
		f, known := mediaTypes[media]
		if known {
			rep.format, rep.mediaType = f, media
		}
		return rep, known
	}
	accept := strings.Join(r.Header.Values("Accept"), ",")
	if strings.TrimSpace(accept) == "" {
		return rep, true
	}
	best := -1.0
	for part := range strings.SplitSeq(accept, ",") {
		media, params, err := mime.ParseMediaType(strings.TrimSpace(part))
		if err != nil {
			continue
		}
		q := 1.0
		if text, has := params["q"]; has {
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		if q <= 0 || q <= best {
			continue
		}
		switch f, known := mediaTypes[media]; {
		case known:
			rep.format, rep.mediaType, best = f, media, q
		case media == "*/*" || media == "application/*":
			rep.format, rep.mediaType, best = formatJSON, "application/fhir+json", q
		}
	}
	return rep, best > 0
}

// acceptable refuses what can't be answered (SRC-66: 406).
func acceptable(r *http.Request) error {
	if _, ok := negotiate(r); ok {
		return nil
	}
	return &httpError{status: http.StatusNotAcceptable, code: "not-supported",
		message: "Accept or _format asks for none of application/fhir+json, application/fhir+xml"}
}

// writeResource answers a resource in the form that the request asks for.
func (s *Server) writeResource(w http.ResponseWriter, r *http.Request, status int, o *fhir.Object) {
	rep, _ := negotiate(r)
	body, err := render(o, rep)
	if err != nil {
		s.log.ErrorContext(r.Context(), "a resource can't be written", "type", o.Type(), "error", err.Error())
		status, rep = http.StatusInternalServerError, representation{mediaType: "application/fhir+json"}
		body = fhir.AppendJSON(nil, fhir.Outcome(fhir.Issue{Severity: "error", Code: "exception",
			Diagnostics: "the answer can't be written in this format: " + err.Error()}))
	}
	writeBytes(w, status, contentType(rep), body)
}

func contentType(rep representation) string { return rep.mediaType + "; charset=utf-8" }

func render(o *fhir.Object, rep representation) ([]byte, error) {
	switch {
	case rep.format == formatXML:
		return fhir.AppendXML(nil, o)
	case rep.pretty:
		return fhir.AppendJSONIndent(nil, o), nil
	}
	return fhir.AppendJSON(nil, o), nil
}

// readResource reads the body as one resource of JSON or XML; its type must be
// one of want, where any is given.
func readResource(r *http.Request, want ...string) (*fhir.Object, error) {
	media, err := bodyType(r)
	if err != nil {
		return nil, err
	}
	f, known := mediaTypes[media]
	if !known {
		return nil, unsupported(media, "application/fhir+json or application/fhir+xml")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, bodyError(err)
	}
	if len(body) == 0 {
		return nil, malformed("the body is empty; a resource is needed")
	}
	var o *fhir.Object
	if f == formatXML {
		o, err = fhir.ParseXML(body)
	} else {
		o, err = fhir.ParseJSON(body)
	}
	if err != nil {
		return nil, err
	}
	if len(want) == 0 {
		return o, nil
	}
	for _, t := range want {
		if o.Type() == t {
			return o, nil
		}
	}
	return nil, malformed(fmt.Sprintf("resourceType is %q, where %s is needed", o.Type(), strings.Join(want, " or ")))
}

func bodyType(r *http.Request) (string, error) {
	text := r.Header.Get("Content-Type")
	if text == "" {
		return "", unsupported("", "a Content-Type header")
	}
	media, params, err := mime.ParseMediaType(text)
	if err != nil {
		return "", unsupported(text, "a media type")
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return "", unsupported(text, "charset utf-8")
	}
	return media, nil
}

func unsupported(got, want string) *httpError {
	return &httpError{status: http.StatusUnsupportedMediaType, code: "not-supported", malformed: true,
		message: fmt.Sprintf("Content-Type %q is not taken here; send %s", got, want)}
}

// bodyError keeps a body over the limit as it is (413) and calls any other
// trouble while reading malformed input.
func bodyError(err error) error {
	if _, ok := asMaxBytes(err); ok {
		return err
	}
	return malformed("the body could not be read to its end: " + err.Error())
}
