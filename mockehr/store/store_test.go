package store

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.org/ccde/mockehr/clock"
	"example.org/ccde/mockehr/fhir"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

const ownBase = "http://me.example/r3"

// newStore opens a temporary store whose clock is held at noon.
func newStore(t testing.TB, opt Options) *Store {
	t.Helper()
	return openStore(t, "", opt)
}

func openStore(t testing.TB, dir string, opt Options) *Store {
	t.Helper()
	if opt.Clock == nil {
		opt.Clock = clock.New()
		opt.Clock.Hold()
		opt.Clock.Set(noon)
	}
	if opt.Base == "" {
		opt.Base = ownBase
	}
	s, err := Open(dir, opt)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

func parse(t testing.TB, text string) *fhir.Object {
	t.Helper()
	o, err := fhir.ParseJSON([]byte(text))
	require.NoError(t, err, text)
	return o
}

// load stores resources in their JSON form.
func load(t testing.TB, s *Store, texts ...string) {
	t.Helper()
	var resources []*fhir.Object
	for _, text := range texts {
		resources = append(resources, parse(t, text))
	}
	require.NoError(t, s.Load(context.Background(), resources))
}

func update(t testing.TB, s *Store, fn func(*Tx) error) {
	t.Helper()
	require.NoError(t, s.Update(context.Background(), fn))
}

func view(t testing.TB, s *Store, fn func(*Tx) error) {
	t.Helper()
	require.NoError(t, s.View(context.Background(), fn))
}

func remove(t testing.TB, s *Store, typ, id string) {
	t.Helper()
	update(t, s, func(tx *Tx) error {
		_, err := tx.Delete(typ, id)
		return err
	})
}

func read(s *Store, typ, id string) (v Version, err error) {
	err = s.View(context.Background(), func(tx *Tx) (err error) {
		v, err = tx.Read(typ, id)
		return err
	})
	return v, err
}

func TestVersions(t *testing.T) {
	s := newStore(t, Options{})
	update(t, s, func(tx *Tx) error {
		v, created, err := tx.Put(parse(t, `{"active":true,"id":"a.1","resourceType":"Patient","meta":{"versionId":"9","lastUpdated":"1999-01-01T00:00:00Z","tag":[{"code":"x"}]}}`), "ann")
		require.NoError(t, err)
		assert.True(t, created)
		assert.EqualValues(t, 1, v.VersionID)
		assert.Equal(t, "ann", v.Owner)
		assert.Equal(t, []string{"a.1"}, v.Patients)
		assert.Equal(t, noon, v.LastUpdated)
		assert.Equal(t, `{"resourceType":"Patient","id":"a.1","meta":{"versionId":"1","lastUpdated":"2026-03-04T12:00:00.000Z","tag":[{"code":"x"}]},"active":true}`, string(v.JSON))

		seen, err := tx.Read("Patient", "a.1")
		assert.NoError(t, err)
		assert.Equal(t, v, seen, "an Update sees what it wrote")
		return nil
	})
	s.clock.Add(1500 * time.Microsecond)
	update(t, s, func(tx *Tx) error {
		v, created, err := tx.Put(parse(t, `{"resourceType":"Patient","id":"a.1","active":false}`), "bob")
		assert.False(t, created)
		assert.EqualValues(t, 2, v.VersionID)
		assert.Equal(t, "ann", v.Owner, "the owner is who created it")
		assert.Equal(t, noon.Add(time.Millisecond), v.LastUpdated)
		return err
	})
	remove(t, s, "Patient", "a.1")
	_, err := read(s, "Patient", "a.1")
	assert.ErrorIs(t, err, ErrDeleted)
	update(t, s, func(tx *Tx) error {
		v, err := tx.Delete("Patient", "a.1")
		assert.EqualValues(t, 3, v.VersionID, "deleting again changes nothing")
		require.NoError(t, err)
		_, err = tx.Delete("Patient", "none")
		assert.Equal(t, ErrNotFound, err)
		v, created, err := tx.Put(parse(t, `{"resourceType":"Patient","id":"a.1"}`), "bob")
		assert.True(t, created)
		assert.EqualValues(t, 4, v.VersionID)
		assert.Equal(t, "bob", v.Owner)
		return err
	})
	view(t, s, func(tx *Tx) error {
		history, err := tx.History("Patient", "a.1")
		require.NoError(t, err)
		require.Len(t, history, 4)
		for i, v := range history {
			assert.EqualValues(t, 4-i, v.VersionID)
			assert.Equal(t, i == 1, v.Deleted)
			assert.Equal(t, i == 1, v.JSON == nil)
		}
		v, err := tx.ReadVersion("Patient", "a.1", 2)
		assert.NoError(t, err)
		assert.Contains(t, string(v.JSON), `"active":false`)
		_, err = tx.ReadVersion("Patient", "a.1", 3)
		assert.Equal(t, ErrDeleted, err)
		_, err = tx.ReadVersion("Patient", "a.1", 5)
		assert.Equal(t, ErrNotFound, err)
		_, err = tx.History("Patient", "none")
		assert.Equal(t, ErrNotFound, err)
		_, err = tx.Read("Nonsense", "1")
		assert.Equal(t, ErrNotFound, err)
		_, err = tx.Read("Observation", "a.1")
		assert.Equal(t, ErrNotFound, err, "ids are of a type")
		return nil
	})
}

func TestCreate(t *testing.T) {
	s := newStore(t, Options{})
	r := parse(t, `{"resourceType":"Patient","id":"mine","active":true}`)
	update(t, s, func(tx *Tx) error {
		a, err := tx.Create(r, "ann")
		require.NoError(t, err)
		b, err := tx.Create(r, "ann")
		require.NoError(t, err)
		assert.NotEqual(t, a.ID, b.ID)
		assert.NotEqual(t, "mine", a.ID)
		assert.True(t, fhir.ValidID(a.ID))
		assert.Equal(t, "mine", r.ID(), "what is stored is not changed")
		return nil
	})
}

func TestRefused(t *testing.T) {
	s := newStore(t, Options{})
	for _, text := range []string{`{"resourceType":"Patient"}`, `{"resourceType":"Patient","id":"a b"}`, `{"resourceType":"Nonsense","id":"1"}`, `{"id":"1"}`} {
		err := s.Update(context.Background(), func(tx *Tx) error {
			_, _, err := tx.Put(parse(t, text), "")
			return err
		})
		assert.Error(t, err, text)
	}
	view(t, s, func(tx *Tx) error {
		_, err := tx.Create(parse(t, `{"resourceType":"Patient"}`), "")
		assert.Error(t, err, "a View doesn't write")
		assert.Error(t, tx.PutRecord("k", "1", 1))
		assert.Error(t, tx.DeleteRecord("k", "1"))
		return nil
	})
}

func TestRollback(t *testing.T) {
	s := newStore(t, Options{})
	load(t, s, `{"resourceType":"Patient","id":"1","active":true}`)
	_, err := read(s, "Patient", "1") // now it is in the cache
	require.NoError(t, err)
	change := func(tx *Tx) {
		_, _, err := tx.Put(parse(t, `{"resourceType":"Patient","id":"1","active":false}`), "")
		require.NoError(t, err)
		_, _, err = tx.Put(parse(t, `{"resourceType":"Patient","id":"2"}`), "")
		require.NoError(t, err)
		require.NoError(t, tx.PutRecord("k", "1", 1))
	}
	failure := errors.New("no")
	assert.Equal(t, failure, s.Update(context.Background(), func(tx *Tx) error {
		change(tx)
		return failure
	}))
	assert.Panics(t, func() {
		_ = s.Update(context.Background(), func(tx *Tx) error {
			change(tx)
			panic("no")
		})
	})
	v, err := read(s, "Patient", "1")
	assert.NoError(t, err)
	assert.EqualValues(t, 1, v.VersionID)
	assert.Equal(t, []string{"1"}, ids(t, s, "Patient", "", Scope{}))
	view(t, s, func(tx *Tx) error {
		assert.Equal(t, ErrNotFound, tx.Record("k", "1", new(int)))
		return nil
	})
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	load(t, s, `{"resourceType":"Patient","id":"1","name":[{"family":"Bee"}]}`)
	update(t, s, func(tx *Tx) error { return tx.PutRecord("k", "1", []int{1}) })
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	assert.Equal(t, ErrClosed, s.View(context.Background(), func(*Tx) error { return nil }))
	assert.Equal(t, ErrClosed, s.Update(context.Background(), func(*Tx) error { return nil }))
	assert.Equal(t, ErrClosed, s.Snapshot(context.Background()))

	s = openStore(t, dir, Options{})
	assert.Equal(t, []string{"1"}, ids(t, s, "Patient", "name=bee", Scope{}))
	view(t, s, func(tx *Tx) error {
		var list []int
		assert.NoError(t, tx.Record("k", "1", &list))
		assert.Equal(t, []int{1}, list)
		return nil
	})
}

// An index that another program made, or one at another base, is made again.
func TestReindex(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{Base: "http://before.example/r3"})
	load(t, s, `{"resourceType":"Observation","id":"1","subject":{"reference":"http://me.example/r3/Patient/1"}}`,
		`{"resourceType":"Observation","id":"2","subject":{"reference":"Patient/1"}}`)
	assert.Equal(t, []string{"2"}, ids(t, s, "Observation", "patient=1", Scope{}))
	require.NoError(t, s.Close())

	s = openStore(t, dir, Options{})
	assert.Equal(t, []string{"1", "2"}, ids(t, s, "Observation", "patient=1", Scope{}))
	assert.Equal(t, []string{"1", "2"}, ids(t, s, "Observation", "", Scope{Patient: "1"}))
	update(t, s, func(tx *Tx) error {
		for _, table := range indexTables {
			require.NoError(t, tx.c.exec("DELETE FROM "+table))
		}
		return tx.c.setMeta(map[string]string{"index": "older"})
	})
	require.NoError(t, s.Close())

	s = openStore(t, dir, Options{})
	assert.Equal(t, []string{"1", "2"}, ids(t, s, "Observation", "patient=1", Scope{Patient: "1"}))
}

