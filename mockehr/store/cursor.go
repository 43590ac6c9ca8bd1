package store

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// cursor says where a page begins. It holds all that the pages of a search have
// in common, so that the store remembers nothing between them and a restart does
// no harm.
//
// A page begins behind the last match of the one before. Matches are ordered by
// their rows, which never change, so what changes in between moves none of them.
// Under _sort they are ordered by what they were when the first page was made:
// the version that had been current at Seq.
type cursor struct {
	Query  int64    `json:"q"`           // which search it belongs to
	Total  int      `json:"t"`           // counted for the first page
	Driver int      `json:"d"`           // which condition drives
	Top    int64    `json:"m"`           // the last row there was; later ones aren't of this search
	Seq    int64    `json:"s"`           // the last version there was
	Row    int64    `json:"r"`           // of the last match
	Keys   []string `json:"k,omitempty"` // its sort values
}

// identity is the same for the pages of one search in one scope.
func (s Search) identity(scope Scope) int64 {
	var b strings.Builder
	b.WriteString(s.typ + "\n" + scope.Patient + "\n" + scope.Owner + "\n")
	for _, name := range slices.Sorted(maps.Keys(s.self)) {
		switch name {
		case CursorParam, "_count", "_format", "_pretty":
			continue // may change from page to page
		}
		for _, text := range s.self[name] {
			b.WriteString(name + "=" + text + "\n")
		}
	}
	return hash(b.String())
}

func (c cursor) String() string {
	text, _ := json.Marshal(c) // numbers and strings always can be
	return base64.RawURLEncoding.EncodeToString(text)
}

// readCursor reads the cursor of a page after the first one.
func (s Search) readCursor(scope Scope) (cursor, sorted, error) {
	var c cursor
	text, err := base64.RawURLEncoding.DecodeString(s.cursor)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		return c, sorted{}, badSearch(CursorParam, "is none that this server made; start again with the first page")
	}
	if c.Query != s.identity(scope) || len(c.Keys) != len(s.sort) || c.Row < 0 {
		return c, sorted{}, badSearch(CursorParam, "belongs to another search; start again with the first page")
	}
	last := sorted{row: c.Row}
	for i, key := range c.Keys {
		value, err := s.sort[i].decode(key)
		if err != nil {
			return c, sorted{}, badSearch(CursorParam, "is none that this server made; start again with the first page")
		}
		last.keys = append(last.keys, value)
	}
	return c, last, nil
}
