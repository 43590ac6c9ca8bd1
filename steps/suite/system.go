package suite

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"example.org/ccde/features"
	"example.org/ccde/mockehr/cluster"
	"example.org/ccde/reports"
	"example.org/ccde/steps"
	"example.org/ccde/steps/config"
	"example.org/ccde/steps/judge"
)

// System is an outside system that is described by a file, with all that the
// harness opens for it: the lasting key, the front door, its process.
type System struct {
	File  *config.System
	Roles []string // those to be judged
	// Output takes what the system prints where the file starts it; nil = nobody.
	Output io.Writer
	// Doing is told what takes its time before anything is judged; nil = nobody.
	Doing func(task string)
	// Person does in the source's pages what smart.sign-in.command would, where the
	// file has none; nil: nobody does.
	Person func(ctx context.Context, link, what string) (string, error)

	keys    config.Keys
	ca      []byte
	door    *cluster.Door
	process *process
	tells   bool // the doctor saw that the target tells its connections
}

// ReadSystem reads a system's file; the error is a *UsageError.
func ReadSystem(file string, env func(string) string, overrides ...config.Override) (*config.System, error) {
	known, err := knownIDs()
	if err != nil {
		return nil, err
	}
	s, err := config.Read(file, env, known, overrides...)
	if err != nil {
		return nil, &UsageError{err}
	}
	return s, nil
}

// NewSystem is a system of which nothing is opened yet: enough to list what
// would run. roles are those to be judged, nil = all that the file names. The
// error is a *UsageError.
func NewSystem(file *config.System, roles []string) (*System, error) {
	s := &System{File: file, Roles: file.Roles()}
	for _, role := range roles {
		if !slices.Contains(s.Roles, role) {
			return nil, &UsageError{fmt.Errorf("role %q is not described in the file, which has %s", role, strings.Join(s.Roles, ", "))}
		}
	}
	if len(roles) > 0 {
		s.Roles = slices.DeleteFunc(s.Roles, func(r string) bool { return !slices.Contains(roles, r) })
	}
	return s, nil
}

func (s *System) doing(task string) {
	if s.Doing != nil {
		s.Doing(task)
	}
}

// OpenSystem is NewSystem and Open.
func OpenSystem(ctx context.Context, file *config.System, roles []string, log *slog.Logger) (*System, error) {
	s, err := NewSystem(file, roles)
	if err != nil {
		return nil, err
	}
	return s, s.Open(ctx, log)
}

// Open reads or makes the key, opens the front door, and starts the system where
// its file says how. Close must be called if it succeeds. The error is a
// *UsageError where the file is at fault.
func (s *System) Open(ctx context.Context, log *slog.Logger) (err error) {
	if s.keys, err = config.ReadKeys(s.File.Path(s.File.Key)); err != nil {
		return &UsageError{err}
	}
	return s.openWith(ctx, log)
}

// openWith is Open with the keys at hand.
func (s *System) openWith(ctx context.Context, log *slog.Logger) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close(context.WithoutCancel(ctx)))
		}
	}()
	if err := s.openDoor(log); err != nil {
		return &UsageError{err}
	}
	if s.File.Command == nil {
		return nil
	}
	if s.process, err = s.newProcess(); err != nil {
		return err
	}
	if s.process.upNow(ctx) {
		// What answered later might be that one: then nothing was started, and nothing would be killed.
		return &UsageError{fmt.Errorf("command.start: %s answers before the system was started; stop what runs there, or leave the command section out", s.process.answers)}
	}
	if err := s.process.Start(ctx); err != nil {
		return fmt.Errorf("command.start: %w", err)
	}
	return nil
}

func (s *System) openDoor(log *slog.Logger) error {
	opt := cluster.DoorOptions{Listen: s.File.Listen, Advertise: s.File.Advertised(), Log: log, Harness: judge.UserAgent, NodeKey: s.keys.Mocks,
		Keys: steps.JWKS(&s.keys.Harness.PublicKey, s.File.Advertised()+cluster.KeysPath)}
	for _, name := range []string{s.File.TLS.CA, s.File.TLS.Cert} {
		if name == "" {
			continue
		}
		text, err := os.ReadFile(s.File.Path(name))
		if err != nil {
			return fmt.Errorf("tls: %w", err)
		}
		s.ca = append(append(s.ca, text...), '\n')
	}
	if s.File.TLS.Cert != "" {
		pair, err := tls.LoadX509KeyPair(s.File.Path(s.File.TLS.Cert), s.File.Path(s.File.TLS.Key))
		if err != nil {
			return fmt.Errorf("tls.cert and tls.key: %w", err)
		}
		opt.TLS = &pair
	}
	var err error
	s.door, err = cluster.OpenDoor(opt)
	return err
}

