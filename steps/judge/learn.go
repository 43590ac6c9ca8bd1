package judge

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
)

// This file finds secrets by where they stand: a scenario need not name the
// token that a server makes up.

var (
	jwtForm  = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`)
	jsonForm = regexp.MustCompile(`"(access_token|refresh_token|client_secret|id_token|code_verifier)"\s*:\s*"([^"\\]+)"`)
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
	if u, err := url.Parse(k.URL); err == nil {
		r.learnFields(u.Query())
	}
	for _, body := range []string{k.RequestBody, k.ResponseBody} {
		for _, jwt := range jwtForm.FindAllString(body, -1) {
			r.Secret("jwt", jwt)
		}
		for _, m := range jsonForm.FindAllStringSubmatch(body, -1) {
			kind := "token"
			if m[1] == "client_secret" || m[1] == "code_verifier" {
				kind = "secret"
			}
			r.Secret(kind, m[2])
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
	if strings.Contains(k.URL, "/$authorize") {
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

// learnHeader takes what an Authorization header holds; cookies are masked as a whole.
func (r *Record) learnHeader(name, value string) {
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

// learnParameters takes the values of one parameter of a Parameters resource.
func (r *Record) learnParameters(body, name string) {
	if !strings.Contains(body, `"Parameters"`) {
		return
	}
	var p struct {
		Parameter []map[string]any `json:"parameter"`
	}
	if json.Unmarshal([]byte(body), &p) != nil {
		return
	}
	for _, one := range p.Parameter {
		if one["name"] != name {
			continue
		}
		for field, v := range one {
			if text, ok := v.(string); ok && strings.HasPrefix(field, "value") {
				r.Secret("authorization", text)
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
