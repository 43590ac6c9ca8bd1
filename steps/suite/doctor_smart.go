package suite

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"example.org/ccde/steps"
)

// smart looks whether a source knows the applications of the file: what is
// written wrong there would come out as its failure. It may be the source that
// is wrong, so all of this is for judging too.
func (d *doctor) smart(ctx context.Context, meta map[string]any, r steps.Role) {
	if r.SMART == nil || !d.s.File.Claims("SRC-73") {
		return
	}
	d.signInCommand()
	authorize, token := steps.AuthorizeEndpoint(meta), r.Token
	if token == "" {
		token = steps.TokenEndpoint(meta)
	}
	if authorize == "" {
		d.warn("smart", "the source's CapabilityStatement names no authorization endpoint", "see SRC-50")
		return
	}
	for _, one := range []struct {
		field  string
		client steps.SMARTClient
	}{{"smart", r.SMART.Web}, {"smart.other", r.SMART.Other}, {"smart.public", r.SMART.Phone}} {
		if one.client.ID == "" {
			continue
		}
		if d.known(ctx, one.field, authorize, r, one.client.ID) && one.client.Secret != nil && token != "" {
			d.secretOf(ctx, one.field+".secret", token, r.SMART.Redirect, one.client)
		}
	}
}

// signInCommand looks whether the program of smart.sign-in.command is there.
func (d *doctor) signInCommand() {
	command := d.s.File.SMART.SignIn.Command
	if command == "" || strings.ContainsAny(command, "$`\"'|&;<>()={}*?~\\") {
		return // only the shell knows what that is
	}
	program, _, _ := strings.Cut(strings.TrimSpace(command), " ")
	var err error
	if strings.Contains(program, "/") {
		path := program
		if !filepath.IsAbs(path) {
			path = filepath.Join(d.s.File.Dir(), path)
		}
		_, err = os.Stat(path)
	} else {
		_, err = exec.LookPath(program)
	}
	if err != nil {
		d.warn("smart.sign-in.command", program+" is not there: "+last(err).Error(), "give a program; it is run in the folder of the system's file")
	}
}

// known sends an authorization request of a client, whose page nobody looks at.
func (d *doctor) known(ctx context.Context, field, authorize string, r steps.Role, id string) bool {
	sum := sha256.Sum256([]byte("ccde-doctor-ccde-doctor-ccde-doctor-ccde-doctor"))
	query := url.Values{"response_type": {"code"}, "client_id": {id}, "redirect_uri": {r.SMART.Redirect}, "scope": {"launch/patient patient/*.read"},
		"state": {"ccde-doctor"}, "aud": {r.FHIR}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}
	a, err := d.send(ctx, http.MethodGet, steps.WithQuery(authorize, query), "", "", "")
	refused := ""
	switch {
	case err != nil:
		refused = last(err).Error()
	case a.status >= 400:
		refused = a.is()
	case a.status >= 300:
		if back, err := url.Parse(a.header.Get("Location")); err == nil && back.Query().Get("error") != "" {
			refused = "it redirects with error=" + back.Query().Get("error") + " " + back.Query().Get("error_description")
		}
	}
	if refused != "" {
		d.warn(field+".client", "the source refuses a sign-in of "+id+" that leads back to "+r.SMART.Redirect+": "+refused,
			"write client and smart.redirect as the source has them; if they are right, it is the source that will be found wrong (SRC-73)")
		return false
	}
	d.good(field+".client", "the source knows %s", id)
	return true
}

// secretOf sends a code that the source never gave: who is let in is told that
// the code is wrong (RFC 6749 5.2).
func (d *doctor) secretOf(ctx context.Context, where, token, redirect string, client steps.SMARTClient) {
	secret, err := client.Secret(ctx, "")
	if err != nil {
		d.warn(where, err.Error(), "mend where the secret comes from")
		return
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, token, strings.NewReader(url.Values{
		"grant_type": {"authorization_code"}, "code": {"ccde-doctor"}, "redirect_uri": {redirect}}.Encode()))
	if err != nil {
		return // told at source.token
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(client.ID), url.QueryEscape(secret))
	a, err := d.do(req)
	if err != nil {
		return // likewise
	}
	if a.status == http.StatusUnauthorized || strings.Contains(string(a.body), "invalid_client") {
		d.warn(where, "the token endpoint does not let "+client.ID+" in: "+a.is(), "give the secret of that client; if it is right, it is the source that will be found wrong (SRC-73)")
		return
	}
	d.good(where, "it lets us in")
}
