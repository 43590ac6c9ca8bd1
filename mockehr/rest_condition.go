package mockehr

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"example.org/ccde/mockehr/store"
)

// current is what stands at typ/id now, nil for nothing or something deleted.
func current(tx *store.Tx, typ, id string) (*store.Version, error) {
	v, err := tx.Read(typ, id)
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrDeleted):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &v, nil
}

// ifMatch refuses a write that was made for another version (412).
func ifMatch(header string, was *store.Version) error {
	if header == "" {
		return nil
	}
	want := strings.Trim(strings.TrimPrefix(strings.TrimSpace(header), "W/"), `"`)
	if was != nil && (want == "*" || want == strconv.FormatInt(was.VersionID, 10)) {
		return nil
	}
	return &httpError{status: http.StatusPreconditionFailed, code: "conflict",
		message: "If-Match names version " + want + ", which is not the current one; read it again"}
}

// matching is the one resource that the criteria of a conditional write find
// among those that c may write, nil if there is none or no criteria are given.
// what is where the criteria stand.
func (s *Server) matching(tx *store.Tx, c caller, typ, what, criteria string) (*store.Version, error) {
	if criteria == "" {
		return nil, nil
	}
	scope := store.Scope{}
	if !c.unrestricted() {
		scope.Owner = c.owner()
	}
	return only(tx, scope, typ, what, criteria)
}

// only is the one resource that criteria find within a scope, nil if there is
// none; several are an error (412), and so are criteria that say nothing.
func only(tx *store.Tx, scope store.Scope, typ, what, criteria string) (*store.Version, error) {
	if _, after, ok := strings.Cut(criteria, "?"); ok {
		criteria = after
	}
	values, err := parseQuery(criteria)
	if err != nil {
		return nil, malformed("the criteria of " + what + " can't be read: " + err.Error())
	}
	for _, name := range []string{"_format", "_pretty", "access_token"} {
		values.Del(name) // of the request, not of the criteria
	}
	if len(values) == 0 {
		return nil, malformed("the criteria of " + what + " are empty; give search parameters such as identifier=1")
	}
	values.Set("_count", "2")
	query, err := store.ParseSearch(typ, values, true)
	if err != nil {
		return nil, err
	}
	found, err := tx.Search(query, scope)
	switch {
	case err != nil:
		return nil, err
	case len(found.Matches) == 0:
		return nil, nil
	case len(found.Matches) > 1:
		return nil, &httpError{status: http.StatusPreconditionFailed, code: "duplicate",
			message: "the criteria of " + what + " find more than one " + typ + "; make them narrower"}
	}
	return &found.Matches[0], nil
}

// condition is what a read may be conditional on (FHIR STU3 2.21.0.8).
type condition struct{ ifNoneMatch, ifModifiedSince string }

func conditionOf(header http.Header) condition {
	return condition{header.Get("If-None-Match"), header.Get("If-Modified-Since")}
}

// unchanged says whether who asks has v already; If-None-Match goes before
// If-Modified-Since (RFC 7232 6).
func (c condition) unchanged(v store.Version) bool {
	if c.ifNoneMatch != "" {
		current := strings.TrimPrefix(etagOf(v), "W/")
		for candidate := range strings.SplitSeq(c.ifNoneMatch, ",") {
			candidate = strings.TrimSpace(candidate)
			if candidate == "*" || strings.TrimPrefix(candidate, "W/") == current {
				return true
			}
		}
		return false
	}
	if c.ifModifiedSince == "" {
		return false
	}
	since, err := http.ParseTime(c.ifModifiedSince)
	return err == nil && !v.LastUpdated.Truncate(time.Second).After(since)
}

func etagOf(v store.Version) string {
	return `W/"` + strconv.FormatInt(v.VersionID, 10) + `"`
}

// stamp tells a version in the header of an answer.
func stamp(h http.Header, v store.Version) {
	h.Set("ETag", etagOf(v))
	h.Set("Last-Modified", v.LastUpdated.UTC().Format(http.TimeFormat))
}
