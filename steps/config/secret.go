package config

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// Secret is a text that stands in the file, or comes from an environment
// variable {env: NAME}, a file {file: PATH}, or what a command prints
// {command: TEXT}. White space around it does not count. The zero value is none.
type Secret struct {
	Text, Env, File, Command string

	from *source
}

// source is where a secret comes from, with what was got last.
type source struct {
	dir string
	env func(string) string

	mu   sync.Mutex
	last string
	ran  bool
}

// Given says that the file names one.
func (s Secret) Given() bool { return s.Text != "" || s.Env != "" || s.File != "" || s.Command != "" }

// UnmarshalYAML reads either form.
func (s *Secret) UnmarshalYAML(node ast.Node) error {
	var plain string
	if node.Type() != ast.MappingType && node.Type() != ast.MappingValueType {
		if err := yaml.NodeToValue(node, &plain); err == nil {
			*s = Secret{Text: plain}
			return nil
		}
	}
	var from struct {
		Env     string `yaml:"env"`
		File    string `yaml:"file"`
		Command string `yaml:"command"`
	}
	if err := yaml.NodeToValue(node, &from, yaml.Strict()); err != nil {
		return wrong(node, "neither a text nor one of {env: NAME}, {file: PATH}, {command: TEXT}")
	}
	given := 0
	for _, one := range []string{from.Env, from.File, from.Command} {
		if one != "" {
			given++
		}
	}
	if given > 1 {
		return wrong(node, "more than one of env, file and command; give one")
	}
	*s = Secret{Env: from.Env, File: from.File, Command: from.Command}
	return nil
}

// Duration is a length of time, such as 10s or 2m.
type Duration time.Duration

// UnmarshalYAML reads Go's form.
func (d *Duration) UnmarshalYAML(node ast.Node) error {
	var text string
	if err := yaml.NodeToValue(node, &text); err != nil {
		return wrong(node, "no duration; write it like 10s or 2m")
	}
	v, err := time.ParseDuration(text)
	if err != nil {
		return wrong(node, fmt.Sprintf("%q is no duration; write it like 10s or 2m", text))
	}
	*d = Duration(v)
	return nil
}

func (d Duration) String() string { return time.Duration(d).String() }

// wrong is an error that knows where in the file it is.
func wrong(node ast.Node, message string) error {
	return &yaml.SyntaxError{Message: message, Token: node.GetToken()}
}

// commandTime bounds a command that gives a secret.
const commandTime = 30 * time.Second

// Get is the secret. refused is what a system refused, "" for the first time: a
// command is run again then, once for each refused text. The error names where
// the secret comes from, never the secret.
func (s Secret) Get(ctx context.Context, refused string) (string, error) {
	switch {
	case s.Text != "":
		return s.Text, nil
	case s.Env != "":
		if v := strings.TrimSpace(s.from.env(s.Env)); v != "" {
			return v, nil
		}
		return "", fmt.Errorf("the environment variable %s is empty; set it", s.Env)
	case s.File != "":
		text, err := os.ReadFile(resolve(s.from.dir, s.File))
		if err != nil {
			return "", err
		}
		if v := strings.TrimSpace(string(text)); v != "" {
			return v, nil
		}
		return "", fmt.Errorf("the file %s is empty", s.File)
	case s.Command != "":
		s.from.mu.Lock()
		defer s.from.mu.Unlock()
		if s.from.ran && s.from.last != refused {
			return s.from.last, nil // another one got it anew already
		}
		v, err := s.Run(ctx)
		if err == nil {
			s.from.last, s.from.ran = v, true
		}
		return v, err
	}
	return "", nil
}

// Run runs a secret's command, with more in its environment, and returns what
// it prints.
func (s Secret) Run(ctx context.Context, env ...string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, commandTime, fmt.Errorf("no end within %s", commandTime))
	defer cancel()
	cmd := shell(ctx, s.Command)
	cmd.Dir = s.from.dir
	cmd.Env = append(os.Environ(), env...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("the command %q failed: %w: %s", s.Command, errors.Join(err, ctx.Err()), firstLine(complaint.String()))
	}
	v := strings.TrimSpace(out.String())
	if v == "" {
		return "", fmt.Errorf("the command %q printed nothing; it must print the secret", s.Command)
	}
	return v, nil
}

// SignIn runs smart.sign-in.command with an authorize URL and what the person
// does: approve, deny or revoke. It returns the URL that the command prints.
func (s *System) SignIn(ctx context.Context, link, what string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, commandTime, fmt.Errorf("no end within %s", commandTime))
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", s.SMART.SignIn.Command+` "$@"`, "sh", link, what)
	cmd.Dir = s.dir
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("smart.sign-in.command failed at %s: %w: %s", what, errors.Join(err, ctx.Err()), firstLine(complaint.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

func shell(ctx context.Context, text string) *exec.Cmd {
	return exec.CommandContext(ctx, "/bin/sh", "-c", text)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
