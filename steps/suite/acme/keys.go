package acme

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// jwk is a public key as RFC 7517 has it.
type jwk struct {
	Kty string `json:"kty"`
	Kid string `json:"kid,omitempty"`
	Use string `json:"use,omitempty"`
	Alg string `json:"alg,omitempty"`
	N   string `json:"n,omitempty"`
	E   string `json:"e,omitempty"`
	Crv string `json:"crv,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`
}

func number(b64 string) (*big.Int, error) {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(b64, "="))
	return new(big.Int).SetBytes(b), err
}

func (k jwk) public() (crypto.PublicKey, error) {
	switch {
	case k.Kty == "RSA":
		n, err := number(k.N)
		e, err2 := number(k.E)
		if err = errors.Join(err, err2); err != nil || n.BitLen() < 1024 || !e.IsInt64() {
			return nil, errors.New("no RSA key")
		}
		return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
	case k.Kty == "EC" && k.Crv == "P-256":
		x, err := number(k.X)
		y, err2 := number(k.Y)
		if err = errors.Join(err, err2); err != nil {
			return nil, err
		}
		point := append([]byte{4}, append(x.FillBytes(make([]byte, 32)), y.FillBytes(make([]byte, 32))...)...)
		return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	}
	return nil, fmt.Errorf("a key of kind %q is not known here", k.Kty)
}

// own is our public key.
func (s *Server) own() jwk {
	b64 := base64.RawURLEncoding.EncodeToString
	switch k := s.key.Public().(type) {
	case *rsa.PublicKey:
		out := jwk{Kty: "RSA", Use: "sig", Alg: "RS256", Kid: s.kid(), N: b64(k.N.Bytes()), E: b64(big.NewInt(int64(k.E)).Bytes())}
		if s.Style.Reference {
			out.Use, out.Alg = "", ""
		}
		return out
	case *ecdsa.PublicKey:
		point, _ := k.Bytes() // of a key that was made here
		return jwk{Kty: "EC", Crv: "P-256", Kid: s.kid(), X: b64(point[1:33]), Y: b64(point[33:])}
	}
	return jwk{}
}

func (s *Server) kid() string {
	switch {
	case s.Style.OpaqueKid:
		return "2017/a?b #1"
	case s.Style.Reference:
		return "/auth/auth_key"
	}
	return s.Root + s.Style.Keys + "#one"
}

// keys answers the key set.
func (s *Server) keys(c *call) error {
	k := s.own()
	if s.bug("key-of-another") {
		raw, _ := base64.RawURLEncoding.DecodeString(k.N)
		raw[len(raw)-1] ^= 2
		k.N = base64.RawURLEncoding.EncodeToString(raw)
	}
	if s.Style.Reference {
		giveJSON(c, http.StatusOK, k)
	} else {
		giveJSON(c, http.StatusOK, map[string]any{"keys": []jwk{k}})
	}
	return nil
}

func (s *Server) smart(c *call) error {
	giveJSON(c, http.StatusOK, map[string]any{"jwks_uri": s.Root + s.Style.Keys, "token_endpoint": s.Root + s.Style.Token,
		"authorization_endpoint": s.Root + "/person/authorize", "revocation_endpoint": s.Root + "/person/revoke",
		"capabilities": []string{"launch-standalone"}})
	return nil
}

// issue makes a JWT of ours.
func (s *Server) issue(sub string) (string, error) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if kept := s.issued[sub]; s.Style.SameJWT && time.Since(kept.at) < 10*time.Minute {
		return kept.packed, nil // it is good for a day
	}
	life := 23 * time.Hour
	if s.bug("lives-two-days") {
		life = 48 * time.Hour
	}
	claims := jwt.MapClaims{"iss": s.iss, "sub": sub, "iat": now.Unix(), "exp": now.Add(life).Unix(), "jti": uuid()}
	if s.Style.Reference {
		claims["iat"] = fmt.Sprint(now.Unix())
		delete(claims, "jti")
	}
	if s.bug("new-issuer") {
		claims["iss"] = "urn:uuid:" + uuid()
	}
	if s.bug("no-iat") {
		delete(claims, "iat")
	}
	var method jwt.SigningMethod = jwt.SigningMethodRS256
	if s.Style.ES256 {
		method = jwt.SigningMethodES256
	}
	t := jwt.NewWithClaims(method, claims)
	t.Header["kid"] = s.kid()
	packed, err := t.SignedString(s.key)
	s.issued[sub] = issued{packed, now}
	return packed, err
}

// issued is a JWT that was given out last.
type issued struct {
	packed string
	at     time.Time
}

