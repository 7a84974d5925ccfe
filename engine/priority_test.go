package engine

import (
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// niceOfAll returns the nice values of a process' threads, each once.
func niceOfAll(t *testing.T, pid int) map[int]bool {
	t.Helper()
	tasks, err := os.ReadDir(taskDir(pid))
	if err != nil {
		t.Fatal(err)
	}
	values := map[int]bool{}
	for _, task := range tasks {
		id, err := strconv.Atoi(task.Name())
		if err != nil {
			t.Fatal(err)
		}
		n, err := nice(id)
		if err != nil {
			t.Fatal(err)
		}
		values[n] = true
	}
	return values
}

// Who is filled by a copy, and who was forked to be copied from, lets clients go
// first; the replica is as any other again before it is called copied.
func TestCopiesLetClientsGoFirst(t *testing.T) {
	if !mayGoBack() {
		t.Skip("priorities can not be raised again here")
	}
	master := startMaster(t, "1.1")
	replica := startReplica(t, "1.2", master)
	expect := func(who string, pid, want int) {
		t.Helper()
		if got := niceOfAll(t, pid); len(got) != 1 || !got[want] {
			t.Errorf("%s has the nice values %v, not %d", who, got, want)
		}
	}
	yield := func(p *Process, o Observation) {
		t.Helper()
		if err := p.Yield(o); err != nil {
			t.Error(err)
		}
	}
	yield(replica, Observation{State: Loading, Role: Slave})
	expect("who is being filled", replica.PID, behindClients)
	yield(replica, Observation{State: Unresponsive})
	expect("who does not answer", replica.PID, behindClients)
	yield(replica, Observation{State: Up, Role: Slave, Copied: true})
	expect("who is complete", replica.PID, 0)
	yield(master, Observation{State: Loading, Role: Master})
	expect("a master that loads its files", master.PID, 0)

	ask(t, master.Instance, "CONFIG", "SET", "rdb-key-save-delay", "20000000")
	for i := range 3 {
		ask(t, master.Instance, "SET", strconv.Itoa(i), "x")
	}
	ask(t, master.Instance, "BGSAVE")
	saving := children(master.PID)
	if len(saving) != 1 {
		t.Fatalf("children of a master that saves: %v", saving)
	}
	t.Cleanup(func() { _ = unix.Kill(saving[0], unix.SIGKILL) })
	yield(master, Observation{State: Up, Role: Master})
	expect("who was forked", saving[0], behindClients)
	expect("its parent", master.PID, 0)
	if err := master.Kill(); err != nil {
		t.Fatal(err)
	}
	yield(master, Observation{State: Up, Role: Master})
}
