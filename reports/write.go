package reports

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// The files that Write makes.
const (
	HTMLFile  = "index.html"
	JUnitFile = "junit.xml"
	JSONFile  = "report.json"
)

// Probe makes the folder if it isn't there and says whether files can be
// written to it, so that a long run need not find out at its end.
func Probe(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("report folder %s: %w; name another one", dir, err)
	}
	f, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return fmt.Errorf("report folder %s can't be written: %w; name another one", dir, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// Write writes index.html, junit.xml and report.json into dir. Each file
// appears whole or not at all; one that can't be written doesn't hold back the
// others. The error names each file that is missing.
func Write(dir string, run *Run) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("report folder %s: %w", dir, err)
	}
	return errors.Join(
		writeFile(filepath.Join(dir, HTMLFile), run, WriteHTML),
		writeFile(filepath.Join(dir, JUnitFile), run, WriteJUnit),
		writeFile(filepath.Join(dir, JSONFile), run, WriteJSON),
	)
}

// writeFile writes beside the file and renames, so that a reader never sees
// half of one and a failed write leaves the former one in place.
func writeFile(path string, run *Run, write func(io.Writer, *Run) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", path, err)
			_ = os.Remove(f.Name()) // what matters is the error that is there already
		}
	}()
	if err := write(f, run); err != nil {
		return errors.Join(err, f.Close())
	}
	// Temporary files are made for their owner alone; a report is for all.
	if err := f.Chmod(0o644); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// WriteJSON writes the run as indented JSON, as the types of this package say.
func WriteJSON(w io.Writer, run *Run) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(run)
}
