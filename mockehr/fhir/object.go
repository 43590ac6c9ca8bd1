package fhir

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Number is a JSON number as the text it was written with. FHIR decimals carry
// their precision (1.0 is not 1.00), so they never become floats here.
type Number string

// Member is one name and its value within an [Object].
//
// Value is one of *Object, []any (of these), string, Number, bool, or nil,
// which stands for the null that pads parallel arrays and occurs only there.
type Member struct {
	Name  string
	Value any
}

// Object is a JSON object that keeps the order of its members: a resource, or a
// part of one. Its methods that read may be called on a nil Object, which is empty.
type Object struct {
	members []Member
}

// NewObject makes an object of these members, in this order; see [Object.Set]
// for the values it takes.
func NewObject(members ...Member) *Object {
	o := &Object{members: make([]Member, 0, len(members))}
	for _, m := range members {
		o.Set(m.Name, m.Value)
	}
	return o
}

// Get returns the value of a member, nil if there is none.
func (o *Object) Get(name string) any {
	if i := o.index(name); i >= 0 {
		return o.members[i].Value
	}
	return nil
}

// Has tells whether there is a member of that name.
func (o *Object) Has(name string) bool { return o.index(name) >= 0 }

// Len is the number of members.
func (o *Object) Len() int {
	if o == nil {
		return 0
	}
	return len(o.members)
}

func (o *Object) index(name string) int {
	if o == nil {
		return -1
	}
	for i := range o.members {
		if o.members[i].Name == name {
			return i
		}
	}
	return -1
}

// Set gives a member a new value, in its place, or adds it at the end; nil
// deletes it. Beside the values named at [Member] it takes what is plainly one of
// them: Go integers and finite floats, []string, []*Object.
func (o *Object) Set(name string, v any) {
	v = normal(v)
	if v == nil {
		o.Delete(name)
		return
	}
	if i := o.index(name); i >= 0 {
		o.members[i].Value = v
		return
	}
	o.members = append(o.members, Member{name, v})
}

// normal turns v into one of the values of the model; anything else becomes its
// default text, so that an Object can always be printed.
func normal(v any) any {
	switch v := v.(type) {
	case nil, string, Number, bool:
		return v
	case *Object:
		if v == nil {
			return nil
		}
		return v
	case []any:
		for i, item := range v {
			v[i] = normal(item)
		}
		return v
	case []*Object:
		return anyList(v)
	case []string:
		return anyList(v)
	case int:
		return Number(strconv.Itoa(v))
	case int32:
		return Number(strconv.FormatInt(int64(v), 10))
	case int64:
		return Number(strconv.FormatInt(v, 10))
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Sprint(v)
		}
		return Number(strconv.FormatFloat(v, 'f', -1, 64))
	default:
		return fmt.Sprint(v)
	}
}

func anyList[T any](items []T) any {
	list := make([]any, len(items))
	for i, item := range items {
		list[i] = normal(item)
	}
	return list
}

// Delete removes a member; without one of that name it does nothing.
func (o *Object) Delete(name string) {
	if i := o.index(name); i >= 0 {
		o.members = slices.Delete(o.members, i, i+1)
	}
}

// Members returns the members in their order. The slice is the object's own: it
// is for reading, until the object changes.
func (o *Object) Members() []Member {
	if o == nil {
		return nil
	}
	return o.members
}

// Clone returns a deep copy; nil of nil.
func (o *Object) Clone() *Object {
	if o == nil {
		return nil
	}
	c := &Object{members: make([]Member, len(o.members))}
	for i, m := range o.members {
		c.members[i] = Member{m.Name, cloneValue(m.Value)}
	}
	return c
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case *Object:
		return v.Clone()
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = cloneValue(item)
		}
		return list
	}
	return v
}

// Text returns the string at that path, "" if there is none; of an array on the
// way or at the end it takes the first item.
func (o *Object) Text(path ...string) string {
	s, _ := o.at(path).(string)
	return s
}

// Child returns the object at that path, nil if there is none; of an array on
// the way or at the end it takes the first item.
func (o *Object) Child(path ...string) *Object {
	c, _ := o.at(path).(*Object)
	return c
}

func (o *Object) at(path []string) any {
	var v any = o
	for _, name := range path {
		c, ok := v.(*Object)
		if !ok {
			return nil
		}
		v = c.Get(name)
		if list, ok := v.([]any); ok {
			if len(list) == 0 {
				return nil
			}
			v = list[0]
		}
	}
	return v
}

// List returns the items of an array, a single value as the only item, and nil
// for a missing member.
func (o *Object) List(name string) []any {
	switch v := o.Get(name).(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

// Objects returns those items of [Object.List] that are objects.
func (o *Object) Objects(name string) []*Object {
	var objects []*Object
	for _, item := range o.List(name) {
		if c, ok := item.(*Object); ok {
			objects = append(objects, c)
		}
	}
	return objects
}

// Type is the resource type: the member resourceType, "" if there is none.
func (o *Object) Type() string {
	s, _ := o.Get("resourceType").(string)
	return s
}

// ID is the logical id, or that of an element; "" if there is none.
func (o *Object) ID() string {
	s, _ := o.Get("id").(string)
	return s
}
