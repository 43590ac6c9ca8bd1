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
	"strconv"
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
	for _, e := range objects(b["entry"]) {
		o := object(e["resource"])
		if text(o["id"]) != "" && (o["resourceType"] == q.typ || object(e["search"])["mode"] == "include") {
			s.took(n, o)
		}
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
