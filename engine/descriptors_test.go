package engine

import (
	"context"
	"os"
	"syscall"
	"testing"
	"time"
)

// A host that has no descriptors left can not look whether a process runs. That is
// told, and not taken for its end, however few are missing.
func TestAdoptWithoutDescriptors(t *testing.T) {
	p := start(t, testSpec(t, "1.1", nil))
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	low.Cur = 256
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	var taken []*os.File
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		taken = append(taken, f)
	}
	type answer struct {
		running bool
		err     error
	}
	var answers []answer
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	blind := p.Instance.Observe(short)
	out := brisk(p.Instance, p.Instance).Run(t.Context())
	for free := 0; free < 4; free++ {
		found, running, err := Adopt(p.Dir)
		if running {
			_ = found.Close()
		}
		answers = append(answers, answer{running, err})
		if ended(p.Dir) == nil {
			t.Errorf("with %d descriptors its folder counts as free", free)
		}
		_ = taken[free].Close()
	}
	for _, f := range taken[4:] {
		_ = f.Close()
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if blind.State != Unresponsive || !blind.Blind || blind.Silent {
		t.Errorf("an engine that could not be asked: %+v", blind)
	}
	if out.Result != Unknown || out.SourceSilent {
		t.Errorf("engines that could not be asked: %+v", out)
	}
	for free, a := range answers {
		if !a.running && a.err == nil {
			t.Errorf("with %d descriptors the process counts as gone", free)
		}
	}
	if !answers[len(answers)-1].running {
		t.Errorf("it is not found with three descriptors: %v", answers[len(answers)-1].err)
	}
}
