package control_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/control"
)

func TestSettingsNameWhatIsWrongWithClientsAndPeople(t *testing.T) {
	const good = control.DefaultRedirect
	for name, c := range map[string]struct {
		settings control.Settings
		want     string // in the error; "" = none
	}{
		"the defaults":      {control.Settings{}.WithDefaults(), ""},
		"a native app":      {control.Settings{Clients: []control.OAuthClient{{ID: "a", Redirects: []string{"com.example.app:/back"}}}}, ""},
		"a query":           {control.Settings{Clients: []control.OAuthClient{{ID: "a", Redirects: []string{good + "?a=b"}}}}, ""},
		"no id":             {control.Settings{Clients: []control.OAuthClient{{Redirects: []string{good}}}}, "clients[0].id: missing"},
		"an odd id":         {control.Settings{Clients: []control.OAuthClient{{ID: "a\n", Redirects: []string{good}}}}, "clients[0].id"},
		"an id twice":       {control.Settings{Clients: []control.OAuthClient{{ID: "a", Redirects: []string{good}}, {ID: "a", Redirects: []string{good}}}}, "clients[1].id"},
		"an odd secret":     {control.Settings{Clients: []control.OAuthClient{{ID: "a", Secret: "ä", Redirects: []string{good}}}}, "clients[0].secret"},
		"no redirect":       {control.Settings{Clients: []control.OAuthClient{{ID: "a"}}}, "clients[0].redirects: missing"},
		"a relative one":    {control.Settings{Clients: []control.OAuthClient{{ID: "a", Redirects: []string{good, "/callback"}}}}, "clients[0].redirects[1]"},
		"a fragment":        {control.Settings{Clients: []control.OAuthClient{{ID: "a", Redirects: []string{good + "#x"}}}}, "fragment"},
		"an empty fragment": {control.Settings{Clients: []control.OAuthClient{{ID: "a", Redirects: []string{good + "#"}}}}, "fragment"},
		"no host":           {control.Settings{Clients: []control.OAuthClient{{ID: "a", Redirects: []string{"https:///back"}}}}, "has no host"},
		"a script":          {control.Settings{Clients: []control.OAuthClient{{ID: "a", Redirects: []string{"javascript:alert(1)"}}}}, "scheme"},
		"a space":           {control.Settings{Clients: []control.OAuthClient{{ID: "a", Redirects: []string{good + " x"}}}}, "percent-encode"},
		"no JWT":            {control.Settings{Clients: []control.OAuthClient{{ID: "a", Redirects: []string{good}, JWT: "x"}}}, "clients[0].jwt"},
		"no user":           {control.Settings{People: []control.Person{{Password: "p"}}}, "people[0].user: missing"},
		"a user with space": {control.Settings{People: []control.Person{{User: "a ", Password: "p"}}}, "people[0].user"},
		"a user twice":      {control.Settings{People: []control.Person{{User: "a", Password: "p"}, {User: "a", Password: "q"}}}, "people[1].user"},
		"no password":       {control.Settings{People: []control.Person{{User: "a"}}}, "people[0].password: missing"},
		"no FHIR id":        {control.Settings{People: []control.Person{{User: "a", Password: "p", Patients: []string{"x", "Patient/x"}}}}, "people[0].patients[1]"},
		"a patient twice":   {control.Settings{People: []control.Person{{User: "a", Password: "p", Patients: []string{"x", "x"}}}}, "people[0].patients[1]"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.settings.Validate()
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "app-secret")
		})
	}
}

func TestNobodyCanBeRegistered(t *testing.T) {
	var s control.Settings
	require.NoError(t, control.Decode(strings.NewReader(`{"clients": [], "people": []}`), &s))
	s = s.WithDefaults()
	require.Empty(t, s.Clients)
	require.Empty(t, s.People)
	require.NotEmpty(t, control.Settings{}.WithDefaults().Clients)
}
