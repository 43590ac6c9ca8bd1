package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"example.org/ccde/mockehr"
)

// template is what fresh clusters of the same nodes start from: a database
// for each node, with its bundles in it, made once by a cluster that loaded
// them.
type template struct {
	rt    Runtime
	specs []Spec

	mu   sync.Mutex
	dir  string
	file map[string]string // by node
}

// templateFile is the database that a node leaves in its data folder.
const templateFile = "node.db"

// get makes the templates, if need be, and returns what gives a node its own.
func (t *template) get(ctx context.Context) (adapter, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.file == nil {
		if err := t.make(ctx); err != nil {
			return nil, fmt.Errorf("cluster: template: %w", err)
		}
	}
	file := t.file
	return func(name string, cfg *mockehr.Config) bool {
		path, ok := file[name]
		cfg.Template = path
		return ok
	}, nil
}

func (t *template) make(ctx context.Context) error {
	dir, err := t.rt.core().work.sub("template-")
	if err != nil {
		return err
	}
	t.dir = dir
	specs := make([]Spec, len(t.specs))
	for i, s := range t.specs {
		s.Process = false
		specs[i] = s
	}
	c, err := start(ctx, t.rt, specs, manner{passing: true, adapt: func(name string, cfg *mockehr.Config) bool {
		cfg.Dir = filepath.Join(dir, name)
		return false
	}})
	if err != nil {
		return err
	}
	// A closed database is one whole file.
	if err := c.Close(ctx); err != nil {
		return err
	}
	file := map[string]string{}
	for _, s := range specs {
		path := filepath.Join(dir, s.Name, templateFile)
		if _, err := os.Stat(path); err != nil {
			return err
		}
		file[s.Name] = path
	}
	t.file = file
	return nil
}

func (t *template) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dir == "" {
		return nil
	}
	dir := t.dir
	t.dir, t.file = "", nil
	return os.RemoveAll(dir)
}
