package acme

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cursor is a search that has more pages.
type cursor struct {
	keys   []string // of what is to come
	count  int
	total  int
	bearer string
	at     time.Time
}

// of which element each reference parameter is.
var byReference = map[string][]string{"patient": {"patient", "subject", "beneficiary"}, "subject": {"subject"}, "beneficiary": {"beneficiary"}}

// search answers GET [base]/Type?...
func (s *Server) search(c *call, typ string) error {
	switch {
	case s.bug("drops-connections") && typ == "Procedure":
		panic(http.ErrAbortHandler)
	case s.bug("hangs") && typ == "Immunization":
		select {
		case <-c.Context().Done():
		case <-s.ctx.Done():
		}
		panic(http.ErrAbortHandler)
	case s.bug("crashes") && typ == "AllergyIntolerance":
		os.Exit(7)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, of := inCompartment[typ]
	if t := c.who.token; t != nil {
		if !of && !s.bug("searches-outside") {
			return wrong(http.StatusForbidden, "only the record is searched")
		}
		if of && !s.maySee(t, typ) {
			return wrong(http.StatusForbidden, "the scopes don't name %s", typ)
		}
	}
	if c.who.kind == "consumer" && typ != "Consent" {
		return wrong(http.StatusForbidden, "this bearer searches Consents")
	}
	query, err := url.ParseQuery(c.URL.RawQuery)
	if err != nil {
		return wrong(http.StatusBadRequest, "the query can't be read")
	}
	count := s.Style.Page
	if n := query.Get("_count"); n != "" {
		if count, err = strconv.Atoi(n); err != nil || count < 1 {
			return wrong(http.StatusBadRequest, "_count is no number above 0")
		}
		count = min(count, 60)
	}
	var keys []string
	for _, key := range s.candidates(typ, query) {
		o := s.held[key]
		if of && s.mayRead(c.who, o) != nil {
			continue
		}
		fits, err := s.fits(o, query)
		if err != nil {
			return err
		}
		if fits {
			keys = append(keys, key)
		}
	}
	if s.bug("leak-by-include") && typ == "Patient" && query.Has("_revinclude") {
		keys = append(keys, s.byType["Observation"]...)
	}
	if s.Style.Reverse {
		slices.Reverse(keys)
	}
	s.page(c, &cursor{keys: keys, count: count, total: len(keys), bearer: c.who.bearer})
	return nil
}

// candidates are the keys among which a search looks: one patient's, where it
// names one, in the order of their ids.
func (s *Server) candidates(typ string, query url.Values) []string {
	for name := range byReference {
		id := strings.TrimPrefix(s.local(query.Get(name)), "Patient/")
		if id == "" {
			id = query.Get(name)
		}
		if id == "" || strings.ContainsAny(id, ",/") {
			continue
		}
		var out []string
		for key := range s.records[id] {
			if strings.HasPrefix(key, typ+"/") {
				out = append(out, key)
			}
		}
		slices.Sort(out)
		return out
	}
	return s.byType[typ]
}

// turn answers a next link.
func (s *Server) turn(c *call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.cursors[c.URL.Query().Get("page")]
	if next == nil || next.bearer != c.who.bearer && !s.bug("leak-by-cursor") {
		return wrong(http.StatusNotFound, "there is no such page, or it is somebody else's")
	}
	s.page(c, next)
	return nil
}

func (s *Server) page(c *call, now *cursor) {
	n := min(now.count, len(now.keys))
	entries := []any{}
	for _, key := range now.keys[:n] {
		if o := s.held[key]; o != nil {
			entries = append(entries, map[string]any{"fullUrl": s.base() + "/" + key, "resource": s.outside(o), "search": map[string]any{"mode": "match"}})
		}
	}
	b := map[string]any{"resourceType": "Bundle", "type": "searchset", "total": json.Number(fmt.Sprint(now.total)),
		"link": []any{map[string]any{"relation": "self", "url": s.Root + c.URL.RequestURI()}}}
	if s.bug("short-total") {
		b["total"] = json.Number(fmt.Sprint(len(entries)))
	}
	if len(entries) > 0 {
		b["entry"] = entries
	}
	rest := now.keys[n:]
	if s.bug("repeats-across-pages") && len(rest) > 0 && n > 1 {
		rest = now.keys[n-1:]
	}
	if len(rest) > 0 && !(s.bug("last-page-dropped") && len(rest) <= now.count) {
		id := uuid()
		s.cursors[id] = &cursor{rest, now.count, now.total, now.bearer, time.Now()}
		link := s.base() + "?page=" + id + "&_format=" + map[bool]string{true: "xml", false: "json"}[c.xml]
		if s.Style.RelativeLinks {
			link = s.Style.FHIR + "/?page=" + id
		}
		b["link"] = append(b["link"].([]any), map[string]any{"relation": "next", "url": link})
		maps.DeleteFunc(s.cursors, func(_ string, old *cursor) bool { return time.Since(old.at) > 10*time.Minute })
	}
	s.give(c, http.StatusOK, b)
}

// fits says whether a resource is what a query asks for.
func (s *Server) fits(o map[string]any, query url.Values) (bool, error) {
	for name, values := range query {
		name, _, _ := strings.Cut(name, ":")
		for _, value := range values {
			ok, err := s.fitsOne(o, name, value)
			if !ok || err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

func (s *Server) fitsOne(o map[string]any, name, value string) (bool, error) {
	any := strings.Split(value, ",")
	switch name {
	case "_id":
		return slices.Contains(any, text(o["id"])), nil
	case "_lastUpdated":
		return s.changed(text(object(o["meta"])["lastUpdated"]), value)
	case "identifier":
		return slices.ContainsFunc(any, func(v string) bool { return token(o["identifier"], v, "value") }), nil
	case "code", "type":
		return slices.ContainsFunc(any, func(v string) bool { return coded(o[name], v) }), nil
	case "category":
		return slices.ContainsFunc(any, func(v string) bool { return coded(o["category"], v) }), nil
	case "patient", "subject", "beneficiary":
		elements := byReference[name]
		for _, element := range elements {
			ref := s.local(text(object(o[element])["reference"]))
			if slices.ContainsFunc(any, func(v string) bool {
				return ref != "" && (ref == "Patient/"+v || ref == s.local(v))
			}) {
				return true, nil
			}
		}
		return false, nil
	}
	return true, nil
}

// token says whether a system|value of a query is among identifiers.
func token(v any, want, name string) bool {
	list := objects(v)
	if o := object(v); o != nil {
		list = []map[string]any{o}
	}
	return slices.ContainsFunc(list, func(o map[string]any) bool {
		system, value, both := strings.Cut(want, "|")
		if !both {
			return text(o[name]) == want
		}
		return text(o[name]) == value && text(o["system"]) == system
	})
}

// coded is the same for a CodeableConcept, one or many.
func coded(v any, want string) bool {
	list := objects(v)
	if o := object(v); o != nil {
		list = []map[string]any{o}
	}
	return slices.ContainsFunc(list, func(o map[string]any) bool { return token(o["coding"], want, "code") })
}

// changed compares an instant with a date of a query.
func (s *Server) changed(have, want string) (bool, error) {
	op := "eq"
	if len(want) > 2 && want[0] >= 'a' && want[0] <= 'z' {
		op, want = want[:2], want[2:]
	}
	from, to, err := span(want)
	if err != nil {
		return false, wrong(http.StatusBadRequest, "_lastUpdated: %q is no date", want)
	}
	at, _ := time.Parse(time.RFC3339, have) // it was made here
	if s.bug("by-day") {
		at = at.Truncate(24 * time.Hour)
		from, to = from.Truncate(24*time.Hour), from.Truncate(24*time.Hour)
		if op == "gt" {
			op = "ge"
		}
	}
	switch op {
	case "gt", "sa":
		return at.After(to), nil
	case "ge":
		return !at.Before(from), nil
	case "lt", "eb":
		return at.Before(from), nil
	case "le":
		return !at.After(to), nil
	case "eq":
		return !at.Before(from) && !at.After(to), nil
	case "ne":
		return at.Before(from) || at.After(to), nil
	}
	return false, wrong(http.StatusBadRequest, "_lastUpdated: %q is no prefix", op)
}

// span is what a FHIR date covers.
func span(v string) (from, to time.Time, err error) {
	v = strings.ReplaceAll(v, " ", "+") // a plus that was not escaped
	for _, f := range []struct {
		layout              string
		years, months, days int
		more                time.Duration
	}{{"2006", 1, 0, 0, 0}, {"2006-01", 0, 1, 0, 0}, {"2006-01-02", 0, 0, 1, 0}, {"2006-01-02T15:04Z07:00", 0, 0, 0, time.Minute}} {
		if from, err = time.Parse(f.layout, v); err == nil {
			return from, from.AddDate(f.years, f.months, f.days).Add(f.more - 1), nil
		}
	}
	if from, err = time.Parse(time.RFC3339Nano, v); err != nil {
		return from, to, err
	}
	if strings.Contains(v, ".") {
		return from, from, nil
	}
	return from, from.Add(time.Second - 1), nil
}
