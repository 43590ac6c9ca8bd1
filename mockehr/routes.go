package mockehr

import (
	"net/http"
	"net/url"

	"github.com/gorilla/mux"
)

// routes is the EHR's address space. With a path prefix in the root URL all
// of it stands below that prefix.
func (s *Server) routes() http.Handler {
	router := mux.NewRouter().UseEncodedPath()
	router.NotFoundHandler = s.serve(rest, noSuchPath)
	router.MethodNotAllowedHandler = s.serve(rest, wrongMethod)
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
	r.HandleFunc("/metadata", s.serve(rest, s.metadata)).Methods("GET")
	r.HandleFunc("/$jwt", s.serve(operation, s.jwtByGet)).Methods("GET")
	r.HandleFunc("/$jwt", s.serve(operation, s.jwtByPost)).Methods("POST")
	r.HandleFunc("/$connect", s.serve(connect, s.connect)).Methods("POST")
	r.HandleFunc("/$connection", s.serve(operation, s.connection)).Methods("GET")
	r.HandleFunc("/$disconnect", s.serve(operation, s.disconnect)).Methods("POST")
	r.HandleFunc("/Consent/{id}/$authorize", s.serve(operation, s.authorize)).Methods("POST")
	// The create of a Consent tells its errors as operations do (protocol 2).
	r.HandleFunc("/{type:Consent}", s.serve(operation, s.create)).Methods("POST")
	r.HandleFunc("/{type:[A-Za-z]+}", s.serve(rest, s.create)).Methods("POST")
	r.HandleFunc("/{type:[A-Za-z]+}", s.serve(rest, s.search)).Methods("GET")
	r.HandleFunc("/{type:[A-Za-z]+}/_search", s.serve(rest, s.search)).Methods("POST")
	r.HandleFunc("/{type:[A-Za-z]+}/{id:[^/_$][^/]*}", s.serve(rest, s.read)).Methods("GET")
	r.HandleFunc("/{type:[A-Za-z]+}/{id:[^/_$][^/]*}", s.serve(rest, s.update)).Methods("PUT")
	r.HandleFunc("/{type:[A-Za-z]+}/{id:[^/_$][^/]*}", s.serve(rest, s.remove)).Methods("DELETE")
	r.HandleFunc("/{type:[A-Za-z]+}/{id:[^/_$][^/]*}/_history", s.serve(rest, s.history)).Methods("GET")
	r.HandleFunc("/{type:[A-Za-z]+}/{id:[^/_$][^/]*}/_history/{vid}", s.serve(rest, s.vread)).Methods("GET")
}

// prefixOf is the path of a root URL, "" for one without.
func prefixOf(root string) string {
	u, err := url.Parse(root)
	if err != nil {
		return ""
	}
	return u.EscapedPath()
}

func noSuchPath(_ http.ResponseWriter, r *http.Request) error {
	return &httpError{status: http.StatusNotFound, code: "not-found", message: "there is nothing at " + r.URL.Path}
}

func wrongMethod(_ http.ResponseWriter, r *http.Request) error {
	return &httpError{status: http.StatusMethodNotAllowed, code: "not-supported", message: r.Method + " is not taken at " + r.URL.Path}
}
