//go:build !race

package sim

const part = 1
