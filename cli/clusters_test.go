package cli

import (
	"testing"
	"time"

	"github.com/haulout/haulout/api"
)

func TestBackupsText(t *testing.T) {
	at := time.Date(2024, 1, 11, 20, 25, 37, 0, time.UTC)
	for want, b := range map[string]api.NodeBackups{
		"3, newest 2024-01-11T20:25:37Z":                          {Count: 3, Newest: at},
		"3, newest 2024-01-11T20:25:37Z, ERROR: the disk is full": {Count: 3, Newest: at, Failed: "the disk is full"},
		"none, ERROR: the disk is full":                           {Failed: "the disk is full"},
	} {
		if got := backupsText(b); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
