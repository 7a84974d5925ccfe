package daemon

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/haulout/haulout/cluster"
)

func TestParseConfig(t *testing.T) {
	c, err := ParseConfig([]string{"--data", "x", "--address", "127.0.0.2", "--memory", "2GB"}, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	if c.Memory != 2<<30 || !filepath.IsAbs(c.Data) || c.RESTPort != 9443 || c.DiscoveryPort != 8001 {
		t.Errorf("%+v", c)
	}
	for _, args := range [][]string{
		{},
		{"--address", "here"},
		{"--address", "127.0.0.1", "--memory", "lots"},
		{"--address", "127.0.0.1", "--memory", "-1GB"},
		{"--address", "127.0.0.1", "--memory", "9999999999TB"},
		{"--address", "127.0.0.1", "word"},
		{"--nonsense"},
	} {
		if c, err := ParseConfig(args, &bytes.Buffer{}); err == nil {
			t.Errorf("%v was taken as %+v", args, c)
		}
	}
}

func newFolder(t *testing.T) *folder {
	t.Helper()
	f, err := openFolder(Config{Data: filepath.Join(t.TempDir(), "data"), Address: "127.0.0.2"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.close)
	return f
}

func TestFolderBelongsToOneDaemon(t *testing.T) {
	f := newFolder(t)
	if _, err := openFolder(f.cfg); cluster.CodeOf(err) != cluster.CodeForeignData {
		t.Errorf("a second daemon: %v", err)
	}
}

// A folder in which a daemon could start once and not again, or without a proxy, is refused
// before anything is made in it.
func TestFolderThatCanNotBeUsed(t *testing.T) {
	root := t.TempDir()
	long := filepath.Join(root, strings.Repeat("x", longestFolder-len(root)-1))
	for data, ok := range map[string]bool{
		filepath.Join(root, "of node 2, größer"): true,
		long:                        true,
		long + "x":                  false,
		filepath.Join(root, "a[b]"): false,
		filepath.Join(root, "a*"):   false,
		filepath.Join(root, "a?"):   false,
		filepath.Join(root, `a"b`):  false,
		filepath.Join(root, `a\b`):  false,
		filepath.Join(root, "a\nb"): false,
	} {
		f, err := openFolder(Config{Data: data})
		if err == nil {
			f.close()
		}
		if ok && err != nil || !ok && (cluster.CodeOf(err) != cluster.CodeForeignData || !strings.Contains(err.Error(), "--data")) {
			t.Errorf("%q: %v", data, err)
		}
		if left, _ := os.ReadDir(data); !ok && len(left) > 0 {
			t.Errorf("%q: made %v", data, left)
		}
	}
}

func TestIdentityOfAFolder(t *testing.T) {
	f := newFolder(t)
	first, err := f.identity()
	if err != nil {
		t.Fatal(err)
	}
	again, err := f.identity()
	if err != nil || again.Identity != first.Identity {
		t.Errorf("%+v, then %+v, %v", first, again, err)
	}
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, f *folder)
		want  cluster.Code
	}{
		{"not JSON", func(t *testing.T, f *folder) { put(t, f, "node.json", "{") }, cluster.CodeDamagedData},
		{"empty", func(t *testing.T, f *folder) { put(t, f, "node.json", "") }, cluster.CodeDamagedData},
		{"of a newer version", func(t *testing.T, f *folder) { put(t, f, "node.json", `{"version":99,"identity":"a"}`) }, cluster.CodeForeignData},
		{"of another address", func(t *testing.T, f *folder) {
			put(t, f, "node.json", `{"version":1,"identity":"a","addr":"127.0.0.9","node_uid":2}`)
		}, cluster.CodeForeignData},
		{"a quorum without identity", func(t *testing.T, f *folder) {
			if err := os.Mkdir(f.cfg.etcd(), 0o700); err != nil {
				t.Fatal(err)
			}
		}, cluster.CodeDamagedData},
	} {
		f := newFolder(t)
		c.spoil(t, f)
		_, err := f.identity()
		if cluster.CodeOf(err) != c.want || !strings.Contains(err.Error(), "; ") {
			t.Errorf("%s: %v, want %s and what to do", c.name, err, c.want)
		}
	}
}

func put(t *testing.T, f *folder, name, content string) {
	t.Helper()
	if err := writeFile(f.cfg.path(name), []byte(content)); err != nil {
		t.Fatal(err)
	}
}

func TestSecretsAreTheOwnersAlone(t *testing.T) {
	f := newFolder(t)
	if _, err := f.identity(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.bootstrapSecret(); err != nil {
		t.Fatal(err)
	}
	if err := f.keepSealingKey(randomBytes(32)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(f.cfg.Data, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What a daemon that died was writing, and what it recovered its cluster from, holds
// secrets or the whole state: none of it stays for ever.
func TestFolderIsTidiedUp(t *testing.T) {
	f := newFolder(t)
	if err := os.Mkdir(f.cfg.tls(), 0o700); err != nil {
		t.Fatal(err)
	}
	left := []string{".node.json-1", ".sealing.key-2", ".recovery.db-3", "recovery.db", "tls/.node.key.4"}
	kept := []string{"node.json", "sealing.key", "tls/node.key", ".profile"}
	for _, name := range append(left, kept...) {
		put(t, f, name, "x")
	}
	under := identity{Recovery: &recovery{Backup: f.cfg.path("recovery.db")}}
	for _, c := range []struct {
		id   identity
		gone []string
	}{{under, []string{".recovery.db-3"}}, {identity{}, left}} {
		if err := f.tidy(c.id); err != nil {
			t.Fatal(err)
		}
		for _, name := range c.gone {
			if _, err := os.Stat(f.cfg.path(name)); !os.IsNotExist(err) {
				t.Errorf("%s is still there: %v", name, err)
			}
		}
		if _, err := os.Stat(f.cfg.path("recovery.db")); (err == nil) != (c.id.Recovery != nil) {
			t.Errorf("the state of a recovery: %v", err)
		}
	}
	for _, name := range kept {
		if _, err := os.Stat(f.cfg.path(name)); err != nil {
			t.Error(err)
		}
	}
}
