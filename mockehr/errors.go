package mockehr

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/oauth"
	"example.org/ccde/mockehr/store"
)

// handler is an HTTP handler that returns what went wrong instead of writing
// it; the family it is mounted in writes it (errors.go is the only writer).
type handler func(w http.ResponseWriter, r *http.Request) error

// httpError is a refusal of the HTTP layer itself, before any rule of the
// protocol is asked: body too large, unknown media type, malformed syntax.
type httpError struct {
	status    int
	code      string // FHIR issue-type
	message   string
	malformed bool // dialect test.fhir.org answers malformed input with 500
	headers   map[string]string
	issues    []fhir.Issue // instead of message, where there are several
}

func (e *httpError) Error() string { return e.message }

func malformed(message string) *httpError {
	return &httpError{status: http.StatusBadRequest, code: "structure", message: message, malformed: true}
}

// family says how the errors of a group of endpoints are told.
type family int

const (
	rest      family = iota // FHIR interactions: OperationOutcome
	operation               // FHIR operations and create of a Consent: OperationOutcome, 500 in dialect test.fhir.org
	connect                 // $connect: OperationOutcome, always 400
	token                   // token endpoint: RFC 6749 5.2
	cavsCall                // CAVS: its own JSON
	pageCall                // sign-in: a page, or back to the application (RFC 6749 4.1.2.1)
)

// serve mounts h in a family.
func (s *Server) serve(f family, h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.writeError(w, r, f, err)
		}
	}
}

// problem is an error as it will be told.
type problem struct {
	status     int
	issues     []fhir.Issue
	oauth      string // RFC 6749 5.2 error code
	message    string
	headers    map[string]string
	operation  bool // an error of an operation (dialect: 500)
	fromSyntax bool // malformed input (dialect: 500)
}

func (s *Server) problemOf(ctx context.Context, err error) problem {
	var entry *entryError
	if errors.As(err, &entry) {
		p := s.problemOf(ctx, entry.err)
		p.issues, p.message = entry.located(p.issues), entry.where()+": "+p.message
		return p
	}
	var (
		refusal  *check.Refusal
		httpErr  *httpError
		oauthErr *oauth.Error
		search   *store.SearchError
		syntax   *fhir.SyntaxError
		tooLarge *http.MaxBytesError
	)
	simple := func(status int, code, oauthCode, message string) problem {
		return problem{status: status, oauth: oauthCode, message: message,
			issues: []fhir.Issue{{Severity: "error", Code: code, Diagnostics: message}}}
	}
	switch {
	case errors.As(err, &tooLarge):
		p := simple(http.StatusRequestEntityTooLarge, "too-long", "invalid_request",
			"the body is larger than the limit of "+strconv.FormatInt(tooLarge.Limit, 10)+" bytes")
		p.headers = map[string]string{"Connection": "close"}
		return p
	case errors.As(err, &oauthErr):
		p := simple(oauthErr.Status, "processing", oauthErr.Code, oauthErr.Description)
		p.operation = true
		if oauthErr.Status == http.StatusUnauthorized {
			p.headers = map[string]string{"WWW-Authenticate": oauthErr.Challenge(s.cfg.Name)}
		}
		return p
	case errors.As(err, &refusal):
		p := simple(refusal.Status, refusal.Code, "invalid_request", refusal.Message)
		if refusal.Expression != "" {
			p.issues[0].Expression = []string{refusal.Expression}
		}
		p.operation = refusal.Status != http.StatusUnauthorized && refusal.Status != http.StatusForbidden
		if refusal.Status == http.StatusUnauthorized {
			p.headers = map[string]string{"WWW-Authenticate": `Bearer realm="` + s.cfg.Name + `"`}
		}
		return p
	case errors.As(err, &httpErr):
		p := simple(httpErr.status, httpErr.code, "invalid_request", httpErr.message)
		p.headers, p.fromSyntax = httpErr.headers, httpErr.malformed
		if len(httpErr.issues) > 0 {
			p.issues = httpErr.issues
		}
		return p
	case errors.As(err, &search):
		return simple(http.StatusBadRequest, "invalid", "invalid_request", search.Error())
	case errors.As(err, &syntax):
		p := simple(http.StatusBadRequest, "structure", "invalid_request", syntax.Error())
		p.fromSyntax = true
		return p
	case errors.Is(err, store.ErrNotFound):
		return simple(http.StatusNotFound, "not-found", "invalid_request", err.Error())
	case ctx.Err() != nil:
		return simple(http.StatusServiceUnavailable, "timeout", "temporarily_unavailable", "the request was given up before it was done")
	default:
		return simple(http.StatusInternalServerError, "exception", "server_error", "an internal error; the node's log has it")
	}
}

// told is an error as the dialect tells it in a family.
func (s *Server) told(ctx context.Context, f family, err error) problem {
	p := s.problemOf(ctx, err)
	if p.status == http.StatusInternalServerError {
		s.log.LogAttrs(ctx, slog.LevelError, "internal error", slog.String("error", err.Error()))
	}
	if f == connect && p.status == http.StatusUnprocessableEntity {
		p.status = http.StatusBadRequest // protocol 1.6: anything wrong is 400
	}
	if s.checks.Dialect() == check.TestFHIR {
		p.status = looseStatus(f, p)
	}
	p.message = printable(p.message)
	for i, issue := range p.issues {
		p.issues[i].Diagnostics = printable(issue.Diagnostics)
		for j, expression := range issue.Expression {
			issue.Expression[j] = printable(expression)
		}
	}
	return p
}

// printable is a message as it can be written in JSON and in XML, whatever of a
// request it quotes.
func printable(text string) string {
	const most = 2000
	if len(text) > most {
		text = text[:most] + ".."
	}
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) && r != '\n' && r != '\t' || r == 0xFFFE || r == 0xFFFF {
			return '?'
		}
		return r
	}, text)
}

func (s *Server) writeError(w http.ResponseWriter, r *http.Request, f family, err error) {
	p := s.told(r.Context(), f, err)
	for name, value := range p.headers {
		w.Header().Set(name, value)
	}
	switch f {
	case token:
		writeOAuthError(w, p)
	case pageCall:
		s.writePageError(w, p, err)
	case cavsCall:
		writeJSON(w, p.status, map[string]any{"status": "invalid", "message": p.message})
	default:
		s.writeResource(w, r, p.status, fhir.Outcome(p.issues...))
	}
}

// looseStatus is the status in dialect test.fhir.org (protocol 2): 500 for
// errors of operations and of the token endpoint and for malformed input;
// $connect keeps its 400. What is no error of either stays what it is, a body
// over the limit among it.
func looseStatus(f family, p problem) int {
	switch {
	case p.status == http.StatusRequestEntityTooLarge:
		return p.status
	case f == connect && p.status < 500:
		return http.StatusBadRequest
	case f == token && p.operation:
		return http.StatusInternalServerError
	case f == operation && p.operation, p.fromSyntax:
		return http.StatusInternalServerError
	}
	return p.status
}

// writeOAuthError answers as RFC 6749 5.2.
func writeOAuthError(w http.ResponseWriter, p problem) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	writeJSON(w, p.status, map[string]any{"error": p.oauth, "error_description": p.message})
}

// writeJSON answers a small JSON value.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // only maps and structs of this package come here
		http.Error(w, "an internal error", http.StatusInternalServerError)
		return
	}
	writeBytes(w, status, "application/json", body)
}

func writeBytes(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client that went away is nobody to tell
}
