// Package store keeps what a node must not lose: resources with their versions
// and what makes them searchable, and records of any other kind.
//
// All of it is one SQLite file in WAL mode, with one connection that writes and a
// few that read. A transaction is [Store.View] or [Store.Update]; an Update that
// has returned survives a SIGKILL of the process. It need not survive a power cut:
// then the latest may be gone, whole transactions from the last one back, and what
// is left is sound.
package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"example.org/ccde/mockehr/clock"
)

// Errors of reads. They are returned as they are, never wrapped.
var (
	ErrNotFound = errors.New("not found")
	ErrDeleted  = errors.New("deleted")
	ErrClosed   = errors.New("the store is closed")
)

// Options are what a store is opened with.
type Options struct {
	Clock *clock.Clock // gives meta.lastUpdated; nil: a clock of its own
	Log   *slog.Logger // nil: none

	// Base is the node's own FHIR base, http://127.0.0.1:20001/r3: references
	// below it are the same as relative ones. "" if it has none.
	Base string

	// Template is a database that [Store.CopyTo] made; a folder without one
	// starts with a copy of it. "" starts empty.
	Template string

	// Unsynced leaves it to the kernel when the folder's data reach the disk: only
	// a machine that fails loses them. It is for a folder that is of no use later.
	Unsynced bool
}

// Store is an open database. It is safe for concurrent use.
type Store struct {
	clock     *clock.Clock
	log       *slog.Logger
	base      string
	dir       string
	temporary bool

	writing chan struct{} // holds one token: the right to use writer
	writer  *conn

	reading chan struct{} // holds as many tokens as there may be readers at once
	mu      sync.Mutex    // guards idle, closed and cache
	idle    []*conn       // readers that nobody uses
	closed  bool
	cache   *cache // replaced as a whole by Restore
}

const (
	databaseFile = "node.db"
	snapshotFile = "snapshot.db"
)

// Open opens the store in a folder, which is made if it isn't there; "" stands
// for a temporary folder that Close removes.
func Open(dir string, opt Options) (*Store, error) {
	s := &Store{clock: opt.Clock, log: opt.Log, base: strings.TrimSuffix(opt.Base, "/"), dir: dir,
		writing: make(chan struct{}, 1), cache: newCache(0)}
	if s.clock == nil {
		s.clock = clock.New()
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.openDir(); err != nil {
		return nil, err
	}
	if err := s.openFile(opt.Template, s.temporary || opt.Unsynced); err != nil {
		return nil, errors.Join(fmt.Errorf("store in %s: %w", s.dir, err), s.Close())
	}
	readers := min(max(runtime.GOMAXPROCS(0), 2), 4)
	s.reading = make(chan struct{}, readers)
	for range readers {
		s.reading <- struct{}{}
	}
	s.writing <- struct{}{}
	return s, nil
}

func (s *Store) openDir() error {
	if s.dir != "" {
		if err := os.MkdirAll(s.dir, 0o700); err != nil {
			return fmt.Errorf("store: %w", err)
		}
		return nil
	}
	// An image FROM scratch has no folder for temporary files.
	if err := os.MkdirAll(os.TempDir(), 0o777); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	dir, err := os.MkdirTemp("", "ccde-store-")
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	s.dir, s.temporary = dir, true
	return nil
}

func (s *Store) openFile(template string, unsynced bool) (err error) {
	path := filepath.Join(s.dir, databaseFile)
	if template != "" {
		if err := copyNew(path, template); err != nil {
			return fmt.Errorf("template: %w", err)
		}
	}
	// In WAL mode a commit has been written to the file, though not to the disk,
	// when it returns: the kernel keeps it whatever becomes of the process.
	// synchronous=NORMAL syncs at checkpoints alone, which keeps the file whole if
	// the machine fails; what is temporary needs no sync at all.
	synchronous := "synchronous=NORMAL"
	if unsynced {
		synchronous = "synchronous=OFF"
	}
	s.writer, err = dial(uriOf(path, ""), synchronous, "journal_mode=WAL", "temp_store=MEMORY", "cache_size=-32768", "busy_timeout=5000")
	if err != nil {
		return err
	}
	if err := s.prepare(context.Background()); err != nil {
		return err
	}
	last, err := s.writer.number(context.Background(), "SELECT max(id) FROM ver")
	s.cache = newCache(last)
	return err
}

// uriOf is SQLite's URI of a file.
func uriOf(path, query string) string {
	escaped := strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
	if query != "" {
		query = "?" + query
	}
	return "file:" + escaped + query
}

// copyNew copies a file to a path where there is none yet. It appears there whole or not at all.
func copyNew(path, from string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.CreateTemp(filepath.Dir(path), "copy-")
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Close()); err == nil {
		err = os.Rename(out.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(out.Name()))
	}
	return nil
}

// Close waits for transactions in flight and closes the database; a temporary
// folder is removed. Transactions begun later fail with [ErrClosed]. Closing
// again does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	was := s.closed
	s.closed = true
	s.mu.Unlock()
	if was {
		return nil
	}
	if s.reading != nil { // else it never was open
		<-s.writing
		for range cap(s.reading) {
			<-s.reading
		}
	}
	var errs []error
	for _, c := range s.idle {
		errs = append(errs, c.close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.close())
	}
	if s.reading != nil { // who waits goes on, and finds it closed
		s.writing <- struct{}{}
		for range cap(s.reading) {
			s.reading <- struct{}{}
		}
	}
	if s.temporary {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// state returns the current cache, or ErrClosed.
func (s *Store) state() (*cache, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	return s.cache, nil
}

// take waits for a token of a channel.
func take(ctx context.Context, tokens chan struct{}) error {
	select {
	case <-tokens:
		return nil
	default:
	}
	select {
	case <-tokens:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
