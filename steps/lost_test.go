package steps

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/fixtures"
	"example.org/ccde/mockehr/cluster"
)

var crashes = flag.Int("crashes", 3, "how often a node is killed while it is written to")

// Whatever a node has acknowledged is there after a SIGKILL: FHIR writes, Consents and their withdrawal,
// authorizations, access tokens, sign-ins and their revocation, connections and their end, keys. Writers of
// each kind run side by side; the node is killed in their midst, started again, and asked for all of it.
func TestWhatIsAcknowledgedIsNotLost(t *testing.T) {
	if underRace {
		t.Skip("SKIPPED under the race detector: the node that is killed is a process of its own, built without it")
	}
	bundles, err := fixtures.Bundles()
	require.NoError(t, err)
	a := newArena(t, false, cluster.Spec{Name: "source", Process: true, Load: bundles}, cluster.Spec{Name: "target"})
	random := rand.New(rand.NewPCG(drawnBy(t), 1))
	l := &ledger{arena: a, http: &http.Client{Transport: a.Transport(), Timeout: time.Minute}, kept: map[string]check{}}
	writers := []func(context.Context, int) error{l.create, l.update, l.remove, l.transact, l.transact, l.authorize, l.authorize,
		l.signIn, l.connect, l.connect, l.rotate}
	counts, turns := map[string]int{}, make([]int, len(writers))
	for range *crashes {
		l.down.Store(false)
		var wg, first sync.WaitGroup
		for i, write := range writers {
			first.Add(1)
			wg.Go(func() {
				once := sync.OnceFunc(first.Done)
				defer once()
				for ; !l.down.Load(); turns[i]++ {
					if err := write(t.Context(), turns[i]); err != nil {
						// What breaks off with the node was not acknowledged; nothing else may go wrong.
						if !l.down.Load() {
							assert.NoError(t, err)
						}
						return
					}
					once()
				}
			})
		}
		first.Wait() // each has written something, however slow the machine
		time.Sleep(time.Duration(random.IntN(400_000)) * time.Microsecond)
		l.down.Store(true)
		require.NoError(t, a.Kill(t.Context(), "source"))
		wg.Wait()
		require.NoError(t, a.Restart(t.Context(), "source"))
		for name, n := range l.audit(t) {
			counts[name] += n
		}
	}
	t.Logf("%d kills; checked after them, some more than once: %v", *crashes, counts)
	for _, kind := range []string{"created", "updated", "deleted", "transaction", "token", "withdrawn", "signed in", "revoked", "connection", "stopped", "key"} {
		assert.NotZero(t, counts[kind], "nothing of the kind %q was acknowledged, so nothing was proved of it", kind)
	}
}

// check looks for something that was acknowledged.
type check func(ctx context.Context) error

// ledger keeps what was acknowledged, by "kind name". What is about to be
// superseded is struck out first: between the request and its answer both
// states are right.
type ledger struct {
	*arena
	http *http.Client
	down atomic.Bool

	mu    sync.Mutex
	kept  map[string]check
	tried sync.Map // name: the highest number that an update was sent with
}

func (l *ledger) keep(kind, name string, c check) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept[kind+" "+name] = c
}

func (l *ledger) strike(kind, name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.kept, kind+" "+name)
}

// audit asks for everything, and counts it by kind.
func (l *ledger) audit(t *testing.T) map[string]int {
	counts := map[string]int{}
	l.mu.Lock()
	defer l.mu.Unlock()
	for entry, c := range l.kept {
		if err := c(t.Context()); err != nil {
			assert.NoError(t, err, entry)
		}
		kind, _, _ := cutLast(entry, " ")
		counts[kind]++
	}
	return counts
}

// ask sends a request to the node and reads the answer; body may be nil.
func (l *ledger) ask(ctx context.Context, method, place, bearer, contentType string, body []byte) (*http.Response, []byte, error) {
	if !strings.HasPrefix(place, "http") {
		place = l.node("source").FHIR + "/" + place
	}
	r, err := http.NewRequestWithContext(ctx, method, place, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	res, err := l.http.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res, text, err
}

// write is ask for a write that must be acknowledged with a status.
func (l *ledger) write(ctx context.Context, status int, method, path string, resource string) (string, error) {
	res, text, err := l.ask(ctx, method, path, l.env.Admin, "application/fhir+json", []byte(resource))
	if err != nil {
		return "", err
	}
	if res.StatusCode != status {
		return "", fmt.Errorf("%s %s: %d %s", method, path, res.StatusCode, text)
	}
	return string(text), nil
}

// is checks the status of a read.
func (l *ledger) is(place, bearer string, statuses ...int) check {
	return func(ctx context.Context) error {
		res, text, err := l.ask(ctx, http.MethodGet, place, bearer, "", nil)
		if err != nil {
			return err
		}
		for _, s := range statuses {
			if s == res.StatusCode {
				return nil
			}
		}
		return fmt.Errorf("GET %s: %d, not one of %v: %s", place, res.StatusCode, statuses, text)
	}
}

func (l *ledger) create(ctx context.Context, _ int) error {
	name := randomText(8)
	text, err := l.write(ctx, http.StatusCreated, http.MethodPost, "Observation", observation(name))
	if err != nil {
		return err
	}
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(text), &made); err != nil || made.ID == "" {
		return fmt.Errorf("the created resource has no id: %s", text)
	}
	l.keep("created", name, l.is("Observation/"+made.ID, l.env.Admin, http.StatusOK))
	return nil
}

