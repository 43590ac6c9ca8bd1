package steps

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestGrowing(t *testing.T) {
	for _, c := range []struct {
		gaps [3]float64 // seconds
		want bool
	}{
		{[3]float64{0.4, 0.8, 1.6}, true}, {[3]float64{0.747, 0.802, 1.603}, true}, {[3]float64{1, 1.5, 1.5}, true}, {[3]float64{1, 1.2, 1.4}, true},
		{[3]float64{0.7006, 0.7014, 0.7015}, false}, {[3]float64{1.52, 1.521, 1.548}, false}, {[3]float64{1, 0.5, 2}, false}, {[3]float64{1, 3, 2}, false}, {[3]float64{4, 2, 1}, false},
	} {
		var gaps []time.Duration
		for _, s := range c.gaps {
			gaps = append(gaps, time.Duration(s*float64(time.Second)))
		}
		assert.Equal(t, c.want, growing(gaps), c.gaps)
	}
}