var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "ES256"}

var errNoKey = errors.New("its key is not known here")
var errUnreachable = errors.New("its key can't be had at this time")

// keySet is a key set as it was fetched last.
type keySet struct {
	keys []jwk
	at   time.Time
}

// fetch reads a key set, not more often than every two seconds.
func (s *Server) fetch(ctx context.Context, place string, again bool) (*keySet, error) {
	s.mu.Lock()
	old := s.sets[place]
	s.mu.Unlock()
	if old != nil && (time.Since(old.at) < 2*time.Second && !s.bug("approves-unreachable") || !again && time.Since(old.at) < 10*time.Minute) {
		return old, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, place, nil)
	if err != nil {
		return nil, err
	}
	res, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	content, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil || res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %d", place, res.StatusCode)
	}
	var v struct {
		Keys []jwk `json:"keys"`
		jwk
	}
	if err := json.Unmarshal(content, &v); err != nil {
		return nil, err
	}
	if v.Kty != "" {
		v.Keys = append(v.Keys, v.jwk)
	}
	out := &keySet{v.Keys, time.Now()}
	s.mu.Lock()
	s.sets[place] = out
	s.mu.Unlock()
	return out, nil
}

// claims verifies a JWT of another system, by the key sets of the config alone.
// The error says what is wrong with it, without its text.
func (s *Server) claims(ctx context.Context, packed string) (jwt.MapClaims, error) {
	if _, _, err := jwt.NewParser().ParseUnverified(packed, jwt.MapClaims{}); err != nil {
		return nil, errors.New("the JWT can't be read")
	}
	places := s.Trust
	if s.bug("one-key-set") {
		places = places[:1]
	}
	if s.bug("fetches-jku") {
		t, _, _ := jwt.NewParser().ParseUnverified(packed, jwt.MapClaims{})
		for _, name := range []string{"jku", "kid"} {
			if place := text(t.Header[name]); absolute(place) {
				places = append(places[:len(places):len(places)], place)
			}
		}
	}
	why := errNoKey
	for _, again := range []bool{false, true} {
		for _, place := range places {
			set, err := s.fetch(ctx, place, again)
			if err != nil {
				why = errUnreachable
				continue
			}
			for _, k := range set.keys {
				claims, err := s.verify(packed, k, place, len(set.keys) == 1)
				if err == nil {
					return claims, nil
				}
				if errors.Is(err, jwt.ErrTokenExpired) && !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
					return nil, errors.New("the JWT has expired")
				}
			}
		}
	}
	if s.bug("approves-unreachable") && errors.Is(why, errUnreachable) {
		claims := jwt.MapClaims{}
		_, _, err := jwt.NewParser().ParseUnverified(packed, claims)
		return claims, err
	}
	return nil, why
}

// verify verifies a JWT with one key of a set.
func (s *Server) verify(packed string, k jwk, place string, alone bool) (jwt.MapClaims, error) {
	key, err := k.public()
	if err != nil {
		return nil, err
	}
	claims := jwt.MapClaims{}
	allowed := algorithms
	if s.bug("hmac-public-key") {
		allowed = append(allowed[:len(allowed):len(allowed)], "HS256")
	}
	if s.bug("takes-none") {
		allowed = append(allowed[:len(allowed):len(allowed)], "none")
	}
	options := []jwt.ParserOption{jwt.WithValidMethods(allowed), jwt.WithExpirationRequired()}
	if s.bug("expired-jwt") {
		options = []jwt.ParserOption{jwt.WithValidMethods(allowed), jwt.WithoutClaimsValidation()}
	}
	_, err = jwt.ParseWithClaims(packed, claims, func(t *jwt.Token) (any, error) {
		if embedded, ok := t.Header["jwk"].(map[string]any); ok && s.bug("embedded-key") {
			var own jwk
			_ = json.Unmarshal(printJSON(embedded), &own)
			return own.public()
		}
		kid, given := t.Header["kid"].(string)
		if given && k.Kid != "" && kid != k.Kid && !(alone && kid == place) && t.Method.Alg() != "none" {
			return nil, errNoKey
		}
		switch t.Method.(type) {
		case *jwt.SigningMethodHMAC:
			der, err := x509.MarshalPKIXPublicKey(key)
			return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), err
		case *jwt.SigningMethodECDSA, *jwt.SigningMethodRSA, *jwt.SigningMethodRSAPSS:
			return key, nil
		}
		return jwt.UnsafeAllowNoneSignatureType, nil
	}, options...)
	return claims, err
}