func observation(name string) string {
	return `{"resourceType":"Observation","status":"final","code":{"text":"` + name + `"},"identifier":[{"system":"urn:ccde:lost","value":"` + name + `"}],"subject":{"reference":"Patient/example"}}`
}

// update raises a number; what is read later is no lower than the last one that
// was acknowledged, and no higher than the last one that was sent.
func (l *ledger) update(ctx context.Context, n int) error {
	name := "updated-" + fmt.Sprint(n%3)
	l.tried.Store(name, n)
	_, err := l.write(ctx, http.StatusOK, http.MethodPut, "Patient/"+name, fmt.Sprintf(`{"resourceType":"Patient","id":"%s","multipleBirthInteger":%d}`, name, n))
	if err != nil && !strings.Contains(err.Error(), ": 201 ") { // the first one creates
		return err
	}
	l.keep("updated", name, func(ctx context.Context) error {
		_, text, err := l.ask(ctx, http.MethodGet, "Patient/"+name, l.env.Admin, "", nil)
		var now struct{ MultipleBirthInteger int }
		if err == nil {
			err = json.Unmarshal(text, &now)
		}
		last, _ := l.tried.Load(name)
		if err == nil && (now.MultipleBirthInteger < n || now.MultipleBirthInteger > last.(int)) {
			err = fmt.Errorf("%d was acknowledged, %d is there: %s", n, now.MultipleBirthInteger, text)
		}
		return err
	})
	return nil
}

func (l *ledger) remove(ctx context.Context, _ int) error {
	name := "gone-" + randomText(8)
	path := "Patient/" + name
	if _, err := l.write(ctx, http.StatusCreated, http.MethodPut, path, `{"resourceType":"Patient","id":"`+name+`"}`); err != nil {
		return err
	}
	res, text, err := l.ask(ctx, http.MethodDelete, path, l.env.Admin, "", nil)
	if err != nil {
		return err
	}
	if res.StatusCode > 299 {
		return fmt.Errorf("DELETE %s: %d %s", path, res.StatusCode, text)
	}
	l.keep("deleted", name, l.is(path, l.env.Admin, http.StatusGone, http.StatusNotFound))
	return nil
}

// transact is all or nothing, also where nobody has acknowledged it.
func (l *ledger) transact(ctx context.Context, _ int) error {
	name := randomText(8)
	entry := `{"resource":` + observation(name) + `,"request":{"method":"POST","url":"Observation"}}`
	bundle := `{"resourceType":"Bundle","type":"transaction","entry":[` + strings.Join([]string{entry, entry, entry}, ",") + `]}`
	count := func(allowed ...int) check {
		return func(ctx context.Context) error {
			_, text, err := l.ask(ctx, http.MethodGet, "Observation?identifier=urn:ccde:lost|"+name, l.env.Admin, "", nil)
			var found struct{ Entry []json.RawMessage }
			if err == nil {
				err = json.Unmarshal(text, &found)
			}
			for _, n := range allowed {
				if err == nil && len(found.Entry) == n {
					return nil
				}
			}
			return errors.Join(err, fmt.Errorf("%d of a transaction's 3 resources are there, not one of %v", len(found.Entry), allowed))
		}
	}
	l.keep("transaction", name, count(0, 3))
	if _, err := l.write(ctx, http.StatusOK, http.MethodPost, "", bundle); err != nil {
		return err
	}
	l.keep("transaction", name, count(3))
	return nil
}

// authorize makes a Consent, an authorization and an access token; of every
// second Consent it withdraws again.
func (l *ledger) authorize(ctx context.Context, n int) error {
	w, err := l.scene(ctx)
	if err != nil {
		return err
	}
	if err := w.hasToken(ctx, "the application", "the source EHR", "user/*.read"); err != nil {
		return err
	}
	name, f := randomText(8), w.flow
	l.keep("token", name, func(ctx context.Context) error {
		if err := l.is("Patient/example", f.token.access, http.StatusOK)(ctx); err != nil {
			return err
		}
		return l.trade(ctx, f, http.StatusOK)
	})
	if n%2 == 0 {
		return nil
	}
	l.strike("token", name)
	if err := w.withdraws(ctx); err != nil {
		return err
	}
	l.keep("withdrawn", name, func(ctx context.Context) error {
		if err := l.is("Patient/example", f.token.access, http.StatusUnauthorized)(ctx); err != nil {
			return err
		}
		return l.trade(ctx, f, http.StatusBadRequest)
	})
	return nil
}

