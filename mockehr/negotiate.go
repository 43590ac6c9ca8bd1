package mockehr

import (
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

// wildcards are what is answered to a range of media types, the best first.
var wildcards = map[string][]string{
	"*/*":           {"application/fhir+json", "application/fhir+xml"},
	"application/*": {"application/fhir+json", "application/fhir+xml"},
	"text/*":        {"text/xml", "text/json"},
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
	rep = representation{format: formatJSON, mediaType: "application/fhir+json"}
	asked := ""
	if r.URL.RawQuery != "" {
		query := r.URL.Query()
		rep.pretty = query.Get("_pretty") == "true"
		asked = query.Get("_format")
	}
	media := ""
	if asked != "" {
		// A literal + in a query string arrives as a space.
		media, ok = named(strings.ReplaceAll(asked, " ", "+"))
	} else {
		media, ok = accepted(r.Header.Values("Accept"))
	}
	if ok {
		rep.format, rep.mediaType = mediaTypes[media], media
	}
	return rep, ok
}

// named is the media type that a _format asks for.
func named(text string) (media string, ok bool) {
	if full, short := formatNames[text]; short {
		return full, true
	}
	media, _, err := mime.ParseMediaType(text)
	if err != nil {
		return "", false
	}
	_, ok = mediaTypes[media]
	return media, ok
}

// accepted is the media type that Accept likes best (RFC 7231 5.3.2): the
// highest q, of equal ones what is named before what a wildcard lets through,
// and then what stands first.
func accepted(header []string) (media string, ok bool) {
	accept := strings.Join(header, ",")
	if _, known := mediaTypes[accept]; known {
		return accept, true // as most clients write it
	}
	if strings.TrimSpace(accept) == "" {
		return "application/fhir+json", true
	}
	excluded := map[string]bool{}
	var ranges []acceptRange
	for part := range strings.SplitSeq(accept, ",") {
		one, ok := parseRange(part)
		switch {
		case !ok:
		case one.q == 0:
			excluded[one.media] = true
		default:
			ranges = append(ranges, one)
		}
	}
	best, exact := 0.0, false
	for _, one := range ranges {
		_, known := mediaTypes[one.media]
		candidates := wildcards[one.media]
		if known {
			candidates = []string{one.media}
		}
		for _, candidate := range candidates {
			if !excluded[candidate] && (one.q > best || one.q == best && known && !exact) {
				media, best, exact = candidate, one.q, known
				break
			}
		}
	}
	return media, best > 0
}

type acceptRange struct {
	media string
	q     float64
}

func parseRange(text string) (acceptRange, bool) {
	media, params, err := mime.ParseMediaType(strings.TrimSpace(text))
	if err != nil {
		return acceptRange{}, false
	}
	one := acceptRange{media, 1}
	if q, has := params["q"]; has {
		if one.q, err = strconv.ParseFloat(q, 64); err != nil || !(one.q >= 0 && one.q <= 1) {
			return acceptRange{}, false
		}
	}
	return one, true
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
			Diagnostics: "the answer can't be written in this format; the node's log says why"}))
	}
	writeBytes(w, status, contentType(rep), body)
}

func contentType(rep representation) string { return rep.mediaType + "; charset=utf-8" }

func render(o *fhir.Object, rep representation) ([]byte, error) {
	switch {
	case rep.format == formatXML && rep.pretty:
		return fhir.AppendXMLIndent(nil, o)
	case rep.format == formatXML:
		return fhir.AppendXML(nil, o)
	case rep.pretty:
		return fhir.AppendJSONIndent(nil, o), nil
	}
	return fhir.AppendJSON(nil, o), nil
}
