package mockehr

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gorilla/mux"

	"example.org/ccde/mockehr/oauth"
)

// The pages of an authorization request (protocol 1.8), in this order. A POST
// is answered by a redirect to the next one, so that reload and back do no harm.
const (
	stepSignIn   = "sign-in"
	stepPatient  = "patient"
	stepApproval = "approval"
)

// beginSignIn answers GET and POST [root]/auth/authorize (RFC 6749 3.1): it
// checks the application's request and shows the page to sign in.
func (s *Server) beginSignIn(w http.ResponseWriter, r *http.Request) error {
	if err := methods(r, http.MethodGet, http.MethodPost); err != nil {
		return err
	}
	text := r.URL.RawQuery
	if r.Method == http.MethodPost {
		var err error
		if text, err = readFormText(w, r); err != nil {
			return err
		}
	}
	request, err := s.signIn.ReadRequest(r.Context(), oauth.ParseQuery(text))
	if err != nil {
		return err
	}
	v, err := s.signIn.Begin(r.Context(), &request)
	if err != nil {
		return err
	}
	s.keepVisit(w, v)
	return s.show(w, http.StatusOK, stepSignIn, s.stepPage(v, stepSignIn), "")
}

// visitCookie is the name of a visit's cookie. Each request has its own, so that
// two of them in one browser don't get into each other's way.
func visitCookie(id string) string { return "sign-in-" + id }

const authorizePath = "/authorize"

func (s *Server) keepVisit(w http.ResponseWriter, v oauth.Visit) {
	s.cookie(w, visitCookie(v.ID), v.Secret, authorizePath, v.Expires.Sub(s.clock.Now()))
}

// stepPath is the path of a page of a visit.
func (s *Server) stepPath(v oauth.Visit, step string) string {
	return s.authPath(authorizePath + "/" + step + "?visit=" + url.QueryEscape(v.ID))
}

// stepPage is what all pages of a visit show.
func (s *Server) stepPage(v oauth.Visit, step string) page {
	return page{Application: applicationText(v.Client), Action: s.stepPath(v, step), Form: v.FormToken(), User: v.User}
}

// signInStep answers GET and POST of the pages of an authorization request.
func (s *Server) signInStep(w http.ResponseWriter, r *http.Request) error {
	if err := methods(r, http.MethodGet, http.MethodPost); err != nil {
		return err
	}
	id := r.URL.Query().Get("visit")
	secret := ""
	if c, err := r.Cookie(visitCookie(id)); err == nil {
		secret = c.Value
	}
	v, err := s.signIn.Visit(r.Context(), id, secret)
	if err != nil {
		return err
	}
	if v.Request == nil {
		return noSuchPath(w, r)
	}
	step := mux.Vars(r)["step"]
	if r.Method == http.MethodGet {
		return s.showStep(w, r, v, step)
	}
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	if err := v.CheckForm(form.Get("form")); err != nil {
		return err
	}
	switch step {
	case stepSignIn:
		return s.takeSignIn(w, r, v, form)
	case stepPatient:
		return s.takePatient(w, r, v, form)
	}
	return s.takeDecision(w, r, v, form)
}

// showStep shows a page, or that which must come before.
func (s *Server) showStep(w http.ResponseWriter, r *http.Request, v oauth.Visit, step string) error {
	switch {
	case step != stepSignIn && v.User == "":
		s.goTo(w, s.stepPath(v, stepSignIn))
		return nil
	case step == stepApproval && v.Patient == "":
		s.goTo(w, s.stepPath(v, stepPatient))
		return nil
	case step == stepSignIn:
		return s.show(w, http.StatusOK, step, s.stepPage(v, step), "")
	}
	if step == stepPatient {
		p, err := s.patientPage(r, v)
		if err != nil {
			return err
		}
		return s.show(w, http.StatusOK, step, p, "")
	}
	patient, err := s.patientOf(r.Context(), v.Patient)
	if err != nil {
		return err
	}
	p := s.stepPage(v, step)
	p.Patient = patient
	p.Asks, p.Until = askWords(v.Request.Scopes), s.untilWords(v.Request.Scopes)
	p.Opinion, p.Redirect = opinionWords(s.signIn.Opinion(r.Context(), v)), placeText(v.Request.Redirect)
	return s.show(w, http.StatusOK, step, p, v.Request.Redirect)
}

// patientPage is the page with the patients to choose from.
func (s *Server) patientPage(r *http.Request, v oauth.Visit) (page, error) {
	list, more, err := s.signIn.Patients(r.Context(), v)
	if err != nil {
		return page{}, err
	}
	p := s.stepPage(v, stepPatient)
	p.More = more
	for _, o := range list {
		text := patientWords(o)
		text.Chosen = text.ID == v.Patient || (len(list) == 1 && !more)
		p.Patients = append(p.Patients, text)
	}
	return p, nil
}

func (s *Server) takeSignIn(w http.ResponseWriter, r *http.Request, v oauth.Visit, form url.Values) error {
	user := strings.TrimSpace(form.Get("user"))
	next, err := s.signIn.SignIn(r.Context(), v, user, form.Get("password"))
	if err != nil {
		p := s.stepPage(v, stepSignIn)
		p.User = user
		return s.showAgain(w, stepSignIn, p, "", err)
	}
	s.keepVisit(w, next)
	s.goTo(w, s.stepPath(next, stepPatient))
	return nil
}

func (s *Server) takePatient(w http.ResponseWriter, r *http.Request, v oauth.Visit, form url.Values) error {
	patient := strings.TrimSpace(form.Get("other"))
	if patient == "" {
		patient = form.Get("patient")
	}
	next, err := s.signIn.Choose(r.Context(), v, patient)
	if err == nil {
		s.goTo(w, s.stepPath(next, stepApproval))
		return nil
	}
	p, pageErr := s.patientPage(r, v)
	if pageErr != nil {
		return pageErr
	}
	return s.showAgain(w, stepPatient, p, "", err)
}

// takeDecision takes the person's yes or no, and nothing else for a yes.
func (s *Server) takeDecision(w http.ResponseWriter, r *http.Request, v oauth.Visit, form url.Values) error {
	answer := s.signIn.Deny
	switch form.Get("decision") {
	case "approve":
		answer = s.signIn.Approve
	case "deny":
	default:
		return malformed("the answer says neither Allow nor Deny; go back and choose one")
	}
	location, err := answer(r.Context(), v)
	if err != nil {
		return err
	}
	s.cookie(w, visitCookie(v.ID), "", authorizePath, 0)
	s.sendBack(w, location)
	return nil
}
