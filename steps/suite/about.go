package suite

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"path"
	"slices"
	"strings"

	"example.org/ccde/features"
	"example.org/ccde/reports"
)

// This file says what a run is about: by what files it judges, which part of
// them, and whom.

// catalogueFile is the catalogue's name among the digests.
const catalogueFile = "requirements.yaml"

// digests are those of all feature files, selected or not, and of the catalogue.
func digests(sources ...fs.FS) ([]reports.Digest, error) {
	catalogue, err := features.FS.ReadFile(catalogueFile)
	if err != nil {
		return nil, err
	}
	out := []reports.Digest{digest(catalogueFile, catalogue)}
	for _, source := range sources {
		if source == nil {
			continue
		}
		files, err := featureFiles(source)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			out = append(out, digest(path.Clean(f.uri), f.text))
		}
	}
	slices.SortStableFunc(out, func(a, b reports.Digest) int { return cmp.Compare(a.Path, b.Path) })
	return out, nil
}

// Digests are those of the project's own features and catalogue, as they stand
// in a report and a certificate.
func Digests() ([]reports.Digest, error) { return digests(features.FS) }

func digest(name string, text []byte) reports.Digest {
	sum := sha256.Sum256(text)
	return reports.Digest{Path: name, SHA256: hex.EncodeToString(sum[:])}
}

// selection says in words what part of the suite was chosen; "" is the whole.
func (o *Options) selection() string {
	var out []string
	if o.Tags != "" {
		out = append(out, "tags "+o.Tags)
	}
	if o.Requirements != nil {
		out = append(out, "requirements "+strings.Join(o.Requirements, ", "))
	}
	if o.Only != nil {
		out = append(out, "what did not pass in an earlier run")
	}
	return strings.Join(out, "; ")
}

// judgedRoles are the roles under test with the URL that each is known by.
func judgedRoles(opt *Options, roles []string) []reports.JudgedRole {
	var out []reports.JudgedRole
	for _, role := range roles {
		r := opt.Roles[role]
		url := r.FHIR
		if role == "cavs" {
			url = cmp.Or(r.CAVS, r.FHIR)
		}
		out = append(out, reports.JudgedRole{Role: role, URL: url})
	}
	return out
}
