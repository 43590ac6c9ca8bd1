//go:build unix

package suite

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestASystemThatRunsAlreadyIsNotStarted(t *testing.T) {
	server := httptest.NewServer(healthy())
	defer server.Close()
	file := filepath.Join(t.TempDir(), "system.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`
system: {name: Clinic}
source: {fhir: `+server.URL+`/r3, patient: example, other-patient: other, consumer: {bearer: a}, admin: {bearer: b}, cavs: ours}
command: {start: exec sleep 60}
listen: 127.0.0.1:0
advertise: http://127.0.0.1:9
`), 0o600))
	read, err := ReadSystem(file, os.Getenv)
	require.NoError(t, err)
	_, err = OpenSystem(t.Context(), read, nil, nil)
	var bad *UsageError
	require.ErrorAs(t, err, &bad)
	assert.ErrorContains(t, err, "/r3/metadata answers before the system was started; stop what runs there")
}

func TestAKillThatReachesSomethingElseIsAnError(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	p := &process{command: "exec sleep 60", dir: t.TempDir(), answers: server.URL, within: 10 * time.Second, client: server.Client()}
	require.NoError(t, p.Start(t.Context()))
	assert.ErrorContains(t, p.Kill(t.Context()), "still answers after")
	server.Close()
	assert.NoError(t, p.Kill(t.Context()))
}
