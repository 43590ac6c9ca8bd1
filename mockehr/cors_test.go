package mockehr

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// A browser lets an application of another origin call the EHR and read what
// it says, refusals too; the pages for people it does not.
func TestCrossOrigin(t *testing.T) {
	n := newNode(t)
	n.load(patientExample)
	const origin = "https://app.example"
	for _, row := range []struct {
		method, path, bearer string
		status               int
		open                 bool
	}{
		{"GET", "/r3/metadata", "", 200, true},
		{"GET", "/r3/.well-known/smart-configuration", "", 200, true},
		{"GET", "/r3/Patient/example", adminBearer, 200, true},
		{"GET", "/r3/Patient/example", "", 401, true},
		{"GET", "/r3/Nonsense/1", adminBearer, 404, true},
		{"POST", "/auth/token", "", 415, true},
		{"GET", "/auth/authorize", "", 400, false},
		{"GET", "/auth/grants", "", 200, false},
	} {
		a := n.as(row.bearer).do(row.method, row.path, "", "Origin", origin)
		assert.Equal(t, row.status, a.StatusCode, "%s: %s", row.path, a.body)
		want := ""
		if row.open {
			want = "*"
			assert.Contains(t, a.Header.Get("Access-Control-Expose-Headers"), "ETag", row.path)
		}
		assert.Equal(t, want, a.Header.Get("Access-Control-Allow-Origin"), row.path)
		assert.Empty(t, a.Header.Get("Access-Control-Allow-Credentials"))

		a = n.as("").do("OPTIONS", row.path, "", "Origin", origin, "Access-Control-Request-Method", row.method, "Access-Control-Request-Headers", "authorization")
		assert.Equal(t, want, a.Header.Get("Access-Control-Allow-Origin"), row.path)
		if row.open {
			assert.Equal(t, 204, a.StatusCode, row.path)
			assert.Contains(t, a.Header.Get("Access-Control-Allow-Headers"), "Authorization")
			assert.Contains(t, a.Header.Get("Access-Control-Allow-Methods"), row.method)
		}
	}
	assert.Empty(t, n.get("/metadata").Header.Get("Access-Control-Allow-Origin"), "nobody asked")
	assert.Equal(t, true, n.get("/metadata").resource(t).Child("rest", "security").Get("cors"))
}
