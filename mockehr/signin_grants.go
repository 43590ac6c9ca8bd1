package mockehr

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/oauth"
	"example.org/ccde/mockehr/store"
)

const grantsPath = "/grants"

// grantText is a grant as the page shows it.
type grantText struct {
	ID, Application string
	Patient         patientText
	Asks            []string
	Made, Used      string
	Until           string
}

// grantsCookie is the name of the cookie of the page with the grants. It is
// this node's: cookies don't tell the ports of a host apart.
func (s *Server) grantsCookie() string {
	sum := sha256.Sum256([]byte(s.cfg.Root))
	return "grants-" + hex.EncodeToString(sum[:6])
}

// grantsVisit is the visit of a request, if it has one that is not over.
func (s *Server) grantsVisit(r *http.Request) (v oauth.Visit, there bool, err error) {
	c, err := r.Cookie(s.grantsCookie())
	if err != nil {
		return v, false, nil
	}
	id, secret, _ := strings.Cut(c.Value, ".")
	v, err = s.signIn.Visit(r.Context(), id, secret)
	if over := (*check.Refusal)(nil); errors.As(err, &over) {
		return v, false, nil
	}
	return v, err == nil && v.Request == nil, err
}

func (s *Server) keepGrantsVisit(w http.ResponseWriter, v oauth.Visit) {
	s.cookie(w, s.grantsCookie(), v.ID+"."+v.Secret, grantsPath, v.Expires.Sub(s.clock.Now()))
}

// grants answers GET [root]/auth/grants: the page where the person sees what
// they granted, after they signed in.
func (s *Server) grants(w http.ResponseWriter, r *http.Request) error {
	if err := methods(r, http.MethodGet); err != nil {
		return err
	}
	v, there, err := s.grantsVisit(r)
	if err != nil {
		return err
	}
	if there && v.User != "" {
		done := ""
		if r.URL.Query().Get("done") == "revoked" {
			done = "The access has ended."
		}
		return s.showGrants(w, r, v, page{Done: done}, nil)
	}
	if !there {
		if v, err = s.signIn.Begin(r.Context(), nil); err != nil {
			return err
		}
		s.keepGrantsVisit(w, v)
	}
	return s.show(w, http.StatusOK, stepSignIn, s.grantsSignIn(v), "")
}

func (s *Server) grantsSignIn(v oauth.Visit) page {
	return page{Action: s.authPath(grantsPath + "/sign-in"), Form: v.FormToken()}
}

// grantsStep answers the forms of the page with the grants.
func (s *Server) grantsStep(w http.ResponseWriter, r *http.Request) error {
	if err := methods(r, http.MethodPost); err != nil {
		return err
	}
	v, there, err := s.grantsVisit(r)
	if err != nil {
		return err
	}
	if !there {
		s.goTo(w, s.authPath(grantsPath)) // to sign in again
		return nil
	}
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	if err := v.CheckForm(form.Get("form")); err != nil {
		return err
	}
	switch mux.Vars(r)["step"] {
	case "sign-in":
		user := strings.TrimSpace(form.Get("user"))
		next, err := s.signIn.SignIn(r.Context(), v, user, form.Get("password"))
		if err != nil {
			p := s.grantsSignIn(v)
			p.User = user
			return s.showAgain(w, stepSignIn, p, "", err)
		}
		s.keepGrantsVisit(w, next)
		s.goTo(w, s.authPath(grantsPath))
	case "revoke":
		if err := s.signIn.Revoke(r.Context(), v, form.Get("grant")); err != nil {
			return s.showGrants(w, r, v, page{}, err)
		}
		s.goTo(w, s.authPath(grantsPath+"?done=revoked"))
	case "sign-out":
		if err := s.signIn.Leave(r.Context(), v); err != nil {
			return err
		}
		s.cookie(w, s.grantsCookie(), "", grantsPath, 0)
		return s.show(w, http.StatusOK, "message", page{Title: "Signed out", Done: "You are signed out. You can close this page."}, "")
	}
	return nil
}

// showGrants shows the page, with what was wrong with the answer to it.
func (s *Server) showGrants(w http.ResponseWriter, r *http.Request, v oauth.Visit, p page, bad error) error {
	list, err := s.signIn.Grants(r.Context(), v)
	if err != nil {
		return err
	}
	p.User, p.Form = v.User, v.FormToken()
	p.RevokeAction, p.LeaveAction = s.authPath(grantsPath+"/revoke"), s.authPath(grantsPath+"/sign-out")
	for _, g := range list {
		patient, err := s.patientOf(r.Context(), g.Patient)
		if err != nil {
			return err
		}
		text := grantText{ID: g.ID, Application: applicationText(g.Client), Patient: patient, Asks: askWords(g.Scopes),
			Made: dateText(g.Made), Used: dateText(g.Used), Until: "It lasts until you end it."}
		if !g.Ends.IsZero() {
			text.Until = "It ends by itself on " + dateText(g.Ends) + "."
		}
		p.Grants = append(p.Grants, text)
	}
	if bad != nil {
		return s.showAgain(w, "grants", p, "", bad)
	}
	return s.show(w, http.StatusOK, "grants", p, "")
}

// patientOf is a patient as the pages show them, by no more than the id where
// they are not here any more.
func (s *Server) patientOf(ctx context.Context, id string) (patientText, error) {
	text := patientText{ID: id, Name: "Patient " + id}
	err := s.store.View(ctx, func(tx *store.Tx) error {
		v, err := current(tx, "Patient", id)
		if err != nil || v == nil {
			return err
		}
		o, err := fhir.ParseJSON(v.JSON)
		if err == nil {
			text = patientWords(o)
		}
		return err
	})
	return text, err
}

// revoke answers POST [root]/auth/revoke (RFC 7009).
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) error {
	if err := methods(r, http.MethodPost); err != nil {
		return err
	}
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	if err := s.signIn.RevokeToken(r.Context(), oauth.TokenRequest{Authorization: r.Header.Get("Authorization"), Form: form}); err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	return nil
}
