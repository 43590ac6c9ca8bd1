package mockehr

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/oauth"
)

// typeWords are resource types as a person calls them; the others keep their
// name, with spaces.
var typeWords = map[string]string{
	"*":                        "everything in the record",
	"Patient":                  "name, birth date, address and the like",
	"Observation":              "results and observations: laboratory, vital signs, smoking status",
	"Condition":                "problems and diagnoses",
	"MedicationRequest":        "prescriptions",
	"MedicationStatement":      "medications taken",
	"MedicationDispense":       "medications handed out",
	"MedicationAdministration": "medications given",
	"AllergyIntolerance":       "allergies and intolerances",
	"Procedure":                "procedures",
	"Immunization":             "immunizations",
	"DocumentReference":        "documents",
	"Coverage":                 "insurance",
	"ExplanationOfBenefit":     "bills and what the insurance paid",
	"Encounter":                "visits and stays",
	"DiagnosticReport":         "reports of examinations",
	"CarePlan":                 "care plans",
	"Consent":                  "consents",
}

// askWords says in plain words what the scopes of a request let an application
// do, and what every token of a sign-in may do beside (protocol 1.9).
func askWords(scopes []string) []string {
	var words []string
	add := func(text string) {
		if !slices.Contains(words, text) {
			words = append(words, text)
		}
	}
	for _, word := range scopes {
		switch word {
		case oauth.ScopeLaunchPatient:
			add("Know which patient you chose")
		case oauth.ScopeOffline:
			add("Keep the access when you are not there, until you end it")
		default:
			if scope, err := oauth.ParseScope(word); err == nil {
				add("Read " + typeText(scope.Type))
			}
		}
	}
	add("Make, change and withdraw consents for this patient in your name, which can let other systems read the record")
	return words
}

func typeText(typ string) string {
	if words, ok := typeWords[typ]; ok {
		return words
	}
	var b strings.Builder
	for i, r := range typ {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String() + " entries"
}

// patientText is a patient as a person knows them.
type patientText struct {
	ID      string
	Name    string
	Details string
	Chosen  bool
}

func patientWords(o *fhir.Object) patientText {
	p := patientText{ID: o.ID(), Name: nameText(o)}
	var details []string
	if born := o.Text("birthDate"); born != "" {
		details = append(details, "born "+born)
	}
	if gender := o.Text("gender"); gender == "male" || gender == "female" {
		details = append(details, gender)
	}
	p.Details = strings.Join(append(details, "patient id "+o.ID()), ", ")
	return p
}

// nameText is the name in use: official before others, never an old one while
// there is another.
func nameText(o *fhir.Object) string {
	best, rank := "", -1
	for _, n := range o.Objects("name") {
		text := n.Text("text")
		if text == "" {
			var parts []string
			for _, given := range n.List("given") {
				if g, ok := given.(string); ok {
					parts = append(parts, g)
				}
			}
			text = strings.TrimSpace(strings.Join(append(parts, n.Text("family")), " "))
		}
		r := map[string]int{"official": 3, "usual": 2, "old": 0, "maiden": 0}[n.Text("use")]
		if n.Text("use") == "" {
			r = 1
		}
		if text != "" && r > rank {
			best, rank = text, r
		}
	}
	if best == "" {
		return "Patient " + o.ID()
	}
	return best
}

// untilWords says how long the access lasts.
func (s *Server) untilWords(scopes []string) string {
	if slices.Contains(scopes, oauth.ScopeOffline) {
		return "It keeps the access until you end it, at " + s.cfg.Root + "/auth/grants."
	}
	return fmt.Sprintf("The access ends by itself after %d minutes.", int(s.signIn.TokenLife()/time.Minute))
}

func dateText(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }

// placeText is where a redirect_uri leads, without what only the application
// needs to know.
func placeText(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" {
		scheme, _, _ := strings.Cut(uri, ":")
		return scheme + ": (an application on your device)"
	}
	return u.Scheme + "://" + u.Host
}

// opinionText is what the CAVS says, as the page shows it.
type opinionText struct {
	Warning      bool
	Message      string
	Endorsements []endorsementText
}

type endorsementText struct{ Type, Name, URL, Comment string }

func opinionWords(o oauth.Opinion) opinionText {
	switch {
	case !o.Asked:
		return opinionText{Message: "No service has checked this application."}
	case o.Err != nil:
		return opinionText{Warning: true, Message: "The service that checks applications gave no answer. (" + o.Err.Error() + ")"}
	}
	t := opinionText{Warning: o.Answer.Status != oauth.Approved, Message: o.Answer.Message}
	if t.Message == "" {
		t.Message = "The service that checks applications says: " + o.Answer.Status + "."
	}
	for _, e := range o.Answer.Endorsements {
		kind := map[string]string{"approval": "Approval", "warning": "Warning", "usage-note": "Note on its use"}[e.Type]
		if kind == "" {
			kind = "Remark"
		}
		name := e.Endorser.Name
		if name == "" {
			name = "an organization without a name"
		}
		t.Endorsements = append(t.Endorsements, endorsementText{kind, name, e.Endorser.URL, e.Comment})
	}
	return t
}

// applicationText is what an application is called.
func applicationText(c oauth.Client) string {
	if c.Name != "" {
		return c.Name
	}
	return c.ID
}
