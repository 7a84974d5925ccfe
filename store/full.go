package store

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"go.uber.org/zap/zapcore"
	"golang.org/x/sys/unix"

	"github.com/haulout/haulout/cluster"
)

// startSpace is how much of the disk has to be free for a member to start: a
// part of the log and some more, since etcd ends the process where it can not write.
const startSpace, startSpaceForTests = 80 << 20, 16 << 20

// roomToStart refuses a start on a disk that is full or nearly so.
func roomToStart(c Config) error {
	need := int64(startSpace)
	if c.UnsafeForTests {
		need = startSpaceForTests
	}
	free, err := Free(c.Dir)
	if err != nil || free >= need {
		return err
	}
	return cluster.Refuse(cluster.CodeDiskFull, "make space, then start the daemon again; nothing else has to be done",
		"the disk of %s has %d MiB left, and the quorum's member needs %d MiB to start", c.Dir, free>>20, need>>20)
}

// Free returns how many bytes of the disk that the folder lies on can be written.
func Free(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("disk of %s: %w", dir, err)
	}
	return int64(s.Bavail) * s.Bsize, nil
}

// fatal says in words why etcd ends the process, where it is not the data's fault.
type fatal struct {
	log *slog.Logger
}

// OnWrite implements zapcore.CheckWriteHook.
func (f fatal) OnWrite(e *zapcore.CheckedEntry, fields []zapcore.Field) {
	if said := exhausted(fields); said != nil {
		f.log.Error(said.Message, "hint", said.Hint)
		panic(said)
	}
	panic(e.Message)
}

// exhausted says what the host has run out of, if that is what an entry tells.
func exhausted(fields []zapcore.Field) *cluster.Error {
	for _, field := range fields {
		err, is := field.Interface.(error)
		switch {
		case !is:
		case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT), strings.Contains(err.Error(), unix.ENOSPC.Error()):
			return cluster.Refuse(cluster.CodeDiskFull, "make space, then start the daemon again; databases run on meanwhile",
				"the disk of the quorum's data is full, and its member can not go on")
		case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
			return cluster.Refuse(cluster.CodeOutOfFiles, "raise its limit of open files (systemd: LimitNOFILE), then start the daemon again; databases run on meanwhile",
				"the daemon is out of file descriptors, and the quorum's member can not go on")
		}
	}
	return nil
}
