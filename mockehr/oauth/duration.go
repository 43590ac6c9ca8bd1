package oauth

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"
)

// plainDecimal is a decimal number without a sign other than minus.
var plainDecimal = regexp.MustCompile(`^-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?$`)

// ucum is the system of the units of a Duration.
const ucum = "http://unitsofmeasure.org"

// maxYears is how far ahead an authorization may end.
const maxYears = 100

// unitLength is the length of the UCUM units that have one; months (mo) and
// years (a) are of the calendar.
var unitLength = map[string]time.Duration{
	"s": time.Second, "min": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "wk": 7 * 24 * time.Hour,
}

// After is the instant that lies a duration after from: value, a decimal number
// as text, of the UCUM unit s, min, h, d, wk, mo or a. Months and years are those
// of the calendar and whole; a day that the month does not have becomes its last.
// A value of zero or less, another unit, or an end over 100 years ahead is an
// error that says so.
func After(from time.Time, value, unit string) (time.Time, error) {
	if !plainDecimal.MatchString(value) {
		return time.Time{}, fmt.Errorf("its value %q is no number", clip(value))
	}
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || n > 1e12 {
		return time.Time{}, fmt.Errorf("its value %q is too large; it may reach %d years ahead", clip(value), maxYears)
	}
	if n <= 0 {
		return time.Time{}, fmt.Errorf("its value %q is not above zero", clip(value))
	}
	limit := from.AddDate(maxYears, 0, 0)
	var until time.Time
	switch unit {
	case "mo", "a":
		if n != math.Trunc(n) {
			return time.Time{}, fmt.Errorf("its value %q is no whole number; months and years are those of the calendar", clip(value))
		}
		months := n
		if unit == "a" {
			months *= 12
		}
		if months > maxYears*12 {
			return time.Time{}, fmt.Errorf("%s %s is too long; it may reach %d years ahead", clip(value), unit, maxYears)
		}
		until = addMonths(from, int(months))
	default:
		length, ok := unitLength[unit]
		if !ok {
			return time.Time{}, fmt.Errorf("its code %q is no UCUM unit of time; use s, min, h, d, wk, mo or a", clip(unit))
		}
		if n*length.Seconds() > limit.Sub(from).Seconds() {
			return time.Time{}, fmt.Errorf("%s %s is too long; it may reach %d years ahead", clip(value), unit, maxYears)
		}
		until = from.Add(time.Duration(n * float64(length)))
	}
	return until, nil
}

// addMonths goes whole months ahead and stays within the month it comes to:
// a month after 31 January is the end of February.
func addMonths(from time.Time, months int) time.Time {
	until := from.AddDate(0, months, 0)
	if until.Day() != from.Day() {
		until = until.AddDate(0, 0, -until.Day())
	}
	return until
}
