package cluster

import (
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKeptAuthorityIsMadeOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ccde")
	first, err := KeptAuthority(dir)
	require.NoError(t, err)
	again, err := KeptAuthority(dir)
	require.NoError(t, err)
	assert.Equal(t, first.PEM(), again.PEM())
	if runtime.GOOS != "windows" {
		info, err := os.Stat(filepath.Join(dir, authorityKey))
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}

	other, err := NewAuthority()
	require.NoError(t, err)
	for name, text := range map[string][]byte{"of another key": other.PEM(), "no PEM": []byte("certificate")} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, authorityCert), text, 0o600))
		_, err = KeptAuthority(dir)
		assert.ErrorContains(t, err, "mend or remove ca.pem and ca-key.pem in "+dir, name)
	}
}

func TestNodesServeTLSAndTrustEachOther(t *testing.T) {
	rt := newTestEmbedded(t)
	c, err := Start(testContext(t), rt, Spec{Name: "plain"}, Spec{Name: "source", TLS: true, Load: [][]byte{[]byte(patientBundle)}}, Spec{Name: "target", TLS: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close(t.Context())) }()
	source, err := c.Node(t.Context(), "source")
	require.NoError(t, err)
	assert.Regexp(t, "^https://127.0.0.1:", source.FHIR)
	assert.Equal(t, http.StatusOK, status(t, rt, c, "source", http.MethodGet, "/Patient/anna", ""))

	stranger := &http.Client{}
	_, err = stranger.Get(source.FHIR + "/metadata")
	assert.ErrorContains(t, err, "certificate", "only who trusts the CA does")
}
