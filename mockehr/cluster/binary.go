package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
)

// nodePackage is the node's command.
const nodePackage = "example.org/ccde/mockehr/cmd/mockehr"

// platform is a system and architecture in Go's words.
type platform struct{ OS, Arch string }

func (p platform) String() string { return p.OS + "/" + p.Arch }

// binaries makes the node's static binary, once for each platform, in the
// run's temporary folder. What Go built is in its build cache, so that the
// next run only links.
type binaries struct {
	file string // use this one
	log  *slog.Logger
	work *workdir

	mu    sync.Mutex
	built map[platform]string
}

func newBinaries(c *core) *binaries {
	return &binaries{file: c.opt.NodeBinary, log: c.opt.Log, work: c.work, built: map[platform]string{}}
}

// path is the binary for a platform: the file that was given; else built in
// the module that holds the command, ours or a caller's; else installed at
// this program's own version; else built where this program's own sources
// still are; else an error that says what to do.
func (b *binaries) path(ctx context.Context, p platform) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.file != "" {
		if err := checkBinary(b.file, p); err != nil {
			return "", fmt.Errorf("cluster: node binary: %w", err)
		}
		return filepath.Abs(b.file)
	}
	if path, ok := b.built[p]; ok {
		return path, nil
	}
	dir, err := b.work.sub("node-")
	if err != nil {
		return "", err
	}
	path, err := compile(ctx, p, dir)
	if err != nil {
		return "", err
	}
	b.built[p] = path
	b.log.Debug("node binary built", "platform", p.String())
	return path, nil
}

// compile makes the binary in folder dir.
func compile(ctx context.Context, p platform, dir string) (string, error) {
	const remedy = "give a built node with --node FILE (it is made by: CGO_ENABLED=0 go build " + nodePackage + ")"
	if _, err := exec.LookPath("go"); err != nil {
		return "", fmt.Errorf("cluster: node binary: the go command is needed to build it and was not found; install Go, or %s", remedy)
	}
	out := filepath.Join(dir, "mockehr")
	build := func(folder string) (bool, error) {
		found, err := run(ctx, p, folder, "list", "-f", "{{.Dir}}", nodePackage)
		if err != nil || found == "" {
			return false, ctx.Err()
		}
		if _, err := run(ctx, p, folder, "build", "-trimpath", "-ldflags=-s -w", "-o", out, nodePackage); err != nil {
			return false, fmt.Errorf("cluster: node binary: %w", err)
		}
		return true, nil
	}
	if built, err := build(""); built || err != nil {
		return out, err
	}
	version, ok := ownVersion(debug.ReadBuildInfo())
	if !ok {
		if folder := ownSources(); folder != "" {
			if built, err := build(folder); built || err != nil {
				return out, err
			}
		}
		return "", fmt.Errorf("cluster: node binary: this folder is in no Go module that holds %s, this program has no version to install it at, and what it was built from is gone; run it inside such a module, or %s", nodePackage, remedy)
	}
	path, err := install(ctx, p, dir, version)
	if err != nil {
		return "", fmt.Errorf("cluster: node binary: %w; or %s", err, remedy)
	}
	return path, nil
}

// install runs go install at a version. It refuses GOBIN for another
// platform, so the command lands below a GOPATH of our own, while the
// modules stay where they are shared.
func install(ctx context.Context, p platform, dir, version string) (string, error) {
	cache, err := run(ctx, p, "", "env", "GOMODCACHE")
	if err != nil {
		return "", err
	}
	gopath := filepath.Join(dir, "go")
	if _, err := runEnv(ctx, p, "", []string{"GOPATH=" + gopath, "GOMODCACHE=" + cache, "GOBIN=", "GOWORK=off"},
		"install", "-trimpath", "-ldflags=-s -w", nodePackage+"@"+version); err != nil {
		return "", err
	}
	for _, path := range []string{"bin/mockehr", "bin/mockehr.exe", "bin/" + p.OS + "_" + p.Arch + "/mockehr"} {
		path = filepath.Join(gopath, filepath.FromSlash(path))
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("go install left no mockehr below %s", gopath)
}

// ownVersion is the version of the module that holds the node's command,
// among those this program was built from.
func ownVersion(info *debug.BuildInfo, ok bool) (string, bool) {
	if !ok || info == nil {
		return "", false
	}
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if strings.HasPrefix(nodePackage, m.Path+"/") && m.Path != "" {
			// A replaced module and a build from a work tree have no version to ask for.
			return m.Version, m.Replace == nil && m.Version != "" && m.Version != "(devel)" && !strings.Contains(m.Version, "+dirty")
		}
	}
	return "", false
}

// ownSources is the folder of this package where this program was built from a
// work tree that is still there, "" elsewhere.
func ownSources() string {
	_, file, _, ok := runtime.Caller(0)
	if !ok || !filepath.IsAbs(file) {
		return "" // built with -trimpath
	}
	if _, err := os.Stat(file); err != nil {
		return ""
	}
	return filepath.Dir(file)
}

func run(ctx context.Context, p platform, folder string, args ...string) (string, error) {
	return runEnv(ctx, p, folder, nil, args...)
}

// runEnv runs the go command for a platform in a folder ("" = where we are) and
// returns what it printed; an error holds what it complained about.
func runEnv(ctx context.Context, p platform, folder string, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = folder
	cmd.Env = append(append(cmd.Environ(), "CGO_ENABLED=0", "GOOS="+p.OS, "GOARCH="+p.Arch), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return "", fmt.Errorf("go %s: %s", args[0], strings.TrimSpace(stderr.String()))
		}
		return "", fmt.Errorf("go %s: %w", args[0], err)
	}
	return strings.TrimSpace(stdout.String()), nil
}
