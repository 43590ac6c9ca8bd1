package acme

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// takePage keeps what a page has, and says where the next one is.
func (s *Server) takePage(n *connection, q *query, place string, a *reply) (string, error) {
	b, err := parseJSON(a.body)
	switch {
	case a.status == http.StatusForbidden || a.status == http.StatusNotFound:
		return "", fmt.Errorf("the source refuses it (%d)", a.status)
	case a.status != http.StatusOK || err != nil:
		return "", fmt.Errorf("the answer can't be read (%d)", a.status)
	case b["resourceType"] != "Bundle" || b["type"] != "searchset":
		return "", errors.New("the answer is no searchset")
	}
	if q.asked.IsZero() {
		if q.asked, err = http.ParseTime(a.header.Get("Date")); err != nil {
			q.asked = time.Now().Add(-10 * time.Second)
		}
	}
	stray := ""
	for _, e := range objects(b["entry"]) {
		o, mode := object(e["resource"]), object(e["search"])["mode"]
		switch {
		case text(o["id"]) != "" && (o["resourceType"] == q.typ || mode == "include"):
			s.took(n, o)
		case mode != "outcome" && o["resourceType"] != "OperationOutcome":
			stray = text(o["resourceType"])
		}
	}
	if stray != "" {
		return "", fmt.Errorf("the page has a resource that was not asked for: %q", stray)
	}
	for _, l := range objects(b["link"]) {
		if l["relation"] != "next" {
			continue
		}
		at, err := url.Parse(place)
		if err != nil {
			return "", err
		}
		next, err := at.Parse(text(l["url"]))
		if err != nil {
			return "", errors.New("its next link is none")
		}
		if (next.Scheme != at.Scheme || next.Host != at.Host) && !s.bug("next-anywhere") {
			return "", errors.New("its next link leads to another host")
		}
		return next.String(), nil
	}
	return "", nil
}

// took keeps a resource as the source gave it.
func (s *Server) took(n *connection, o map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	place := n.Source + "/" + text(o["resourceType"]) + "/" + text(o["id"])
	raw := printJSON(o)
	old := s.origins[place]
	if old == nil {
		old = &original{Place: place}
		s.origins[place] = old
	}
	if old.Copy == "" {
		id := s.newID()
		if key := text(o["resourceType"]) + "/" + text(o["id"]); s.Style.KeepsIDs && s.held[key] == nil && !s.gone[key] && !s.kept[key] {
			id = text(o["id"])
		}
		old.Copy = text(o["resourceType"]) + "/" + id
		s.kept[old.Copy] = true
	}
	if string(old.Raw) != string(raw) {
		old.Raw, old.value = raw, o
		s.keep("original "+place, old)
	}
	if !n.holds[place] {
		n.Held = append(n.Held, place)
		n.holds[place] = true
	}
}

// copiedToo are the types outside the record that are copied with it.
var copiedToo = map[string]bool{"Practitioner": true, "Organization": true, "Medication": true, "Encounter": true, "Location": true, "Binary": true}

// references reads what the copied refers to and is not held yet.
func (s *Server) references(n *connection) {
	tried := map[string]bool{}
	for i := 0; ; i++ {
		s.mu.Lock()
		if i >= len(n.Held) {
			s.mu.Unlock()
			return
		}
		o := s.origins[n.Held[i]].value
		var wanted []string
		s.rewrite(o, func(ref string) string {
			if place := atSource(n.Source, ref); place != "" && s.origins[place] == nil && !tried[place] {
				wanted = append(wanted, place)
			} else if place != "" && s.origins[place] != nil && !n.holds[place] {
				wanted = append(wanted, place)
			}
			return ref
		})
		s.mu.Unlock()
		for _, place := range wanted {
			key := strings.TrimPrefix(place, n.Source+"/")
			typ, id, _ := strings.Cut(key, "/")
			if tried[place] || !copiedToo[typ] {
				continue
			}
			tried[place] = true
			a, err := s.ask(n, http.MethodGet, place, n.token, nil)
			if errors.Is(err, errOver) {
				return
			}
			if err != nil || a.status != http.StatusOK {
				continue
			}
			if o, err := parseJSON(a.body); err == nil && o["resourceType"] == typ && o["id"] == id {
				s.took(n, o)
			}
		}
	}
}

// atSource is the URL of a reference below the source, "" of another.
func atSource(source, ref string) string {
	key := strings.TrimPrefix(ref, source+"/")
	key, _, _ = strings.Cut(key, "/_history/")
	if strings.Count(key, "/") != 1 || strings.ContainsAny(key, ":#?") {
		return ""
	}
	return source + "/" + key
}

// materialize makes the copies from what the source gave.
func (s *Server) materialize(n *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep("connection "+n.ID, n)
	for _, place := range n.Held {
		from := s.origins[place]
		out := s.rewrite(from.value, func(ref string) string {
			where := atSource(n.Source, ref)
			if where == "" || s.bug("references-stay") {
				return ref
			}
			if to := s.origins[where]; to != nil {
				return to.Copy
			}
			return where
		})
		if s.bug("decimals") {
			out = shorten(out).(map[string]any)
		}
		if s.bug("loses-extensions") {
			delete(out, "extension")
		}
		_, out["id"], _ = strings.Cut(from.Copy, "/")
		meta := map[string]any{}
		for name, v := range object(out["meta"]) {
			if name != "versionId" && name != "lastUpdated" {
				meta[name] = v
			}
		}
		delete(out, "meta")
		if len(meta) > 0 {
			out["meta"] = meta
		}
		old := s.held[from.Copy]
		if old != nil && string(printJSON(bare(old))) == string(printJSON(bare(out))) {
			continue
		}
		s.put(out, "")
	}
}

// bare is a resource without what the server makes.
func bare(o map[string]any) map[string]any {
	out := map[string]any{}
	for name, v := range o {
		out[name] = v
	}
	meta := map[string]any{}
	for name, v := range object(o["meta"]) {
		if name != "versionId" && name != "lastUpdated" {
			meta[name] = v
		}
	}
	out["meta"] = meta
	return out
}

// shorten is the defect that takes a decimal for a number.
func shorten(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, one := range v {
			v[name] = shorten(one)
		}
	case []any:
		for i, one := range v {
			v[i] = shorten(one)
		}
	case json.Number:
		f, err := v.Float64()
		if err == nil {
			return json.Number(strconv.FormatFloat(f, 'g', -1, 64))
		}
	}
	return v
}
