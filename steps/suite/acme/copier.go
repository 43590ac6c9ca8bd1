package acme

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// original is a resource of a source, and the id of its copy here.
type original struct {
	Place string          // its URL at the source
	Copy  string          // Type/id here
	Raw   json.RawMessage // as it was given last
	value map[string]any
}

func (o *original) UnmarshalJSON(b []byte) error {
	type plain original
	if err := json.Unmarshal(b, (*plain)(o)); err != nil {
		return err
	}
	var err error
	o.value, err = parseJSON(o.Raw)
	return err
}

// query is one of the first-connection set.
type query struct {
	path, typ string
	due       time.Time
	tries     int
	next      string // the page that is to be asked for, after a wait
	asked     time.Time
}

func (s *Server) queries(patient string) []*query {
	var out []*query
	add := func(typ, path string) { out = append(out, &query{typ: typ, path: path + patient}) }
	if s.Style.OneObservationQuery {
		add("Observation", "/Observation?category=social-history,laboratory,vital-signs&_count=30&patient=Patient/")
	} else {
		for _, category := range []string{"laboratory", "vital-signs", "social-history"} {
			if category != "social-history" || !s.bug("no-smoking") {
				add("Observation", "/Observation?category="+category+"&_count=5&patient=")
			}
		}
	}
	for _, typ := range []string{"Procedure", "Condition", "MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration",
		"AllergyIntolerance", "Immunization", "DocumentReference", "ExplanationOfBenefit"} {
		add(typ, "/"+typ+"?patient=")
	}
	add("Coverage", "/Coverage?beneficiary=")
	return out
}

var errOver = errors.New("the connection is over")

// carry copies for a connection until it is over.
func (s *Server) carry(n *connection) {
	s.mu.Lock()
	n.holds = map[string]bool{}
	for _, place := range n.Held {
		n.holds[place] = true
	}
	s.mu.Unlock()
	for {
		s.mu.Lock()
		wait := time.Until(n.NextCheck)
		s.mu.Unlock()
		if s.sleep(n, wait) != nil {
			return
		}
		err := s.round(n)
		if err != nil && !errors.Is(err, errOver) {
			slog.Debug("a round", "connection", n.ID, "source", n.Source, "error", err)
		}
		s.mu.Lock()
		if errors.Is(err, errOver) || n.over() && !s.bug("stop-does-nothing") {
			s.mu.Unlock()
			return
		}
		n.Status = "waiting"
		n.NextCheck = time.Now().Add(s.Every)
		var ends *failed
		if errors.As(err, &ends) {
			n.Status, n.Message = "failed", ends.text
		} else if err != nil {
			n.Message = err.Error()
		} else {
			n.Message = ""
		}
		s.keep("connection "+n.ID, n)
		done := n.over()
		s.mu.Unlock()
		if done {
			return
		}
	}
}

// failed ends a connection.
type failed struct{ text string }

func (f *failed) Error() string { return f.text }

// alive says whether a connection may ask its source for something.
func (s *Server) alive(n *connection) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return errOver
	}
	if !n.over() && !time.Now().Before(n.Expires) && !s.bug("never-expires") {
		n.Status = "expired"
		s.keep("connection "+n.ID, n)
	}
	if n.over() && !(n.Status == "stopped" && s.bug("stop-does-nothing")) {
		return errOver
	}
	return nil
}

// sleep waits, and notices soon when the connection is over.
func (s *Server) sleep(n *connection, wait time.Duration) error {
	until := time.Now().Add(wait)
	for {
		if err := s.alive(n); err != nil {
			return err
		}
		left := min(time.Until(until), time.Until(n.Expires)+time.Millisecond, 100*time.Millisecond)
		if time.Until(until) <= 0 {
			return nil
		}
		select {
		case <-s.ctx.Done():
			return errOver
		case <-time.After(max(left, time.Millisecond)):
		}
	}
}

// reply is an answer of a source.
type reply struct {
	status int
	header http.Header
	media  string
	body   []byte
}

