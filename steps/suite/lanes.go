package suite

import (
	"context"
	"crypto/rand"
	"encoding/hex"

	"example.org/ccde/mockehr/cluster"
	"example.org/ccde/steps"
)

// Where mocks have a front door, those of one scenario at a time have the names
// that a vendor enters beforehand: [advertise]/source, /target, /cavs. An outside
// target needs no such names: each $connect tells it where its source is. So
// several of its scenarios can have mocks at once, each below a path that is
// never used again: [advertise]/4f1c09/source. A target knows a copy by its
// source's URL, and what it copied for one scenario is not to show in another.

// maxLanes bounds how many scenarios have mocks at the front door at once.
const maxLanes = 16

// leaseAtDoor answers Env.Pool where mocks have a front door.
func (st *stage) leaseAtDoor(anew bool) func(context.Context, steps.Need) (*cluster.Cluster, func(), error) {
	lanes := 1
	if anew {
		lanes = min(st.concurrency, maxLanes)
	}
	busy := make(chan struct{}, lanes)
	return func(ctx context.Context, need steps.Need) (*cluster.Cluster, func(), error) {
		select {
		case busy <- struct{}{}:
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
		prefix := ""
		if anew {
			b := make([]byte, 6)
			rand.Read(b) // never fails, says its documentation
			prefix = "/" + hex.EncodeToString(b)
		}
		c, release, err := st.leaseUnder(ctx, prefix, need)
		if err != nil {
			<-busy
			return nil, nil, err
		}
		return c, func() {
			// The names at the door are the next one's as soon as they are free.
			_ = c.Close(context.WithoutCancel(ctx))
			release()
			<-busy
		}, nil
	}
}
