package steps

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"example.org/ccde/mockehr/control"
	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/reports"
	"example.org/ccde/steps/judge"
)

// seen is a request that a mock received from somebody else than the harness,
// or sent.
type seen struct {
	control.Exchange
	at   *node
	page bool // its URL is the next link of an answer before it, wherever at the source's origin that is
}

// received is all that others than the harness asked of a node.
func (w *world) received(ctx context.Context, n *node) ([]seen, error) {
	if n.outside != nil {
		return w.askedOutside(ctx, n)
	}
	return w.history(ctx, n, control.Received)
}

// askedOutside is what mocks asked of an outside system, as they saw it themselves.
func (w *world) askedOutside(ctx context.Context, n *node) ([]seen, error) {
	var out []seen
	if _, err := w.tokenEndpoint(ctx, n); err != nil {
		return nil, err
	}
	for _, mock := range w.nodes {
		if mock.control == nil {
			continue
		}
		all, err := w.history(ctx, mock, control.Sent)
		if err != nil {
			return nil, err
		}
		for _, e := range all {
			out = append(out, seen{Exchange: e.Exchange, at: n})
		}
	}
	if out == nil && w.cluster == nil {
		return nil, w.beyond(n.title() + " is an outside system; nobody sees what it receives")
	}
	slices.SortStableFunc(out, func(a, b seen) int { return a.Real.Compare(b.Real) })
	markPages(out)
	return slices.DeleteFunc(out, func(e seen) bool {
		return !e.page && w.nameOf(e.URL) != n.name && (n.token == "" || !strings.HasPrefix(e.URL, n.token))
	}), nil
}

// markPages marks the requests for a next page that are not below the FHIR base:
// a source may have them anywhere (FHIR 2.21.1.4, next links are opaque).
func markPages(all []seen) {
	elsewhere := func(e seen) bool {
		_, below := e.below()
		return !below && e.at.fhir != "" && sameOrigin(e.URL, e.at.fhir)
	}
	if !slices.ContainsFunc(all, elsewhere) {
		return
	}
	var next []string
	for i, e := range all {
		all[i].page = elsewhere(e) && slices.ContainsFunc(next, func(link string) bool { return sameURL(link, e.URL) })
		if link := nextLink(e.body(), e.URL); link != "" {
			next = append(next, link)
		}
	}
}

func sameOrigin(a, b string) bool {
	u, err := url.Parse(a)
	if err != nil {
		return false
	}
	v, err := url.Parse(b)
	return err == nil && strings.EqualFold(u.Scheme, v.Scheme) && strings.EqualFold(u.Host, v.Host)
}

func (w *world) history(ctx context.Context, n *node, side string) ([]seen, error) {
	if n.control == nil {
		return nil, w.beyond(n.title() + " is an outside system; nobody sees what it receives")
	}
	all, err := n.control.History(ctx, control.HistoryQuery{Side: side, NotBy: judge.UserAgent})
	if err != nil {
		return nil, fmt.Errorf("the history of %s: %w", n.title(), err)
	}
	var out []seen
	for _, e := range all {
		if one := (seen{Exchange: e, at: n}); !w.ofThePast(one) {
			out = append(out, one)
		}
	}
	markPages(out)
	return out, nil
}

// ofThePast says that an outside system asks for the sake of a scenario that is over.
func (w *world) ofThePast(e seen) bool {
	for _, secret := range []string{e.bearer(), e.form().Get("scope")} {
		if _, spent := w.env.spent.Load(secret); spent && secret != "" {
			return true
		}
	}
	return false
}

func header(h control.Header, name string) []string {
	for n, values := range h {
		if strings.EqualFold(n, name) {
			return values
		}
	}
	return nil
}

func (s seen) parsed() *url.URL {
	u, err := url.Parse(s.URL)
	if err != nil {
		return &url.URL{}
	}
	return u
}