func TestTemporaryFolder(t *testing.T) {
	s := newStore(t, Options{})
	dir := s.dir
	assert.DirExists(t, dir)
	require.NoError(t, s.Close())
	assert.NoDirExists(t, dir)
}

func TestOpenFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte("not a folder"), 0o600))
	_, err := Open(file, Options{})
	assert.Error(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, databaseFile), []byte(strings.Repeat("not a database ", 100)), 0o600))
	_, err = Open(dir, Options{})
	assert.ErrorContains(t, err, dir)
	_, err = Open(t.TempDir(), Options{Template: file + "-missing"})
	assert.ErrorContains(t, err, "template")
}

func TestReferrers(t *testing.T) {
	s := newStore(t, Options{})
	load(t, s,
		`{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/1"},"performer":[{"reference":"Practitioner/p"}]}`,
		`{"resourceType":"DocumentReference","id":"d","subject":{"reference":"Patient/2"},"content":[{"attachment":{"url":"Binary/b"}}],"author":[{"reference":"http://me.example/r3/Practitioner/p"}]}`,
		`{"resourceType":"Practitioner","id":"p","extension":[{"url":"x","valueReference":{"reference":"Organization/g/_history/1"}}]}`,
		`{"resourceType":"Observation","id":"x","performer":[{"reference":"http://other/r3/Practitioner/p"}]}`)
	view(t, s, func(tx *Tx) error {
		for target, want := range map[[2]string][]Referrer{
			{"Practitioner", "p"}: {{"Observation", "o", []string{"1"}}, {"DocumentReference", "d", []string{"2"}}},
			{"Binary", "b"}:       {{"DocumentReference", "d", []string{"2"}}},
			{"Organization", "g"}: {{"Practitioner", "p", []string{}}},
			{"Device", "none"}:    nil,
		} {
			got, err := tx.Referrers(target[0], target[1])
			assert.NoError(t, err)
			assert.Equal(t, want, got, target)
		}
		return nil
	})
	load(t, s, `{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/1"}}`)
	remove(t, s, "DocumentReference", "d")
	view(t, s, func(tx *Tx) error {
		got, err := tx.Referrers("Practitioner", "p")
		assert.Empty(t, got, "only current versions count")
		return err
	})
}

