package check

import (
	"context"
	"testing"
)

func BenchmarkDo(b *testing.B) {
	own := Refuse(id, 403, "forbidden", "", "own no")
	with := New(Strict)
	with.Override(id, give(true))
	tests := []struct {
		name    string
		c       *Checks
		verdict error
	}{
		{"nil", nil, nil},
		{"passes", New(Strict), nil},
		{"refuses", New(Strict), own},
		{"overridden", with, own},
	}
	ctx := context.Background()
	for _, tt := range tests {
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = tt.c.Do(ctx, id, nil, tt.verdict)
			}
		})
	}
}

func BenchmarkDoParallel(b *testing.B) {
	c, ctx := New(Strict), context.Background()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_ = c.Do(ctx, id, nil, nil)
		}
	})
}

func BenchmarkValue(b *testing.B) {
	with := New(Strict)
	with.Override(id, give(60.0))
	ctx := context.Background()
	for name, c := range map[string]*Checks{"own": New(Strict), "through JSON": with} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Value(ctx, c, id, nil, int64(3600))
			}
		})
	}
}
