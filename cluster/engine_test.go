package cluster

import "testing"

// What was tried with the engines themselves: 12 pairs, each copied once. Three
// that worked are refused all the same, because only keys of a newer kind would
// have shown that they need not.
func TestEngineLoads(t *testing.T) {
	redis70, redis72, redis80 := Engine{"redis", "7.0.15"}, Engine{"redis", "7.2.4"}, Engine{"redis", "8.0.2"}
	valkey81, valkey91 := Engine{"valkey", "8.1.1"}, Engine{"valkey", "9.1.2"}
	all := []Engine{redis70, redis72, redis80, valkey81, valkey91}
	loads := map[[2]Engine]bool{
		{redis72, redis70}: true, {redis80, redis70}: true, {redis80, redis72}: true,
		{valkey81, redis70}: true, {valkey81, redis72}: true, {valkey91, redis70}: true, {valkey91, redis72}: true, {valkey91, valkey81}: true,
	}
	for _, reader := range all {
		for _, writer := range all {
			if got, want := reader.Loads(writer), loads[[2]Engine{reader, writer}] || reader == writer; got != want {
				t.Errorf("%s loads %s: %t", reader, writer, got)
			}
		}
		if !reader.Loads(Engine{}) || !(Engine{}).Loads(reader) {
			t.Errorf("%s and an unknown one are refused", reader)
		}
	}
	if !(Engine{"redis", "7.0.2"}).Loads(redis70) {
		t.Error("patches of a version are held against each other")
	}
	if (Engine{"redis", "7.4.0"}).Loads(Engine{"redis", "7.10.0"}) {
		t.Error("versions are compared as text")
	}
}
