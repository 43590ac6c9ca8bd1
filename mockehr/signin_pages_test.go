package mockehr

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/control"
	"example.org/ccde/mockehr/store"
)

func TestEveryPageIsGuarded(t *testing.T) {
	n := newSignInNode(t)
	v := newVisitor(t)
	guarded := func(name string, got shown, formAction string) {
		t.Helper()
		policy := got.header.Get("Content-Security-Policy")
		assert.Contains(t, policy, "default-src 'none'; style-src 'sha256-", name)
		assert.Contains(t, policy, "; form-action "+formAction+";", name)
		assert.Contains(t, policy, "frame-ancestors 'none'", name)
		assert.Equal(t, "no-referrer", got.header.Get("Referrer-Policy"), name)
		assert.Equal(t, "nosniff", got.header.Get("X-Content-Type-Options"), name)
		assert.Equal(t, "no-store", got.header.Get("Cache-Control"), name)
		assert.NotContains(t, got.body, "<script", name)
	}
	page := v.get(n.app("patient/*.read").AuthCodeURL("s"))
	guarded("sign-in", page, "'self'")
	cookies := page.header.Values("Set-Cookie")
	require.Len(t, cookies, 1)
	for _, part := range []string{"; Path=/ehr/auth/authorize;", "; HttpOnly", "; SameSite=Lax", "; Max-Age=900"} {
		assert.Contains(t, cookies[0]+";", part)
	}
	page = v.send(page, "password", "user", "person", "password", "password")
	guarded("patient", page, "'self'")
	assert.NotContains(t, page.body, `value="gone"`, "a patient who is not here")
	assert.NotContains(t, page.body, `value="third"`)
	page = v.send(page, "patient", "patient", "example")
	guarded("approval", page, "'self' http:")
	assert.Contains(t, page.body, "Heart &lt;Watch&gt;")
	assert.Contains(t, page.body, "Read everything in the record")
	assert.Contains(t, page.body, "No service has checked this application")
	last := v.send(page, "decision", "decision", "approve")
	guarded("the answer", last, "'self' http:")
	guarded("an error", v.get(n.root+"/auth/authorize"), "'self'")
	guarded("grants", v.get(n.root+"/auth/grants"), "'self'")
	r, err := http.NewRequest("PUT", n.root+"/auth/authorize", nil)
	require.NoError(t, err)
	refused := v.do(r)
	assert.Equal(t, http.StatusMethodNotAllowed, refused.status)
	assert.Equal(t, "GET, POST", refused.header.Get("Allow"))
	guarded("another method", refused, "'self'")
}

func TestASignInBelongsToItsBrowser(t *testing.T) {
	n := newSignInNode(t)
	app := n.app("patient/*.read")
	v := newVisitor(t)
	page := v.get(app.AuthCodeURL("s"))

	assert.Equal(t, http.StatusBadRequest, newVisitor(t).send(page, "password", "user", "person", "password", "password").status, "another browser")
	assert.Equal(t, http.StatusForbidden, v.send(page, "password", "user", "person", "password", "password", "form", "x").status, "another site")
	assert.Contains(t, v.get(strings.Replace(visitLink(t, page), "sign-in?", "approval?", 1)).body, "Password", "not signed in")

	choice := v.send(page, "password", "user", "person", "password", "password")
	require.Contains(t, choice.body, "Whose record")
	assert.Equal(t, http.StatusForbidden, v.send(page, "password", "user", "person", "password", "password").status,
		"the page from before the sign-in has another secret")
	assert.Contains(t, v.get(strings.Replace(visitLink(t, choice), "patient?", "approval?", 1)).body, "Whose record", "no patient yet")
	action, values := choice.form(t, "patient")
	values.Set("decision", "approve")
	early := post(t, v, strings.Replace(action, "/patient?", "/approval?", 1), values)
	assert.Equal(t, http.StatusConflict, early.status)
	for _, patient := range []string{"", "third", "gone", "../other"} {
		assert.Equal(t, http.StatusUnprocessableEntity, v.send(choice, "patient", "patient", patient).status, patient)
	}
	approval := v.send(choice, "patient", "patient", "example")
	assert.Equal(t, http.StatusBadRequest, v.send(approval, "decision", "decision", "maybe").status)

	// Two requests in one browser don't get into each other's way.
	second := v.get(app.AuthCodeURL("t"))
	done := v.send(approval, "decision", "decision", "approve")
	require.Equal(t, http.StatusFound, done.status)
	assert.Equal(t, http.StatusBadRequest, v.send(approval, "decision", "decision", "approve").status, "a second time")
	assert.Equal(t, http.StatusOK, v.send(second, "password", "user", "person", "password", "password").status)

	late := v.get(app.AuthCodeURL("u"))
	n.clock.Add(visitTime)
	assert.Equal(t, http.StatusBadRequest, v.send(late, "password", "user", "person", "password", "password").status)
}

// visitTime is how long a person may take.
const visitTime = 15 * time.Minute

func visitLink(t testing.TB, page shown) string {
	action, _ := page.form(t, "")
	return action
}

