package mockehr

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"example.org/ccde/mockehr/oauth"
)

//go:embed pages
var pageFiles embed.FS

// page is what the templates in pages/ show; each uses a part of it.
type page struct {
	Node        string // the name of this EHR
	Style       template.CSS
	Title       string // of a message
	Error, Done string // what went wrong, what was done
	Application string
	Action      string // where the form goes
	Form        string // its token
	User        string
	Patients    []patientText
	More        bool // there are patients beside those listed
	Patient     patientText
	Asks        []string // what the application may do, in plain words
	Until       string
	Opinion     opinionText
	Redirect    string
	Grants      []grantText
	RevokeAction,
	LeaveAction string
}

// pages are the parsed templates, by name.
type pages struct {
	byName map[string]*template.Template
	style  template.CSS
	policy string // the style-src of the Content-Security-Policy
}

func parsePages() (pages, error) {
	style, err := pageFiles.ReadFile("pages/style.css")
	if err != nil {
		return pages{}, err
	}
	sum := sha256.Sum256(style)
	p := pages{byName: map[string]*template.Template{}, style: template.CSS(style),
		policy: "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"}
	for _, name := range []string{"sign-in", "patient", "approval", "grants", "message"} {
		p.byName[name], err = template.ParseFS(pageFiles, "pages/layout.html", "pages/"+name+".html")
		if err != nil {
			return pages{}, err
		}
	}
	return p, nil
}

// show answers with a page. leadsTo is a URI that an answer to the page's form
// may redirect to, "" if it never leaves this node.
func (s *Server) show(w http.ResponseWriter, status int, name string, p page, leadsTo string) error {
	p.Node, p.Style = "Mock EHR "+s.cfg.Name, s.pages.style
	var body bytes.Buffer // an error in the middle must not leave half a page
	if err := s.pages.byName[name].ExecuteTemplate(&body, "layout.html", p); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	s.guardPage(w.Header(), leadsTo)
	writeBytes(w, status, "text/html; charset=utf-8", body.Bytes())
	return nil
}

// guardPage sets the headers that every page and every redirect between pages
// has: nothing is loaded, framed, kept or told to others.
func (s *Server) guardPage(h http.Header, leadsTo string) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src "+s.pages.policy+
		"; form-action 'self'"+alsoTo(leadsTo)+"; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Frame-Options", "DENY") // for browsers that don't know frame-ancestors
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
}

// alsoTo lets a form's answer redirect to where uri leads: Chromium holds
// redirects to form-action too, and those that the application makes from its
// redirect_uri on, so a host would be too narrow.
func alsoTo(uri string) string {
	scheme, _, ok := strings.Cut(uri, ":")
	if !ok {
		return ""
	}
	return " " + scheme + ":"
}

// goTo redirects within the pages, after a POST.
func (s *Server) goTo(w http.ResponseWriter, path string) {
	s.guardPage(w.Header(), "")
	w.Header().Set("Location", path)
	w.WriteHeader(http.StatusSeeOther)
}

// sendBack redirects to the application (RFC 6749 4.1.2).
func (s *Server) sendBack(w http.ResponseWriter, location string) {
	s.guardPage(w.Header(), location)
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusFound)
}

// writePageError is the writer of the family page: an error of an authorization
// request goes back to the application where it can, else a page says it.
func (s *Server) writePageError(w http.ResponseWriter, p problem, err error) {
	if back := (*oauth.SentBack)(nil); errors.As(err, &back) {
		s.sendBack(w, back.Location)
		return
	}
	if err := s.show(w, p.status, "message", page{Title: "This can't go on", Error: p.message}, ""); err != nil {
		s.log.Error("a page can't be shown", "error", err.Error())
		http.Error(w, "an internal error", http.StatusInternalServerError)
	}
}

// showAgain shows a page once more, with what was wrong with the answer to it;
// any other error is returned.
func (s *Server) showAgain(w http.ResponseWriter, name string, p page, leadsTo string, err error) error {
	var bad *oauth.AnswerError
	if !errors.As(err, &bad) {
		return err
	}
	if bad.Wait > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64(math.Ceil(bad.Wait.Seconds())), 10))
	}
	p.Error = bad.Message
	return s.show(w, bad.Status, name, p, leadsTo)
}

// authPath is a path below the token service, as a link in a page has it.
func (s *Server) authPath(path string) string { return prefixOf(s.cfg.Root) + "/auth" + path }

// cookie is a cookie for the pages below path; life 0 takes it away.
func (s *Server) cookie(w http.ResponseWriter, name, value, path string, life time.Duration) {
	age := int(life / time.Second)
	if age <= 0 {
		age = -1
	}
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: s.authPath(path), MaxAge: age,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(s.cfg.Root, "https:")})
}

// methods refuses a method that a page doesn't take.
func methods(r *http.Request, allowed ...string) error {
	for _, m := range allowed {
		if r.Method == m {
			return nil
		}
	}
	return &httpError{status: http.StatusMethodNotAllowed, code: "not-supported", message: r.Method + " is not taken at " + r.URL.Path,
		headers: map[string]string{"Allow": strings.Join(allowed, ", ")}}
}
