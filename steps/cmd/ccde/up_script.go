package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"example.org/ccde/mockehr/cluster"
	"example.org/ccde/mockehr/control"
	"example.org/ccde/reports"
)

// sourceNode is the node that plays the source, where one is named so; else the first does.
const sourceNode = "source"

// upScript is a script that ccde up loads into a node.
type upScript struct {
	node   string
	script control.Script
}

type upScriptList []upScript

// upScripts reads the files of --script: FILE, or NODE=FILE.
func upScripts(flags, nodes []string) (upScriptList, error) {
	var list upScriptList
	for _, flag := range flags {
		node, file := nodes[0], flag
		if slices.Contains(nodes, sourceNode) {
			node = sourceNode
		}
		if name, rest, ok := strings.Cut(flag, "="); ok && slices.Contains(nodes, name) {
			node, file = name, rest
		} else if ok {
			if _, err := os.Stat(flag); err != nil {
				return nil, usage("--script %q: there is no node %q; there are %s", flag, name, strings.Join(nodes, ", "))
			}
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, usage("--script: %v", err)
		}
		one := upScript{node, control.Script{Name: filepath.Base(file), Text: string(text)}}
		if err := one.script.Validate(); err != nil {
			return nil, usage("--script %s: %v", file, err)
		}
		list = append(list, one)
	}
	return list, nil
}

// load gives the nodes their scripts. One that is wrong is told with file and line.
func (l upScriptList) load(ctx context.Context, c *cluster.Cluster) error {
	for _, one := range l {
		node, err := c.Node(ctx, one.node)
		if err != nil {
			return err
		}
		if _, err := node.Control.AddScript(ctx, one.script); err != nil {
			var refused *control.Error
			if errors.As(err, &refused) {
				return exit{reports.ExitUsage, errors.New(refused.Body)}
			}
			return err
		}
	}
	return nil
}

// watch prints what scripts log, and what goes wrong in them, until ctx ends.
func (l upScriptList) watch(ctx context.Context, c *cluster.Cluster, w io.Writer) {
	if len(l) == 0 {
		return
	}
	said := map[string]int{}
	more := func(node, what string, lines []string) {
		key := node + " " + what
		for _, line := range lines[min(said[key], len(lines)):] {
			fmt.Fprintf(w, "%s: %s\n", node, line)
		}
		said[key] = len(lines)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(300 * time.Millisecond):
		}
		for _, node := range c.Nodes() {
			scripts, err := node.Control.Scripts(ctx)
			if err != nil {
				continue // it is killed, or we are being ended
			}
			for _, s := range scripts {
				more(node.Name, s.Name+" log", s.Log)
				more(node.Name, s.Name+" errors", s.Errors)
			}
		}
	}
}
