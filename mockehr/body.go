package mockehr

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"example.org/ccde/mockehr/fhir"
)

// bounded is a body that ends with a *http.MaxBytesError at a limit; one that
// says beforehand that it is longer is not read at all (SEC-03).
func bounded(w http.ResponseWriter, r *http.Request, limit int64) io.ReadCloser {
	if r.ContentLength > limit {
		return tooLong{r.Body, limit}
	}
	return http.MaxBytesReader(w, r.Body, limit)
}

type tooLong struct {
	io.Closer
	limit int64
}

func (t tooLong) Read([]byte) (int, error) { return 0, &http.MaxBytesError{Limit: t.limit} }

// chunk is how much of a long body is read at a time.
const chunk = 1 << 20

// readBody reads the body to its end. Room is made for what has come, not for
// what a header says will come, and a long body is put together once, at its
// end: one that is over the limit is never held twice.
func readBody(r *http.Request, body io.Reader) ([]byte, error) {
	size := 4 << 10
	if r.ContentLength > 0 && r.ContentLength <= chunk {
		size = int(r.ContentLength) + 1 // one more, in which the end is seen
	}
	var full [][]byte
	last := make([]byte, 0, size)
	for {
		if len(last) == cap(last) {
			full = append(full, last)
			size = min(2*size, chunk)
			last = make([]byte, 0, size)
		}
		n, err := body.Read(last[len(last):cap(last)])
		last = last[:len(last)+n]
		switch {
		case err == nil:
		case !errors.Is(err, io.EOF):
			return nil, bodyError(err)
		case len(full) == 0:
			return last, nil
		default:
			return slices.Concat(append(full, last)...), nil
		}
	}
}

// bodyError keeps a body over the limit as it is (413) and calls any other
// trouble while reading malformed input.
func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	return malformed("the body could not be read to its end: " + err.Error())
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
	body, err := readBody(r, r.Body)
	if err != nil {
		return nil, err
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
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return "", &httpError{status: http.StatusUnsupportedMediaType, code: "not-supported", malformed: true,
			message: fmt.Sprintf("Content-Encoding %q is not taken here; send the body as it is", coding)}
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

// isFHIRBody says whether the body is a resource by its Content-Type.
func isFHIRBody(r *http.Request) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	_, known := mediaTypes[media]
	return known || err != nil
}

func unsupported(got, want string) *httpError {
	return &httpError{status: http.StatusUnsupportedMediaType, code: "not-supported", malformed: true,
		message: fmt.Sprintf("Content-Type %q is not taken here; send %s", got, want)}
}
