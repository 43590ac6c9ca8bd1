package mockehr

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"example.org/ccde/mockehr/fhir"
	"example.org/ccde/mockehr/store"
)

// batch carries out each entry for itself: what one does wrong is told in its
// own response, and the others go on.
func (s *Server) batch(ctx context.Context, c caller, bundle *fhir.Object, whole bool) ([]any, error) {
	shell := bundle.Clone()
	shell.Delete("entry")
	if err := invalid(shell); err != nil {
		return nil, err
	}
	var answers []any
	for _, item := range bundle.List("entry") {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		answer, err := s.batchEntry(ctx, c, item, whole)
		if err != nil {
			answer = s.failed(ctx, item, err)
		}
		answers = append(answers, answer)
	}
	return answers, nil
}

func (s *Server) batchEntry(ctx context.Context, c caller, item any, whole bool) (answer *fhir.Object, err error) {
	// A Bundle of its own, so that nothing but the entry is judged.
	alone := object(member("resourceType", "Bundle"), member("type", "batch"), member("entry", []any{item}))
	if err := invalid(alone); err != nil {
		return nil, err
	}
	q, err := s.requestOf(alone.Child("entry"))
	if err != nil {
		return nil, err
	}
	if q.method == http.MethodGet {
		err = s.store.View(ctx, func(tx *store.Tx) error {
			answer, err = s.get(ctx, tx, c, q)
			return err
		})
		return answer, err
	}
	if err := s.mayWrite(ctx, c, q.typ); err != nil {
		return nil, err
	}
	var done written
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		done, err = s.carryOut(ctx, tx, c, q.change)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.answerOf(done, whole)
}

// failed is the entry that tells why an entry of a batch was not carried out.
func (s *Server) failed(ctx context.Context, item any, err error) *fhir.Object {
	f := rest
	if entry, ok := item.(*fhir.Object); ok && entry.Text("request", "method") == http.MethodPost && entry.Child("resource").Type() == "Consent" {
		f = operation
	}
	p := s.told(ctx, f, err)
	return object(member("response", object(member("status", statusText(p.status)), member("outcome", fhir.Outcome(p.issues...)))))
}

// entryError is why an entry failed the transaction that it is part of.
type entryError struct {
	index int
	err   error
}

func (e *entryError) Error() string { return e.where() + ": " + e.err.Error() }
func (e *entryError) Unwrap() error { return e.err }

func (e *entryError) where() string { return "Bundle.entry[" + strconv.Itoa(e.index) + "]" }

// located says of issues which entry they are about.
func (e *entryError) located(issues []fhir.Issue) []fhir.Issue {
	out := make([]fhir.Issue, 0, len(issues))
	for _, issue := range issues {
		if len(issue.Expression) == 0 || !strings.HasPrefix(issue.Expression[0], "Bundle.") {
			issue.Diagnostics = e.where() + ": " + issue.Diagnostics
			issue.Expression = []string{e.where()}
		}
		out = append(out, issue)
	}
	return out
}