// ask asks a source; it follows no redirect.
func (s *Server) ask(n *connection, method, place, bearer string, form url.Values) (*reply, error) {
	if err := s.alive(n); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithDeadline(s.ctx, time.Now().Add(15*time.Second))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, place, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "Acme-Importer/4.2")
	req.Header.Set("Accept", "application/fhir+json, application/json;q=0.8")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	if bearer != "" && form == nil && s.bug("token-in-url") {
		q := req.URL.Query()
		q.Set("access_token", bearer)
		req.URL.RawQuery = q.Encode()
	}
	client := s.client
	if s.bug("follows-redirects") {
		client = &http.Client{CheckRedirect: func(to *http.Request, via []*http.Request) error {
			to.Header.Set("Authorization", via[0].Header.Get("Authorization"))
			return nil
		}}
	}
	res, err := client.Do(req)
	if err != nil {
		slog.Debug("no answer", "url", place, "error", err)
		return nil, errors.New("the source can't be reached")
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 32<<20))
	if err != nil {
		return nil, errors.New("the source's answer broke off")
	}
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	return &reply{res.StatusCode, res.Header, media, body}, nil
}

// round asks for all that there is, or for what is new.
func (s *Server) round(n *connection) error {
	began := time.Now()
	s.mu.Lock()
	if n.over() && !s.bug("stop-does-nothing") {
		s.mu.Unlock()
		return errOver
	}
	n.Status, n.LastCheck = "copying", began
	s.keep("connection "+n.ID, n)
	s.mu.Unlock()
	meta, err := s.ask(n, http.MethodGet, n.Source+"/metadata", "", nil)
	if err != nil {
		return err
	}
	statement, err := parseJSON(meta.body)
	if err != nil || meta.status != http.StatusOK {
		return fmt.Errorf("the source's metadata can't be read")
	}
	endpoint, types := "", map[string]bool{}
	for _, rest := range objects(statement["rest"]) {
		for _, r := range objects(rest["resource"]) {
			types[text(r["type"])] = true
		}
		for _, x := range objects(object(rest["security"])["extension"]) {
			for _, uri := range objects(x["extension"]) {
				if strings.HasSuffix(text(x["url"]), "/oauth-uris") && uri["url"] == "token" {
					endpoint = text(uri["valueUri"])
				}
			}
		}
	}
	scopes, err := s.trade(n, endpoint, n.token == "" || time.Until(n.ends) < 2*time.Second)
	if err != nil {
		return err
	}
	renewed := false
	renew := func() error {
		if renewed || s.bug("no-renewal") {
			return &failed{"the source refuses the access token"}
		}
		renewed = true
		_, err := s.trade(n, endpoint, true)
		return err
	}
	var messages []string
	if err := s.patient(n, renew); err != nil {
		if errors.Is(err, errOver) {
			return err
		}
		var ends *failed
		if errors.As(err, &ends) {
			return err
		}
		messages = append(messages, err.Error())
	}
	var open []*query
	for _, q := range s.queries(n.Patient) {
		if (types[q.typ] || len(types) == 0) && (scopes == nil || names(scopes, q.typ)) {
			open = append(open, q)
		}
	}
	for len(open) > 0 {
		q := slices.MinFunc(open, func(a, b *query) int { return a.due.Compare(b.due) })
		if time.Until(q.due) > 0 {
			s.materialize(n)
			if err := s.sleep(n, time.Until(q.due)); err != nil {
				return err
			}
		}
		again, err := s.run(n, q, renew)
		var ends *failed
		if errors.Is(err, errOver) || errors.As(err, &ends) {
			s.materialize(n)
			return err
		}
		if again {
			continue
		}
		if err != nil {
			messages = append(messages, q.typ+": "+err.Error())
			if s.bug("one-fails-all") {
				return &failed{messages[0]}
			}
		}
		open = slices.DeleteFunc(open, func(o *query) bool { return o == q })
	}
	s.references(n)
	s.materialize(n)
	if len(messages) > 0 {
		if s.bug("token-in-message") {
			messages = append(messages, "asked with "+n.token)
		}
		return errors.New(strings.Join(messages, "; "))
	}
	return nil
}
