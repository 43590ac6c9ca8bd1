package acme

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Server is the system. mu guards all of its maps.
type Server struct {
	Config
	defs   *definitions
	key    crypto.Signer
	iss    string
	client *http.Client

	mu       sync.Mutex
	journal  *journal
	held     map[string]map[string]any  // resources, by Type/id
	byType   map[string][]string        // their keys, as they were made
	records  map[string]map[string]bool // by patient: the keys of the record
	kept     map[string]bool            // Type/id that a copy has, or is to have
	gone     map[string]bool
	grants   map[string]*grant      // authorizations
	tokens   map[string]*access     // access tokens
	cursors  map[string]*cursor     // pages to come
	sets     map[string]*keySet     // key sets that were fetched
	links    map[string]*connection // the target's connections
	origins  map[string]*original   // what was copied, by its URL at the source
	signIns  signIns
	issued   map[string]issued // JWTs by their sub
	registry map[string]any    // defect: the CAVS's answers, kept

	stop context.CancelFunc
	ctx  context.Context
}

// New makes a server; its journal is read, and its connections go on.
func New(cfg Config) (*Server, error) {
	defs, err := readDefinitions(cfg.Definitions)
	if err != nil {
		return nil, err
	}
	s := &Server{Config: cfg, defs: defs, held: map[string]map[string]any{}, byType: map[string][]string{}, records: map[string]map[string]bool{}, kept: map[string]bool{}, gone: map[string]bool{}, grants: map[string]*grant{},
		tokens: map[string]*access{}, cursors: map[string]*cursor{}, sets: map[string]*keySet{}, links: map[string]*connection{},
		origins: map[string]*original{}, registry: map[string]any{}, issued: map[string]issued{}, signIns: newSignIns()}
	s.client = &http.Client{Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	s.ctx, s.stop = context.WithCancel(context.Background())
	if err := s.restore(); err != nil {
		return nil, err
	}
	return s, nil
}

// Serve serves until the context ends.
func (s *Server) Serve(ctx context.Context) error {
	l, err := net.Listen("tcp", s.Addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	s.mu.Lock()
	for _, c := range s.links {
		go s.carry(c)
	}
	s.mu.Unlock()
	ended := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer ended()
	defer s.stop()
	if s.Certificate != "" {
		err = server.ServeTLS(l, s.Certificate, s.Key)
	} else {
		err = server.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}

func (s *Server) bug(name string) bool { return s.Defect == name }

func (s *Server) base() string { return s.Root + s.Style.FHIR }

// problem is an error with what is told of it.
type problem struct {
	status int
	code   string // of an OperationOutcome's issue, or OAuth's error
	text   string
	names  string // the parameter that is wrong
}

func (p *problem) Error() string { return p.text }

func wrong(status int, format string, args ...any) *problem {
	code := map[int]string{400: "invalid", 401: "login", 403: "forbidden", 404: "not-found", 405: "not-supported", 406: "not-supported",
		410: "deleted", 413: "too-long", 415: "not-supported", 422: "business-rule", 502: "transient", 503: "transient"}[status]
	if code == "" {
		code = "exception"
	}
	return &problem{status: status, code: code, text: fmt.Sprintf(format, args...)}
}

func bad(name, format string, args ...any) *problem {
	p := wrong(http.StatusBadRequest, format, args...)
	p.names = name
	return p
}

// call is a request on its way.
type call struct {
	*http.Request
	w    http.ResponseWriter
	who  caller
	xml  bool
	path string // below the FHIR base
}

const maxBody = 4 << 20

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{Request: r, w: w}
	w.Header().Set("Server", "Acme/4.2")
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	path := r.URL.Path
	var err error
	write := s.fhirError
	switch {
	case path == s.Style.Token:
		write, err = s.oauthError, s.token(c)
	case path == s.Style.CAVS:
		write, err = s.cavsError, s.cavs(c)
	case path == s.Style.Keys:
		err = s.keys(c)
	case path == s.Style.FHIR+"/.well-known/smart-configuration":
		err = s.smart(c)
	case strings.HasPrefix(path, "/person/"):
		write, err = s.pageError, s.person(c)
	case path == s.Style.FHIR || strings.HasPrefix(path, s.Style.FHIR+"/"):
		c.path = strings.Trim(strings.TrimPrefix(path, s.Style.FHIR), "/")
		err = s.fhir(c)
	default:
		err = wrong(http.StatusNotFound, "nothing is here")
	}
	if err == nil {
		return
	}
	var p *problem
	if !errors.As(err, &p) {
		p = wrong(http.StatusInternalServerError, "an error of our own")
		log.Print(err)
	}
	write(c, p)
}

func (s *Server) fhirError(c *call, p *problem) {
	status := p.status
	if s.Style.Reference && strings.Contains(c.path, "$") && !strings.HasSuffix(c.path, "$connect") && status < 500 && status != 401 {
		status = http.StatusInternalServerError
	}
	if status == http.StatusUnauthorized && !s.bug("no-www-authenticate") {
		c.w.Header().Set("WWW-Authenticate", `Bearer realm="acme"`)
	}
	issue := map[string]any{"severity": "error", "code": p.code}
	switch {
	case p.names != "" && s.bug("wrong-name"):
		issue["diagnostics"] = "A parameter is wrong."
	case p.names != "" && s.Style.PostsParameters:
		issue["expression"] = []any{"Parameters.parameter.where(name='" + p.names + "')"}
		issue["details"] = map[string]any{"text": p.text}
	default:
		issue["diagnostics"] = strings.TrimSpace(p.names + " " + p.text)
	}
	s.give(c, status, map[string]any{"resourceType": "OperationOutcome", "issue": []any{issue}})
}

// give answers a resource in the form that was asked for.
func (s *Server) give(c *call, status int, o map[string]any) {
	media, body := "application/fhir+json", printJSON
	if c.xml {
		media, body = "application/fhir+xml", func(any) []byte { return s.defs.printXML(o) }
	}
	if !s.Style.NeverCharset {
		media += ";charset=UTF-8"
	}
	c.w.Header().Set("Content-Type", media)
	c.w.WriteHeader(status)
	if c.Method != http.MethodHead {
		_, _ = c.w.Write(body(o))
	}
}

func giveJSON(c *call, status int, v any) {
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(status)
	_ = json.NewEncoder(c.w).Encode(v) // the caller may have gone
}

var xmlNames = map[string]bool{"xml": true, "application/fhir+xml": true, "application/xml+fhir": true, "application/xml": true, "text/xml": true}
var jsonNames = map[string]bool{"json": true, "application/fhir+json": true, "application/json+fhir": true, "application/json": true, "text/json": true}

// negotiate says whether XML is wanted.
func negotiate(r *http.Request) (asXML bool, err error) {
	if f := strings.ReplaceAll(r.URL.Query().Get("_format"), " ", "+"); f != "" {
		name, _, _ := strings.Cut(f, ";")
		if !xmlNames[name] && !jsonNames[name] {
			return false, wrong(http.StatusNotAcceptable, "_format is none that is spoken here")
		}
		return xmlNames[name], nil
	}
	accept := strings.Join(r.Header.Values("Accept"), ",")
	if accept == "" {
		return false, nil
	}
	best, found := 0.0, false
	for part := range strings.SplitSeq(accept, ",") {
		name, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if text := params["q"]; text != "" {
			_, _ = fmt.Sscan(text, &q)
		}
		isJSON := jsonNames[name] || name == "*/*" || name == "application/*"
		if (isJSON || xmlNames[name]) && q > best {
			best, found, asXML = q, true, !isJSON
		}
	}
	if !found {
		return false, wrong(http.StatusNotAcceptable, "the server speaks FHIR's JSON and XML")
	}
	return asXML, nil
}

func (c *call) body() ([]byte, error) {
	text, err := io.ReadAll(c.Body)
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, wrong(http.StatusRequestEntityTooLarge, "the body has more than %d bytes", maxBody)
	}
	if err != nil {
		return nil, wrong(http.StatusBadRequest, "the body can't be read")
	}
	return text, nil
}

// resource reads the body as a resource of a type.
func (s *Server) resource(c *call, typ string) (map[string]any, error) {
	media, _, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if err != nil || !xmlNames[media] && !jsonNames[media] || xmlNames[media] && s.bug("no-xml") {
		return nil, wrong(http.StatusUnsupportedMediaType, "the Content-Type is not FHIR's")
	}
	text, err := c.body()
	if err != nil {
		return nil, err
	}
	var o map[string]any
	if xmlNames[media] {
		o, err = s.defs.parseXML(text)
	} else {
		o, err = parseJSON(text)
	}
	if err == nil {
		err = s.defs.check(o)
	}
	if err != nil {
		if s.bug("malformed-500") {
			return nil, fmt.Errorf("parse: %w", err)
		}
		return nil, wrong(http.StatusBadRequest, "%s", err)
	}
	if o["resourceType"] != typ {
		return nil, wrong(http.StatusBadRequest, "a %s is needed", typ)
	}
	return o, nil
}

// form reads a form; a broken one is an error.
func (c *call) form() (url.Values, error) {
	media, _, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return nil, wrong(http.StatusUnsupportedMediaType, "a form is needed")
	}
	text, err := c.body()
	if err != nil {
		return nil, err
	}
	v, err := url.ParseQuery(string(text))
	if err != nil {
		return nil, wrong(http.StatusBadRequest, "the form can't be read")
	}
	return v, nil
}

// inputs reads a form or Parameters as lists of texts.
func (s *Server) inputs(c *call) (url.Values, error) {
	media, _, _ := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if media == "application/x-www-form-urlencoded" {
		return c.form()
	}
	o, err := s.resource(c, "Parameters")
	if err != nil {
		return nil, err
	}
	v := url.Values{}
	for _, p := range objects(o["parameter"]) {
		v.Add(text(p["name"]), primitive(p))
	}
	return v, nil
}

// primitive is a parameter's value as text, whatever its type.
func primitive(p map[string]any) string {
	for name, v := range p {
		if strings.HasPrefix(name, "value") {
			if _, complex := v.(map[string]any); !complex && v != nil {
				return fmt.Sprint(v)
			}
		}
	}
	return ""
}

func text(v any) string { s, _ := v.(string); return s }

func object(v any) map[string]any { o, _ := v.(map[string]any); return o }

func objects(v any) []map[string]any {
	list, _ := v.([]any)
	out := make([]map[string]any, 0, len(list))
	for _, one := range list {
		if o := object(one); o != nil {
			out = append(out, o)
		}
	}
	return out
}
