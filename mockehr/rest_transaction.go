package mockehr

import (
	"context"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/store"
)

// transaction is a Bundle that is carried out as a whole, or not at all.
type transaction struct {
	s        *Server
	ctx      context.Context
	tx       *store.Tx
	c        caller
	requests []request
	done     []written
	first    map[string]int    // conditional creates by type and criteria: which entry creates
	same     map[int]int       // later ones of these: by entry, the one that creates
	touched  map[string]int    // Type/id: the entry that writes it
	renamed  map[string]string // fullUrl: Type/id as it is here
}

// transaction carries a Bundle out in the order of FHIR STU3 2.21.0.17.2:
// DELETE, POST, PUT, GET. The answers are in the order of the entries.
func (s *Server) transaction(ctx context.Context, c caller, bundle *fhir.Object, whole bool) ([]any, error) {
	if err := invalid(bundle); err != nil {
		return nil, err
	}
	t := &transaction{s: s, ctx: ctx, c: c, first: map[string]int{}, same: map[int]int{}, touched: map[string]int{}, renamed: map[string]string{}}
	for i, entry := range bundle.Objects("entry") {
		q, err := s.requestOf(entry)
		if err == nil && q.method != http.MethodGet {
			err = s.mayWrite(ctx, c, q.typ)
		}
		if err != nil {
			return nil, &entryError{i, err}
		}
		t.requests = append(t.requests, q)
	}
	t.done = make([]written, len(t.requests))
	var answers []any
	err := s.store.Update(ctx, func(tx *store.Tx) (err error) {
		t.tx = tx
		answers, err = t.run(whole)
		return err
	})
	return answers, err
}

func (t *transaction) run(whole bool) ([]any, error) {
	every := func(*request) bool { return true }
	later := func(q *request) bool { return q.searching }
	now := func(q *request) bool { return !q.searching }
	steps := []struct {
		method string
		which  func(q *request) bool
		do     func(i int, q *request) error
	}{
		{http.MethodDelete, every, t.store},
		{http.MethodPost, every, t.name}, {http.MethodPut, every, t.name},
		{http.MethodPost, every, t.rewrite}, {http.MethodPut, every, t.rewrite},
		{http.MethodPost, now, t.store}, {http.MethodPut, now, t.store},
		// What refers by a search may mean something that the Bundle itself brings.
		{http.MethodPost, later, t.resolved}, {http.MethodPut, later, t.resolved},
	}
	for _, step := range steps {
		for i := range t.requests {
			q := &t.requests[i]
			if q.method != step.method || !step.which(q) {
				continue
			}
			if err := step.do(i, q); err != nil {
				return nil, &entryError{i, err}
			}
		}
	}
	return t.answers(whole)
}

func (t *transaction) answers(whole bool) ([]any, error) {
	answers := make([]any, len(t.requests))
	for i, q := range t.requests {
		var answer *fhir.Object
		var err error
		if q.method == http.MethodGet {
			answer, err = t.s.get(t.ctx, t.tx, t.c, q)
		} else {
			if first, again := t.same[i]; again {
				t.done[i] = written{http.StatusOK, t.done[first].version}
			}
			answer, err = t.s.answerOf(t.done[i], whole)
		}
		if err != nil {
			return nil, &entryError{i, err}
		}
		answers[i] = answer
	}
	return answers, nil
}

// name decides the id of what a POST or PUT writes, so that references to it
// can be rewritten before anything is stored.
func (t *transaction) name(i int, q *request) error {
	if q.method == http.MethodPost {
		return t.nameNew(i, q)
	}
	if q.id == "" {
		was, err := t.s.meant(t.ctx, t.tx, t.c, q.change)
		if err != nil {
			return err
		}
		q.id = uuid.NewString()
		if was != nil {
			q.id = was.ID
		}
		if was == nil || q.resource.ID() == "" {
			q.resource.Set("id", q.id)
		}
	}
	t.rename(q, q.typ+"/"+q.id)
	return t.touch(i, q.typ+"/"+q.id)
}

func (t *transaction) nameNew(i int, q *request) error {
	if q.ifNoneExist != "" {
		found, err := t.s.matching(t.tx, t.c, q.typ, "request.ifNoneExist", q.ifNoneExist)
		if err != nil {
			return err
		}
		if found != nil {
			// It is what the Bundle means, but not written by it.
			t.done[i] = written{http.StatusOK, found}
			t.rename(q, found.Type+"/"+found.ID)
			return t.s.mayRead(t.ctx, t.tx, t.c, *found)
		}
		criteria := q.typ + "?" + q.ifNoneExist
		if first, again := t.first[criteria]; again {
			t.same[i] = first
			t.rename(q, q.typ+"/"+t.requests[first].id)
			return nil
		}
		t.first[criteria], q.ifNoneExist = i, ""
	}
	q.id = uuid.NewString()
	q.resource.Set("id", q.id)
	t.rename(q, q.typ+"/"+q.id)
	return nil
}

func (t *transaction) rename(q *request, here string) {
	if q.fullURL != "" {
		t.renamed[q.fullURL] = here
	}
}

// touch refuses a resource that two entries write: which of them is to last
// can't be told.
func (t *transaction) touch(i int, key string) error {
	if first, again := t.touched[key]; again {
		return malformed(fmt.Sprintf("%s is written by entry[%d] too; a transaction writes a resource once", key, first))
	}
	t.touched[key] = i
	return nil
}

// store carries a write out, unless its resource is there by another entry or
// from before.
func (t *transaction) store(i int, q *request) error {
	if _, again := t.same[i]; again || t.done[i].version != nil {
		return nil
	}
	done, err := t.s.carryOut(t.ctx, t.tx, t.c, q.change)
	if err != nil {
		return err
	}
	t.done[i] = done
	if q.method == http.MethodDelete && done.version != nil {
		return t.touch(i, q.typ+"/"+done.version.ID)
	}
	return nil
}
