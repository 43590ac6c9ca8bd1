package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"example.org/ccde/mockehr"
)

// maxConfig bounds a configuration, in bytes.
const maxConfig = 1 << 20

// readConfig reads the configuration from where it is: a file, standard
// input, or the environment variable's value.
func readConfig(file, env string, stdin io.Reader) (mockehr.Config, error) {
	if file == "" && env == "" {
		return mockehr.Config{}, fmt.Errorf("no configuration; give --config FILE or set %s (see --help)", configVariable)
	}
	var in io.Reader = strings.NewReader(env)
	where := configVariable
	switch file {
	case "":
	case "-":
		in, where = stdin, "standard input"
	default:
		f, err := os.Open(file)
		if err != nil {
			return mockehr.Config{}, fmt.Errorf("--config: %w", err)
		}
		defer f.Close()
		in, where = f, file
	}
	text, err := io.ReadAll(io.LimitReader(in, maxConfig+1))
	if err != nil {
		return mockehr.Config{}, fmt.Errorf("%s: %w", where, err)
	}
	if len(text) > maxConfig {
		return mockehr.Config{}, fmt.Errorf("%s: larger than %d bytes", where, maxConfig)
	}
	cfg, err := parseConfig(text)
	if err != nil {
		return mockehr.Config{}, fmt.Errorf("%s: %w", where, err)
	}
	return cfg, nil
}

// parseConfig reads one JSON object and nothing else; errors name the line
// or the field, never a value, which may be a secret.
func parseConfig(text []byte) (mockehr.Config, error) {
	var cfg mockehr.Config
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(&cfg)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
	case errors.As(err, &syntax):
		return cfg, fmt.Errorf("line %d: %w", lineOf(text, syntax.Offset), err)
	case errors.As(err, &kind):
		return cfg, fmt.Errorf("line %d: field %s: expected %s, found %s", lineOf(text, kind.Offset), kind.Field, kind.Type, kind.Value)
	case errors.Is(err, io.EOF):
		return cfg, errors.New("empty; expected a JSON object")
	default:
		return cfg, fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if d.More() {
		return cfg, fmt.Errorf("line %d: more than one JSON value; expected one object", lineOf(text, d.InputOffset()))
	}
	return cfg, nil
}

func lineOf(text []byte, offset int64) int {
	return 1 + bytes.Count(text[:min(max(offset, 0), int64(len(text)))], []byte("\n"))
}
