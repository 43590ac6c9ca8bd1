package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
)

// Snapshot keeps the state of the store, in place of an earlier snapshot; it
// outlives a restart. Updates wait until it is made.
func (s *Store) Snapshot(ctx context.Context) error {
	return s.CopyTo(ctx, filepath.Join(s.dir, snapshotFile))
}

// CopyTo writes the state of the store to a file, which then serves as
// [Options.Template]. The file appears whole or not at all.
func (s *Store) CopyTo(ctx context.Context, path string) (err error) {
	if err := take(ctx, s.writing); err != nil {
		return err
	}
	defer func() { s.writing <- struct{}{} }()
	if _, err := s.state(); err != nil {
		return err
	}
	part := path + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("copy the store: %w", err)
	}
	defer func() {
		if err != nil {
			os.Remove(part) // the first error counts
		}
	}()
	copier, ok := s.writer.Conn.(interface {
		NewBackup(string) (*sqlite.Backup, error)
	})
	if !ok {
		return errors.New("copy the store: the driver has no backup")
	}
	backup, err := copier.NewBackup(uriOf(part, "_pragma=synchronous(OFF)&_pragma=journal_mode(OFF)"))
	if err := finish(backup, err); err != nil {
		return fmt.Errorf("copy the store: %w", err)
	}
	if err := os.Rename(part, path); err != nil {
		return fmt.Errorf("copy the store: %w", err)
	}
	return nil
}

// Restore puts the store back to its last snapshot; without one it is an error.
// It waits for an Update in flight, whose work is then gone; a View in flight
// goes on with what it sees.
func (s *Store) Restore(ctx context.Context) error {
	if err := take(ctx, s.writing); err != nil {
		return err
	}
	defer func() { s.writing <- struct{}{} }()
	if _, err := s.state(); err != nil {
		return err
	}
	path := filepath.Join(s.dir, snapshotFile)
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("restore: there is no snapshot yet: %w", err)
	}
	restorer, ok := s.writer.Conn.(interface {
		NewRestore(string) (*sqlite.Backup, error)
	})
	if !ok {
		return errors.New("restore: the driver has no backup")
	}
	// immutable: nothing is written beside the snapshot.
	backup, err := restorer.NewRestore(uriOf(path, "immutable=1"))
	if err := finish(backup, err); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	last, err := s.writer.number(ctx, "SELECT max(id) FROM ver")
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	// Who began before keeps the old cache, and can't fill the new one.
	s.mu.Lock()
	s.cache = newCache(last)
	s.mu.Unlock()
	return nil
}

// finish copies all pages at once; err is that of making backup.
func finish(backup *sqlite.Backup, err error) error {
	if err != nil {
		return err
	}
	for more := true; more && err == nil; {
		more, err = backup.Step(-1)
	}
	return errors.Join(err, backup.Finish())
}
