package mockehr

import (
	"net/http"
	"strings"
)

// What an application in a browser may send and see at another origin's EHR:
// all that FHIR's interactions and OAuth use.
const (
	corsMethods = "GET, HEAD, POST, PUT, DELETE, OPTIONS"
	corsSent    = "Accept, Authorization, Content-Type, If-Match, If-Modified-Since, If-None-Exist, If-None-Match, Prefer"
	corsSeen    = "Content-Location, Date, ETag, Last-Modified, Location, Retry-After, WWW-Authenticate"
)

// crossOrigin lets applications in browsers call the EHR from any origin, as
// SMART ones do. Who may do what hangs on the bearer, which no browser sends on
// its own, so the origin tells nothing. The pages of sign-in, which do know a
// person by a cookie, stay what they are: for people, not for scripts.
func (s *Server) crossOrigin(next http.Handler) http.Handler {
	pages := []string{s.authPath(authorizePath), s.authPath(grantsPath)}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Origin") == "" {
			next.ServeHTTP(w, r)
			return
		}
		for _, page := range pages {
			if r.URL.Path == page || strings.HasPrefix(r.URL.Path, page+"/") {
				next.ServeHTTP(w, r)
				return
			}
		}
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			h.Set("Access-Control-Allow-Methods", corsMethods)
			h.Set("Access-Control-Allow-Headers", corsSent)
			h.Set("Access-Control-Max-Age", "3600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		h.Set("Access-Control-Expose-Headers", corsSeen)
		next.ServeHTTP(w, r)
	})
}
