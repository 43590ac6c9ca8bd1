package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"example.org/ccde/fixtures"
	"example.org/ccde/mockehr/cluster"
	"example.org/ccde/mockehr/control"
	"example.org/ccde/reports"
	"example.org/ccde/steps/config"
)

type upFlags struct {
	run                  config.Run
	nodes, host, node    string
	redirects, trust     []string
	cavs                 string
	update               time.Duration
	scripts              []string
	json, empty, verbose bool
	tls                  bool
}

func upCommand(s streams) *cobra.Command {
	var f upFlags
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start a cluster and leave it running until Ctrl-C",
		Long: `Start a cluster of mock EHRs, each of which can be source, target and CAVS, and
leave it running until Ctrl-C. It prints each node's URL, the bearers of the
person's app (consumer) and of the administrator, and a first curl line.

A person can sign in at each node by SMART App Launch; their name and password
and the registered clients are printed too. --redirect registers your own
application's redirect_uri for these.

--script makes a node misbehave: mockehr/script/README.md says how to write one.
What goes wrong in a script while it runs is printed with file and line.

Every node holds the fixture patients and trusts the keys of all others. A node
named cavs is the one that the others ask at $authorize. --trust and --cavs let
them trust a key set, and ask a CAVS, that are elsewhere: the front door of a
"ccde certify", for one, which then has something to judge.

` + environment,
		Example: `  ccde up
  ccde up --nodes a,b,c --runtime embedded
  ccde up --nodes 5 --empty
  ccde up --host 192.168.1.20          reachable from other machines
  ccde up --script busy.star           the source misbehaves as the script says
  ccde up --script target=sloppy.star  so does another node
  ccde up --redirect http://localhost:4000/callback
  ccde up --trust http://127.0.0.1:9000/jwks.json --trust http://127.0.0.1:9000/target/auth/auth_key \
    --cavs http://127.0.0.1:9000/cavs/auth/cavs --update-every 5s
  ccde up --json                       one JSON object on stdout once all answer`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return up(cmd.Context(), s, f) },
	}
	runFlags(cmd, &f.run)
	flags := cmd.Flags()
	flags.StringVar(&f.nodes, "nodes", "source,target,cavs", "names of the nodes, or how many (1 to 26: a, b, c, ...)")
	flags.StringVar(&f.host, "host", "", "host name or address in each node's URL; opens the nodes' ports to others")
	flags.StringVar(&f.node, "node", "", "built node binary, in place of building it")
	flags.StringArrayVar(&f.redirects, "redirect", nil, "a redirect_uri of the registered clients, in place of "+control.DefaultRedirect+"; can be given again")
	flags.StringArrayVar(&f.trust, "trust", nil, "URL of a key set that all nodes trust too; can be given again")
	flags.StringVar(&f.cavs, "cavs", "", "URL of the CAVS that all nodes ask, [auth base]/cavs, in place of the node named cavs")
	flags.DurationVar(&f.update, "update-every", 0, "how often a target asks its sources for what is new (default 5m)")
	flags.StringArrayVar(&f.scripts, "script", nil, "a script in Starlark that the source runs, as FILE, or another node, as NODE=FILE; can be given again")
	tlsFlag(cmd, &f.tls)
	flags.BoolVar(&f.json, "json", false, "print one JSON object on stdout once all nodes answer")
	flags.BoolVar(&f.empty, "empty", false, "leave out the fixture patients")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "show the nodes' log")
	return cmd
}

// nodeNames reads --nodes.
func nodeNames(text string) ([]string, error) {
	if n, err := strconv.Atoi(strings.TrimSpace(text)); err == nil {
		if n < 1 || n > 26 {
			return nil, usage("--nodes %d: give 1 to 26, or names", n)
		}
		names := make([]string, n)
		for i := range names {
			names[i] = string(rune('a' + i))
		}
		return names, nil
	}
	var names []string
	seen := map[string]bool{}
	for _, name := range strings.Split(text, ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			return nil, usage("--nodes %q: a name is missing; give names like \"a,b,c\", or how many", text)
		}
		if seen[name] {
			return nil, usage("--nodes %q: %q stands there twice", text, name)
		}
		seen[name] = true
		names = append(names, name)
	}
	return names, nil
}

func up(ctx context.Context, s streams, f upFlags) (err error) {
	where, err := config.Resolve(f.run, s.env)
	if err != nil {
		return exit{reports.ExitUsage, err}
	}
	names, err := nodeNames(f.nodes)
	if err != nil {
		return err
	}
	settings, err := f.settings(where.Dialect)
	if err != nil {
		return err
	}
	scripts, err := upScripts(f.scripts, names)
	if err != nil {
		return err
	}
	authority, err := authorityFor(f.tls)
	if err != nil {
		return err
	}
	specs, err := upSpecs(names, settings, f.empty)
	if err != nil {
		return err
	}
	for i := range specs {
		specs[i].TLS = f.tls
	}
	began := time.Now()
	p := newProgress(s.err, s.env, false, false)
	said := false
	quiet := func() {
		if !said {
			said = true
			p.close()
		}
	}
	defer quiet()
	rt, why, err := cluster.Auto(ctx, where.Runtime, cluster.Options{Host: f.host, NodeBinary: f.node, Authority: authority, Log: logger(s, f.verbose)})
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.line(why)
	p.mu.Unlock()
	// Ctrl-C ends ctx, and what is below must still be cleaned up.
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, rt.Close(closing))
	}()
	c, err := cluster.Start(ctx, rt, specs...)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, c.Close(closing))
	}()
	if f.cavs == "" {
		if err := askCAVS(ctx, c); err != nil {
			return err
		}
	}
	if err := scripts.load(ctx, c); err != nil {
		return err
	}
	quiet()
	consumer, admin := cluster.Bearers(rt)
	if f.json {
		err = printJSON(s.out, c.Nodes(), consumer, admin, settings)
	} else {
		printNodes(s.out, c.Nodes(), consumer, admin, settings, f.empty)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(s.err, "%d nodes answer after %s; Ctrl-C ends them\n", len(names), time.Since(began).Round(10*time.Millisecond))
	scripts.watch(ctx, c, s.err)
	<-ctx.Done()
	return nil
}