func TestRecords(t *testing.T) {
	s := newStore(t, Options{})
	type thing struct{ A string }
	update(t, s, func(tx *Tx) error {
		for _, key := range []string{"b/2", "a", "b/1", "c"} {
			require.NoError(t, tx.PutRecord("kind", key, thing{key}))
		}
		require.NoError(t, tx.PutRecord("other", "b/3", thing{}))
		require.NoError(t, tx.PutRecord("kind", "a", thing{"again"}))
		require.NoError(t, tx.DeleteRecord("kind", "c"))
		require.NoError(t, tx.DeleteRecord("kind", "none"))
		var a thing
		assert.NoError(t, tx.Record("kind", "a", &a))
		assert.Equal(t, "again", a.A)
		assert.Equal(t, ErrNotFound, tx.Record("kind", "c", &a))
		assert.Error(t, tx.PutRecord("kind", "f", func() {}))
		return nil
	})
	view(t, s, func(tx *Tx) error {
		keys := func(prefix string) (keys []string) {
			assert.NoError(t, tx.Records("kind", prefix, func(key string, raw json.RawMessage) error {
				keys = append(keys, key)
				assert.True(t, json.Valid(raw))
				return tx.Record("kind", key, new(thing)) // the transaction can be used meanwhile
			}))
			return keys
		}
		assert.Equal(t, []string{"a", "b/1", "b/2"}, keys(""))
		assert.Equal(t, []string{"b/1", "b/2"}, keys("b/"))
		stop := errors.New("stop")
		assert.Equal(t, stop, tx.Records("kind", "", func(string, json.RawMessage) error { return stop }))
		return nil
	})
}

// A View reads what was current when it began, be it from memory or the file.
func TestViewIsolation(t *testing.T) {
	s := newStore(t, Options{})
	load(t, s, `{"resourceType":"Patient","id":"1","active":true}`, `{"resourceType":"Patient","id":"2","active":true}`)
	view(t, s, func(tx *Tx) error {
		_, err := tx.History("Patient", "1") // the first look at the database
		require.NoError(t, err)
		load(t, s, `{"resourceType":"Patient","id":"1","active":false}`)
		_, err = read(s, "Patient", "1")
		require.NoError(t, err)
		v, err := tx.Read("Patient", "1")
		assert.EqualValues(t, 1, v.VersionID)
		return err
	})
	v, err := read(s, "Patient", "1")
	assert.NoError(t, err)
	assert.EqualValues(t, 2, v.VersionID, "an older View left nothing old in the cache")
}
