package steps

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cucumber/godog"

	"example.org/ccde/mockehr/cluster"
	"example.org/ccde/mockehr/control"
	"example.org/ccde/steps/judge"
)

// world is where one scenario happens: its roles, what the person and the
// applications hold by now, and what was answered last.
type world struct {
	env     *Env
	name    string
	rec     *judge.Record
	ids     []string          // the requirements that the scenario is tagged with
	subject string            // the first of them: what a refusal is judged under
	ended   error             // why the scenario ended before its last step
	shown   map[string][]seen // what mocks saw that shows that a requirement was met

	cluster *cluster.Cluster
	release func()
	http    *http.Client
	nodes   map[string]*node

	lasts   length              // how long an authorization is to last
	good    time.Duration       // how long a JWT of an application that the harness plays is; 0 = 23 hours
	expires int64               // how long a connection is to last, in seconds; 0 = as long as its authorization
	flows   map[string]*passage // by application, or by patient and EHRs
	flow    *passage            // the one at hand
	thing   *draft              // the request at hand, for "its ... is ..."
	device  string              // the application whose registration is at hand
	last    *answer             // the last answer
	answers []*answer           // all answers
	set     []*answer           // the answers of a step that asks more than once
	since   map[string]int64    // where each node's history stood when time last passed
	losing  bool                // the next answer is to be lost
	apps    map[string]*registration
	run     string // a text of this scenario's own, for names that must be new
	need    Need
	made    []created // what the scenario made at outside systems
	news    map[string]any
	scripts int // scripts in doc strings so far
}

type worldKey struct{}

func worldOf(ctx context.Context) *world {
	w, _ := ctx.Value(worldKey{}).(*world)
	return w
}

// begin makes a scenario's world. godog takes a nil context badly, so ctx comes
// back also with an error.
func begin(ctx context.Context, env *Env, sc *godog.Scenario) (context.Context, error) {
	w := &world{env: env, name: sc.Name, rec: judge.From(ctx), nodes: map[string]*node{}, flows: map[string]*passage{},
		since: map[string]int64{}, apps: map[string]*registration{}, news: map[string]any{}, lasts: length{1, "d"}, run: randomText(6)}
	if w.rec == nil {
		w.rec = judge.NewRecord(judge.Options{Levels: env.Levels, Dialect: env.Dialect, Masker: env.Masker})
		ctx = judge.WithRecord(ctx, w.rec)
	}
	for _, tag := range sc.Tags {
		if id := strings.TrimPrefix(tag.Name, "@"); idForm.MatchString(id) && !slices.Contains(w.ids, id) && (env.Judges == nil || env.Judges(id)) {
			w.ids = append(w.ids, id)
		}
	}
	if len(w.ids) > 0 {
		w.subject = w.ids[0]
	}
	ctx = context.WithValue(ctx, worldKey{}, w)
	w.need = needOf(sc)
	w.http = &http.Client{Transport: orElse(env.Transport, http.DefaultTransport), Timeout: env.Timeouts.request()}
	if w.ours() {
		if err := w.lease(ctx); err != nil {
			w.ended = fmt.Errorf("no cluster for the scenario: %w", err)
			return ctx, w.ended
		}
	}
	return ctx, nil
}

// lease gets the scenario's cluster, once. With an outside system in it, it is
// only leased when a mock is first asked for: there may be one at a time.
func (w *world) lease(ctx context.Context) error {
	if w.cluster != nil || w.env.Pool == nil {
		return nil
	}
	c, release, err := w.env.Pool(ctx, w.need)
	if err != nil {
		return err
	}
	w.cluster, w.release = c, release
	if w.env.Transport == nil {
		w.http.Transport = c.Transport()
	}
	return nil
}

var (
	idForm     = regexp.MustCompile(`^[A-Z]{3}-[0-9]{2}$`) // a requirement's id
	secondNode = regexp.MustCompile(`the second (source|target) EHR`)
	killedNode = regexp.MustCompile(`the (?:(second )?(source|target) EHR|(CAVS)) is (?:killed|paused)`)
)

// needOf reads in a scenario's steps which nodes it speaks of.
func needOf(sc *godog.Scenario) Need {
	var n Need
	add := func(to *[]string, name string) {
		if !slices.Contains(*to, name) {
			*to = append(*to, name)
		}
	}
	for _, s := range sc.Steps {
		for _, m := range secondNode.FindAllStringSubmatch(s.Text, -1) {
			add(&n.Nodes, m[1]+"-2")
		}
		for _, m := range killedNode.FindAllStringSubmatch(s.Text, -1) {
			switch {
			case m[3] != "":
				add(&n.Process, "cavs")
			case m[1] != "":
				add(&n.Process, m[2]+"-2")
			default:
				add(&n.Process, m[2])
			}
		}
	}
	return n
}

