package daemon

import (
	"errors"
	"strings"
	"testing"

	"github.com/haulout/haulout/cluster"
)

func TestDiskAndFilesAreNamedBeforeTheyRunOut(t *testing.T) {
	for _, c := range []struct {
		said *cluster.Error
		want string
	}{
		{diskTrouble("/data", 1<<30, nil), ""},
		{diskTrouble("/data", 100<<20, nil), "the disk of /data has only 100 MiB left"},
		{diskTrouble("/data", 4096, nil), "the disk of /data is full"},
		{diskTrouble("/data", 0, errors.New("disk of /data: input/output error")), "disk of /data: input/output error"},
		{filesUsed(899, 1000), ""},
		{filesUsed(900, 1000), "its daemon has 900 of 1000 allowed files open"},
		{filesTrouble(), ""},
	} {
		switch {
		case c.want == "" && c.said != nil, c.want != "" && c.said == nil:
			t.Errorf("said %v, want %q", c.said, c.want)
		case c.said != nil && (!strings.HasPrefix(c.said.Message, c.want) || c.said.Hint == ""):
			t.Errorf("said %v, want %q", c.said, c.want)
		}
	}
	if !sameDisk(t.TempDir(), t.TempDir()) || sameDisk("/proc", t.TempDir()) {
		t.Error("disks are mistaken for each other")
	}
}
