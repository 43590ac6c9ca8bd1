package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Override is a field that a flag or the environment gives in place of the
// file: its path, such as "source.fhir", and its text.
type Override struct{ Path, Text, From string }

// Read reads a system's file. Fields are overridden by CCDE_[PATH] in the
// environment (CCDE_SOURCE_CONSUMER_BEARER for source.consumer.bearer), and
// those by overrides. Each error has the form file:line:column: field: what is
// wrong and the fix; what is unknown is refused. known says of an id whether it
// is a requirement, and whether it is a MAY.
func Read(file string, env func(string) string, known func(id string) (is, may bool), overrides ...Override) (*System, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w; \"ccde init %s\" writes one", err, file)
	}
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	return Parse(file, text, dir, env, known, overrides...)
}

// Parse is Read for a text; relative paths in it start at dir.
func Parse(file string, text []byte, dir string, env func(string) string, known func(id string) (is, may bool), overrides ...Override) (*System, error) {
	s := &System{}
	doc, err := parser.ParseBytes(text, 0)
	if err == nil {
		err = yaml.UnmarshalWithOptions(text, s, yaml.Strict())
	}
	if err != nil {
		return nil, place(file, doc, err)
	}
	if len(doc.Docs) > 1 {
		return nil, fmt.Errorf("%s: more than one YAML document; take out the line ---", file)
	}
	at := &positions{file: file, doc: doc, from: map[string]string{}}
	if err := override(s, env, overrides, at); err != nil {
		return nil, err
	}
	s.dir = dir
	s.defaults()
	bind(reflect.ValueOf(s).Elem(), dir, env)
	return s, errors.Join(s.check(at, known)...)
}

// Complete fills in the defaults of a system that no file describes, and checks
// it as Read does; paths in it count from here. Each error names its field.
func (s *System) Complete(known func(id string) (is, may bool)) error {
	s.defaults()
	bind(reflect.ValueOf(s).Elem(), "", os.Getenv)
	return errors.Join(s.check(&positions{file: "config.System"}, known)...)
}

// place is a YAML error in the form of all others: where, the field, and the fix.
func place(file string, doc *ast.File, err error) error {
	var one yaml.Error
	if !errors.As(err, &one) || one.GetToken() == nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	p := one.GetToken().Position
	path := pathOf(doc, p)
	message := one.GetMessage()
	if name, ok := strings.CutPrefix(message, "unknown field "); ok {
		parent, _, _ := cutLast(path)
		message = fmt.Sprintf("the field %s is unknown; %s", name, nearest(strings.Trim(name, `"`), parent))
	} else if fix := wanted(message); fix != "" {
		message = fix
		if path != "" {
			message = path + ": " + fix
		}
	}
	return fmt.Errorf("%s:%d:%d: %s", file, p.Line, p.Column, message)
}

// wanted is what should stand there, by the decoder's word; "" if it says enough.
func wanted(message string) string {
	for _, one := range []struct{ end, fix string }{
		{"where mapping is expected", "fields should stand here; indent them below, or write {field: value}"},
		{"where sequence is expected", "a list should stand here; write [a, b]"},
		{"of type bool", "neither true nor false; write one of them, without quotes"},
		{"of type string", "a text should stand here"},
	} {
		if strings.HasSuffix(message, one.end) {
			return one.fix
		}
	}
	return ""
}

// pathOf is the path of what stands at a place of a file, "" if nothing is known of it.
func pathOf(doc *ast.File, at *token.Position) string {
	finder := &pathFinder{at: at}
	if doc != nil {
		for _, d := range doc.Docs {
			ast.Walk(finder, d)
		}
	}
	return strings.TrimPrefix(strings.TrimPrefix(finder.path, "$"), ".")
}

type pathFinder struct {
	at   *token.Position
	path string
}

func (f *pathFinder) Visit(n ast.Node) ast.Visitor {
	if t := n.GetToken(); t != nil && t.Position != nil && t.Position.Line == f.at.Line && t.Position.Column == f.at.Column && n.GetPath() != "" {
		f.path = n.GetPath()
	}
	return f
}

