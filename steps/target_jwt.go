package steps

import (
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"example.org/ccde/steps/judge"
)

func jwtSteps() []step {
	return []step{
		{`a JWT of {role}`,
			"Asks the role's $jwt for a JWT for the source EHR. Judges TGT-01.",
			`Given a JWT of the target EHR`, (*world).hasJWT},
		{`the JWT {jwt}`,
			"Spoils the JWT that goes with the request at hand, or with the question to the CAVS: \"has expired\", \"has a bad signature\", \"has the algorithm none\" and so on.",
			`But the JWT has a bad signature`, (*world).jwtFault},
		{`the JWT is good`,
			"Takes back what was wrong with the JWT.",
			`When the JWT is good`, (*world).jwtGood},
		{`the application's JWTs are good for {int} seconds`,
			"Says how long the JWTs are that are made from here on. Where an outside system does not trust the harness's keys nothing is judged.",
			`Given the application's JWTs are good for 4 seconds`, (*world).goodFor},
		{`the answer is a JWT and nothing else`,
			"200, application/jwt and a compact JWS. Judges TGT-01.",
			`Then the answer is a JWT and nothing else`, (*world).isJWT},
		{`the answer is Parameters with a JWT`,
			"200 and Parameters with one jwt. Judges TGT-08.",
			`Then the answer is Parameters with a JWT`, (*world).isParametersJWT},
		{`the JWT is signed with an asymmetric algorithm`,
			"Looks at the JWT's header. Judges TGT-03.",
			`Then the JWT is signed with an asymmetric algorithm`, (*world).asymmetric},
		{`the JWT has the claims iss, sub, iat and exp, in their time`,
			"exp ahead, iat not ahead, with 60 s of skew. Judges TGT-04.",
			`Then the JWT has the claims iss, sub, iat and exp, in their time`, (*world).claimsInTime},
		{`the JWT lives at most 24 hours`,
			"From iat to exp. Judges TGT-05.",
			`Then the JWT lives at most 24 hours`, (*world).livesADay},
		{`the key that it leads to verifies it`,
			"Looks for the key as protocol 1.1 says, and verifies the signature. Judges TGT-06.",
			`Then the key that it leads to verifies it`, (*world).keyVerifies},
		{`the JWT with one character changed is not verified by that key`,
			"The control of the step before. Judges TGT-06.",
			`But the JWT with one character changed is not verified by that key`, (*world).spoiltIsNotVerified},
		{`it has the same issuer as the JWT before`,
			"Compares iss. Judges TGT-07.",
			`And it has the same issuer as the JWT before`, (*world).sameIssuer},
		{`its subject is "{sub}"`,
			"Compares sub. Judges TGT-09.",
			`And its subject is "growth-chart"`, (*world).subjectIs},
	}
}

var compactJWS = regexp.MustCompile(`^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$`)

func (w *world) hasJWT(ctx context.Context, title string) error {
	to, err := w.role(ctx, title)
	if err != nil {
		return err
	}
	source, err := w.role(ctx, "the source EHR")
	if err != nil {
		return err
	}
	if err := w.attempt(ctx, call{kind: aJWT, from: "the person", to: to, method: http.MethodGet,
		url: to.fhir + "/$jwt?source=" + url.QueryEscape(source.fhir)}); err != nil {
		return err
	}
	return w.isJWT(ctx)
}

// targetJWT is a JWT of a passage's target, for its source.
func (w *world) targetJWT(ctx context.Context, f *passage) (string, error) {
	err := w.attempt(ctx, call{kind: aJWT, from: "the person", to: f.target, method: http.MethodGet,
		url: f.target.fhir + "/$jwt?source=" + url.QueryEscape(f.source.fhir), flow: f})
	if err == nil {
		err = w.isJWT(ctx)
	}
	if err != nil {
		return "", err
	}
	return string(w.last.Body), nil
}

func (w *world) jwtFault(ctx context.Context, fault string) error {
	if w.thing != nil {
		w.thing.fault = fault
		return nil
	}
	return w.presentFault(ctx, fault)
}

func (w *world) goodFor(_ context.Context, seconds string) error {
	w.good = time.Duration(number(seconds)) * time.Second
	return nil
}

func (w *world) jwtGood(ctx context.Context) error {
	if w.thing != nil {
		w.thing.fault = ""
		return nil
	}
	return w.presentFault(ctx, "")
}

func (w *world) isJWT(context.Context) error {
	a := w.last
	const want = "200, Content-Type application/jwt, and a compact JWS with nothing around it"
	media, _, _ := mime.ParseMediaType(a.Header.Get("Content-Type"))
	if a.Status != http.StatusOK || media != "application/jwt" || !compactJWS.Match(a.Body) {
		return w.fail(a, "TGT-01", want, a.is())
	}
	if _, _, err := unpacked(string(a.Body)); err != nil {
		return w.fail(a, "TGT-01", want, err.Error())
	}
	w.passIfAsked("TGT-01")
	return nil
}

func (w *world) isParametersJWT(context.Context) error {
	a := w.last
	p := a.json()
	all := parametersNamed(p, "jwt")
	if a.Status != http.StatusOK || p["resourceType"] != "Parameters" || len(all) != 1 {
		return w.fail(a, "TGT-08", "200 and Parameters with one jwt", a.is())
	}
	if text := asText(valueOf(all[0])); !compactJWS.MatchString(text) {
		return w.fail(a, "TGT-08", "a compact JWS in the parameter jwt", a.is())
	}
	return nil
}

