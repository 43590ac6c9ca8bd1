package mockehr

import (
	"encoding/base64"
	"mime"
	"net/http"
	"strings"

	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/store"
)

// readBinary makes a Binary of a body that is no resource (FHIR STU3 2.24.3).
func readBinary(r *http.Request) (*fhir.Object, error) {
	if _, err := bodyType(r); err != nil {
		return nil, err
	}
	body, err := readBody(r, r.Body)
	if err != nil {
		return nil, err
	}
	if len(body) == 0 {
		return nil, malformed("the body is empty; the content of the Binary is needed")
	}
	o := fhir.NewObject(
		fhir.Member{Name: "resourceType", Value: "Binary"},
		fhir.Member{Name: "contentType", Value: r.Header.Get("Content-Type")},
		fhir.Member{Name: "content", Value: base64.StdEncoding.EncodeToString(body)})
	return o, invalid(o)
}

// asItIs says whether a read of a Binary asks for its content: by Accept, which
// names no media type of FHIR (FHIR STU3 2.24.3), without _format.
func asItIs(r *http.Request, typ string) bool {
	if typ != "Binary" || r.Header.Get("Accept") == "" || r.URL.Query().Has("_format") {
		return false
	}
	_, ok := accepted(r.Header.Values("Accept"))
	return !ok
}

// writeBinary answers the content of a Binary.
func writeBinary(w http.ResponseWriter, r *http.Request, v store.Version) error {
	o, err := fhir.ParseJSON(v.JSON)
	if err != nil {
		return err
	}
	media := o.Text("contentType")
	if !matches(r.Header.Values("Accept"), media) {
		return &httpError{status: http.StatusNotAcceptable, code: "not-supported",
			message: "this Binary is " + media + "; Accept that, application/fhir+json or application/fhir+xml"}
	}
	content, err := base64.StdEncoding.DecodeString(withoutSpace(o.Text("content")))
	if err != nil {
		return err
	}
	// A page of the person's own must not run in the node's name.
	w.Header().Set("Content-Security-Policy", "default-src 'none'; sandbox")
	writeBytes(w, http.StatusOK, media, content)
	return nil
}

// matches says whether Accept lets a media type through.
func matches(header []string, contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	kind, _, _ := strings.Cut(media, "/")
	for part := range strings.SplitSeq(strings.Join(header, ","), ",") {
		one, ok := parseRange(part)
		if ok && one.q > 0 && (one.media == media || one.media == kind+"/*") {
			return true
		}
	}
	return false
}

// withoutSpace is a text of base64Binary as it is decoded: it may have white
// space in it (FHIR STU3 2.24.0.1).
func withoutSpace(text string) string { return strings.Join(strings.Fields(text), "") }
