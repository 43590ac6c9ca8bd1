// Package judge is what steps use to look, and to say what they found: an HTTP
// client that keeps every exchange, a record of findings by requirement, and
// the masking of every secret before anything leaves for a report.
//
// It knows no protocol code of the mock EHRs.
package judge