// end closes the scenario: it keeps what the mocks saw, gives every tagged
// requirement a verdict, and gives the cluster back. The error is that of a
// script, whose scenario proves nothing.
func (w *world) end(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	faults := w.scriptFaults(ctx)
	if faults != nil {
		w.ended = errors.Join(w.ended, faults)
		for _, id := range w.ids {
			w.rec.Error(id, faults.Error())
		}
	}
	if !w.env.NoHistory {
		w.keepHistory(ctx)
	}
	w.cleanUp(ctx)
	if w.ended == nil && err != nil {
		w.ended = err
	}
	var failure *judge.Failure
	for _, id := range w.ids {
		switch {
		case w.rec.Judged(id):
		case w.ended == nil:
			w.about(w.shown[id]...) // else it is the scenario as a whole that shows it
			w.rec.Pass(id, "")
		case errors.As(w.ended, &failure):
			w.about()
			_ = w.rec.Unjudged(id, "after "+failure.ID+", which failed") // the error is for a step to return
		case errors.Is(w.ended, judge.ErrUnjudged):
			_ = w.rec.Unjudged(id, strings.TrimPrefix(w.ended.Error(), judge.ErrUnjudged.Error()+": "))
		default:
			w.rec.Error(id, w.ended.Error())
		}
	}
	if w.release != nil {
		w.release()
	}
	return faults
}

// node is a role: a URL and, if a mock plays it, its control client.
type node struct {
	name     string // source, target, cavs, source-2, ...
	fhir     string // the FHIR base, without a slash at its end
	token    string // the token endpoint, "" = as metadata says
	sign     string // the authorization endpoint, "" = not looked for yet
	cavs     string
	keys     string
	consumer string
	admin    string
	readback string
	outside  *Role           // nil: a mock
	registry string          // the FHIR base of a CAVS's registry
	control  *control.Client // nil: an outside system
	ahead    *time.Duration  // an outside clock against ours, once a Date was seen
}

// title is the role as a sentence has it.
func (n *node) title() string {
	name, second, _ := strings.Cut(n.name, "-")
	if second != "" {
		second = "second "
	}
	if name == "cavs" {
		return "the " + second + "CAVS"
	}
	return "the " + second + name + " EHR"
}

// roleName is the node that plays a role of a step's text.
func roleName(title string) string {
	words := strings.Fields(strings.ToLower(title))
	name, second := "", false
	for _, word := range words {
		switch word {
		case "source", "target", "cavs":
			name = word
		case "second":
			second = true
		}
	}
	if second {
		name += "-2"
	}
	return name
}

// role finds a role by a step's text or by its name.
func (w *world) role(ctx context.Context, title string) (*node, error) {
	name := roleName(strings.ReplaceAll(title, "-2", " second"))
	if n := w.nodes[name]; n != nil {
		return n, nil
	}
	n := &node{name: name, consumer: w.env.Consumer, admin: w.env.Admin, readback: w.env.Admin}
	if r, outside := w.env.Roles[name]; outside {
		if err := w.outside(ctx, n, r); err != nil {
			return nil, err
		}
	} else {
		if err := w.lease(ctx); err != nil {
			return nil, fmt.Errorf("no cluster for the scenario: %w", err)
		}
		if w.cluster == nil {
			return nil, w.unjudged("nobody plays " + n.title())
		}
		played, err := w.cluster.Node(ctx, name)
		if err != nil && strings.HasSuffix(name, "-2") {
			played, err = w.cluster.Add(ctx, cluster.Spec{Name: name, Settings: control.Settings{Dialect: w.env.Dialect}})
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.title(), err)
		}
		n.fhir, n.control, n.cavs = strings.TrimRight(played.FHIR, "/"), played.Control, played.Root+"/auth/cavs"
		n.registry = n.fhir
	}
	w.nodes[name] = n
	return n, nil
}

// controlled is a role that a mock plays.
func (w *world) controlled(ctx context.Context, title string) (*node, error) {
	n, err := w.role(ctx, title)
	if err == nil && n.control == nil {
		err = w.beyond(fmt.Sprintf("%s is an outside system; only a mock can be told to do this", n.title()))
	}
	return n, err
}

// beyond ends a scenario that can't be played with an outside system. What
// other scenarios say of the same requirements stands; one that no scenario
// could judge is unjudged, for this reason.
func (w *world) beyond(reason string) error {
	for _, id := range w.ids {
		if !w.rec.Judged(id) {
			w.rec.LeaveOut(id, reason)
		}
	}
	return fmt.Errorf("%w: %s", judge.ErrUnjudged, reason)
}

// unjudged leaves every requirement of the scenario that has no finding yet
// unjudged, and says why.
func (w *world) unjudged(reason string) error {
	err := fmt.Errorf("%w: %s", judge.ErrUnjudged, reason)
	for _, id := range w.ids {
		if !w.rec.Judged(id) {
			err = w.rec.Unjudged(id, reason)
		}
	}
	return err
}

// ours says that mocks play every role, so that their clocks can be moved.
func (w *world) ours() bool { return len(w.env.Roles) == 0 }

// now is a node's time: the mock's clock, or what an outside system's Date says.
func (w *world) now(ctx context.Context, n *node) (time.Time, error) {
	if n.control != nil {
		state, err := n.control.Clock(ctx)
		if err != nil {
			return time.Time{}, fmt.Errorf("the clock of %s: %w", n.title(), err)
		}
		return state.Now, nil
	}
	if n.ahead == nil && n.fhir != "" {
		if _, err := w.ask(ctx, call{from: "nobody", to: n, method: http.MethodGet, url: n.fhir + "/metadata"}); err != nil {
			return time.Time{}, err
		}
	}
	if n.ahead == nil {
		return time.Now().UTC(), nil
	}
	return time.Now().UTC().Add(*n.ahead), nil
}
