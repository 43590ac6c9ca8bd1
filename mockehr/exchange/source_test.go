package exchange

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"example.org/ccde/mockehr/clock"

	"github.com/google/uuid"
)

// seenRequest is what a source saw of a request.
type seenRequest struct {
	Method, Path, Query, Auth string
	Form                      url.Values
	At                        time.Time // node time
}

func (r seenRequest) String() string {
	if r.Query == "" {
		return r.Path
	}
	return r.Path + "?" + r.Query
}

// source is a small source EHR whose every answer a test can take over.
type source struct {
	srv  *httptest.Server
	base string
	now  func() time.Time

	mu        sync.Mutex
	resources map[string]map[string]any // by type/id
	updated   map[string]time.Time
	order     []string
	pageSize  int
	scope     string
	patient   string // of tokens; by authorization where patients names it
	patients  map[string]string
	life      any
	tokens    map[string]string // live access tokens, and whose
	requests  []seenRequest
	hook      func(w http.ResponseWriter, r *http.Request) bool // true: it has answered
	types     []string                                          // that the CapabilityStatement lists
}

const sourceJWT = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ1cm46eCJ9.c2lnbmF0dXJlLW9mLXRlc3Q"

func newSource(t testing.TB, c *clock.Clock) *source {
	t.Helper()
	s := &source{
		resources: map[string]map[string]any{}, updated: map[string]time.Time{}, pageSize: 50,
		scope: "user/*.*", patient: "p1", patients: map[string]string{}, life: 100000, tokens: map[string]string{}, now: time.Now,
	}
	if c != nil {
		s.now = c.Now
	}
	s.srv = httptest.NewServer(s)
	s.base = s.srv.URL + "/r3"
	t.Cleanup(s.srv.Close)
	return s
}

// put stores a resource given as JSON; "@" in front of a quoted reference stands for the base.
func (s *source) put(resources ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range resources {
		var r map[string]any
		if err := json.Unmarshal([]byte(strings.ReplaceAll(text, "@/", s.base+"/")), &r); err != nil {
			panic(err)
		}
		name := fmt.Sprint(r["resourceType"], "/", r["id"])
		if s.resources[name] == nil {
			s.order = append(s.order, name)
		}
		s.resources[name], s.updated[name] = r, s.now()
	}
}

func (s *source) answer(hook func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = hook
}

func (s *source) revokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

func (s *source) seen(match string) []seenRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []seenRequest
	for _, r := range s.requests {
		if strings.Contains(r.String(), match) {
			list = append(list, r)
		}
	}
	return list
}

func (s *source) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