// Close ends the system, if the harness started it, and the front door.
func (s *System) Close(ctx context.Context) error {
	var errs []error
	if s.process != nil {
		errs = append(errs, s.process.Kill(ctx))
	}
	if s.door != nil {
		errs = append(errs, s.door.Close())
	}
	return errors.Join(errs...)
}

// Options adds to options what makes a run one about this system.
func (s *System) Options(opt Options) (Options, error) {
	catalogue, err := features.Catalogue()
	if err != nil {
		return opt, err
	}
	var mays []string
	for _, r := range catalogue {
		if r.Level == reports.MAY {
			mays = append(mays, r.ID)
		}
	}
	opt.Runtime, opt.Door, opt.CA, opt.NodeKey = cluster.ChooseEmbedded, s.door, s.ca, s.keys.Mocks
	opt.Key, opt.Issuer = s.keys.Harness, s.keys.Issuer
	opt.JudgeDialect, opt.Roles, opt.Judged, opt.Skip = s.File.System.Dialect, s.roles(), s.Roles, s.File.Skips(mays)
	opt.System, opt.SystemVersion, opt.Vendor = s.File.System.Name, s.File.System.Version, s.File.System.Vendor
	for _, w := range s.File.Waivers {
		opt.Waivers = append(opt.Waivers, Waiver{ID: w.ID, Reason: w.Reason, Until: w.Day()})
	}
	for _, g := range s.File.Gaps(s.Roles) {
		opt.Notes = append(opt.Notes, "unjudged: "+g.String())
	}
	before := opt.Adjust
	opt.Adjust = func(e *steps.Env) {
		if v := s.File.Source; v != nil {
			if _, outside := e.Roles["source"]; outside {
				e.Patient, e.OtherPatient = v.Patient, v.OtherPatient
			}
		}
		if v := s.File.Target; v != nil {
			e.UpdateEvery, e.TellsConnection = timeOf(v.Update.Every), s.tells
		}
		e.Timeouts = steps.Timeouts{Request: timeOf(s.File.Timeouts.Request), Copy: timeOf(s.File.Timeouts.Copy)}
		if before != nil {
			before(e)
		}
	}
	return opt, nil
}

// Name is the system's name with its version, as reports have it.
func (s *System) Name() string {
	return strings.TrimSpace(s.File.System.Name + " " + s.File.System.Version)
}

// roles are the outside systems as steps know them.
func (s *System) roles() map[string]steps.Role {
	out := map[string]steps.Role{}
	if v := s.File.Source; v != nil {
		r := steps.Role{FHIR: v.FHIR, Token: v.Token, Consumer: secret(v.Consumer.Bearer), Admin: secret(v.Admin.Bearer),
			AsksCAVS: v.CAVS, Trusts: config.Trusts(v.TrustsOurKeys), Loaded: v.Loaded}
		if v.JWT.Given() {
			r.JWT = func(ctx context.Context, application string) (string, error) {
				return v.JWT.Run(ctx, "CCDE_APPLICATION="+application)
			}
		}
		if v := s.File.SMART; v != nil {
			r.SMART = &steps.SMART{Redirect: v.Redirect, Web: steps.SMARTClient{ID: v.Client, Secret: secret(v.Secret)},
				Other: steps.SMARTClient{ID: v.Other.Client, Secret: secret(v.Other.Secret)}, Phone: steps.SMARTClient{ID: v.Public.Client}}
			r.SMART.Person = s.Person
			if v.SignIn.Command != "" {
				r.SMART.Person = s.File.SignIn
			}
		}
		out["source"] = r
	}
	if v := s.File.Target; v != nil {
		out["target"] = steps.Role{FHIR: v.FHIR, Keys: v.Keys, Consumer: secret(v.Consumer.Bearer), Admin: secret(v.Readback.Bearer),
			Expired: secret(v.ExpiredJWT), Trusts: true}
	}
	if v := s.File.CAVS; v != nil {
		out["cavs"] = steps.Role{FHIR: v.Registry.FHIR, CAVS: v.URL, Registry: v.Registry.FHIR, Admin: secret(v.Registry.Bearer),
			Trusts: config.Trusts(v.TrustsOurKeys), Known: map[string]steps.Secret{"approved": secret(v.Known.Approved),
				"unsuitable": secret(v.Known.Unsuitable), "unknown": secret(v.Known.Unknown)}}
	}
	if s.process != nil {
		for name, r := range out {
			r.Process = s.process
			out[name] = r
		}
	}
	return out
}

// secret is a config's secret as steps take it; nil where none is given.
func secret(s config.Secret) steps.Secret {
	if !s.Given() {
		return nil
	}
	return s.Get
}
