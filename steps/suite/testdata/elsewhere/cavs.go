// Package cavs is a small CAVS (protocol 1.7) that knows applications by a list.
// It shows how a server of another module is judged by ccde in that module's own
// tests: see cavs_test.go.
package cavs

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

// Server answers POST /cavs and GET /health.
type Server struct {
	// KeySets are the URLs of the key sets that it trusts.
	KeySets []string
	// Approved are the applications that it knows, as "iss sub".
	Approved []string
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "POST /cavs":
		s.verdict(w, r)
	case "GET /health":
		answer(w, http.StatusOK, map[string]any{"healthy": true})
	default:
		answer(w, http.StatusNotFound, map[string]any{"status": "invalid", "message": "nothing is here"})
	}
}

func (s *Server) verdict(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	if err := r.ParseForm(); err != nil {
		status := http.StatusBadRequest
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		answer(w, status, map[string]any{"status": "invalid", "message": "this is no form"})
		return
	}
	if r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		answer(w, http.StatusUnsupportedMediaType, map[string]any{"status": "invalid", "message": "send a form"})
		return
	}
	status, message := "unknown", "no application of the list"
	token, err := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithExpirationRequired()).Parse(r.PostForm.Get("jwt"), s.key)
	if err != nil {
		status, message = "invalid", "this JWT is not good: unreadable, expired, or not signed by a key that is trusted here"
	} else if claims, ok := token.Claims.(jwt.MapClaims); ok && slices.Contains(s.Approved, fmt.Sprint(claims["iss"], " ", claims["sub"])) {
		status, message = "approved", "on the list"
	}
	answer(w, http.StatusOK, map[string]any{"status": status, "message": message, "endorsements": []any{}})
}

// key finds the key of a JWT in the key sets that are trusted.
func (s *Server) key(t *jwt.Token) (any, error) {
	for _, place := range s.KeySets {
		set, err := fetch(place)
		if err != nil {
			return nil, err
		}
		for _, one := range set.Keys {
			if one.KID != t.Header["kid"] {
				continue
			}
			k, err := jwkset.NewJWKFromMarshal(one, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
			if err != nil {
				return nil, err
			}
			return k.Key(), nil
		}
	}
	return nil, fmt.Errorf("no key %v", t.Header["kid"])
}

func fetch(place string) (set jwkset.JWKSMarshal, err error) {
	client := http.Client{Timeout: 5 * time.Second}
	res, err := client.Get(place)
	if err != nil {
		return set, err
	}
	defer res.Body.Close()
	return set, json.NewDecoder(res.Body).Decode(&set)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the asker has gone, if this fails
}