// below is the request's path below the node's FHIR base; ok says that it is below.
func (s seen) below() (path string, ok bool) {
	base, err := url.Parse(s.at.fhir)
	if err != nil {
		return "", false
	}
	path, ok = strings.CutPrefix(s.parsed().Path, base.Path+"/")
	return path, ok
}

// asked is that path, of a search by POST as of the GET that it stands for.
func (s seen) asked() string {
	path, _ := s.below()
	return strings.TrimSuffix(path, "/_search")
}

// matches says whether the request is for a path below the node's root, such as
// /r3/Condition, and has the parameter that stands behind a question mark.
func (s seen) matches(path string) bool {
	m := matchOf(path)
	for name := range m.Query {
		if !s.query().Has(name) {
			return false
		}
	}
	asked := s.parsed().Path
	if s.Method == http.MethodPost {
		asked = strings.TrimSuffix(asked, "/_search")
	}
	if before, found := strings.CutSuffix(m.Path, "/*"); found {
		dir, _, _ := cutLast(asked, "/")
		return strings.HasSuffix(dir, before)
	}
	return strings.HasSuffix(asked, m.Path)
}

func (s seen) isToken() bool {
	return strings.Contains(s.RequestBody.Text, "grant_type=") || strings.Contains(s.parsed().RawQuery, "grant_type=")
}

// isData says that the request is for the record: not for metadata, nor an operation.
func (s seen) isData() bool {
	path, ok := s.below()
	return s.page || ok && path != "metadata" && !strings.HasPrefix(path, ".well-known") && !strings.HasPrefix(path, "$") && !strings.Contains(path, "/$")
}

func (s seen) bearer() string {
	for _, v := range header(s.RequestHeader, "Authorization") {
		if scheme, token, ok := strings.Cut(v, " "); ok && strings.EqualFold(scheme, "Bearer") {
			return strings.TrimSpace(token)
		}
	}
	return ""
}

func (s seen) form() url.Values {
	v, _ := url.ParseQuery(s.RequestBody.Text) // what can't be read is not there
	return v
}

// query is the search's parameters, also of a search by POST.
func (s seen) query() url.Values {
	v := s.parsed().Query()
	if s.Method == "POST" {
		for name, values := range s.form() {
			v[name] = append(v[name], values...)
		}
	}
	return v
}

func (s seen) body() *fhir.Object {
	if s.ResponseBody.Base64 || s.ResponseBody.Truncated {
		return nil
	}
	o, err := fhir.ParseJSON([]byte(s.ResponseBody.Text))
	if err != nil {
		return nil
	}
	return o
}

// say tells of a request in a few words.
func (s seen) say() string { return fmt.Sprintf("%s %s (%d)", s.Method, s.URL, s.Status) }

// about names what the next finding is about, as a mock saw it.
func (w *world) about(all ...seen) {
	out := make([]reports.Exchange, 0, len(all))
	for _, e := range all {
		out = append(out, reports.Exchange{Method: e.Method, URL: e.URL, At: e.Real})
	}
	w.rec.AboutSeen(out...)
}

// failAt records a finding about what a mock saw.
func (w *world) failAt(e seen, id, expected, found string) error {
	w.about(e)
	return w.rec.Fail(id, expected, found)
}

// shows keeps what shows that a requirement was met, should the scenario pass.
func (w *world) shows(id string, all ...seen) {
	if w.shown == nil {
		w.shown = map[string][]seen{}
	}
	w.shown[id] = append(w.shown[id], all...)
}

