package sim

import "testing"

func BenchmarkHistory(b *testing.B) {
	for b.Loop() {
		Run(Stories["on and off"])
	}
}