// packed is the JWT that was answered last, and its parts.
func (w *world) packed() (*answer, string, jwt.MapClaims, map[string]any, error) {
	for _, a := range slices.Backward(w.answers) {
		if a.call.kind != aJWT || a.Status != http.StatusOK {
			continue
		}
		claims, header, err := unpacked(string(a.Body))
		return a, string(a.Body), claims, header, err
	}
	return nil, "", nil, nil, fmt.Errorf("no JWT was answered yet; say \"a JWT of the target EHR\" before")
}

func (w *world) asymmetric(context.Context) error {
	a, _, _, header, err := w.packed()
	if err != nil {
		return err
	}
	alg, _ := header["alg"].(string)
	for _, family := range []string{"RS", "PS", "ES", "EdDSA"} {
		if strings.HasPrefix(alg, family) {
			return nil
		}
	}
	return w.fail(a, "TGT-03", "an asymmetric algorithm: RS, PS or ES", fmt.Sprintf("alg %q", alg))
}

// seconds reads a NumericDate, also one that is a text; isText says which.
func seconds(v any) (at time.Time, isText, ok bool) {
	switch n := v.(type) {
	case string:
		isText = true
		v = json.Number(n)
	}
	n, isNumber := v.(json.Number)
	if !isNumber {
		return time.Time{}, isText, false
	}
	f, err := strconv.ParseFloat(n.String(), 64)
	return time.Unix(int64(f), 0), isText, err == nil
}

func (w *world) claimsInTime(ctx context.Context) error {
	a, _, claims, _, err := w.packed()
	if err != nil {
		return err
	}
	for _, name := range []string{"iss", "sub"} {
		if text, _ := claims[name].(string); text == "" {
			return w.fail(a, "TGT-04", "the claim "+name+", a text", fmt.Sprintf("%v", claims[name]))
		}
	}
	now, err := w.now(ctx, a.call.to)
	if err != nil {
		return err
	}
	const skew = 60 * time.Second
	iat, isText, ok := seconds(claims["iat"])
	if !ok {
		return w.fail(a, "TGT-04", "the claim iat, seconds since 1970", fmt.Sprintf("%v", claims["iat"]))
	}
	if iat.After(now.Add(skew)) {
		return w.fail(a, "TGT-04", "iat not ahead of "+stamp(now), stamp(iat))
	}
	exp, expText, ok := seconds(claims["exp"])
	if !ok || expText {
		return w.fail(a, "TGT-04", "the claim exp, a number of seconds since 1970", fmt.Sprintf("%v", claims["exp"]))
	}
	if !exp.After(now.Add(-skew)) {
		return w.fail(a, "TGT-04", "exp ahead of "+stamp(now), stamp(exp))
	}
	if err := w.form(a, "TGT-04", judge.JWTIssuedAt, !isText, "iat as a number", fmt.Sprintf("the text %q", claims["iat"])); err != nil {
		return err
	}
	if !isText {
		w.passIfAsked("TGT-04")
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (w *world) livesADay(context.Context) error {
	a, _, claims, _, err := w.packed()
	if err != nil {
		return err
	}
	iat, _, _ := seconds(claims["iat"])
	exp, _, _ := seconds(claims["exp"])
	if life := exp.Sub(iat); life > 24*time.Hour {
		return w.fail(a, "TGT-05", "a life of at most 24 hours", life.String())
	}
	return nil
}

func (w *world) keyVerifies(ctx context.Context) error {
	a, packed, _, header, err := w.packed()
	if err != nil {
		return err
	}
	keys, tried, err := w.keysOf(ctx, a, header)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if verifies(packed, k) {
			w.news["key"] = k
			w.passIfAsked("TGT-06")
			return nil
		}
	}
	return w.fail(a, "TGT-06", fmt.Sprintf("a key that fits kid %q and verifies the JWT, by one of: %s", header["kid"], strings.Join(tried, "; ")),
		fmt.Sprintf("%d keys that fit, none of which does", len(keys)))
}

func (w *world) spoiltIsNotVerified(ctx context.Context) error {
	a, packed, _, _, err := w.packed()
	if err != nil {
		return err
	}
	bad, err := w.faulty(ctx, packed, "has a bad signature", a.call.to)
	if err != nil {
		return err
	}
	if verifies(bad, w.news["key"]) {
		return w.fail(a, "TGT-06", "a key that does not verify a JWT that was altered", "it does")
	}
	return nil
}

func verifies(packed string, key any) bool {
	// Claims are judged elsewhere, and golang-jwt refuses an iat that is a text.
	_, err := jwt.NewParser(jwt.WithoutClaimsValidation(), jwt.WithJSONNumber()).Parse(packed, func(*jwt.Token) (any, error) { return key, nil })
	return err == nil
}

func (w *world) sameIssuer(context.Context) error {
	a, _, claims, _, err := w.packed()
	if err != nil {
		return err
	}
	for _, before := range w.answers {
		if before.call.kind != aJWT || before.Status != http.StatusOK || before == a {
			continue
		}
		was, _, err := unpacked(string(before.Body))
		if err != nil {
			return err
		}
		if was["iss"] != claims["iss"] {
			return w.fail(a, "TGT-07", fmt.Sprintf("iss %q, as before", was["iss"]), fmt.Sprintf("%q", claims["iss"]))
		}
		return nil
	}
	return fmt.Errorf("there was no JWT before")
}

func (w *world) subjectIs(_ context.Context, want string) error {
	a, _, claims, _, err := w.packed()
	if err != nil {
		return err
	}
	if claims["sub"] != want {
		return w.fail(a, "TGT-09", fmt.Sprintf("sub %q", want), fmt.Sprintf("%q", claims["sub"]))
	}
	return nil
}