// passageRequests is what the source saw of one passage: the token requests with
// its authorization, and the requests for data with what those gave.
func (w *world) passageRequests(ctx context.Context, f *passage) (tokens, data []seen, err error) {
	all, err := w.received(ctx, f.source)
	if err != nil {
		return nil, nil, err
	}
	issued := map[string]bool{}
	for _, t := range f.tokens {
		issued[t] = true // also one whose request is no longer in the history, which has an end
	}
	for _, e := range all {
		if e.isToken() && e.form().Get("scope") == f.authorization {
			tokens = append(tokens, e)
			var answer struct {
				Access string `json:"access_token"`
			}
			if json.Unmarshal([]byte(e.ResponseBody.Text), &answer) == nil && answer.Access != "" {
				issued[answer.Access] = true
				w.rec.Secret("token", answer.Access)
				if !slices.Contains(f.tokens, answer.Access) {
					f.tokens = append(f.tokens, answer.Access)
				}
			}
		}
	}
	for _, e := range all {
		if e.isData() && (issued[e.bearer()] || e.bearer() == "" && w.alone(f)) {
			data = append(data, e)
		}
	}
	return tokens, data, nil
}

// alone says that no other passage has this source.
func (w *world) alone(f *passage) bool {
	for _, other := range w.flows {
		if other != f && other.source == f.source && other.target != nil {
			return false
		}
	}
	return true
}

// keepHistory puts what mocks sent, and what outside systems sent to mocks, into
// the record, for the report.
func (w *world) keepHistory(ctx context.Context) {
	if w.cluster == nil {
		return
	}
	sent := map[string]int{}
	var received []seen
	q := control.HistoryQuery{NotBy: judge.UserAgent}
	if w.ours() {
		q.Side = control.Sent // what one mock received another one sent
	}
	for _, played := range w.cluster.Nodes() {
		all, err := played.Control.History(ctx, q)
		if err != nil {
			continue // a node that was killed tells nothing any more
		}
		n := &node{name: played.Name, fhir: played.FHIR}
		for _, e := range all {
			if e.Side == control.Received {
				received = append(received, seen{Exchange: e, at: n})
				continue
			}
			sent[e.Method+" "+e.URL]++
			w.rec.Add(exchange(e, played.Name, w.nameOf(e.URL)))
		}
	}
	for _, e := range received {
		if key := e.Method + " " + e.URL; sent[key] > 0 {
			sent[key]--
			continue
		}
		w.rec.Add(exchange(e.Exchange, w.outsider(), e.at.name))
	}
}

// outsider is the name of the outside system that calls a mock.
func (w *world) outsider() string {
	if len(w.env.Roles) == 1 {
		for name := range w.env.Roles {
			return name
		}
	}
	return "outside"
}

// nameOf is the role that a URL belongs to, its host if to none.
func (w *world) nameOf(text string) string {
	best, length := "", 0
	try := func(name, base string) {
		if root, _, ok := cutLast(base, "/"); ok && strings.HasPrefix(text, root+"/") && len(root) > length {
			best, length = name, len(root)
		}
	}
	if w.cluster != nil {
		for _, n := range w.cluster.Nodes() {
			try(n.Name, n.FHIR)
		}
	}
	for name, r := range w.env.Roles {
		try(name, r.FHIR)
	}
	if best == "" {
		if u, err := url.Parse(text); err == nil {
			return u.Host
		}
	}
	return best
}

func exchange(e control.Exchange, from, to string) reports.Exchange {
	return reports.Exchange{At: e.Real, From: from, To: to, Method: e.Method, URL: e.URL,
		RequestHeaders: pairs(e.RequestHeader), RequestBody: bodyText(e.RequestBody), Status: e.Status,
		ResponseHeaders: pairs(e.ResponseHeader), ResponseBody: bodyText(e.ResponseBody),
		DurationMS: float64(e.Took) / 1e6, Error: e.Error}
}

func pairs(h control.Header) [][2]string {
	var out [][2]string
	for name, values := range h {
		for _, v := range values {
			out = append(out, [2]string{name, v})
		}
	}
	slices.SortFunc(out, func(a, b [2]string) int { return strings.Compare(a[0]+a[1], b[0]+b[1]) })
	return out
}

func bodyText(b control.Body) string {
	if b.Base64 {
		return fmt.Sprintf("(%d bytes that are no text)", b.Size)
	}
	if b.Truncated {
		return b.Text + fmt.Sprintf("\n... of %d bytes", b.Size)
	}
	return b.Text
}
