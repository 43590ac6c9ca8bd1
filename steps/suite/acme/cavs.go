package acme

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/golang-jwt/jwt/v5"
)

const (
	obsCodes     = "http://healthintersections.com.au/fhir/codes/obs"
	jwtExtension = "http://www.healthintersections.com.au/fhir/StructureDefinition/JWT"
)

func (s *Server) cavsError(c *call, p *problem) {
	giveJSON(c, p.status, map[string]any{"status": "invalid", "message": p.text, "endorsements": []any{}})
}

// cavs answers POST [auth base]/cavs.
func (s *Server) cavs(c *call) error {
	if c.Method != http.MethodPost {
		return wrong(http.StatusMethodNotAllowed, "ask with a POST")
	}
	form, err := c.form()
	if err != nil {
		return err
	}
	answer := func(status, message string, endorsements ...any) error {
		if endorsements == nil {
			endorsements = []any{}
		}
		giveJSON(c, http.StatusOK, map[string]any{"status": status, "message": message, "endorsements": endorsements})
		return nil
	}
	packed := form.Get("jwt")
	if packed == "" {
		if s.bug("unknown-without-jwt") {
			return answer("unknown", "no such application")
		}
		if s.Style.Forbids {
			return wrong(http.StatusBadRequest, "jwt is missing")
		}
		return answer("invalid", "jwt is missing")
	}
	claims, err := s.claims(c.Context(), packed)
	if errors.Is(err, errUnreachable) && s.Style.Forbids {
		return wrong(http.StatusServiceUnavailable, "%s", err)
	}
	if err != nil {
		return answer("invalid", "The JWT is invalid: "+err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := fmt.Sprint(claims["iss"], " ", claims["sub"])
	if kept := s.registry[id]; kept != nil && s.bug("registry-cached") {
		giveJSON(c, http.StatusOK, kept)
		return nil
	}
	var active, other int
	var endorsements []any
	for _, key := range s.byType["Device"] {
		o := s.held[key]
		if !coded(o["type"], obsCodes+"|app") || !s.of(o, claims) {
			continue
		}
		if o["status"] == "active" {
			active++
		} else {
			other++
		}
		endorsements = append(endorsements, s.endorsements(key)...)
	}
	message := map[bool]string{true: "Approved for use by Acme", false: "Not in use at Acme"}
	switch {
	case other > 0 && !s.bug("approves-inactive"):
		return answer("unsuitable", message[false])
	case active+other > 0:
		if endorsements == nil {
			endorsements = []any{}
		}
		s.registry[id] = map[string]any{"status": "approved", "message": message[true], "endorsements": endorsements}
		return answer("approved", message[true], endorsements...)
	}
	return answer("unknown", "The application is not known at Acme")
}

// of says whether a Device is the application of these claims.
func (s *Server) of(device map[string]any, claims jwt.MapClaims) bool {
	for _, x := range objects(device["extension"]) {
		if x["url"] != jwtExtension {
			continue
		}
		own := jwt.MapClaims{}
		if _, _, err := jwt.NewParser().ParseUnverified(text(x["valueString"]), own); err != nil {
			return false
		}
		return own["sub"] == claims["sub"] && (own["iss"] == claims["iss"] || s.bug("any-issuer")) ||
			s.bug("any-subject") && own["iss"] == claims["iss"]
	}
	return false
}

// endorsements are those that count for a Device.
func (s *Server) endorsements(device string) []any {
	var out []any
	for _, key := range s.byType["Observation"] {
		o := s.held[key]
		if object(o["category"]) == nil && len(objects(o["category"])) == 0 {
			continue
		}
		counts := o["status"] == "final" || o["status"] == "amended" || s.bug("preliminary-counts") && o["status"] == "preliminary"
		if !counts || !coded(o["category"], obsCodes+"|endorsement") {
			continue
		}
		if s.local(text(object(o["subject"])["reference"])) != device && !s.bug("others-endorsements") {
			continue
		}
		endorser := map[string]any{}
		for _, p := range objects(o["performer"]) {
			by := s.held[s.local(text(p["reference"]))]
			endorser["name"] = text(by["name"])
			for _, t := range objects(by["telecom"]) {
				if t["system"] == "url" {
					endorser["url"] = text(t["value"])
					break
				}
			}
			break
		}
		one := map[string]any{"endorser": endorser}
		in := one
		if s.Style.Reference {
			in = endorser
		}
		in["comment"] = text(o["comment"])
		for _, coding := range objects(object(o["code"])["coding"]) {
			if coding["system"] == obsCodes {
				in["type"] = text(coding["code"])
			}
		}
		if s.bug("only-approvals") && in["type"] != "approval" {
			in["type"] = "note"
		}
		out = append(out, one)
	}
	return out
}
