package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSnapshot(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	assert.ErrorContains(t, s.Restore(ctx), "no snapshot")

	load(t, s, `{"resourceType":"Patient","id":"1","active":true}`, `{"resourceType":"Patient","id":"2"}`)
	update(t, s, func(tx *Tx) error { return tx.PutRecord("k", "1", "kept") })
	require.NoError(t, s.Snapshot(ctx))
	for round := range 3 {
		load(t, s, `{"resourceType":"Patient","id":"1","active":false}`, `{"resourceType":"Patient","id":"3"}`)
		remove(t, s, "Patient", "2")
		update(t, s, func(tx *Tx) error { return errors.Join(tx.PutRecord("k", "1", "lost"), tx.PutRecord("k", "2", "lost")) })
		_, err := read(s, "Patient", "3") // now it is in the cache
		require.NoError(t, err)
		if round == 2 { // a snapshot outlives a restart
			require.NoError(t, s.Close())
			s = openStore(t, dir, Options{})
		}

		require.NoError(t, s.Restore(ctx))
		v, err := read(s, "Patient", "1")
		assert.NoError(t, err)
		assert.EqualValues(t, 1, v.VersionID)
		_, err = read(s, "Patient", "2")
		assert.NoError(t, err)
		_, err = read(s, "Patient", "3")
		assert.Equal(t, ErrNotFound, err)
		assert.Equal(t, []string{"1"}, ids(t, s, "Patient", "active=true", Scope{}))
		view(t, s, func(tx *Tx) error {
			var text string
			assert.NoError(t, tx.Record("k", "1", &text))
			assert.Equal(t, "kept", text)
			assert.Equal(t, ErrNotFound, tx.Record("k", "2", &text))
			return nil
		})
	}
	load(t, s, `{"resourceType":"Patient","id":"4"}`)
	require.NoError(t, s.Snapshot(ctx), "a later one takes its place")
	remove(t, s, "Patient", "4")
	require.NoError(t, s.Restore(ctx))
	assert.Equal(t, []string{"1", "2", "4"}, ids(t, s, "Patient", "", Scope{}))
}

// A View in flight goes on with what it sees; an Update in flight ends first.
func TestRestoreInFlight(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, Options{})
	load(t, s, `{"resourceType":"Patient","id":"1","active":true}`)
	require.NoError(t, s.Snapshot(ctx))
	load(t, s, `{"resourceType":"Patient","id":"1","active":false}`)
	view(t, s, func(tx *Tx) error {
		_, err := tx.History("Patient", "1")
		require.NoError(t, err)
		require.NoError(t, s.Restore(ctx))
		v, err := tx.Read("Patient", "1")
		assert.EqualValues(t, 2, v.VersionID)
		return err
	})
	v, err := read(s, "Patient", "1")
	assert.NoError(t, err)
	assert.EqualValues(t, 1, v.VersionID, "the View left nothing of before in the cache")

	started, proceed := make(chan struct{}), make(chan struct{})
	done := make(chan error, 2)
	go func() {
		done <- s.Update(ctx, func(tx *Tx) error {
			close(started)
			<-proceed
			_, err := tx.Delete("Patient", "1")
			return err
		})
	}()
	<-started
	hurried, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	assert.ErrorIs(t, s.Restore(hurried), context.DeadlineExceeded)
	go func() { done <- s.Restore(ctx) }()
	close(proceed)
	assert.NoError(t, <-done)
	assert.NoError(t, <-done)
	_, err = read(s, "Patient", "1")
	assert.NoError(t, err)
}

func TestTemplate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "template.db")
	from := newStore(t, Options{})
	load(t, from, `{"resourceType":"Patient","id":"1"}`)
	update(t, from, func(tx *Tx) error { return tx.PutRecord("k", "1", 1) })
	require.NoError(t, from.CopyTo(context.Background(), path))
	require.NoError(t, from.CopyTo(context.Background(), path), "again")
	load(t, from, `{"resourceType":"Patient","id":"2"}`)

	dir := t.TempDir()
	a := openStore(t, dir, Options{Template: path})
	b := newStore(t, Options{Template: path, Base: "http://b.example/r3"})
	load(t, a, `{"resourceType":"Patient","id":"3"}`)
	assert.Equal(t, []string{"1", "3"}, ids(t, a, "Patient", "", Scope{}))
	assert.Equal(t, []string{"1"}, ids(t, b, "Patient", "", Scope{}))
	require.NoError(t, a.Close())
	a = openStore(t, dir, Options{Template: path})
	assert.Equal(t, []string{"1", "3"}, ids(t, a, "Patient", "", Scope{}), "a store that is there stays")
}

// Readers, writers and restores side by side: each read sees a whole transaction.
func TestConcurrency(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s := newStore(t, Options{})
	write := func(n int) error {
		return s.Update(ctx, func(tx *Tx) error {
			for _, id := range []string{"a", "b"} { // always the same in both
				_, _, err := tx.Put(parse(t, fmt.Sprintf(`{"resourceType":"Patient","id":%q,"identifier":[{"value":"%d"}]}`, id, n)), "")
				if err != nil {
					return err
				}
			}
			return tx.PutRecord("n", "n", n)
		})
	}
	require.NoError(t, write(0))
	require.NoError(t, s.Snapshot(ctx))
	var group sync.WaitGroup
	run := func(times int, fn func(i int) error) {
		group.Go(func() {
			for i := range times {
				if err := fn(i); !assert.NoError(t, err) {
					return
				}
			}
		})
	}
	for w := range 2 {
		run(60, func(i int) error { return write(w*1000 + i) })
	}
	run(10, func(int) error { return s.Restore(ctx) })
	run(10, func(int) error { return s.Snapshot(ctx) })
	search, err := ParseSearch("Patient", nil, true)
	require.NoError(t, err)
	for range 6 {
		run(100, func(int) error {
			return s.View(ctx, func(tx *Tx) error {
				found, err := tx.Search(search, Scope{})
				if err != nil {
					return err
				}
				if !assert.Len(t, found.Matches, 2) {
					return nil
				}
				n := parse(t, string(found.Matches[0].JSON)).Objects("identifier")[0].Text("value")
				assert.Contains(t, string(found.Matches[1].JSON), `"`+n+`"`)
				var record int
				if err := tx.Record("n", "n", &record); err != nil {
					return err
				}
				assert.Equal(t, n, fmt.Sprint(record))
				return nil
			})
		})
		run(100, func(int) error {
			_, err := read(s, "Patient", "a")
			return err
		})
	}
	group.Wait()
}

// Who waits for a store that closes gets ErrClosed, and who is in it finishes.
func TestCloseInFlight(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, Options{})
	load(t, s, `{"resourceType":"Patient","id":"1"}`)
	closed := make(chan error, 1)
	view(t, s, func(tx *Tx) error {
		_, err := tx.History("Patient", "1")
		require.NoError(t, err)
		go func() { closed <- s.Close() }()
		require.Eventually(t, func() bool {
			return errors.Is(s.View(ctx, func(*Tx) error { return nil }), ErrClosed)
		}, 5*time.Second, time.Millisecond)
		_, err = tx.History("Patient", "1")
		return err
	})
	assert.NoError(t, <-closed)
}
