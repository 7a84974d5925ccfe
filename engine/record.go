package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// The files of an instance's folder.
const (
	recordName = "instance.json"
	configName = "redis.conf"
	usersName  = "users.acl"
	logName    = "engine.log"
	aofName    = "appendonlydir"
)

// ErrDamaged says that a folder's engine runs, and that what is written down of it can
// not be read: [Recall] writes it anew.
var ErrDamaged = errors.New("what finds its process again is damaged")

// record is what finds a running engine again. PID is 0 from before the engine
// is started until it is known.
type record struct {
	Name    string `json:"name"`
	Binary  Binary `json:"binary"`
	Address string `json:"address"`
	Port    int    `json:"port"`
	Users   Users  `json:"users"`
	PID     int    `json:"pid"`
	Started uint64 `json:"started"` // clock ticks from boot to the process's start
}

func (s Spec) record() record {
	return record{Name: s.Name, Binary: s.Binary, Address: s.Address, Port: s.Port, Users: s.Users}
}

func (r record) save(dir string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return writeDurably(filepath.Join(dir, recordName), append(data, '\n'))
}

func loadRecord(dir string) (record, error) {
	var r record
	data, err := os.ReadFile(filepath.Join(dir, recordName))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("%s: %w: %w", filepath.Join(dir, recordName), ErrDamaged, err)
	}
	return r, nil
}

// writeDurably replaces the file in one step: after a crash it is the old one
// or the new one.
func writeDurably(path string, data []byte) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
