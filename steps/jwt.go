package steps

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// ownJWT is a good JWT of an application that the harness plays, by the clock of
// the node that it is for.
func (w *world) ownJWT(ctx context.Context, app string, to *node) (string, error) {
	if r := to.outside; r != nil && !r.Trusts {
		if w.good != 0 {
			return "", w.beyond(fmt.Sprintf("%s does not trust the harness's keys, and how long the JWTs are good that it does trust is not the harness's to say", to.title()))
		}
		if unknown := r.Known["unknown"]; unknown != nil {
			packed, err := unknown(ctx, "")
			if err != nil {
				return "", fmt.Errorf("cavs.known.unknown: %w", err)
			}
			w.rec.Secret("jwt", packed)
			return packed, nil
		}
		if r.JWT == nil {
			return "", w.unjudged(fmt.Sprintf("%s does not trust the harness's keys (trusts-our-keys), and no jwt command gives JWTs that it does", to.title()))
		}
		packed, err := r.JWT(ctx, app)
		if err != nil {
			return "", fmt.Errorf("the jwt command for %s: %w", to.title(), err)
		}
		w.rec.Secret("jwt", packed)
		return packed, nil
	}
	if w.env.HarnessKey == nil {
		return "", w.unjudged("the harness has no key of its own")
	}
	now, err := w.now(ctx, to)
	if err != nil {
		return "", err
	}
	claims := jwt.MapClaims{"iss": w.env.HarnessISS, "sub": app, "iat": now.Unix(), "exp": now.Add(orElse(w.good, 23*time.Hour)).Unix(), "jti": randomText(8)}
	return signed(claims, w.env.HarnessKey, map[string]any{"kid": w.env.keyID()})
}

func signed(claims jwt.MapClaims, key *rsa.PrivateKey, header map[string]any) (string, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	maps.Copy(t.Header, header)
	text, err := t.SignedString(key)
	if err != nil {
		return "", fmt.Errorf("the harness could not sign a JWT: %w", err)
	}
	return text, nil
}

