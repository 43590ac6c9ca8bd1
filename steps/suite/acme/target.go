package acme

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// jwt answers $jwt.
func (s *Server) jwt(c *call) error {
	in := c.URL.Query()
	asParameters := c.Method == http.MethodPost
	if asParameters {
		var err error
		if in, err = s.inputs(c); err != nil {
			return err
		}
	}
	sub := in.Get("for")
	switch {
	case sub != "":
		if c.who.kind != "admin" {
			if c.who.kind == "consumer" && s.Style.Forbids {
				return wrong(http.StatusForbidden, "only an administrator gets a JWT for an application")
			}
			return errLogin
		}
	case in.Get("source") == "" && !s.bug("jwt-without-source"):
		return bad("source", "say for which source the JWT is")
	default:
		sub = strings.TrimPrefix(strings.TrimPrefix(s.Root, "http://"), "https://")
	}
	packed, err := s.issue(sub)
	if err != nil {
		return err
	}
	if asParameters {
		s.give(c, http.StatusOK, map[string]any{"resourceType": "Parameters", "parameter": []any{map[string]any{"name": "jwt", "valueString": packed}}})
		return nil
	}
	if s.bug("jwt-with-newline") {
		packed += "\n"
	}
	c.w.Header().Set("Content-Type", "application/jwt")
	_, _ = c.w.Write([]byte(packed))
	return nil
}

// connection is a person's order to copy.
type connection struct {
	ID, Owner, Source, Consent, Patient, JWT, Authorization string
	Asked                                                   string // the patient that $connect named
	Expires, Started, LastCheck, NextCheck                  time.Time
	Status, Message                                         string
	Since                                                   map[string]time.Time // by query: when it was asked last, by the source's clock
	Held                                                    []string             // the origins that it brought

	token  string
	ends   time.Time       // of the token
	scopes []string        // of the token
	holds  map[string]bool // Held, to be looked up
}

func (c *connection) over() bool {
	return c.Status == "stopped" || c.Status == "expired" || c.Status == "failed"
}

var fhirID = regexp.MustCompile(`^[A-Za-z0-9.\-]{1,64}$`)

