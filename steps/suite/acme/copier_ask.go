package acme

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// trade gets an access token, where one is needed, and says what it may read.
func (s *Server) trade(n *connection, endpoint string, needed bool) ([]string, error) {
	if !needed {
		return n.scopes, nil
	}
	if endpoint == "" {
		return nil, &failed{"the source names no token endpoint"}
	}
	packed := n.JWT
	if s.bug("fresh-jwt") {
		packed, _ = s.issue("acme.example")
	}
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {n.Authorization}}
	if s.bug("jwt-in-form") {
		form.Set("jwt", packed)
		packed = ""
	}
	var a *reply
	var err error
	for wait := time.Second; ; wait *= 2 {
		if a, err = s.ask(n, http.MethodPost, endpoint, packed, form); errors.Is(err, errOver) {
			return nil, err
		}
		if err == nil && (a.status < 500 || strings.Contains(string(a.body), `"error"`)) || wait > 8*time.Second {
			break
		}
		if err := s.sleep(n, wait); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		if s.bug("error-told-whole") {
			return nil, &failed{"the source gave no access token: " + string(a.body)}
		}
		return nil, &failed{fmt.Sprintf("the source gave no access token (%d)", a.status)}
	}
	t, err := parseJSON(a.body)
	if err != nil || text(t["access_token"]) == "" || !strings.EqualFold(text(t["token_type"]), "bearer") {
		return nil, &failed{"the source's token answer can't be read"}
	}
	seconds, err := strconv.ParseFloat(fmt.Sprint(t["expires_in"]), 64)
	if err != nil {
		seconds = 300
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n.token, n.ends = text(t["access_token"]), time.Now().Add(time.Duration(seconds*float64(time.Second)))
	if s.bug("tokens-mixed") {
		for _, other := range s.links {
			other.token, other.ends = n.token, n.ends
		}
	}
	switch patient := text(t["patient"]); {
	case patient == "" && n.Asked == "":
		return nil, &failed{"the source names no patient"}
	case n.Asked != "" && patient != "" && patient != n.Asked && !s.bug("patient-not-compared"):
		return nil, &failed{"the source gave a token for another patient than was asked for"}
	case patient != "":
		n.Patient = patient
	default:
		n.Patient = n.Asked
	}
	n.scopes = strings.Fields(text(t["scope"]))
	return n.scopes, nil
}

// patient reads the patient again.
func (s *Server) patient(n *connection, renew func() error) error {
	a, err := s.ask(n, http.MethodGet, n.Source+"/Patient/"+n.Patient, n.token, nil)
	if err == nil && a.status == http.StatusUnauthorized {
		if err := renew(); err != nil {
			return err
		}
		a, err = s.ask(n, http.MethodGet, n.Source+"/Patient/"+n.Patient, n.token, nil)
	}
	if err != nil {
		return err
	}
	o, err := parseJSON(a.body)
	if err != nil || a.status != http.StatusOK || o["resourceType"] != "Patient" {
		return fmt.Errorf("the answer to Patient is none that can be used (%d)", a.status)
	}
	s.took(n, o)
	return nil
}

// run asks for the pages of a query; again says that it is to be called again, when q.due is there.
func (s *Server) run(n *connection, q *query, renew func() error) (again bool, err error) {
	place := q.next
	if place == "" {
		place = n.Source + q.path
		if since := n.Since[q.path]; !since.IsZero() && !s.bug("asks-for-all") {
			place += "&_lastUpdated=ge" + url.QueryEscape(since.UTC().Format("2006-01-02T15:04:05Z"))
		}
	}
	seen := map[string]bool{}
	for place != "" {
		if seen[place] || len(seen) > 1000 {
			return false, errors.New("its pages go in a circle")
		}
		seen[place] = true
		a, err := s.ask(n, http.MethodGet, place, n.token, nil)
		if errors.Is(err, errOver) {
			return false, err
		}
		if err != nil || a.status == http.StatusTooManyRequests || a.status >= 500 {
			q.tries++
			if q.tries > 7 {
				return false, errors.New("the source has no answer for it")
			}
			q.due, q.next = time.Now().Add(s.pause(q, a)), place
			return true, nil
		}
		if a.status == http.StatusUnauthorized {
			if err := renew(); err != nil {
				return false, err
			}
			q.next = place
			return true, nil
		}
		q.tries = 0
		next, err := s.takePage(n, q, place, a)
		if err != nil {
			return false, err
		}
		place = next
		if s.bug("first-page-only") {
			break
		}
	}
	if !q.asked.IsZero() {
		s.mu.Lock()
		n.Since[q.path] = q.asked.Add(-2 * time.Second)
		s.keep("connection "+n.ID, n)
		s.mu.Unlock()
	}
	return false, nil
}

// pause is how long to wait before a query is tried again.
func (s *Server) pause(q *query, a *reply) time.Duration {
	if a != nil && !s.bug("no-retry-after") {
		text := a.header.Get("Retry-After")
		if n, err := strconv.Atoi(text); err == nil && n >= 0 && n <= 300 {
			return time.Duration(n)*time.Second + 50*time.Millisecond
		}
		if at, err := http.ParseTime(text); err == nil && time.Until(at) < 5*time.Minute {
			return time.Until(at) + time.Second
		}
	}
	if s.bug("even-waits") {
		return 400 * time.Millisecond
	}
	return min(400*time.Millisecond<<(q.tries-1), 30*time.Second)
}
