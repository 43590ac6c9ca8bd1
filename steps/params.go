package steps

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// This file reads and makes Parameters and OperationOutcomes as plain JSON.

func jsonNumber(n int) json.Number { return json.Number(strconv.Itoa(n)) }

// parametersOf makes a Parameters resource; each value's JSON type decides its
// value[x]. Names in twice come twice.
func parametersOf(fields map[string]any, twice map[string]bool) map[string]any {
	list := []any{}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		one := map[string]any{"name": name, valueName(name, fields[name]): fields[name]}
		list = append(list, one)
		if twice[name] {
			list = append(list, one)
		}
	}
	return map[string]any{"resourceType": "Parameters", "parameter": list}
}

func valueName(name string, v any) string {
	switch v := v.(type) {
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return "valueDecimal"
		}
		return "valueInteger"
	case bool:
		return "valueBoolean"
	case map[string]any:
		switch {
		case name == "duration":
			return "valueDuration"
		case v["coding"] != nil:
			return "valueCodeableConcept"
		}
		return "valueQuantity"
	}
	return "valueString"
}

// parametersNamed are the parameters of that name.
func parametersNamed(p map[string]any, name string) []map[string]any {
	return named(p, "parameter", name)
}

func named(p map[string]any, list, name string) []map[string]any {
	items, _ := p[list].([]any)
	var out []map[string]any
	for _, item := range items {
		if one, ok := item.(map[string]any); ok && one["name"] == name {
			out = append(out, one)
		}
	}
	return out
}

// valueOf is a parameter's value, whatever its value[x].
func valueOf(one map[string]any) any {
	for name, v := range one {
		if strings.HasPrefix(name, "value") {
			return v
		}
	}
	return nil
}

// firstValue is the value of the first parameter of that name.
func firstValue(p map[string]any, name string) any {
	for _, one := range parametersNamed(p, name) {
		return valueOf(one)
	}
	return nil
}

// textParameter is a parameter's value as a text, "" if there is none.
func textParameter(p map[string]any, name string) string { return asText(firstValue(p, name)) }

// textPart is the value of a parameter's part as a text.
func textPart(one map[string]any, name string) string {
	for _, part := range named(one, "part", name) {
		return asText(valueOf(part))
	}
	return ""
}

func asText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// hasErrorIssue says whether an OperationOutcome has an issue of severity error or fatal.
func hasErrorIssue(o map[string]any, but ...string) bool {
	if o["resourceType"] != "OperationOutcome" {
		return false
	}
	issues, _ := o["issue"].([]any)
	return slices.ContainsFunc(issues, func(v any) bool {
		issue, _ := v.(map[string]any)
		code, _ := issue["code"].(string)
		return (issue["severity"] == "error" || issue["severity"] == "fatal") && !slices.Contains(but, code)
	})
}

// outcomeText is all that an OperationOutcome's issues say: diagnostics,
// details, expression and location.
func outcomeText(o map[string]any) string {
	issues, _ := o["issue"].([]any)
	var out []string
	for _, v := range issues {
		issue, _ := v.(map[string]any)
		out = append(out, asText(issue["diagnostics"]), asText(child(issue["details"])["text"]))
		for _, name := range []string{"expression", "location"} {
			list, _ := issue[name].([]any)
			for _, e := range list {
				out = append(out, asText(e))
			}
		}
	}
	return strings.Join(out, "\n")
}
