package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"modernc.org/sqlite"
)

// conn is one connection to the database with its prepared statements. It is
// used by one goroutine at a time. It speaks to the driver without database/sql:
// who may use which connection is decided here anyway, and a bulk write runs
// tens of thousands of small statements a second.
type conn struct {
	driver.Conn
	statements map[string]driver.Stmt
	args       []driver.NamedValue // reused from statement to statement
}

// mostStatements bounds the prepared statements of a connection. The fixed ones
// are a few dozen; the rest are searches of different shapes.
const mostStatements = 200

var sqliteDriver sqlite.Driver

func dial(uri string, pragmas ...string) (*conn, error) {
	dc, err := sqliteDriver.Open(uri)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	c := &conn{Conn: dc, statements: map[string]driver.Stmt{}}
	for _, pragma := range pragmas {
		if err := c.run("PRAGMA " + pragma); err != nil {
			c.close()
			return nil, fmt.Errorf("open database: PRAGMA %s: %w", pragma, err)
		}
	}
	return c, nil
}

func (c *conn) close() error {
	c.forget()
	return c.Conn.Close()
}

// forget closes the prepared statements.
func (c *conn) forget() {
	for text, s := range c.statements {
		s.Close()
		delete(c.statements, text)
	}
}

// run executes statements that are needed once: they aren't kept.
func (c *conn) run(text string) error {
	s, err := c.Prepare(text)
	if err != nil {
		return err
	}
	_, err = s.(driver.StmtExecContext).ExecContext(context.Background(), nil)
	return errors.Join(err, s.Close())
}

func (c *conn) statement(text string) (driver.Stmt, error) {
	if s := c.statements[text]; s != nil {
		return s, nil
	}
	if len(c.statements) >= mostStatements {
		c.forget()
	}
	s, err := c.Prepare(text)
	if err != nil {
		return nil, fmt.Errorf("%w in %s", err, text)
	}
	c.statements[text] = s
	return s, nil
}

// exec executes one statement with these arguments: int64, float64, string,
// []byte, bool or nil.
func (c *conn) exec(text string, args ...any) error {
	s, err := c.statement(text)
	if err != nil {
		return err
	}
	if _, err := s.(driver.StmtExecContext).ExecContext(context.Background(), c.bind(args)); err != nil {
		return fmt.Errorf("%w in %s", err, text)
	}
	return nil
}

func (c *conn) bind(args []any) []driver.NamedValue {
	c.args = c.args[:0]
	for i, a := range args {
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return c.args
}

// query calls each for every row; the row is valid until each returns. each must
// not run the same statement again. An end of ctx interrupts the statement; give
// [context.Background] to what is over in microseconds, since watching costs more.
func (c *conn) query(ctx context.Context, text string, args []any, each func(row []driver.Value) error) (err error) {
	s, err := c.statement(text)
	if err != nil {
		return err
	}
	rows, err := s.(driver.StmtQueryContext).QueryContext(ctx, c.bind(args))
	if err != nil {
		return fmt.Errorf("%w in %s", err, text)
	}
	defer func() {
		if e := rows.Close(); err == nil {
			err = e
		}
	}()
	row := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(row); {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("%w in %s", err, text)
		}
		if err := each(row); err != nil {
			return err
		}
	}
}

// number returns the only value of the first row; 0 without a row or for NULL.
func (c *conn) number(ctx context.Context, text string, args ...any) (n int64, err error) {
	err = c.query(ctx, text, args, func(row []driver.Value) error {
		n, _ = row[0].(int64)
		return nil
	})
	return n, err
}

func asInt(v driver.Value) int64 { n, _ := v.(int64); return n }

func asText(v driver.Value) string { s, _ := v.(string); return s }

func asBytes(v driver.Value) []byte { b, _ := v.([]byte); return b }
