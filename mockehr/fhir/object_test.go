package fhir

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func parse(t testing.TB, text string) *Object {
	t.Helper()
	o, err := ParseJSON([]byte(text))
	require.NoError(t, err, text)
	return o
}

func TestObjectReads(t *testing.T) {
	o := parse(t, `{"resourceType":"Patient","id":"1","name":[{"given":["Ann","Zoë"]},"x",{"family":"Bee"}],"contact":{"name":{"text":"c"}},"link":[]}`)
	assert.Equal(t, "Patient", o.Type())
	assert.Equal(t, "1", o.ID())
	assert.Equal(t, "Ann", o.Text("name", "given"))
	assert.Equal(t, "c", o.Text("contact", "name", "text"))
	assert.Equal(t, "", o.Text("contact"))
	assert.Equal(t, "", o.Text("link", "other"))
	assert.Equal(t, "", o.Text("id", "x"))
	assert.Equal(t, "c", o.Child("contact", "name").Text("text"))
	assert.Nil(t, o.Child("contact", "nothing"))
	assert.Len(t, o.List("name"), 3)
	assert.Len(t, o.List("contact"), 1)
	assert.Empty(t, o.List("nothing"))
	assert.Len(t, o.Objects("name"), 2)
	assert.True(t, o.Has("id"))
	assert.False(t, o.Has("nothing"))

	var none *Object
	assert.Equal(t, "", none.Type()+none.ID()+none.Text("a", "b"))
	assert.Zero(t, none.Len())
	assert.Nil(t, none.Get("a"))
	assert.Nil(t, none.Child("a"))
	assert.Nil(t, none.Clone())
	assert.Empty(t, none.List("a"))
	assert.Empty(t, none.Objects("a"))
	assert.Empty(t, none.Members())
	none.Delete("a")
}

func TestObjectSet(t *testing.T) {
	o := NewObject(Member{"a", "x"}, Member{"b", 1}, Member{"none", nil})
	o.Set("a", "y")
	o.Set("c", []string{"1", "2"})
	o.Set("d", []*Object{NewObject(Member{"e", true})})
	o.Set("f", []any{int64(1), int32(2), 2.50, nil, (*Object)(nil)})
	o.Set("g", math.Inf(1))
	o.Set("h", time.Duration(0))
	assert.Equal(t, `{"a":"y","b":1,"c":["1","2"],"d":[{"e":true}],"f":[1,2,2.5,null,null],"g":"+Inf","h":"0s"}`, string(AppendJSON(nil, o)))
	o.Set("b", nil)
	o.Set("d", (*Object)(nil))
	o.Delete("nothing")
	assert.False(t, o.Has("b") || o.Has("d"))
	assert.Equal(t, 5, o.Len())
}

func TestObjectClone(t *testing.T) {
	o := parse(t, `{"a":{"b":[{"c":"x"},"y"]}}`)
	c := o.Clone()
	c.Child("a", "b").Set("c", "z")
	c.Child("a").Get("b").([]any)[1] = "z"
	assert.Equal(t, `{"a":{"b":[{"c":"x"},"y"]}}`, string(AppendJSON(nil, o)))
	assert.Equal(t, `{"a":{"b":[{"c":"z"},"z"]}}`, string(AppendJSON(nil, c)))
}

func TestEqual(t *testing.T) {
	const div = `{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><b title='x'/></div>"}`
	for _, c := range []struct {
		name, a, b string
		want       bool
	}{
		{"the same", `{"a":"x","b":[1,true,{"c":[]}]}`, `{"a":"x","b":[1,true,{"c":[]}]}`, true},
		{"order of members", `{"a":"x","b":{"c":1,"d":2}}`, `{"b":{"d":2,"c":1},"a":"x"}`, true},
		{"order of items", `{"a":[1,2]}`, `{"a":[2,1]}`, false},
		{"numbers by their text", `{"a":1.0}`, `{"a":1.00}`, false},
		{"number and string", `{"a":1}`, `{"a":"1"}`, false},
		{"true and false", `{"a":true}`, `{"a":false}`, false},
		{"one more", `{"a":1}`, `{"a":1,"b":2}`, false},
		{"one less", `{"a":1,"b":2}`, `{"a":1}`, false},
		{"another name", `{"a":1}`, `{"b":1}`, false},
		{"one and a list of one", `{"a":1}`, `{"a":[1]}`, false},
		{"a list of one and one", `{"a":[1]}`, `{"a":1}`, false},
		{"object and string", `{"a":{}}`, `{"a":"x"}`, false},
		{"nulls at the end", `{"a":["x",null],"_a":[null,{"id":"1"}]}`, `{"a":["x"],"_a":[null,{"id":"1"},null]}`, true},
		{"nulls alone", `{"a":[null],"_a":[{"id":"1"}]}`, `{"_a":[{"id":"1"}]}`, true},
		{"nulls alone, another name", `{"a":[null],"b":"x"}`, `{"c":"y","a":[null]}`, false},
		{"nulls within", `{"a":[null,"x"]}`, `{"a":["x"]}`, false},
		{"narrative", div, `{"div":"<h:div xmlns:h=\"http://www.w3.org/1999/xhtml\"><h:b title=\"x\"></h:b></h:div>"}`, true},
		{"narrative, other text", div, `{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><b title='y'/></div>"}`, false},
		{"narrative, white space", div, `{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"> <b title='x'/></div>"}`, false},
		{"no narrative, the same", `{"div":"x"}`, `{"div":"x"}`, true},
		{"no narrative", `{"div":"x"}`, div, false},
		{"no narrative, the other", div, `{"div":"x"}`, false},
		{"not a narrative", strings.Replace(div, "div", "text", 1), strings.Replace(strings.Replace(div, "div", "text", 1), "'x'", `\"x\"`, 1), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.want, Equal(parse(t, c.a), parse(t, c.b)))
			assert.Equal(t, c.want, Equal(parse(t, c.b), parse(t, c.a)))
		})
	}
	assert.True(t, Equal(nil, &Object{}))
}

// Objects with very many members, in another order, are compared soon.
func TestEqualBig(t *testing.T) {
	const n = 50_000
	var a, b Object
	for i := range n {
		a.members = append(a.members, Member{strconv.Itoa(i), true})
		b.members = append(b.members, Member{strconv.Itoa(n - 1 - i), true})
	}
	start := time.Now()
	assert.True(t, Equal(&a, &b))
	assert.Less(t, time.Since(start), time.Second)
}
