package steps

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// This file tells from what a source heard whether a target that does not say
// how copying goes (TGT-40 is a SHOULD) has more to do.

// How long a source must have heard nothing before the copying of a target that
// does not tell how it goes counts as over.
const (
	// Nothing was accepted, so that nothing should come.
	quietRefused = 500 * time.Millisecond
	// Between two requests a target stores what it got, which takes it no such time.
	quietCopy = 5 * time.Second
	// It may try a failed query again after a minute (protocol 1.6).
	quietFailed = time.Minute + quietCopy
)

// heard is what mocks heard of a passage's target: requests for tokens and for
// data. Metadata is not among it, which may be asked for by a connection of a
// scenario that is over, where that could not be stopped.
func (w *world) heard(ctx context.Context, f *passage) ([]seen, error) {
	if !w.alone(f) {
		tokens, data, err := w.passageRequests(ctx, f)
		return slices.Concat(tokens, data), err
	}
	var out []seen
	for _, n := range w.nodes {
		if n.control == nil {
			continue
		}
		all, err := w.received(ctx, n)
		if err != nil {
			return nil, err
		}
		out = append(out, slices.DeleteFunc(all, func(e seen) bool { return !e.isToken() && !e.isData() })...)
	}
	return out, nil
}

// isOver says that a connection's time has passed, so that nothing more is to come.
func (w *world) isOver(f *passage) bool {
	now := time.Now()
	if f.target.ahead != nil {
		now = now.Add(*f.target.ahead)
	}
	return now.After(f.connected.Add(time.Duration(f.expiresIn)*time.Second + quietCopy))
}

// updatedTwice says that a search for what is new was asked twice from an
// instant on: whatever round was going on then is over.
func updatedTwice(all []seen, from time.Time) bool {
	asked := map[string]bool{}
	for _, e := range all {
		// A next page may be asked for by the very words of the page before it.
		if e.Real.Before(from) || !e.isData() || e.Status != http.StatusOK || !e.query().Has("_lastUpdated") || !e.answered() || e.isPageAmong(all) {
			continue
		}
		if asked[e.key()] {
			return true
		}
		asked[e.key()] = true
	}
	return false
}

func (s seen) isPageAmong(all []seen) bool {
	return s.page || slices.ContainsFunc(all, func(e seen) bool {
		link := nextLink(e.body(), e.URL)
		return link != "" && sameURL(link, s.URL)
	})
}

// key is the same for a request that is made again, later or for what is new.
func (s seen) key() string {
	q := s.query()
	q.Del("_lastUpdated")
	return s.at.name + " " + s.parsed().Path + "?" + q.Encode()
}

// failing says that a request failed when it was last made: there may be another try.
func failing(all []seen) bool {
	bad := map[string]bool{}
	for _, e := range all {
		bad[e.key()] = !e.answered()
	}
	return slices.Contains(slices.Collect(maps.Values(bad)), true)
}

// answered says that an answer leaves nothing to be tried again: a refusal is
// one, a search without a searchset is none.
func (s seen) answered() bool {
	if s.Error != "" || s.Status == 0 || s.Status == http.StatusTooManyRequests || s.Status >= 500 {
		return false
	}
	if s.Status != http.StatusOK || !s.isData() || strings.Contains(s.asked(), "/") && !s.page || s.ResponseBody.Truncated {
		return true
	}
	return s.body().Text("resourceType") == "Bundle" && s.body().Text("type") == "searchset"
}
