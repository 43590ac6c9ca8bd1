package store

import (
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Hot versions are kept in memory, so that reading one again touches no file.
const (
	cachedVersions = 1024
	cachedSize     = 32 << 10 // larger ones aren't kept, so the whole is 32 MiB at most
)

type resourceKey struct{ typ, id string }

// cache holds current versions as they were committed last.
//
// seq is the id of the last version committed. A transaction notes it when it
// begins; what the cache has with a higher id was committed later and isn't the
// transaction's to see.
type cache struct {
	mu       sync.Mutex
	seq      int64
	versions *lru.Cache[resourceKey, Version]
}

func newCache(seq int64) *cache {
	versions, _ := lru.New[resourceKey, Version](cachedVersions) // fails for sizes below 1 alone
	return &cache{seq: seq, versions: versions}
}

func (c *cache) last() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seq
}

// get returns a version that was current at seq and still is.
func (c *cache) get(key resourceKey, seq int64) (Version, bool) {
	v, ok := c.versions.Get(key)
	return v, ok && v.seq <= seq
}

// fill keeps what a transaction that began at seq has read, unless something was
// committed since: then it may be old.
func (c *cache) fill(v Version, seq int64) {
	if len(v.JSON) > cachedSize {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seq == seq {
		c.versions.Add(resourceKey{v.Type, v.ID}, v)
	}
}

// commit takes over what a transaction wrote.
func (c *cache) commit(written map[resourceKey]Version) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, v := range written {
		c.seq = max(c.seq, v.seq)
		if len(v.JSON) > cachedSize {
			c.versions.Remove(key)
		} else {
			c.versions.Add(key, v)
		}
	}
}
