package suite

import (
	"slices"
	"time"

	"example.org/ccde/reports"
)

// Waiver lets a requirement fail for a time, for a reason.
type Waiver struct {
	ID     string
	Reason string
	Until  time.Time // the last day on which it holds
}

// waive applies the waivers that hold, rolls up again, and lists the stale
// ones: those that are over, and those that were not needed.
func waive(run *reports.Run, waivers []Waiver, now time.Time) {
	if len(waivers) == 0 {
		return
	}
	over := map[string]bool{}
	for _, w := range waivers {
		over[w.ID] = !now.Before(w.Until.AddDate(0, 0, 1))
		if i := slices.IndexFunc(run.Requirements, func(r reports.Requirement) bool { return r.ID == w.ID }); i >= 0 && !over[w.ID] {
			run.Requirements[i].Waiver = w.Reason
		}
	}
	run.RollUp()
	for _, w := range waivers {
		i := slices.IndexFunc(run.Requirements, func(r reports.Requirement) bool { return r.ID == w.ID })
		met := i >= 0 && slices.Contains([]string{reports.Passed, reports.Warning, reports.Skipped}, run.Requirements[i].Verdict)
		stale := met || over[w.ID]
		if stale {
			run.StaleWaivers = append(run.StaleWaivers, w.ID)
		}
		run.Waivers = append(run.Waivers, reports.Waiver{ID: w.ID, Reason: w.Reason, Until: w.Until, Stale: stale})
	}
	run.ExitCode = reports.ExitCode(run)
	run.Conformant = run.ExitCode == reports.ExitConformant || run.ExitCode == reports.ExitStaleWaiver
}
