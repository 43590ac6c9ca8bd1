package judge

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"example.org/ccde/reports"
)

// JWTs are all JWTs that the exchanges hold, decoded and without signatures, in
// the order in which they were first seen. One that the report masks in an
// exchange is found here by its label.
func (r *Record) JWTs() []reports.JWT {
	m := r.masker()
	var out []reports.JWT
	at := map[string]int{}
	for i, k := range r.inTime() {
		see := func(where, text string) {
			for _, compact := range jwtForm.FindAllString(text, -1) {
				n, known := at[compact]
				if !known {
					n = len(out)
					at[compact] = n
					parts := strings.Split(compact, ".")
					out = append(out, reports.JWT{Label: r.opts.Masker.label("jwt", compact), Header: opened(parts[0], m), Claims: opened(parts[1], m)})
				}
				if place := (reports.JWTPlace{Exchange: i + 1, Where: where}); !slices.Contains(out[n].Seen, place) {
					out[n].Seen = append(out[n].Seen, place)
				}
			}
		}
		see("URL", unescaped(k.URL))
		for _, h := range k.RequestHeaders {
			see("request header "+h[0], h[1])
		}
		if isForm(k.RequestHeaders) {
			see("request body", unescaped(k.RequestBody))
		} else {
			see("request body", k.RequestBody)
		}
		for _, h := range k.ResponseHeaders {
			see("answer header "+h[0], unescaped(h[1]))
		}
		see("answer body", k.ResponseBody)
	}
	return out
}

// unescaped is a URL or form as it is meant; as it is, if it is none.
func unescaped(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}

// opened is a part of a JWT, masked: its JSON, or text where it is none.
func opened(part string, m masked) json.RawMessage {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		raw = []byte("(no base64url)")
	}
	text := m.mask(string(raw))
	if json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	quoted, err := json.Marshal(strings.ToValidUTF8(text, "?"))
	if err != nil { // a string can always be written
		return json.RawMessage("null")
	}
	return quoted
}
