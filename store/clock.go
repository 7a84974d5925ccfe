package store

import (
	"time"

	"golang.org/x/sys/unix"
)

// BootTime is the reading of CLOCK_BOOTTIME in nanoseconds: it counts on while
// the host is suspended and knows nothing of the time of day.
func BootTime() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic(err) // every Linux that runs Go has this clock
	}
	return t.Nano()
}

// pause waits, or returns false when done is closed first.
func pause(done <-chan struct{}, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return false
	case <-timer.C:
		return true
	}
}