// strangerKey is a key that nobody trusts, one a process: making one takes long.
var strangerKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// faults are the things that can be wrong with a JWT, as a step says them after
// "the JWT". Each makes a faulty JWT of a good one.
var faults = map[string]func(ctx context.Context, w *world, good string, to *node) (string, error){
	"has expired": func(ctx context.Context, w *world, good string, to *node) (string, error) {
		now, err := w.now(ctx, to)
		if err != nil {
			return "", err
		}
		return w.resigned(good, func(c jwt.MapClaims) {
			c["iat"], c["exp"] = now.Add(-26*time.Hour).Unix(), now.Add(-2*time.Hour).Unix()
		})
	},
	"ends at this second":            claimed("exp", 0),
	"ends at the next second":        claimed("exp", time.Second),
	"was issued 60 seconds from now": claimed("iat", time.Minute),
	"was issued 61 seconds from now": claimed("iat", time.Minute+time.Second),
	"has a bad signature": func(_ context.Context, _ *world, good string, _ *node) (string, error) {
		head, sig, ok := cutLast(good, ".")
		if !ok || len(sig) < 40 {
			return "", fmt.Errorf("%q has no signature to spoil", good)
		}
		// In the middle: the last character's low bits may be padding.
		other := byte('A')
		if sig[20] == other {
			other = 'B'
		}
		return head + "." + sig[:20] + string(other) + sig[21:], nil
	},
	"has lost its last character": func(_ context.Context, _ *world, good string, _ *node) (string, error) {
		return good[:len(good)-1], nil
	},
	"has lost its signature": func(_ context.Context, _ *world, good string, _ *node) (string, error) {
		head, _, _ := cutLast(good, ".")
		return head + ".", nil
	},
	"has other claims than signed": func(_ context.Context, _ *world, good string, _ *node) (string, error) {
		claims, _, err := unpacked(good)
		if err != nil {
			return "", err
		}
		parts := strings.Split(good, ".")
		claims["jti"] = randomText(8)
		text, err := json.Marshal(claims)
		if err != nil {
			return "", err
		}
		return parts[0] + "." + base64.RawURLEncoding.EncodeToString(text) + "." + parts[2], nil
	},
	"has the algorithm none": func(_ context.Context, _ *world, good string, _ *node) (string, error) {
		claims, header, err := unpacked(good)
		if err != nil {
			return "", err
		}
		t := jwt.NewWithClaims(jwt.SigningMethodNone, claims)
		t.Header["kid"] = header["kid"]
		return t.SignedString(jwt.UnsafeAllowNoneSignatureType)
	},
	"is an HMAC made with the public key": func(_ context.Context, w *world, good string, _ *node) (string, error) {
		claims, header, err := unpacked(good)
		if err != nil {
			return "", err
		}
		der, err := x509.MarshalPKIXPublicKey(&w.env.HarnessKey.PublicKey)
		if err != nil {
			return "", err
		}
		t := jwt.NewWithClaims(jwt.SigningMethodHS256, claims)
		t.Header["kid"] = header["kid"]
		return t.SignedString(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	},
	"is signed with an unknown key": func(_ context.Context, _ *world, good string, _ *node) (string, error) {
		return strangers(good, func(header map[string]any, _ *rsa.PrivateKey) map[string]any {
			return map[string]any{"kid": header["kid"]}
		})
	},
	"is signed with a key of no kid": func(_ context.Context, _ *world, good string, _ *node) (string, error) {
		return strangers(good, func(map[string]any, *rsa.PrivateKey) map[string]any { return nil })
	},
	"brings a key of its own in its header": func(_ context.Context, _ *world, good string, _ *node) (string, error) {
		return strangers(good, func(_ map[string]any, key *rsa.PrivateKey) map[string]any {
			return map[string]any{"kid": "its-own", "jwk": jwk(&key.PublicKey, "its-own")}
		})
	},
	"names a key set at the source EHR": namingSetAt("the source EHR"),
	"names a key set at the target EHR": namingSetAt("the target EHR"),
	"is another good one of the application": func(ctx context.Context, w *world, good string, to *node) (string, error) {
		return w.resigned(good, func(c jwt.MapClaims) { c["jti"] = randomText(8) })
	},
	"is a good one of another application": func(ctx context.Context, w *world, _ string, to *node) (string, error) {
		return w.ownJWT(ctx, "ccde-yet-another-application", to)
	},
	"is one that another system issued": func(ctx context.Context, w *world, _ string, to *node) (string, error) {
		return w.ownJWT(ctx, "ccde-application", to)
	},
	"is no JWT but a word": func(context.Context, *world, string, *node) (string, error) { return "ccde", nil },
}

// claimed makes a JWT whose claim is so far from now, by the clock of the node that it is for.
func claimed(claim string, from time.Duration) func(context.Context, *world, string, *node) (string, error) {
	return func(ctx context.Context, w *world, good string, to *node) (string, error) {
		now, err := w.now(ctx, to)
		if err != nil {
			return "", err
		}
		return w.resigned(good, func(c jwt.MapClaims) { c[claim] = now.Add(from).Unix() })
	}
}

// namingSetAt makes a JWT that leads to a key set at a mock, which nobody trusts.
func namingSetAt(title string) func(context.Context, *world, string, *node) (string, error) {
	return func(ctx context.Context, w *world, good string, _ *node) (string, error) {
		at, err := w.controlled(ctx, title)
		if err != nil {
			return "", err
		}
		w.news["strangers"] = title
		set := at.fhir + strangersKeySet
		return strangers(good, func(map[string]any, *rsa.PrivateKey) map[string]any {
			return map[string]any{"kid": set, "jku": set}
		})
	}
}

// strangersKeySet is the path of a key set that nobody's configuration names.
const strangersKeySet = "/.well-known/ccde-strangers-keys.json"

// jwtKinds is the expression of all that can be wrong with a JWT.
func jwtKinds() string {
	names := slices.Sorted(maps.Keys(faults))
	return "(" + strings.Join(names, "|") + ")"
}

// faulty is the JWT with a fault; "" leaves it as it is.
func (w *world) faulty(ctx context.Context, good, fault string, to *node) (string, error) {
	if fault == "" {
		return good, nil
	}
	make, known := faults[fault]
	if !known {
		return "", fmt.Errorf("nobody knows what a JWT is that %s", fault)
	}
	if good == "" {
		return "", fmt.Errorf("the scenario has no JWT yet")
	}
	if w.env.HarnessKey == nil {
		return "", w.unjudged("the harness has no key of its own")
	}
	text, err := make(ctx, w, good, to)
	if err == nil {
		w.rec.Secret("jwt", text)
	}
	return text, err
}

// resigned is a JWT of the harness with other claims.
func (w *world) resigned(good string, change func(jwt.MapClaims)) (string, error) {
	claims, _, err := unpacked(good)
	if err != nil {
		return "", err
	}
	change(claims)
	return signed(claims, w.env.HarnessKey, map[string]any{"kid": w.env.keyID()})
}

// strangers is a JWT's claims, signed with a key that nobody trusts.
func strangers(good string, header func(map[string]any, *rsa.PrivateKey) map[string]any) (string, error) {
	claims, was, err := unpacked(good)
	if err != nil {
		return "", err
	}
	key, err := strangerKey()
	if err != nil {
		return "", err
	}
	return signed(claims, key, header(was, key))
}

// unpacked reads a JWT's claims and header, without a look at the signature.
// Numbers stay as they are written.
func unpacked(packed string) (jwt.MapClaims, map[string]any, error) {
	t, _, err := jwt.NewParser(jwt.WithJSONNumber()).ParseUnverified(packed, jwt.MapClaims{})
	if err != nil {
		return nil, nil, fmt.Errorf("no readable JWT: %w", err)
	}
	return t.Claims.(jwt.MapClaims), t.Header, nil
}

func cutLast(text, sep string) (before, after string, found bool) {
	i := strings.LastIndex(text, sep)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(sep):], true
}
