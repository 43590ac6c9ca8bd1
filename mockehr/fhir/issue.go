package fhir

// Issue is one finding about a resource, as an OperationOutcome tells it.
type Issue struct {
	Severity    string   // fatal, error, warning or information
	Code        string   // of FHIR's issue-type: structure, required, value, invariant, code-invalid, ...
	Diagnostics string   // what is wrong, and what would be right
	Expression  []string // FHIRPath of what it is about: Patient.name[0].given[1]
}

// Outcome makes an OperationOutcome of issues; without any, of one that says that all is well.
func Outcome(issues ...Issue) *Object {
	if len(issues) == 0 {
		issues = []Issue{{Severity: "information", Code: "informational", Diagnostics: "All OK"}}
	}
	list := make([]any, len(issues))
	for i, issue := range issues {
		o := NewObject(Member{"severity", issue.Severity}, Member{"code", issue.Code})
		if issue.Diagnostics != "" {
			o.Set("diagnostics", issue.Diagnostics)
		}
		if len(issue.Expression) > 0 {
			o.Set("expression", issue.Expression)
		}
		list[i] = o
	}
	return NewObject(Member{"resourceType", "OperationOutcome"}, Member{"issue", list})
}
