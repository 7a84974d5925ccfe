package engine

import (
	"bytes"
	"errors"
	"os"
)

// A log has at most logMost bytes, and after that the last logKept of them: a replica
// whose master is away writes several lines a second, for as long as that takes.
const (
	logMost = 16 << 20
	logKept = 1 << 20
)

// TrimLog cuts the log of a process that may be running, if it is long. Whoever writes to
// it writes to its end, wherever that is; what is said in this moment may be lost.
func TrimLog(path string) error {
	info, err := os.Stat(path)
	if err != nil || info.Size() <= logMost {
		return nil // what can not be looked at is not cut
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	tail := make([]byte, logKept)
	n, err := f.ReadAt(tail, info.Size()-logKept)
	if err != nil {
		return err
	}
	if _, rest, found := bytes.Cut(tail[:n], []byte("\n")); found {
		tail = rest
	}
	err = f.Truncate(0)
	_, written := f.Write(tail)
	return errors.Join(err, written)
}