// settings are those of all nodes, by the flags.
func (f *upFlags) settings(dialect string) (control.Settings, error) {
	out := control.Settings{Dialect: dialect, CAVS: f.cavs, UpdateEvery: control.Duration(f.update), Clients: upClients(f.redirects), People: control.DefaultPeople()}
	for _, place := range f.trust {
		out.Trust = append(out.Trust, control.KeySource{URL: place})
	}
	if err := out.Validate(); err != nil {
		return out, usage("--redirect, --trust, --cavs or --update-every: %v", err)
	}
	return out, nil
}

// upClients are the default clients, with other redirect_uris if there are any.
func upClients(redirects []string) []control.OAuthClient {
	clients := control.DefaultClients()
	if len(redirects) > 0 {
		for i := range clients {
			clients[i].Redirects = redirects
		}
	}
	return clients
}

func upSpecs(names []string, settings control.Settings, empty bool) ([]cluster.Spec, error) {
	var bundles [][]byte
	if !empty {
		var err error
		if bundles, err = fixtures.Bundles(); err != nil {
			return nil, err
		}
	}
	specs := make([]cluster.Spec, len(names))
	for i, name := range names {
		specs[i] = cluster.Spec{Name: name, Settings: settings, Load: bundles}
	}
	return specs, nil
}

// askCAVS tells the nodes of the one named cavs, if there is one.
func askCAVS(ctx context.Context, c *cluster.Cluster) error {
	validator, err := c.Node(ctx, "cavs")
	if err != nil {
		return nil // nobody is named so
	}
	for _, n := range c.Nodes() {
		if n.Name == validator.Name {
			continue
		}
		settings, err := n.Control.Settings(ctx)
		if err != nil {
			return fmt.Errorf("node %s: %w", n.Name, err)
		}
		settings.CAVS = validator.Root + "/auth/cavs"
		if err := n.Control.SetSettings(ctx, settings); err != nil {
			return fmt.Errorf("node %s: %w", n.Name, err)
		}
		// So that a reset keeps it.
		if err := n.Control.Snapshot(ctx); err != nil {
			return fmt.Errorf("node %s: %w", n.Name, err)
		}
	}
	return nil
}

type upNode struct {
	Name    string `json:"name"`
	FHIR    string `json:"fhir"`
	Control string `json:"control"`
	Secret  string `json:"secret"`
}

func printJSON(w io.Writer, nodes []cluster.Node, consumer, admin string, settings control.Settings) error {
	out := struct {
		Nodes    []upNode              `json:"nodes"`
		Consumer string                `json:"consumer"`
		Admin    string                `json:"admin"`
		Clients  []control.OAuthClient `json:"clients"`
		People   []control.Person      `json:"people"`
	}{Nodes: []upNode{}, Consumer: consumer, Admin: admin, Clients: settings.Clients, People: settings.People}
	for _, n := range nodes {
		out.Nodes = append(out.Nodes, upNode{n.Name, n.FHIR, n.ControlURL, n.Secret})
	}
	return json.NewEncoder(w).Encode(out)
}

func printNodes(w io.Writer, nodes []cluster.Node, consumer, admin string, settings control.Settings, empty bool) {
	fmt.Fprintln(w)
	for _, n := range nodes {
		fmt.Fprintf(w, "%-10s %s\n%-10s control %s  secret %s\n", n.Name, n.FHIR, "", n.ControlURL, n.Secret)
	}
	fmt.Fprintf(w, "\nconsumer   %s\nadmin      %s\n", consumer, admin)
	for _, p := range settings.People {
		fmt.Fprintf(w, "sign-in    %s  password %s\n", p.User, p.Password)
	}
	for _, c := range settings.Clients {
		how := "no secret, PKCE"
		if c.Secret != "" {
			how = "secret " + c.Secret
		}
		fmt.Fprintf(w, "client     %s  %s  redirect_uri %s\n", c.ID, how, strings.Join(c.Redirects, " "))
	}
	fmt.Fprint(w, "\nFor another terminal:\n  export")
	for _, n := range nodes {
		fmt.Fprintf(w, " %s=%s", variable(n.Name), n.FHIR)
	}
	fmt.Fprintf(w, " CONSUMER=%s ADMIN=%s\n\nTry:\n", consumer, admin)
	source, target := nodes[0], nodes[min(1, len(nodes)-1)]
	for _, n := range nodes {
		switch n.Name {
		case sourceNode:
			source = n
		case "target":
			target = n
		}
	}
	fmt.Fprintf(w, "  curl -s '%s/$jwt?source=%s'\n", target.FHIR, source.FHIR)
	if !empty {
		fmt.Fprintf(w, "  curl -s -H 'Authorization: Bearer %s' %s/Patient/example\n", admin, source.FHIR)
	}
	fmt.Fprintln(w)
}

// variable is a shell variable's name for a node.
func variable(name string) string {
	if name != "" && name[0] >= '0' && name[0] <= '9' {
		name = "node_" + name
	}
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return unicode.ToUpper(r)
		}
		return '_'
	}, strings.ToLower(name))
}
