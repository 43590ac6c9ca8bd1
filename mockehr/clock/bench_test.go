package clock

import (
	"testing"
	"time"
)

func BenchmarkNow(b *testing.B) {
	set := New()
	set.Set(start)
	for name, c := range map[string]*Clock{"real": New(), "set": set, "held": heldAt(start)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.Now()
			}
		})
	}
}

func BenchmarkActivity(b *testing.B) {
	c := heldAt(start)
	b.ReportAllocs()
	for b.Loop() {
		c.Begin().End()
	}
}

func BenchmarkAfterFuncStop(b *testing.B) {
	c := heldAt(start)
	for i := range 1000 {
		c.AfterFunc(time.Duration(i+1)*time.Hour, func() {})
	}
	b.ReportAllocs()
	for b.Loop() {
		c.AfterFunc(time.Minute, func() {})()
	}
}
