package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// check says all that is wrong with a file, by field.
func (s *System) check(at *positions, known func(id string) (is, may bool)) []error {
	var errs []error
	bad := func(path, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s: %s", at.of(path), path, fmt.Sprintf(format, args...)))
	}
	web := func(path, text string, must bool) {
		switch u, err := url.Parse(text); {
		case text == "" && must:
			bad(path, "missing; give an absolute http(s) URL")
		case text == "":
		case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
			bad(path, "%q is no absolute http(s) URL; write it like https://ehr.acme.example/r3", text)
		}
	}
	word := func(path, text string, words ...string) {
		if text != "" && !slices.Contains(words, text) {
			bad(path, "%q is unknown; give %s or %s", text, strings.Join(words[:len(words)-1], ", "), words[len(words)-1])
		}
	}
	if len(s.Roles()) == 0 {
		bad("source", "no role is there; describe the system as source, target or cavs")
	}
	if s.System.Name == "" {
		bad("system.name", "missing; name the system, for the report")
	}
	word("system.dialect", s.System.Dialect, dialects...)
	if v := s.Source; v != nil {
		web("source.fhir", v.FHIR, true)
		web("source.token", v.Token, false)
		word("source.cavs", v.CAVS, "ours", "theirs", "none")
		if v.Patient == v.OtherPatient {
			bad("source.other-patient", "%q is the patient too; give another one", v.OtherPatient)
		}
		if v.JWT.Given() && v.JWT.Command == "" {
			bad("source.jwt", "one text is not enough: each application needs its own; give {command: ..}, which prints one for CCDE_APPLICATION")
		}
		if v.JWT.Given() && Trusts(v.TrustsOurKeys) {
			bad("source.jwt", "is not asked for where the system trusts our keys; add trusts-our-keys: false, or take jwt out")
		}
	}
	if v := s.Target; v != nil {
		web("target.fhir", v.FHIR, true)
		web("target.keys", v.Keys, false)
		if v.Update.Every < 0 {
			bad("target.update.every", "%s is negative; give how often the target asks for what is new, like 30s", v.Update.Every)
		}
	}
	if v := s.CAVS; v != nil {
		web("cavs.url", v.URL, true)
		web("cavs.registry.fhir", v.Registry.FHIR, false)
	}
	if s.Command != nil && s.Command.Start == "" {
		bad("command.start", "missing; give the command that starts the system, or take command out")
	}
	s.checkRest(bad, web, known)
	return errs
}

func (s *System) checkRest(bad func(path, format string, args ...any), web func(path, text string, must bool), known func(id string) (is, may bool)) {
	for i, name := range s.Has {
		id := strings.TrimPrefix(name, "-")
		if id == "smart" {
			continue
		}
		if is, may := known(id); !is {
			meant := ""
			if Nearest(id, []string{"smart"}) != "" {
				meant = "is \"smart\" meant? "
			}
			bad(fmt.Sprintf("has[%d]", i), "%q is no requirement; %sgive ids like SRC-61, smart, or -SRC-78", name, meant)
		} else if !may {
			bad(fmt.Sprintf("has[%d]", i), "%s is no MAY, so it is judged anyway; take it out", id)
		}
	}
	seen := map[string]bool{}
	for i, w := range s.Waivers {
		path := fmt.Sprintf("waivers[%d]", i)
		if is, _ := known(w.ID); !is {
			bad(path+".id", "%q is no requirement", w.ID)
		}
		if seen[w.ID] {
			bad(path+".id", "%s is waived twice", w.ID)
		}
		seen[w.ID] = true
		if strings.TrimSpace(w.Reason) == "" {
			bad(path+".reason", "missing; say why the failure does not count")
		}
		if _, err := time.Parse(time.DateOnly, w.Until); err != nil {
			bad(path+".until", "%q is no date; give the last day on which it holds, like 2027-01-31", w.Until)
		}
	}
	web("advertise", s.Advertise, false)
	if s.Advertise == "" && !strings.HasPrefix(s.Listen, "127.0.0.1:") && !strings.HasPrefix(s.Listen, "localhost:") {
		bad("advertise", "missing; say by which URL the system reaches the front door at %s, like http://harness.acme.example:9000", s.Listen)
	}
	if (s.TLS.Cert == "") != (s.TLS.Key == "") {
		bad("tls", "cert and key go together; give both, or none for a front door without TLS")
	}
	if strings.HasPrefix(s.Advertise, "https://") && s.TLS.Cert == "" {
		bad("advertise", "is https, and the front door has no certificate; give tls.cert and tls.key")
	}
	if strings.HasPrefix(s.Advertise, "http://") && s.TLS.Cert != "" {
		bad("advertise", "is http, and the front door has a certificate (tls.cert); write https://")
	}
	for path, d := range map[string]Duration{"timeouts.request": s.Timeouts.Request, "timeouts.copy": s.Timeouts.Copy} {
		if d < 0 {
			bad(path, "%s is negative; write it like 10s", d)
		}
	}
}

// Advertised is the front door's URL for others, without a slash at its end.
func (s *System) Advertised() string {
	if s.Advertise != "" {
		return strings.TrimRight(s.Advertise, "/")
	}
	if s.TLS.Cert != "" {
		return "https://" + s.Listen
	}
	return "http://" + s.Listen
}
