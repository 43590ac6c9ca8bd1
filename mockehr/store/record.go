package store

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
)

// PutRecord keeps v, as JSON, under a kind and a key. It is for all that must
// outlive a restart and is no resource: connections, authorizations, tokens.
func (tx *Tx) PutRecord(kind, key string, v any) error {
	if tx.written == nil {
		return errors.New("the transaction only reads; use Update")
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("record %s %s: %w", kind, key, err)
	}
	return tx.c.exec("INSERT OR REPLACE INTO record(kind, key, value) VALUES(?, ?, ?)", kind, key, text)
}

// Record reads a record into what into points to; ErrNotFound if there is none.
func (tx *Tx) Record(kind, key string, into any) error {
	c, err := tx.conn()
	if err != nil {
		return err
	}
	found := false
	err = c.query(context.Background(), "SELECT value FROM record WHERE kind=? AND key=?", []any{kind, key}, func(row []driver.Value) error {
		found = true
		return json.Unmarshal(asBytes(row[0]), into)
	})
	switch {
	case err != nil:
		return fmt.Errorf("record %s: %w", kind, err)
	case !found:
		return ErrNotFound
	}
	return nil
}

// DeleteRecord deletes a record; one that isn't there is no error.
func (tx *Tx) DeleteRecord(kind, key string) error {
	if tx.written == nil {
		return errors.New("the transaction only reads; use Update")
	}
	return tx.c.exec("DELETE FROM record WHERE kind=? AND key=?", kind, key)
}

// Records calls each for the records of a kind whose keys begin with prefix, in
// the order of their keys, until it returns an error. each may use the
// transaction; it sees the records as they were when Records was called.
func (tx *Tx) Records(kind, prefix string, each func(key string, raw json.RawMessage) error) error {
	c, err := tx.conn()
	if err != nil {
		return err
	}
	type record struct {
		key string
		raw json.RawMessage
	}
	var records []record
	err = c.query(tx.ctx, "SELECT key, value FROM record WHERE kind=? AND key>=? AND key<? ORDER BY key", []any{kind, prefix, prefix + highest},
		func(row []driver.Value) error {
			records = append(records, record{asText(row[0]), asBytes(row[1])})
			return nil
		})
	if err != nil {
		return err
	}
	for _, r := range records {
		if err := each(r.key, r.raw); err != nil {
			return err
		}
	}
	return nil
}