func post(t testing.TB, v *visitor, link string, values url.Values) shown {
	t.Helper()
	r, err := http.NewRequest("POST", link, strings.NewReader(values.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.do(r)
}

func TestGuessingPasswordsTakesEverLonger(t *testing.T) {
	for _, user := range []string{"person", "nobody"} {
		t.Run(user, func(t *testing.T) {
			n := newSignInNode(t)
			v := newVisitor(t)
			page := v.get(n.app("patient/*.read").AuthCodeURL("s"))
			try := func(password string) shown {
				return v.send(page, "password", "user", user, "password", password)
			}
			for range 3 {
				got := try("wrong")
				require.Equal(t, http.StatusForbidden, got.status)
				require.Contains(t, got.body, "The user name or the password is wrong.")
			}
			for _, wait := range []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
				blocked := try("password")
				require.Equal(t, http.StatusTooManyRequests, blocked.status, "even the right one")
				require.Equal(t, fmt.Sprint(wait), blocked.header.Get("Retry-After"))
				require.Contains(t, blocked.body, "too many wrong passwords")
				n.clock.Add(time.Duration(wait)*time.Second - time.Millisecond)
				require.Equal(t, http.StatusTooManyRequests, try("wrong").status)
				n.clock.Add(time.Millisecond)
				page = v.get(n.app("patient/*.read").AuthCodeURL("s"))
				require.Equal(t, http.StatusForbidden, try("wrong").status)
			}
			n.clock.Add(time.Hour)
			page = v.get(n.app("patient/*.read").AuthCodeURL("s"))
			if user == "person" {
				require.Equal(t, http.StatusOK, try("password").status)
			} else {
				require.Equal(t, http.StatusForbidden, try("password").status)
			}
		})
	}
}

func TestThePersonSeesWhatTheCAVSSays(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		answer string
		want   []string
		not    string
	}{
		"approved": {200, `{"status":"approved","message":"Approved for use by cavs","endorsements":[
			{"endorser":{"name":"Heart & Co","url":"http://heart.example"},"type":"approval","comment":"good"}]}`,
			[]string{"Approved for use by cavs", "<strong>Approval</strong> by Heart &amp; Co (http://heart.example): good"}, "Warning"},
		"unsuitable":   {200, `{"status":"unsuitable","message":"Don't"}`, []string{"Warning:", "Don&#39;t"}, "Approval"},
		"out of order": {500, ``, []string{"Warning:", "gave no answer"}, "Approval"},
	} {
		t.Run(name, func(t *testing.T) {
			cavs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				assert.Equal(t, "a.b.c", r.FormValue("jwt"))
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.answer))
			}))
			defer cavs.Close()
			n := newSignInNode(t, func(s *control.Settings) { s.CAVS = cavs.URL; s.Clients[0].JWT = "a.b.c" })
			v := newVisitor(t)
			page := v.send(v.get(n.app("patient/*.read").AuthCodeURL("s")), "password", "user", "person", "password", "password")
			page = v.send(page, "patient", "patient", "example")
			for _, want := range c.want {
				assert.Contains(t, page.body, want)
			}
			assert.NotContains(t, page.body, c.not)
		})
	}
}

func TestAPersonForEveryPatientCanNameOne(t *testing.T) {
	n := newSignInNode(t)
	var more []string
	for i := range 120 {
		more = append(more, fmt.Sprintf(`{"resourceType":"Patient","id":"p%03d"}`, i))
	}
	n.load(t, more...)
	v := newVisitor(t)
	page := v.send(v.get(n.app("patient/*.read").AuthCodeURL("s")), "password", "user", "anybody", "password", "password")
	assert.NotContains(t, page.body, `value="p119"`)
	page = v.send(page, "patient", "other", "p119")
	assert.Contains(t, page.body, "Patient p119")
}

func TestTheStoreHoldsNoSecretOfASignIn(t *testing.T) {
	n := newSignInNode(t)
	app := n.app("patient/*.read", "offline_access")
	v := newVisitor(t)
	page := v.get(app.AuthCodeURL("s"))
	_, values := page.form(t, "password")
	cookie := strings.SplitN(strings.SplitN(page.header.Get("Set-Cookie"), "=", 2)[1], ";", 2)[0]
	code := newVisitor(t).decide(app.AuthCodeURL("s"), "example", "approve").Query().Get("code")
	token, err := app.Exchange(context.Background(), code)
	require.NoError(t, err)
	unused := newVisitor(t).decide(app.AuthCodeURL("s"), "example", "approve").Query().Get("code")
	var kept strings.Builder
	require.NoError(t, n.store.View(context.Background(), func(tx *store.Tx) error {
		for _, kind := range []string{"smart-visit", "smart-code", "smart-grant", "smart-refresh", "access-token"} {
			err := tx.Records(kind, "", func(key string, raw json.RawMessage) error {
				_, err := fmt.Fprintln(&kept, kind, key, string(raw))
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	}))
	require.Contains(t, kept.String(), "smart-code")
	for name, secret := range map[string]string{"cookie": cookie, "form": values.Get("form"), "code": code, "an unused code": unused,
		"access token": token.AccessToken, "refresh token": token.RefreshToken} {
		assert.GreaterOrEqual(t, len(secret), 43, "%s: 256 bits", name)
		assert.NotContains(t, kept.String(), secret, name)
	}
	// What is over goes.
	n.clock.Add(25 * time.Hour)
	v.get(app.AuthCodeURL("s"))
	require.NoError(t, n.store.View(context.Background(), func(tx *store.Tx) error {
		return tx.Records("smart-code", "", func(key string, _ json.RawMessage) error { return fmt.Errorf("code %s is still there", key) })
	}))
}
