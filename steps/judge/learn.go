package judge

import (
	"encoding/base64"
	"encoding/json"
	"html"
	"net/url"
	"regexp"
	"strings"
)

// This file finds secrets by where they stand: a scenario need not name the
// token that a server makes up.

var (
	jwtForm  = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`)
	xmlPart  = regexp.MustCompile(`<(?:\w+:)?name\s+value=["']([a-z]+)["']\s*(?:/>|></(?:\w+:)?name>)\s*<(?:\w+:)?value[A-Za-z]+\s+value=(?:"([^"]+)"|'([^']+)')`)
	jsonForm = regexp.MustCompile(`"(access_token|refresh_token|client_secret|id_token|code_verifier)"\s*:\s*("(?:[^"\\]|\\.)+")`)
)

// secretFields are form and query parameters whose value is a secret, and its kind.
var secretFields = map[string]string{
	"access_token": "token", "refresh_token": "token", "token": "token", "code": "code", "client_secret": "secret",
	"code_verifier": "secret", "password": "secret", "authorization": "authorization", "jwt": "jwt", "assertion": "jwt",
}

// Secret names a secret of this scenario that nothing else gives away.
func (r *Record) Secret(kind, secret string) {
	secret = strings.TrimSpace(secret)
	if secret == "" {
		return
	}
	label := r.opts.Masker.label(kind, secret)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.learnt[secret] = label
}

// learn finds the secrets of one exchange.
func (r *Record) learn(k *kept) {
	for _, headers := range [][][2]string{k.RequestHeaders, k.ResponseHeaders} {
		for _, h := range headers {
			r.learnHeader(h[0], h[1])
		}
	}
	r.learnURL(k.URL)
	for _, body := range []string{k.RequestBody, k.ResponseBody} {
		for _, jwt := range jwtForm.FindAllString(body, -1) {
			r.Secret("jwt", jwt)
		}
		if !strings.Contains(body, `_token"`) && !strings.Contains(body, `client_secret"`) && !strings.Contains(body, `code_verifier"`) {
			continue // most bodies; the form is slow to look for
		}
		for _, m := range jsonForm.FindAllStringSubmatch(body, -1) {
			kind := "token"
			if m[1] == "client_secret" || m[1] == "code_verifier" {
				kind = "secret"
			}
			var value string
			if json.Unmarshal([]byte(m[2]), &value) == nil {
				r.Secret(kind, value)
			}
		}
	}
	for _, jwt := range jwtForm.FindAllString(k.URL, -1) {
		r.Secret("jwt", jwt)
	}
	if isForm(k.RequestHeaders) {
		if fields, err := url.ParseQuery(k.RequestBody); err == nil {
			r.learnFields(fields)
			if fields.Get("grant_type") == "client_credentials" {
				r.Secret("authorization", fields.Get("scope"))
			}
		}
	}
	r.learnParameters(k.RequestBody, "authorization")
	if strings.Contains(k.URL, "/$authorize") || strings.Contains(k.RequestBody, "/$authorize") { // alone, or in a Bundle
		r.learnParameters(k.ResponseBody, "id")
	}
}

func (r *Record) learnFields(fields url.Values) {
	for name, values := range fields {
		kind, secret := secretFields[name]
		if name == "code" && !fields.Has("redirect_uri") && !fields.Has("state") {
			continue // a search for a code
		}
		for _, v := range values {
			if secret {
				r.Secret(kind, v)
			}
		}
	}
}

// learnURL takes what stands in a query, or in a fragment as OAuth has it.
func (r *Record) learnURL(text string) {
	u, err := url.Parse(text)
	if err != nil {
		return
	}
	r.learnFields(u.Query())
	if fields, err := url.ParseQuery(u.Fragment); err == nil {
		r.learnFields(fields)
	}
}

// learnHeader takes what an Authorization header holds, and a URL that a person
// is sent to; cookies are masked as a whole.
func (r *Record) learnHeader(name, value string) {
	for _, jwt := range jwtForm.FindAllString(value, -1) {
		r.Secret("jwt", jwt)
	}
	if strings.EqualFold(name, "Location") || strings.EqualFold(name, "Referer") {
		r.learnURL(value)
	}
	if !strings.EqualFold(name, "Authorization") {
		return
	}
	scheme, secret, _ := strings.Cut(value, " ")
	switch {
	case strings.EqualFold(scheme, "Basic"):
		if plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(secret)); err == nil {
			_, password, _ := strings.Cut(string(plain), ":")
			r.Secret("secret", password)
		}
		r.Secret("secret", secret)
	case jwtForm.MatchString(secret):
		r.Secret("jwt", secret)
	case secret != "":
		r.Secret("token", secret)
	default:
		r.Secret("secret", value)
	}
}

// learnParameters takes the values of one parameter of each Parameters resource
// in a body, in JSON or XML, also of one in a Bundle.
func (r *Record) learnParameters(body, name string) {
	if !strings.Contains(body, "Parameters") || !strings.Contains(body, name) {
		return
	}
	for _, m := range xmlPart.FindAllStringSubmatch(body, -1) {
		if m[1] == name {
			r.Secret("authorization", html.UnescapeString(m[2]+m[3]))
		}
	}
	var whole any
	if json.Unmarshal([]byte(body), &whole) == nil {
		r.learnParts(whole, name)
	}
}

func (r *Record) learnParts(v any, name string) {
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			r.learnParts(one, name)
		}
	case map[string]any:
		named := v["name"] == name
		for field, one := range v {
			if text, ok := one.(string); ok && named && strings.HasPrefix(field, "value") {
				r.Secret("authorization", text)
			} else if !ok {
				r.learnParts(one, name)
			}
		}
	}
}

func isForm(headers [][2]string) bool {
	for _, h := range headers {
		if strings.EqualFold(h[0], "Content-Type") {
			return strings.HasPrefix(strings.ToLower(h[1]), "application/x-www-form-urlencoded")
		}
	}
	return false
}

// hideHeader is a header's value as a report may show it. Whole values go where
// the header exists to carry a secret, whatever its form.
func (r *Record) hideHeader(name, value string, m masked) string {
	switch strings.ToLower(name) {
	case "authorization", "proxy-authorization":
		scheme, secret, found := strings.Cut(value, " ")
		if !found || secret == "" {
			return r.opts.Masker.label("secret", value)
		}
		return scheme + " " + r.opts.Masker.label("token", strings.TrimSpace(secret))
	case "cookie", "set-cookie":
		return r.opts.Masker.label("cookie", value)
	}
	return m.mask(value)
}
