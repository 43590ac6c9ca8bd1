package cluster

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/oauth"
)

func openDoor(t *testing.T) *Door {
	t.Helper()
	port, err := newPortRange().draw("127.0.0.1")
	require.NoError(t, err)
	addr := "127.0.0.1:" + itoa(port)
	// The name resolves nowhere: whoever needs it is told where the door is.
	d, err := OpenDoor(DoorOptions{Listen: addr, Advertise: "http://harness.ccde.invalid:" + itoa(port) + "/in/", Keys: json.RawMessage(`{"keys":[]}`), Harness: "the harness"})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, d.Close()) })
	return d
}

func itoa(n int) string { text, _ := json.Marshal(n); return string(text) }

func TestDoorIsTheOneURLOfEveryNode(t *testing.T) {
	d := openDoor(t)
	rt, err := NewEmbedded(Options{Door: d})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, rt.Close(t.Context())) })
	c, err := Start(t.Context(), rt, Spec{Name: "source"}, Spec{Name: "target", Prefix: "/2"})
	require.NoError(t, err)
	source, err := c.Node(t.Context(), "source")
	require.NoError(t, err)
	target, err := c.Node(t.Context(), "target")
	require.NoError(t, err)
	assert.Equal(t, d.Root()+"/source/r3", source.FHIR)
	assert.Equal(t, d.Root()+"/2/target/r3", target.FHIR)

	ask := func(url, agent string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		require.NoError(t, err)
		req.Header.Set("User-Agent", agent)
		res, err := (&http.Client{Transport: c.Transport()}).Do(req)
		if err != nil {
			return 0, err.Error()
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(text)
	}
	code, body := ask(source.FHIR+"/metadata", "someone")
	assert.Equal(t, 200, code)
	assert.Contains(t, body, source.Root, "what the node says of itself leads through the door")
	code, body = ask(d.Root()+KeysPath, "someone")
	assert.Equal(t, 200, code)
	assert.JSONEq(t, `{"keys":[]}`, body)
	code, body = ask(d.Root()+"/nobody/r3", "someone")
	assert.Equal(t, 404, code)
	assert.Contains(t, body, source.Root)

	var seen []string
	end := d.Watch(func(r *http.Request) { seen = append(seen, r.URL.Path) })
	require.NoError(t, c.CutOutside("source", true))
	code, _ = ask(source.FHIR+"/metadata", "someone")
	assert.Zero(t, code, "the connection ends")
	code, _ = ask(source.FHIR+"/metadata", "the harness")
	assert.Equal(t, 200, code)
	code, _ = ask(target.FHIR+"/metadata", "someone")
	assert.Equal(t, 200, code)
	end()
	require.NoError(t, c.CutOutside("source", false))
	code, _ = ask(source.FHIR+"/metadata", "someone")
	assert.Equal(t, 200, code)
	assert.Contains(t, seen, "/in/source/r3/metadata")

	require.NoError(t, c.Close(t.Context()))
	code, _ = ask(source.FHIR+"/metadata", "someone")
	assert.NotEqual(t, 200, code, "a node that has gone is at the door no more")
}

func TestDoorNamesWhatIsWrong(t *testing.T) {
	_, err := OpenDoor(DoorOptions{Listen: "127.0.0.1:0", Advertise: "harness:9000"})
	assert.ErrorContains(t, err, "advertise:")
	_, err = OpenDoor(DoorOptions{Listen: "127.0.0.1:notaport", Advertise: "http://h"})
	assert.ErrorContains(t, err, "listen:")
	_, err = NewEmbedded(Options{Door: &Door{}, Host: "h"})
	assert.ErrorContains(t, err, "host and door")
	_, err = NewEmbedded(Options{CA: []byte("none")})
	assert.ErrorContains(t, err, "ca:")
}

func TestDoorServesTheNodesKeysWhileTheyAreNotThere(t *testing.T) {
	key, err := oauth.NewKey()
	require.NoError(t, err)
	d, err := OpenDoor(DoorOptions{Listen: "127.0.0.1:0", Advertise: "http://harness.example:9000", NodeKey: string(key.PEM())})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, d.Close()) })
	read := func() string {
		w := httptest.NewRecorder()
		d.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/target/auth/auth_key", nil))
		assert.Equal(t, http.StatusOK, w.Code)
		return w.Body.String()
	}
	before := read()
	rt, err := NewEmbedded(Options{Door: d, Key: string(key.PEM())})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, rt.Close(t.Context())) })
	_, err = Start(t.Context(), rt, Spec{Name: "target"})
	require.NoError(t, err)
	assert.JSONEq(t, read(), before)
	assert.Contains(t, before, "http://harness.example:9000/target/auth/auth_key#")

	_, err = OpenDoor(DoorOptions{Listen: "127.0.0.1:0", Advertise: "http://harness.example:9000", NodeKey: "no key"})
	assert.ErrorContains(t, err, "the key of the nodes")
}
