package config

import (
	"errors"
	"fmt"
	"iter"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// leavesOf are the fields that hold a value, by their path in the file.
func leavesOf(t reflect.Type, path string) iter.Seq2[string, reflect.Type] {
	return func(yield func(string, reflect.Type) bool) { leaves(t, path, yield) }
}

func leaves(t reflect.Type, path string, yield func(string, reflect.Type) bool) bool {
	if t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[Secret]() {
		return yield(path, t)
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("yaml")
		if name == "" || f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct {
			continue
		}
		if path != "" {
			name = path + "." + name
		}
		if !leaves(f.Type, name, yield) {
			return false
		}
	}
	return true
}

// Variable is the environment variable that overrides a field.
func Variable(path string) string {
	return "CCDE_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(path))
}

// taken are variables that say something else.
var taken = map[string]bool{EnvRuntime: true, EnvDialect: true, EnvReport: true, EnvDocker: true}

// override puts the environment's and the flags' fields in place of the file's.
func override(s *System, env func(string) string, overrides []Override, at *positions) error {
	var errs []error
	known := map[string]bool{}
	for path := range leavesOf(reflect.TypeFor[System](), "") {
		known[path] = true
		name := Variable(path)
		if text := env(name); text != "" && !taken[name] {
			overrides = append([]Override{{Path: path, Text: text, From: name}}, overrides...)
		}
	}
	for _, o := range overrides {
		if !known[o.Path] {
			parent, last, _ := cutLast(o.Path)
			errs = append(errs, fmt.Errorf("%s: the field %q is unknown; %s", o.From, o.Path, nearest(last, parent)))
			continue
		}
		if err := assign(field(reflect.ValueOf(s).Elem(), strings.Split(o.Path, ".")), o.Text); err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", o.From, o.Path, err))
		}
		at.from[o.Path] = o.From
	}
	return errors.Join(errs...)
}

// field finds a field by its path, and makes the sections on the way.
func field(v reflect.Value, path []string) reflect.Value {
	if v.Kind() == reflect.Pointer && v.Type().Elem().Kind() == reflect.Struct {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		v = v.Elem()
	}
	if len(path) == 0 {
		return v
	}
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("yaml") == path[0] {
			return field(v.Field(i), path[1:])
		}
	}
	return reflect.Value{} // not reached: the path is known
}

func assign(v reflect.Value, text string) error {
	switch to := v.Addr().Interface().(type) {
	case *string:
		*to = text
	case *Secret:
		*to = Secret{Text: text}
	case *[]string:
		*to = strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	case *Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is no duration; write it like 10s or 2m", text)
		}
		*to = Duration(d)
	case *bool, **bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		if p, ok := to.(**bool); ok {
			*p = &b
		} else {
			v.SetBool(b)
		}
	}
	return nil
}

// bind tells each secret where relative paths start and what the environment is.
func bind(v reflect.Value, dir string, env func(string) string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			bind(v.Elem(), dir, env)
		}
	case reflect.Struct:
		if s, ok := v.Addr().Interface().(*Secret); ok {
			s.from = &source{dir: dir, env: env}
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				bind(v.Field(i), dir, env)
			}
		}
	}
}
