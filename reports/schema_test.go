package reports

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// full is a run in which every field has a value.
func full() *Run {
	run := all()
	run.Version, run.System, run.SystemVersion, run.Vendor = "1.0", "Acme EHR", "4.2", "Acme"
	run.Files = []Digest{{Path: "requirements.yaml", SHA256: strings.Repeat("ab", 32)}}
	run.Judged = []JudgedRole{{Role: "source", URL: "https://ehr.acme.example/r3"}}
	run.Why, run.JudgeDialect, run.Selection, run.Notes = "asked for", "test.fhir.org", "tags @SRC-14", []string{"unjudged: SRC-61"}
	run.Waivers = []Waiver{{ID: "SRC-11", Reason: "fixed in 4.3", Until: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC), Stale: true}}
	run.StaleWaivers, run.Interrupted = []string{"SRC-11"}, true
	run.Requirements[0].Claimed, run.Requirements[0].Source, run.Requirements[1].Waiver = true, "N, F", "fixed in 4.3"
	s := &run.Scenarios[0]
	s.Tags, s.Error = []string{"@SRC-10"}, "no cluster"
	s.Steps[0].Argument, s.Steps[0].Error = "| a |", "it broke"
	s.JWTs = []JWT{{Label: "jwt-1 sha256:ab", Header: json.RawMessage(`{"alg":"RS256"}`), Claims: json.RawMessage(`"no JSON"`), Seen: []JWTPlace{{1, "URL"}}}}
	e := &s.Exchanges[0]
	e.RequestHeaders, e.ResponseHeaders, e.RequestBody, e.Error = [][2]string{{"A", "b"}}, [][2]string{{"C", "d"}}, "a=b", "cut"
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	run.Started, run.DurationMS, s.Started, s.Steps[0].DurationMS, e.At, e.DurationMS = now, 1, now, 1.5, now, 2
	run.RollUp()
	return run
}

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.Open("schema.json")
	require.NoError(t, err)
	defer text.Close()
	doc, err := jsonschema.UnmarshalJSON(text)
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	require.NoError(t, c.AddResource("schema.json", doc))
	s, err := c.Compile("schema.json")
	require.NoError(t, err)
	return s
}

func TestReportFitsItsSchema(t *testing.T) {
	s := schema(t)
	for name, run := range map[string]*Run{"full": full(), "all verdicts": all(), "odd texts": odd()} {
		var b bytes.Buffer
		require.NoError(t, WriteJSON(&b, run))
		doc, err := jsonschema.UnmarshalJSON(&b)
		require.NoError(t, err)
		if name == "odd texts" {
			assert.Error(t, s.Validate(doc), "a scenario without a verdict is none: the control")
			continue
		}
		assert.NoError(t, s.Validate(doc), name)
	}
}

// TestSchemaNamesEachField compares the schema with the types, field by field.
func TestSchemaNamesEachField(t *testing.T) {
	text, err := os.ReadFile("schema.json")
	require.NoError(t, err)
	type object struct {
		Required   []string                   `json:"required"`
		Properties map[string]json.RawMessage `json:"properties"`
	}
	var doc struct {
		object
		Defs map[string]object `json:"$defs"`
	}
	require.NoError(t, json.Unmarshal(text, &doc))
	doc.Defs["run"] = doc.object
	for name, v := range map[string]any{"run": Run{}, "digest": Digest{}, "judgedRole": JudgedRole{}, "waiver": Waiver{}, "group": Group{}, "requirement": Requirement{},
		"finding": Finding{}, "scenario": Scenario{}, "step": Step{}, "exchange": Exchange{}, "jwt": JWT{}, "jwtPlace": JWTPlace{}} {
		var fields, always []string
		for i := range reflect.TypeOf(v).NumField() {
			field, option, _ := strings.Cut(reflect.TypeOf(v).Field(i).Tag.Get("json"), ",")
			assert.Regexp(t, `^[a-z][a-zA-Z0-9]*$`, field)
			fields = append(fields, field)
			if option == "" {
				always = append(always, field)
			}
		}
		var named []string
		for field := range doc.Defs[name].Properties {
			named = append(named, field)
		}
		assert.ElementsMatch(t, fields, named, name)
		assert.ElementsMatch(t, always, doc.Defs[name].Required, name)
	}
}

// TestFullRunHasEachField: the run that is validated leaves no field out.
func TestFullRunHasEachField(t *testing.T) {
	run := full()
	for _, v := range []any{*run, run.Scenarios[0], run.Scenarios[0].Steps[0], run.Scenarios[0].Exchanges[0], run.Scenarios[0].JWTs[0], run.Waivers[0]} {
		r := reflect.ValueOf(v)
		for i := range r.NumField() {
			name := r.Type().Field(i).Name
			if name == "Conformant" {
				continue
			}
			assert.False(t, r.Field(i).IsZero(), "%s.%s", r.Type().Name(), name)
		}
	}
}