// trade asks for an access token again.
func (l *ledger) trade(ctx context.Context, f *passage, status int) error {
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {f.authorization}}
	res, text, err := l.ask(ctx, http.MethodPost, l.node("source").Root+"/auth/token", f.jwt, "application/x-www-form-urlencoded", []byte(form.Encode()))
	if err == nil && res.StatusCode != status {
		err = fmt.Errorf("the token endpoint answers %d, not %d: %s", res.StatusCode, status, text)
	}
	return err
}

// signIn signs the person in, and revokes every second sign-in.
func (l *ledger) signIn(ctx context.Context, n int) error {
	w, err := l.scene(ctx)
	if err != nil {
		return err
	}
	const app = "the web application"
	if err := w.hasSignedIn(ctx, app, "launch/patient patient/*.read offline_access"); err != nil {
		return err
	}
	name, token := randomText(8), w.flow.token.access
	l.keep("signed in", name, l.is("Patient/example", token, http.StatusOK))
	if n%2 == 0 {
		return nil
	}
	l.strike("signed in", name)
	if err := w.revokesRefresh(ctx, app); err != nil {
		return err
	}
	l.keep("revoked", name, l.is("Patient/example", token, http.StatusUnauthorized))
	return nil
}

// connect starts a connection, with this node as the target, to a source that
// nobody plays, and stops every second one.
func (l *ledger) connect(ctx context.Context, n int) error {
	base := l.node("source").FHIR
	const nowhere = "http://127.0.0.1:9/r3"
	_, jwt, err := l.ask(ctx, http.MethodGet, "$jwt?source="+nowhere, "", "", nil)
	if err != nil {
		return err
	}
	form := url.Values{"source": {nowhere}, "consent": {"c"}, "expires_in": {"86400"}, "patient": {"p"}, "jwt": {string(jwt)}, "authorization": {randomText(8)}}
	res, text, err := l.ask(ctx, http.MethodPost, "$connect", l.env.Consumer, "application/x-www-form-urlencoded", []byte(form.Encode()))
	if err != nil {
		return err
	}
	place := res.Header.Get("Content-Location")
	if res.StatusCode != http.StatusOK || !strings.HasPrefix(place, base) {
		return fmt.Errorf("$connect: %d %s", res.StatusCode, text)
	}
	l.keep("connection", place, l.status(place, "queued", "copying", "waiting", "stopped"))
	if n%2 == 0 {
		return nil
	}
	u, err := url.Parse(place)
	if err != nil {
		return err
	}
	stop := url.Values{"id": {u.Query().Get("id")}}
	res, text, err = l.ask(ctx, http.MethodPost, "$disconnect", l.env.Consumer, "application/x-www-form-urlencoded", []byte(stop.Encode()))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("$disconnect: %d %s", res.StatusCode, text)
	}
	l.keep("stopped", place, l.status(place, "stopped"))
	return nil
}

func (l *ledger) status(place string, allowed ...string) check {
	return func(ctx context.Context) error {
		res, text, err := l.ask(ctx, http.MethodGet, place, l.env.Consumer, "", nil)
		if err != nil {
			return err
		}
		var p map[string]any
		_ = json.Unmarshal(text, &p) // then it has no status
		status := textParameter(p, "status")
		for _, s := range allowed {
			if res.StatusCode == http.StatusOK && status == s {
				return nil
			}
		}
		return fmt.Errorf("%d, status %q, not one of %v: %s", res.StatusCode, status, allowed, text)
	}
}

// rotate gives the node a new key, once before each kill: it signs after the crash too.
func (l *ledger) rotate(ctx context.Context, n int) error {
	if n%2 == 1 {
		for !l.down.Load() {
			time.Sleep(time.Millisecond)
		}
		return nil
	}
	l.strike("key", "own")
	if err := l.node("source").Control.RotateKey(ctx); err != nil {
		return err
	}
	kid, err := l.kid(ctx)
	if err != nil {
		return err
	}
	l.keep("key", "own", func(ctx context.Context) error {
		now, err := l.kid(ctx)
		if err == nil && now != kid {
			err = fmt.Errorf("the node signs with %q; the new key was %q", now, kid)
		}
		return err
	})
	return nil
}

// kid is the key that the node signs with.
func (l *ledger) kid(ctx context.Context) (string, error) {
	_, text, err := l.ask(ctx, http.MethodGet, "$jwt?source=http://s.example/r3", "", "", nil)
	if err != nil {
		return "", err
	}
	_, header, err := unpacked(string(text))
	if err != nil {
		return "", err
	}
	return asText(header["kid"]), nil
}
