package fhir

import (
	"fmt"
	"strconv"
	"time"
)

// ParseDateTime reads a FHIR date, dateTime or instant as the span of time it
// means: from start up to, but not including, end. 2017 is a year, 2017-09-09 a
// day, 2017-09-09T10:00:00Z a second. Without a zone, and for dates, it is UTC.
// The error says what is wrong with the text.
//
// Beyond the data types it takes what search allows (FHIR STU3 3.1.1.4.7):
// minutes without seconds, and a time without a zone.
func ParseDateTime(text string) (start, end time.Time, err error) {
	p := dateParser{rest: text}
	start, end = p.parse()
	if p.bad != "" {
		return time.Time{}, time.Time{}, fmt.Errorf("%s is no FHIR date: %s; write YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with Z or +hh:mm", strconv.Quote(shorten(text)), p.bad)
	}
	return start, end, nil
}

// dateParser reads a date from left to right and keeps the first thing wrong.
type dateParser struct {
	rest string
	bad  string
}

func (p *dateParser) parse() (start, end time.Time) {
	year := p.number(4, "year", 1, 9999)
	if p.done() {
		start = time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		return start, start.AddDate(1, 0, 0)
	}
	p.expect('-')
	month := p.number(2, "month", 1, 12)
	if p.done() {
		start = time.Date(year, time.Month(month), 1, 0, 0, 0, 0, time.UTC)
		return start, start.AddDate(0, 1, 0)
	}
	p.expect('-')
	day := p.number(2, "day", 1, 31)
	start = time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if start.Day() != day {
		p.fail("the month has no such day")
	}
	if p.done() {
		return start, start.AddDate(0, 0, 1)
	}
	p.expect('T')
	return p.time(start)
}

// time reads what follows the T of that day.
func (p *dateParser) time(day time.Time) (start, end time.Time) {
	hour := p.number(2, "hour", 0, 23)
	p.expect(':')
	minute := p.number(2, "minute", 0, 59)
	span := time.Minute
	second, nanos := 0, 0
	if p.skip(':') {
		second = p.number(2, "second", 0, 60) // 60 is a leap second: the next minute's first
		span = time.Second
		if p.skip('.') {
			nanos, span = p.fraction()
		}
	}
	offset := p.zone()
	if !p.done() {
		p.fail("there is something after its end")
	}
	start = day.Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute +
		time.Duration(second)*time.Second + time.Duration(nanos) - offset)
	return start, start.Add(span)
}

// fraction reads the digits after the point: nanoseconds, and how long the last digit is.
func (p *dateParser) fraction() (nanos int, span time.Duration) {
	digits := 0
	unit := int(time.Second)
	for digits < len(p.rest) && isDigit(p.rest[digits]) {
		if unit > 1 {
			unit /= 10
			nanos += int(p.rest[digits]-'0') * unit
		}
		digits++
	}
	if digits == 0 {
		p.fail("there are no digits after its point")
	}
	p.rest = p.rest[digits:]
	return nanos, time.Duration(unit)
}

func (p *dateParser) zone() time.Duration {
	if p.done() || p.skip('Z') {
		return 0
	}
	sign := time.Duration(1)
	if p.skip('-') {
		sign = -1
	} else {
		p.expect('+')
	}
	hours := p.number(2, "zone's hour", 0, 14)
	p.expect(':')
	minutes := p.number(2, "zone's minute", 0, 59)
	return sign * (time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute)
}

func (p *dateParser) number(digits int, what string, low, high int) int {
	if len(p.rest) < digits {
		p.fail("its " + what + " is missing")
		return low
	}
	n := 0
	for i := range digits {
		if !isDigit(p.rest[i]) {
			p.fail("its " + what + " is no number")
			return low
		}
		n = n*10 + int(p.rest[i]-'0')
	}
	p.rest = p.rest[digits:]
	if n < low || n > high {
		p.fail(fmt.Sprintf("its %s is not %d to %d", what, low, high))
	}
	return n
}

func (p *dateParser) expect(c byte) {
	if !p.skip(c) {
		p.fail(fmt.Sprintf("a %q is missing", c))
	}
}

func (p *dateParser) skip(c byte) bool {
	if p.bad == "" && p.rest != "" && p.rest[0] == c {
		p.rest = p.rest[1:]
		return true
	}
	return false
}

func (p *dateParser) done() bool { return p.bad != "" || p.rest == "" }

func (p *dateParser) fail(why string) {
	if p.bad == "" {
		p.bad = why
	}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
