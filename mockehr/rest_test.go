package mockehr

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/fhir"
)

func TestLifeOfAResource(t *testing.T) {
	n := newNode(t)
	made := n.post("/Patient", `{"resourceType":"Patient","id":"ignored","gender":"male"}`)
	require.Equal(t, 201, made.StatusCode, made.body)
	o := made.resource(t)
	require.NotEqual(t, "ignored", o.ID())
	path := "/Patient/" + o.ID()
	assert.Equal(t, n.cfg.Root+"/r3"+path+"/_history/1", made.Header.Get("Location"))
	assert.Equal(t, `W/"1"`, made.Header.Get("ETag"))
	assert.NotEmpty(t, made.Header.Get("Last-Modified"))

	changed := n.put(path, `{"resourceType":"Patient","id":"`+o.ID()+`","gender":"female"}`, "If-Match", `W/"1"`)
	require.Equal(t, 200, changed.StatusCode, changed.body)
	assert.Equal(t, `W/"2"`, changed.Header.Get("ETag"))
	assert.Equal(t, 412, n.put(path, `{"resourceType":"Patient","id":"`+o.ID()+`"}`, "If-Match", `W/"1"`).StatusCode)

	assert.Equal(t, "female", n.get(path).resource(t).Text("gender"))
	assert.Equal(t, "male", n.get(path+"/_history/1").resource(t).Text("gender"))
	assert.Equal(t, 404, n.get(path+"/_history/3").StatusCode)
	assert.Equal(t, 404, n.get(path+"/_history/x").StatusCode)
	assert.Equal(t, 304, n.get(path, "If-None-Match", `W/"2"`).StatusCode)
	assert.Equal(t, 200, n.get(path, "If-None-Match", `W/"1"`).StatusCode)
	assert.Equal(t, 304, n.get(path, "If-Modified-Since", changed.Header.Get("Last-Modified")).StatusCode)

	head := n.do("HEAD", "/r3"+path, "")
	assert.Equal(t, 200, head.StatusCode)
	assert.Equal(t, `W/"2"`, head.Header.Get("ETag"))
	assert.Empty(t, head.body)

	require.Equal(t, 204, n.do("DELETE", "/r3"+path, "").StatusCode)
	require.Equal(t, 204, n.do("DELETE", "/r3"+path, "").StatusCode)
	gone := n.get(path)
	assert.Equal(t, 410, gone.StatusCode)
	assert.Contains(t, gone.outcome(t), "deleted")
	history := n.get(path + "/_history").resource(t)
	assert.Equal(t, fhir.Number("3"), history.Get("total"))
}
