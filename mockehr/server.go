// Package mockehr is the mock EHR: one server that plays the source EHR, the
// target EHR and the CAVS of the protocol, all at once. New builds a node from
// its Config, Start opens its two listeners (the EHR's, and the control port
// that is no part of the EHR), Close ends it.
package mockehr

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"example.org/ccde/mockehr/cavs"
	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/clock"
	"example.org/ccde/mockehr/control"
	"example.org/ccde/mockehr/exchange"
	"example.org/ccde/mockehr/oauth"
	"example.org/ccde/mockehr/script"
	"example.org/ccde/mockehr/store"
)

// Server is one node.
type Server struct {
	cfg      Config
	log      *slog.Logger
	settings settings
	clock    *clock.Clock
	checks   *check.Checks
	links    *links
	out      *http.Transport
	script   *script.Engine
	store    *store.Store
	issuer   *oauth.Issuer
	trust    *oauth.Trust
	oauth    *oauth.Service
	signIn   *oauth.SignIn
	pages    pages
	cavs     *cavs.Service
	exchange *exchange.Engine
	client   *http.Client

	servers []*http.Server
}

// New builds a node: its store is opened, its key read or made. Nothing listens
// yet. Close must be called, also where Start is not.
func New(cfg Config, log *slog.Logger) (*Server, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg, log: log.With("node", cfg.Name), clock: clock.New(), checks: check.New(""), links: newLinks(cfg)}
	s.out = s.links.transport()
	s.script = script.New(script.Options{Checks: s.checks, Clock: s.clock, Root: cfg.Root, Base: s.out, Log: s.log,
		Store: func() *store.Store { return s.store }, Issuer: func() *oauth.Issuer { return s.issuer }})
	s.client = &http.Client{Transport: s.script.Transport(s.out)}
	if err := s.build(); err != nil {
		return nil, errors.Join(err, s.Close(context.Background()))
	}
	return s, nil
}

func (s *Server) build() (err error) {
	ctx := context.Background()
	s.store, err = store.Open(s.cfg.Dir, store.Options{Clock: s.clock, Log: s.log, Base: s.base(), Template: s.cfg.Template, Unsynced: s.cfg.Unsynced})
	if err != nil {
		return err
	}
	var key *oauth.Key
	if s.cfg.Key != "" {
		if key, err = oauth.ParseKey([]byte(s.cfg.Key)); err != nil {
			return fmt.Errorf("config: key: %w", err)
		}
	}
	s.issuer, err = oauth.NewIssuer(ctx, oauth.IssuerOptions{Store: s.store, Clock: s.clock, Checks: s.checks,
		Name: s.cfg.issuer(), Root: s.cfg.Root, Key: key})
	if err != nil {
		return err
	}
	s.trust = oauth.NewTrust(s.client, s.clock, s.log)
	s.oauth = oauth.NewService(oauth.Options{Store: s.store, Clock: s.clock, Checks: s.checks, Trust: s.trust, Base: s.base(), CAVS: s.validator})
	s.signIn = oauth.NewSignIn(oauth.SignInOptions{Store: s.store, Clock: s.clock, Checks: s.checks, Base: s.base(),
		Directory: s.directory, CAVS: s.validator})
	if s.pages, err = parsePages(); err != nil {
		return err
	}
	s.cavs = cavs.New(cavs.Options{Store: s.store, Clock: s.clock, Checks: s.checks, Trust: s.trust, Host: hostOf(s.cfg.Root), Log: s.log})
	s.exchange = exchange.New(exchange.Deps{Store: s.store, Clock: s.clock, Checks: s.checks, HTTP: s.client, Log: s.log,
		Settings: s.exchangeSettings, OwnBase: s.base()})
	return s.apply(s.cfg.Settings)
}

// base is the FHIR base.
func (s *Server) base() string { return s.cfg.Root + "/r3" }

// validator is the CAVS to ask now, nil where none is set.
func (s *Server) validator() oauth.Validator {
	if url := s.settings.get().CAVS; url != "" {
		return cavs.NewClient(url, s.client)
	}
	return nil
}

// directory is who may sign in now, and at which applications.
func (s *Server) directory() oauth.Directory {
	now := s.settings.get()
	var d oauth.Directory
	for _, c := range now.Clients {
		d.Clients = append(d.Clients, oauth.Client(c))
	}
	for _, p := range now.People {
		d.People = append(d.People, oauth.Person(p))
	}
	return d
}

func (s *Server) exchangeSettings() exchange.Settings {
	now := s.settings.get()
	return exchange.Settings{UpdateEvery: time.Duration(now.UpdateEvery), RequestTimeout: time.Duration(now.RequestTimeout)}
}

// Handler is the EHR as it stands at the listener: history and rules around
// everything, the node's date and the body limit on every request.
func (s *Server) Handler() http.Handler {
	return s.dated(s.script.Middleware(s.logged(s.limited(s.crossOrigin(s.routes())))))
}

// dated gives every answer the node's own date, those of rules too.
func (s *Server) dated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", s.clock.Now().UTC().Format(http.TimeFormat))
		next.ServeHTTP(w, r)
	})
}

// limited bounds every body (SEC-03).
func (s *Server) limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = bounded(w, r, s.settings.get().MaxBody)
		next.ServeHTTP(w, r)
	})
}

// logged writes a line for every request: never its query or its headers,
// which may hold secrets.
func (s *Server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		counted := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(counted, r)
		s.log.LogAttrs(r.Context(), slog.LevelDebug, "request", slog.String("method", r.Method), slog.String("path", r.URL.Path),
			slog.Int("status", counted.status), slog.Duration("took", time.Since(began)))
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach what is below.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Start opens the listeners and lets the copier go on with what the store holds.
func (s *Server) Start(ctx context.Context) error {
	if err := s.reloadScripts(ctx); err != nil {
		return err
	}
	if err := s.listen(s.cfg.Listen, s.Handler(), s.cfg.TLS); err != nil {
		return fmt.Errorf("the EHR's listener: %w", err)
	}
	if s.cfg.Control != "" {
		if err := s.listen(s.cfg.Control, s.controlHandler(), nil); err != nil {
			return fmt.Errorf("the control listener: %w", err)
		}
	}
	return s.exchange.Start(ctx)
}

func (s *Server) listen(address string, handler http.Handler, cert *Certificate) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	if cert != nil {
		pair, err := tls.X509KeyPair([]byte(cert.Cert), []byte(cert.Key))
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       2 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.servers = append(s.servers, server)
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("a listener ended", "address", address, "error", err.Error())
		}
	}()
	return nil
}

// Close ends the node: no new requests, those under way until ctx ends, the
// copier stopped where it stands, the store closed.
func (s *Server) Close(ctx context.Context) error {
	var errs []error
	for _, server := range s.servers {
		if err := server.Shutdown(ctx); err != nil {
			errs = append(errs, server.Close())
		}
	}
	if s.exchange != nil {
		s.exchange.Close()
	}
	s.out.CloseIdleConnections()
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	return errors.Join(errs...)
}

// apply takes settings over, as a whole.
func (s *Server) apply(next control.Settings) error {
	dialect, err := check.ParseDialect(next.Dialect)
	if err != nil {
		return err
	}
	sources := make([]oauth.Source, 0, len(next.Trust))
	for _, t := range next.Trust {
		sources = append(sources, oauth.Source{URL: t.URL, Keys: t.Keys, Issuer: t.Issuer})
	}
	if err := s.trust.SetSources(sources); err != nil {
		return err
	}
	s.checks.SetDialect(dialect)
	s.settings.set(next)
	return nil
}
