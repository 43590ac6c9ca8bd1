package config

import (
	"net/url"
	"reflect"
)

// Public is the system's description without its secrets, as a certificate shows
// it: of a secret it says where it comes from, not what it is.
func (s *System) Public() map[string]any {
	out, _ := public(reflect.ValueOf(s).Elem()).(map[string]any) // a struct becomes a map
	return out
}

func public(v reflect.Value) any {
	switch one := v.Interface().(type) {
	case Secret:
		return one.public()
	case Duration:
		return one.String()
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return public(v.Elem())
	case reflect.Struct:
		out := map[string]any{}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if name := f.Tag.Get("yaml"); name != "" && !v.Field(i).IsZero() {
				if value := public(v.Field(i)); value != nil {
					out[name] = value
				}
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case reflect.Slice:
		out := []any{}
		for i := range v.Len() {
			out = append(out, public(v.Index(i)))
		}
		return out
	case reflect.String:
		return withoutPassword(v.String())
	default:
		return v.Interface()
	}
}

// public says where a secret comes from. A command may have one in its text.
func (s Secret) public() any {
	switch {
	case s.Env != "":
		return map[string]any{"env": s.Env}
	case s.File != "":
		return map[string]any{"file": s.File}
	case s.Command != "":
		return map[string]any{"command": "not shown"}
	case s.Text != "":
		return "not shown"
	}
	return nil
}

func withoutPassword(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.User == nil {
		return text
	}
	u.User = url.User("not-shown")
	return u.String()
}