func cutLast(path string) (before, last string, found bool) {
	if i := strings.LastIndex(path, "."); i >= 0 {
		return path[:i], path[i+1:], true
	}
	return "", path, false
}

// nearest names the field that was meant, of those that stand below a path.
func nearest(name, parent string) string {
	words := fieldsAt(parent)
	if word := Nearest(name, words); word != "" {
		return fmt.Sprintf("is %q meant?", word)
	}
	if parent == "" || len(words) == 0 {
		return "\"ccde init\" writes a file with all there are"
	}
	return fmt.Sprintf("%s has %s", parent, strings.Join(words, ", "))
}

// fieldsAt are the names of the fields below a path.
func fieldsAt(path string) []string {
	t := reflect.TypeFor[System]()
	for _, name := range strings.Split(path, ".") {
		if name, _, _ = strings.Cut(name, "["); name == "" {
			continue
		}
		next, found := t, false
		for i := range t.NumField() {
			if t.Field(i).Tag.Get("yaml") == name {
				next, found = t.Field(i).Type, true
			}
		}
		for next.Kind() == reflect.Pointer || next.Kind() == reflect.Slice {
			next = next.Elem()
		}
		if t = next; !found || t.Kind() != reflect.Struct {
			return nil
		}
	}
	var out []string
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("yaml"); name != "" {
			out = append(out, name)
		}
	}
	return out
}

// Nearest is the one of some words that a mistyped one was meant to be, "" where
// none is near: at most three letters differ, and at most half of them.
func Nearest(typed string, words []string) string {
	best, least := "", min(4, len(typed)/2+1)
	for _, word := range words {
		if d := distance(strings.ToLower(typed), strings.ToLower(word)); d < least {
			best, least = word, d
		}
	}
	return best
}

func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost++
			}
			last = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// positions find a field in the file.
type positions struct {
	file string
	doc  *ast.File
	from map[string]string // fields that come from elsewhere
}

// of is where a field stands, "file:line:column"; for one that is missing, its
// section; for one that was overridden, by what.
func (p *positions) of(path string) string {
	if from := p.from[path]; from != "" {
		return from
	}
	for at := path; p.doc != nil; {
		if y, err := yaml.PathString("$." + at); err == nil && at != "" {
			if node, err := y.FilterFile(p.doc); err == nil && node != nil && node.GetToken() != nil {
				t := node.GetToken()
				if t.Position != nil {
					return fmt.Sprintf("%s:%d:%d", p.file, t.Position.Line, t.Position.Column)
				}
			}
		}
		i := strings.LastIndexAny(at, ".[")
		if i < 0 {
			return p.file + ":1:1"
		}
		at = at[:i]
	}
	return p.file
}

// resolve makes a path relative to a folder.
func resolve(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// Path makes a path of the file one that counts from here.
func (s *System) Path(path string) string { return resolve(s.dir, path) }

// Dir is the file's folder.
func (s *System) Dir() string { return s.dir }

func (s *System) defaults() {
	set := func(to *string, def string) {
		if *to == "" {
			*to = def
		}
	}
	set(&s.System.Dialect, dialects[0])
	set(&s.Key, DefaultKey)
	set(&s.Listen, DefaultListen)
	if s.Source != nil {
		set(&s.Source.Patient, DefaultPatient)
		set(&s.Source.OtherPatient, DefaultOther)
	}
	if s.Timeouts.Request == 0 {
		s.Timeouts.Request = DefaultRequest
	}
	if s.Timeouts.Copy == 0 {
		s.Timeouts.Copy = DefaultCopy
	}
}

// smart are the ids that "smart" in has stands for.
func smart() []string {
	out := []string{"SRC-05"}
	for i := 70; i <= 79; i++ {
		out = append(out, fmt.Sprintf("SRC-%d", i))
	}
	return out
}

// Claims says whether the system has what a MAY describes.
func (s *System) Claims(id string) bool {
	if slices.Contains(s.Has, "-"+id) {
		return false
	}
	return slices.Contains(s.Has, id) || slices.Contains(s.Has, "smart") && slices.Contains(smart(), id)
}
