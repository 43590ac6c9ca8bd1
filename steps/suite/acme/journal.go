package acme

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// journal is a file of lines, each a value by its name: the last one counts,
// null is none. A line that a kill cut off is passed over.
type journal struct {
	file *os.File
}

type line struct {
	Name  string          `json:"n"`
	Value json.RawMessage `json:"v"`
}

// keep writes a value; s.mu is held. What can't be written ends the process:
// a record that is only half kept is worse than a server that is down.
func (s *Server) keep(name string, v any) {
	if s.journal == nil {
		return
	}
	text, err := json.Marshal(v)
	if err == nil {
		var row []byte
		if row, err = json.Marshal(line{name, text}); err == nil {
			_, err = s.journal.file.Write(append(row, '\n'))
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "acme: the journal:", err)
		os.Exit(1)
	}
}

// restore reads the journal, or starts one.
func (s *Server) restore() error {
	last := map[string]json.RawMessage{}
	var names []string
	if s.State != "" {
		if f, err := os.Open(s.State); err == nil {
			in := bufio.NewScanner(f)
			in.Buffer(nil, 64<<20)
			for in.Scan() {
				var l line
				if json.Unmarshal(in.Bytes(), &l) == nil {
					if _, known := last[l.Name]; !known {
						names = append(names, l.Name)
					}
					last[l.Name] = l.Value
				}
			}
			f.Close()
		} else if !errors.Is(err, os.ErrNotExist) {
			return err
		}
		f, err := os.OpenFile(s.State, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		if len(names) > 0 {
			_, _ = f.WriteString("\n") // after a line that was cut off
		}
		s.journal = &journal{f}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		if err := s.recall(name, last[name]); err != nil {
			return fmt.Errorf("%s: %s: %w", s.State, name, err)
		}
	}
	if s.key == nil {
		if err := s.newKey(); err != nil {
			return err
		}
	}
	if len(names) == 0 {
		return s.load()
	}
	return nil
}

func (s *Server) recall(name string, v json.RawMessage) error {
	kind, key, _ := strings.Cut(name, " ")
	switch kind {
	case "key":
		var k struct{ ISS, DER string }
		if err := json.Unmarshal(v, &k); err != nil {
			return err
		}
		der, err := base64.StdEncoding.DecodeString(k.DER)
		if err != nil {
			return err
		}
		parsed, err := x509.ParsePKCS8PrivateKey(der)
		if err != nil {
			return err
		}
		s.iss, s.key = k.ISS, parsed.(crypto.Signer)
	case "resource":
		o, err := parseJSON(v)
		if err != nil {
			s.gone[key] = true // null
			return nil
		}
		s.hold(key, o)
	case "grant":
		g := &grant{}
		s.grants[key] = g
		return json.Unmarshal(v, g)
	case "connection":
		c := &connection{}
		s.links[key] = c
		return json.Unmarshal(v, c)
	case "original":
		o := &original{}
		s.origins[key] = o
		if err := json.Unmarshal(v, o); err != nil {
			return err
		}
		if s.bug("restart-duplicates") {
			o.Copy = ""
		}
		s.kept[o.Copy] = true
	}
	return nil
}

func (s *Server) newKey() (err error) {
	s.iss = "urn:uuid:" + uuid()
	if s.Style.ES256 {
		s.iss = "https://acme.example/systems/" + uuid()
		s.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		s.key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		return err
	}
	s.keep("key", map[string]string{"ISS": s.iss, "DER": base64.StdEncoding.EncodeToString(der)})
	return nil
}

// load reads the Bundles that it starts with, as if recorded over the years.
func (s *Server) load() error {
	when := time.Now().Add(-40 * 24 * time.Hour)
	for _, file := range s.Load {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		b, err := parseJSON(content)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for _, e := range objects(b["entry"]) {
			o := object(e["resource"])
			if s.Style.FewMedications && fewer[text(o["resourceType"])] {
				continue
			}
			if err := s.defs.check(o); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			when = when.Add(97 * time.Minute)
			s.putAt(o, when, "")
		}
	}
	return nil
}

var fewer = map[string]bool{"MedicationRequest": true, "MedicationDispense": true, "MedicationAdministration": true}

func uuid() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// newID is a fresh id of FHIR's kind.
func (s *Server) newID() string {
	if s.Style.DotIDs {
		return "-." + strings.ReplaceAll(uuid(), "-", ".")
	}
	return strings.ReplaceAll(uuid(), "-", "")[:20]
}

// put keeps a resource, with a new version; s.mu is held.
func (s *Server) put(o map[string]any, owner string) { s.putAt(o, time.Now(), owner) }

func (s *Server) putAt(o map[string]any, when time.Time, owner string) {
	key := text(o["resourceType"]) + "/" + text(o["id"])
	version := 1
	old := s.held[key]
	if old != nil {
		_, _ = fmt.Sscan(text(object(old["meta"])["versionId"]), &version)
		version++
	}
	meta := map[string]any{}
	for k, v := range object(o["meta"]) {
		meta[k] = v
	}
	meta["versionId"], meta["lastUpdated"] = fmt.Sprint(version), when.UTC().Format("2006-01-02T15:04:05.000Z")
	o["meta"] = meta
	if owner != "" {
		meta["tag"] = append(withoutOwner(meta["tag"]), map[string]any{"system": ownerTag, "code": owner})
	}
	s.hold(key, o)
	delete(s.gone, key)
	s.keep("resource "+key, o)
}

// ownerTag is the system of the tag that says whose bearer made a resource.
const ownerTag = "https://acme.example/made-by"

func withoutOwner(v any) []any {
	out := []any{}
	for _, t := range objects(v) {
		if t["system"] != ownerTag {
			out = append(out, t)
		}
	}
	return out
}

func ownerOf(o map[string]any) string {
	for _, t := range objects(object(o["meta"])["tag"]) {
		if t["system"] == ownerTag {
			return text(t["code"])
		}
	}
	return ""
}

// hold puts a resource where it is found.
func (s *Server) hold(key string, o map[string]any) {
	old := s.held[key]
	if old == nil {
		s.byType[text(o["resourceType"])] = append(s.byType[text(o["resourceType"])], key)
	} else {
		delete(s.records[s.patientOf(old)], key)
	}
	s.held[key] = o
	if p := s.patientOf(o); p != "" {
		if s.records[p] == nil {
			s.records[p] = map[string]bool{}
		}
		s.records[p][key] = true
	}
}

// remove deletes a resource; s.mu is held.
func (s *Server) remove(key string) {
	o := s.held[key]
	delete(s.records[s.patientOf(o)], key)
	delete(s.held, key)
	s.gone[key] = true
	typ := text(o["resourceType"])
	s.byType[typ] = slices.DeleteFunc(slices.Clone(s.byType[typ]), func(k string) bool { return k == key })
	s.keep("resource "+key, nil)
}