// connect answers $connect.
func (s *Server) connect(c *call) error {
	if c.Method != http.MethodPost {
		return wrong(http.StatusMethodNotAllowed, "$connect is a POST")
	}
	in, err := s.inputs(c)
	if err != nil {
		return err
	}
	for _, name := range []string{"source", "consent", "expires_in", "patient", "jwt", "authorization"} {
		if len(in[name]) > 1 && !s.bug("takes-twice") {
			return bad(name, "is given more than once")
		}
	}
	n := &connection{ID: uuid(), Owner: c.who.owner(), Source: strings.TrimRight(in.Get("source"), "/"), Consent: in.Get("consent"), Asked: in.Get("patient"),
		JWT: in.Get("jwt"), Authorization: in.Get("authorization"), Status: "queued", Started: time.Now(), Since: map[string]time.Time{}}
	if !absolute(n.Source) {
		return bad("source", "is no absolute http or https URL")
	}
	if !fhirID.MatchString(n.Consent) && !s.bug("consent-not-checked") {
		return bad("consent", "is no id")
	}
	if in.Has("patient") && !fhirID.MatchString(n.Asked) {
		return bad("patient", "is no id")
	}
	seconds, err := strconv.ParseInt(in.Get("expires_in"), 10, 64)
	if s.bug("rounds-expires-in") && err != nil {
		f, err2 := strconv.ParseFloat(in.Get("expires_in"), 64)
		seconds, err = int64(f), err2
	}
	if err != nil || seconds <= 0 {
		return bad("expires_in", "is no number of seconds above 0")
	}
	n.Expires = time.Now().Add(time.Duration(min(seconds, 10*365*24*3600)) * time.Second)
	if err := s.mine(n.JWT); err != nil {
		if s.bug("jwt-in-error") {
			return bad("jwt", "%s: %s", n.JWT, err)
		}
		return bad("jwt", "%s", err)
	}
	if l := len(n.Authorization); l == 0 || l > 64 && !s.bug("long-authorization") {
		return bad("authorization", "has 1 to 64 characters")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, old := range s.links {
		if old.Source == n.Source && old.Authorization == n.Authorization && old.Owner == n.Owner && old.Asked == n.Asked && !old.over() && !s.bug("second-copy") {
			return s.accepted(c, old)
		}
	}
	s.links[n.ID] = n
	s.keep("connection "+n.ID, n)
	go s.carry(n)
	return s.accepted(c, n)
}

func (s *Server) accepted(c *call, n *connection) error {
	place := s.base()
	if s.Style.RelativeLinks {
		place = s.Style.FHIR
	}
	c.w.Header().Set("Content-Location", place+"/$connection?id="+n.ID)
	severity := "information"
	if s.Style.Reference {
		severity = "error"
	}
	s.give(c, http.StatusOK, map[string]any{"resourceType": "OperationOutcome", "issue": []any{map[string]any{
		"severity": severity, "code": "informational", "diagnostics": "Connection Accepted"}}})
	return nil
}

// mine says what is wrong with a JWT that is to be one of ours.
func (s *Server) mine(packed string) error {
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(packed, claims, func(*jwt.Token) (any, error) { return s.key.Public(), nil },
		jwt.WithValidMethods([]string{"RS256", "ES256"}), jwt.WithExpirationRequired(), jwt.WithIssuer(s.iss))
	if err == nil {
		return nil
	}
	if _, _, readable := jwt.NewParser().ParseUnverified(packed, claims); readable == nil {
		if s.bug("jwt-of-others") || s.bug("jwt-altered") && claims["iss"] == s.iss {
			return nil
		}
	}
	return fmt.Errorf("is no JWT that this system issued and that is good still")
}

// find is a connection that the caller may see; s.mu is held.
func (s *Server) find(c *call, id string) (*connection, error) {
	n := s.links[id]
	switch {
	case n == nil && (c.who.kind == "nobody" || c.who.kind == "unknown"):
		return nil, errLogin
	case n == nil:
		return nil, wrong(http.StatusNotFound, "there is no such connection")
	case c.who.kind == "admin", n.Owner == "", n.Owner == c.who.owner(), s.bug("connections-open"):
		return n, nil
	case !s.Style.Forbids && c.who.owner() == "":
		return nil, errLogin
	}
	return nil, wrong(http.StatusForbidden, "that connection is somebody else's")
}

func (s *Server) connectionOf(c *call) error {
	if c.Method != http.MethodGet {
		return wrong(http.StatusMethodNotAllowed, "$connection is a GET")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if id := c.URL.Query().Get("id"); id != "" {
		n, err := s.find(c, id)
		if err != nil {
			return err
		}
		s.give(c, http.StatusOK, map[string]any{"resourceType": "Parameters", "parameter": s.told(n)})
		return nil
	}
	if c.who.owner() == "" {
		return errLogin
	}
	list := []any{}
	for _, n := range s.links {
		if c.who.kind == "admin" || n.Owner == c.who.owner() {
			list = append(list, map[string]any{"name": "connection", "part": s.told(n)})
		}
	}
	o := map[string]any{"resourceType": "Parameters"}
	if len(list) > 0 {
		o["parameter"] = list
	}
	s.give(c, http.StatusOK, o)
	return nil
}

// told is what is told of a connection.
func (s *Server) told(n *connection) []any {
	out := []any{}
	add := func(name, kind string, v any) { out = append(out, map[string]any{"name": name, "value" + kind: v}) }
	instant := func(name string, t time.Time) {
		if !t.IsZero() {
			add(name, "DateTime", t.UTC().Format(time.RFC3339))
		}
	}
	add("id", "String", n.ID)
	add("source", "Uri", n.Source)
	add("consent", "String", n.Consent)
	if n.Patient != "" {
		add("patient", "String", n.Patient)
	}
	add("status", "Code", n.Status)
	instant("started", n.Started)
	instant("lastCheck", n.LastCheck)
	if !n.over() {
		instant("nextCheck", n.NextCheck)
	}
	instant("expires", n.Expires)
	if n.Message != "" {
		add("message", "String", n.Message)
	}
	count := map[string]int{}
	for _, place := range n.Held {
		count[text(s.origins[place].value["resourceType"])]++
	}
	types := make([]string, 0, len(count))
	for typ := range count {
		types = append(types, typ)
	}
	slices.Sort(types)
	for _, typ := range types {
		held := count[typ]
		if s.bug("counts-off") {
			held++
		}
		out = append(out, map[string]any{"name": "copied", "part": []any{map[string]any{"name": "type", "valueCode": typ},
			map[string]any{"name": "count", "valueInteger": json.Number(strconv.Itoa(held))}}})
	}
	return out
}

func (s *Server) disconnect(c *call) error {
	if c.Method != http.MethodPost {
		return wrong(http.StatusMethodNotAllowed, "$disconnect is a POST")
	}
	in, err := s.inputs(c)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.find(c, in.Get("id"))
	if err != nil {
		return err
	}
	if !n.over() {
		n.Status = "stopped"
		s.keep("connection "+n.ID, n)
	}
	s.give(c, http.StatusOK, map[string]any{"resourceType": "OperationOutcome", "issue": []any{map[string]any{
		"severity": "information", "code": "informational", "details": map[string]any{"text": "Connection Stopped"}}}})
	return nil
}
