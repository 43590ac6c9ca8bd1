package steps

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"example.org/ccde/mockehr/cluster"
	"example.org/ccde/mockehr/control"
)

func tlsSteps() []step {
	return []step{
		{`{role} is reached over TLS`,
			"Looks at how that system is reached: an outside one at its own URL; a mock that serves plain HTTP gets a twin with a certificate of the harness's own CA.",
			`When the source EHR is reached over TLS`, (*world).reachedOverTLS},
		{`it serves TLS 1.2 or later, with a certificate that verifies`,
			"Shakes hands, verifies, and tries whether it also takes TLS 1.1, as a SHOULD. Judges SEC-04.",
			`Then it serves TLS 1.2 or later, with a certificate that verifies`, (*world).servesTLS},
	}
}

// secured is the system whose TLS is looked at.
const secured = "secured"

func (w *world) reachedOverTLS(ctx context.Context, title string) error {
	n, err := w.role(ctx, title)
	if err != nil {
		return err
	}
	at := orElse(n.fhir, n.cavs)
	if n.control != nil && !strings.HasPrefix(at, "https:") {
		twin, err := w.cluster.Add(ctx, cluster.Spec{Name: n.name + "-tls", TLS: true, Settings: control.Settings{Dialect: w.env.Dialect}})
		if err != nil {
			return fmt.Errorf("%s with TLS: %w", n.title(), err)
		}
		at = twin.FHIR
	}
	w.news[secured] = at
	return nil
}

func (w *world) servesTLS(ctx context.Context) error {
	const want = "TLS 1.2 or later, with a certificate that verifies"
	at, _ := w.news[secured].(string)
	u, err := url.Parse(at)
	if err != nil || at == "" {
		return fmt.Errorf("no system was looked at; say first that it is reached over TLS")
	}
	if u.Scheme != "https" {
		w.rec.Warn("SEC-04", want, "plain HTTP at "+at)
		return nil
	}
	state, err := w.handshake(ctx, u, &tls.Config{MinVersion: tls.VersionTLS10})
	switch {
	case err != nil:
		w.rec.Warn("SEC-04", want, fmt.Sprintf("%s: %v", u.Host, err))
		return nil
	case state.Version < tls.VersionTLS12:
		w.rec.Warn("SEC-04", want, tls.VersionName(state.Version))
		return nil
	}
	if state, err := w.handshake(ctx, u, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11, InsecureSkipVerify: true}); err == nil {
		w.rec.Warn("SEC-04", "nothing older than TLS 1.2", tls.VersionName(state.Version)+" too")
		return nil
	}
	w.rec.Pass("SEC-04", tls.VersionName(state.Version))
	return nil
}

// handshake connects as the scenario's other requests do, and ends there.
func (w *world) handshake(ctx context.Context, u *url.URL, cfg *tls.Config) (tls.ConnectionState, error) {
	ctx, cancel := context.WithTimeout(ctx, w.env.Timeouts.request())
	defer cancel()
	dial, roots := (&net.Dialer{}).DialContext, (*x509.CertPool)(nil)
	if t, ok := w.http.Transport.(*http.Transport); ok {
		if t.DialContext != nil {
			dial = t.DialContext
		}
		if t.TLSClientConfig != nil {
			roots = t.TLSClientConfig.RootCAs
		}
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), "443")
	}
	conn, err := dial(ctx, "tcp", host)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	cfg.ServerName, cfg.RootCAs = u.Hostname(), roots
	secure := tls.Client(conn, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		return tls.ConnectionState{}, err
	}
	return secure.ConnectionState(), nil
}