func (s *source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	s.mu.Lock()
	s.requests = append(s.requests, seenRequest{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get("Authorization"), r.PostForm, s.now()})
	hook := s.hook
	s.mu.Unlock()
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	if hook != nil && hook(w, r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/r3/")
	switch {
	case path == "metadata":
		s.metadata(w)
	case r.URL.Path == "/auth/token":
		s.token(w, r)
	default:
		patient, ok := s.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
		if !ok {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		s.data(w, r, path, patient)
	}
}

func (s *source) metadata(w http.ResponseWriter) {
	rest := map[string]any{"mode": "server", "security": map[string]any{"extension": []any{map[string]any{
		"url": oauthURIs, "extension": []any{map[string]any{"url": "token", "valueUri": s.srv.URL + "/auth/token"}}}}}}
	var list []any
	for _, t := range s.types {
		list = append(list, map[string]any{"type": t, "interaction": []any{map[string]any{"code": "read"}, map[string]any{"code": "search-type"}}})
	}
	if list != nil {
		rest["resource"] = list
	}
	writeJSON(w, map[string]any{"resourceType": "CapabilityStatement", "fhirVersion": "3.0.1", "rest": []any{rest}})
}

func (s *source) token(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.PostForm.Get("grant_type") != "client_credentials" || r.Header.Get("Authorization") != "Bearer "+sourceJWT {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_request"}`))
		return
	}
	patient := s.patient
	if p, ok := s.patients[r.PostForm.Get("scope")]; ok {
		patient = p
	}
	tok := "urn:oauth:" + uuid.NewString()
	s.tokens[tok] = patient
	writeJSON(w, map[string]any{"access_token": tok, "token_type": "Bearer", "expires_in": s.life, "scope": s.scope, "patient": patient})
}

func (s *source) data(w http.ResponseWriter, r *http.Request, path, patient string) {
	if strings.Contains(path, "/") {
		res := s.resources[path]
		if res == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		writeJSON(w, s.shown(path))
		return
	}
	q := r.URL.Query()
	var names []string
	for _, name := range s.order {
		res := s.resources[name]
		if res["resourceType"] != path || !s.ofPatient(res, q) || !coded(res["category"], q.Get("category")) || !coded([]any{res["code"]}, strings.TrimPrefix(q.Get("code"), "http://loinc.org|")) {
			continue
		}
		if since, ok := strings.CutPrefix(q.Get("_lastUpdated"), "gt"); ok {
			at, err := time.Parse(time.RFC3339, since)
			if err != nil || !s.updated[name].After(at) {
				continue
			}
		}
		names = append(names, name)
	}
	sort.Strings(names)
	from, _ := strconv.Atoi(q.Get("_page"))
	to := min(from+s.pageSize, len(names))
	bundle := map[string]any{"resourceType": "Bundle", "type": "searchset", "total": len(names)}
	var entries []any
	for _, name := range names[min(from, to):to] {
		entries = append(entries, map[string]any{"fullUrl": s.base + "/" + name, "resource": s.shown(name), "search": map[string]any{"mode": "match"}})
	}
	if entries != nil {
		bundle["entry"] = entries
	}
	if to < len(names) {
		q.Set("_page", strconv.Itoa(to))
		bundle["link"] = []any{map[string]any{"relation": "next", "url": s.base + "/" + path + "?" + q.Encode()}}
	}
	writeJSON(w, bundle)
}

func (s *source) shown(name string) map[string]any {
	res := map[string]any{}
	for k, v := range s.resources[name] {
		res[k] = v
	}
	meta := map[string]any{"versionId": "7", "lastUpdated": s.updated[name].UTC().Format(time.RFC3339Nano)}
	if m, ok := res["meta"].(map[string]any); ok {
		for k, v := range m {
			meta[k] = v
		}
	}
	res["meta"] = meta
	return res
}

func (s *source) ofPatient(res map[string]any, q url.Values) bool {
	for param, element := range map[string]string{"patient": "subject", "beneficiary": "beneficiary"} {
		want := q.Get(param)
		if want == "" {
			continue
		}
		for _, e := range []string{element, "patient"} {
			if ref, ok := res[e].(map[string]any); ok {
				text := fmt.Sprint(ref["reference"])
				return text == "Patient/"+want || text == s.base+"/Patient/"+want
			}
		}
	}
	return false
}

// coded tells whether some concept has the code; an empty code is no condition.
func coded(concepts any, code string) bool {
	if code == "" {
		return true
	}
	raw, _ := json.Marshal(concepts)
	return strings.Contains(string(raw), `"code":"`+code+`"`)
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/fhir+json;charset=utf-8")
	_ = json.NewEncoder(w).Encode(v)
}

// fill puts a record of every kind for the patient, with labs laboratory results.
func (s *source) fill(patient string, labs int) {
	sub := func(text string) string {
		return strings.NewReplacer("$P", patient).Replace(text)
	}
	for _, r := range []string{
		`{"resourceType":"Patient","id":"$P","identifier":[{"system":"urn:run","value":"$P"}],"generalPractitioner":[{"reference":"Practitioner/gp"}]}`,
		`{"resourceType":"Practitioner","id":"gp","name":[{"family":"Gerritsen"}]}`,
		`{"resourceType":"Observation","id":"$P-smoke","status":"final","category":[{"coding":[{"code":"social-history"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"72166-2"}]},"subject":{"reference":"Patient/$P"},"performer":[{"reference":"Practitioner/gp"}]}`,
		`{"resourceType":"Observation","id":"$P-vital","status":"final","category":[{"coding":[{"code":"vital-signs"}]}],"code":{"text":"pulse"},"subject":{"reference":"@/Patient/$P"},"context":{"reference":"Encounter/$P-e"},"related":[{"type":"derived-from","target":{"reference":"Observation/$P-loose"}}],"contained":[{"resourceType":"Device","id":"d","patient":{"reference":"Patient/$P"}}],"device":{"reference":"#d"}}`,
		`{"resourceType":"Observation","id":"$P-loose","status":"final","code":{"text":"in no category"},"subject":{"reference":"Patient/$P"},"related":[{"type":"has-member","target":{"reference":"Observation/$P-vital"}}]}`,
		`{"resourceType":"Encounter","id":"$P-e","status":"finished","subject":{"reference":"Patient/$P"},"participant":[{"individual":{"reference":"Practitioner/gp"}}],"location":[{"location":{"reference":"Location/ward"}}],"diagnosis":[{"condition":{"reference":"Condition/$P-c"}}]}`,
		`{"resourceType":"Location","id":"ward","managingOrganization":{"reference":"Organization/hospital"},"partOf":{"reference":"Location/house"}}`,
		`{"resourceType":"Location","id":"house","partOf":{"reference":"Location/ward"}}`,
		`{"resourceType":"Organization","id":"hospital","name":"Hôpital 病院"}`,
		`{"resourceType":"Condition","id":"$P-c","clinicalStatus":"active","subject":{"reference":"Patient/$P"},"context":{"reference":"Encounter/$P-e/_history/3"},"asserter":{"reference":"Practitioner/away"}}`,
		`{"resourceType":"MedicationRequest","id":"$P-m","status":"active","intent":"order","medicationReference":{"reference":"Medication/aspirin"},"subject":{"reference":"Patient/$P"},"reasonReference":[{"reference":"Condition/$P-c"}],"recorder":{"reference":"http://elsewhere.example/r3/Practitioner/x"}}`,
		`{"resourceType":"Medication","id":"aspirin","code":{"text":"aspirin"}}`,
		`{"resourceType":"DocumentReference","id":"$P-d","status":"current","type":{"text":"letter"},"indexed":"2017-09-01T10:00:00Z","subject":{"reference":"Patient/$P"},"content":[{"attachment":{"contentType":"text/plain","url":"Binary/$P-b"}}]}`,
		`{"resourceType":"Binary","id":"$P-b","contentType":"text/plain","content":"aGVsbG8="}`,
		`{"resourceType":"Coverage","id":"$P-cov","beneficiary":{"reference":"Patient/$P"}}`,
		`{"resourceType":"Immunization","id":"$P-i","status":"completed","notGiven":false,"vaccineCode":{"text":"flu"},"patient":{"reference":"Patient/$P"},"primarySource":true}`,
	} {
		s.put(sub(r))
	}
	for i := range labs {
		s.put(sub(fmt.Sprintf(`{"resourceType":"Observation","id":"$P-lab-%04d","status":"final","category":[{"coding":[{"code":"laboratory"}]}],"code":{"text":"lab"},"subject":{"reference":"Patient/$P"},"performer":[{"reference":"Practitioner/gp"}],"valueQuantity":{"value":%d}}`, i, i)))
	}
}
