package store

import (
	"context"
	"path/filepath"
)

// Tx is a transaction, valid within the function that [Store.View] or
// [Store.Update] calls, in its goroutine.
type Tx struct {
	s     *Store
	ctx   context.Context
	cache *cache
	seq   int64 // of the cache when the transaction began

	c       *conn // nil in a View that hasn't needed the database yet
	aside   bool  // c is this transaction's alone
	written map[resourceKey]Version
	puts    *indexBatch // of an Update: index rows not yet in the database
}

// View runs fn in a transaction that reads one state of the store: that of its
// first look at the database. Hot resources are read from memory, without such a
// look; of these it sees what was current when it began. fn's error is returned
// as it is.
func (s *Store) View(ctx context.Context, fn func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	cache, err := s.state()
	if err != nil {
		return err
	}
	// A connection is taken when fn first needs more than the cache has.
	tx := &Tx{s: s, ctx: ctx, cache: cache, seq: cache.last()}
	defer tx.endView()
	return fn(tx)
}

// Aside is [Store.View] for who may hold a transaction already, in this goroutine or above it: it takes
// a connection of its own, so that no two wait for each other. Of what that transaction wrote it sees
// nothing.
func (s *Store) Aside(ctx context.Context, fn func(*Tx) error) error {
	cache, err := s.state()
	if err != nil {
		return err
	}
	tx := &Tx{s: s, ctx: ctx, cache: cache, seq: cache.last(), aside: true}
	defer tx.endView()
	return fn(tx)
}

// conn returns the connection of the transaction.
func (tx *Tx) conn() (*conn, error) {
	if tx.c == nil {
		open, give := tx.s.reader, tx.s.release
		if tx.aside {
			open, give = tx.s.dialReader, tx.s.drop
		}
		c, err := open(tx.ctx)
		if err != nil {
			return nil, err
		}
		if err := c.exec("BEGIN"); err != nil {
			give(c)
			return nil, err
		}
		tx.c = c
	}
	return tx.c, nil
}

// indexed is conn for searches: the index of what an Update wrote so far is in
// the database.
func (tx *Tx) indexed() (*conn, error) {
	c, err := tx.conn()
	if err == nil && tx.puts != nil {
		err = tx.puts.flush(c)
	}
	return c, err
}

func (tx *Tx) endView() {
	if tx.c == nil {
		return
	}
	if err := tx.c.exec("ROLLBACK"); err != nil {
		tx.s.log.Error("end of a read transaction", "error", err)
	}
	if tx.aside {
		tx.s.drop(tx.c)
	} else {
		tx.s.release(tx.c)
	}
	tx.c = nil
}

// reader takes an idle connection, or opens one.
func (s *Store) reader(ctx context.Context) (*conn, error) {
	if err := take(ctx, s.reading); err != nil {
		return nil, err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		s.reading <- struct{}{}
		return nil, ErrClosed
	}
	if n := len(s.idle); n > 0 {
		c := s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.mu.Unlock()
		return c, nil
	}
	s.mu.Unlock()
	c, err := s.dialReader(ctx)
	if err != nil {
		s.reading <- struct{}{}
	}
	return c, err
}

func (s *Store) dialReader(context.Context) (*conn, error) {
	return dial(uriOf(filepath.Join(s.dir, databaseFile), ""), "query_only=ON", "temp_store=MEMORY", "cache_size=-8192", "busy_timeout=5000")
}

// drop closes a connection that goes back to no pool.
func (s *Store) drop(c *conn) {
	if err := c.close(); err != nil {
		s.log.Error("close a connection", "error", err)
	}
}

func (s *Store) release(c *conn) {
	s.mu.Lock()
	s.idle = append(s.idle, c)
	s.mu.Unlock()
	s.reading <- struct{}{}
}

// Update runs fn in a transaction that may write. There is one at a time, so fn
// must not begin another Update, nor wait for anything but the store. If fn
// returns an error, or panics, nothing was written; if Update returns nil, all of
// it was, and survives a SIGKILL.
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := take(ctx, s.writing); err != nil {
		return err
	}
	defer func() { s.writing <- struct{}{} }()
	cache, err := s.state()
	if err != nil {
		return err
	}
	c := s.writer
	if err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	tx := &Tx{s: s, ctx: ctx, cache: cache, seq: cache.last(), c: c,
		written: map[resourceKey]Version{}, puts: &indexBatch{}}
	committed := false
	defer func() {
		if committed {
			return
		}
		if e := c.exec("ROLLBACK"); e != nil {
			s.log.Error("roll back", "error", e)
		}
	}()
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.puts.flush(c); err != nil {
		return err
	}
	if err := c.exec("COMMIT"); err != nil {
		return err
	}
	committed = true
	cache.commit(tx.written)
	return nil
}
