package mockehr

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gorilla/mux"
)

// routes is the EHR's address space. With a path prefix in the root URL all
// of it stands below that prefix.
func (s *Server) routes() http.Handler {
	router := mux.NewRouter().UseEncodedPath()
	router.NotFoundHandler = s.serve(rest, unrouted(router))
	router.MethodNotAllowedHandler = router.NotFoundHandler
	root := router
	if prefix := prefixOf(s.cfg.Root); prefix != "" {
		root = router.PathPrefix(prefix).Subrouter()
	}
	root.HandleFunc("/auth/auth_key", s.serve(token, s.authKey)).Methods("GET")
	root.HandleFunc("/auth/token", s.serve(token, s.token))
	root.HandleFunc("/auth/revoke", s.serve(token, s.revoke))
	root.HandleFunc("/auth"+authorizePath, s.serve(pageCall, s.beginSignIn))
	root.HandleFunc("/auth"+authorizePath+"/{step:"+stepSignIn+"|"+stepPatient+"|"+stepApproval+"}", s.serve(pageCall, s.signInStep))
	root.HandleFunc("/auth"+grantsPath, s.serve(pageCall, s.grants))
	root.HandleFunc("/auth"+grantsPath+"/{step:sign-in|revoke|sign-out}", s.serve(pageCall, s.grantsStep))
	root.HandleFunc("/auth/cavs", s.serve(cavsCall, s.askCAVS)).Methods("POST")
	for _, base := range []string{"", "/r3"} {
		root.HandleFunc(base+"/.well-known/smart-configuration", s.serve(token, s.smartConfiguration)).Methods("GET")
	}
	s.fhirRoutes(root.PathPrefix("/r3").Subrouter())
	return router
}

func (s *Server) fhirRoutes(r *mux.Router) {
	r.HandleFunc("/metadata", s.serve(rest, s.metadata)).Methods("GET", "HEAD")
	r.HandleFunc("/$jwt", s.serve(operation, s.jwtByGet)).Methods("GET")
	r.HandleFunc("/$jwt", s.serve(operation, s.jwtByPost)).Methods("POST")
	r.HandleFunc("/$connect", s.serve(connect, s.connect)).Methods("POST")
	r.HandleFunc("/$connection", s.serve(operation, s.connection)).Methods("GET")
	r.HandleFunc("/$disconnect", s.serve(operation, s.disconnect)).Methods("POST")
	r.HandleFunc("/Consent/{id}/$authorize", s.serve(operation, s.authorize)).Methods("POST")
	// The create of a Consent tells its errors as operations do (protocol 2).
	r.HandleFunc("/{type:Consent}", s.serve(operation, s.create)).Methods("POST")
	s.restRoutes(r)
}

// restRoutes are FHIR's own interactions (FHIR STU3 2.21.0).
func (s *Server) restRoutes(r *mux.Router) {
	on := func(path string, h handler, methods ...string) {
		r.HandleFunc(path, s.serve(rest, h)).Methods(methods...)
	}
	for _, path := range []string{"", "/"} {
		on(path, s.bundle, "POST")
		on(path, s.metadata, "OPTIONS")
	}
	on("/$validate", s.validate, "POST")
	const typ, one = "/{type:[A-Za-z]+}", "/{type:[A-Za-z]+}/{id:[^/_$][^/]*}"
	for _, path := range []string{typ, typ + "/"} { // the specification writes [type]/?[criteria] too
		on(path, s.create, "POST")
		on(path, s.search, "GET", "HEAD")
		on(path, s.updateWhere, "PUT")
		on(path, s.removeWhere, "DELETE")
	}
	on(typ+"/$validate", s.validate, "POST")
	on(typ+"/_search", s.search, "POST")
	on(one, s.read, "GET", "HEAD")
	on(one, s.update, "PUT")
	on(one, s.remove, "DELETE")
	on(one+"/$validate", s.validate, "POST")
	on(one+"/_history", s.history, "GET", "HEAD")
	on(one+"/_history/{vid}", s.vread, "GET", "HEAD")
}

// prefixOf is the path of a root URL, "" for one without.
func prefixOf(root string) string {
	u, err := url.Parse(root)
	if err != nil {
		return ""
	}
	return u.EscapedPath()
}

// unrouted tells a path that isn't there (404) from a method that isn't taken
// at one that is (405), and names those that are (RFC 7231 6.5.5). The router's
// own word on which of the two it is can't be relied on: a later route of
// another path makes it forget.
func unrouted(router *mux.Router) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		var allowed []string
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"} {
			try := *r
			try.Method = method
			var match mux.RouteMatch
			if router.Match(&try, &match) && match.Route != nil && match.MatchErr == nil {
				allowed = append(allowed, method)
			}
		}
		if len(allowed) == 0 {
			return noSuchPath(w, r)
		}
		return &httpError{status: http.StatusMethodNotAllowed, code: "not-supported", message: r.Method + " is not taken at " + r.URL.Path,
			headers: map[string]string{"Allow": strings.Join(allowed, ", ")}}
	}
}

func noSuchPath(_ http.ResponseWriter, r *http.Request) error {
	return &httpError{status: http.StatusNotFound, code: "not-found", message: "there is nothing at " + r.URL.Path}
}
