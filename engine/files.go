package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// manifestName is the list of an engine's append-only files, one in a line:
// file appendonly.aof.2.base.rdb seq 2 type b
const manifestName = "appendonly.aof.manifest"

// ErrNoFiles says that a folder has not the files that an engine would be started from:
// without their list, or with a base that is empty, it begins without data and says nothing.
var ErrNoFiles = errors.New("its folder holds no files to resume from")

// resumable returns an error if an engine would not load what its files once had and
// not notice. All other damage is left to the engine.
func resumable(dir string) error {
	list, err := os.ReadFile(filepath.Join(dir, aofName, manifestName))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoFiles, err)
	}
	for line := range strings.Lines(string(list)) {
		words := strings.Fields(line)
		if len(words) < 6 || words[0] != "file" || words[5] != "b" {
			continue
		}
		path := filepath.Join(dir, aofName, words[1])
		if base, err := os.Stat(path); err == nil && base.Size() == 0 {
			return fmt.Errorf("%w: %s is empty", ErrNoFiles, path)
		}
	}
	return nil
}
