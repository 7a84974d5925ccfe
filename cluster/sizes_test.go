package cluster

import "testing"

func TestSizes(t *testing.T) {
	for bytes, want := range map[int64]string{
		0: "0KB", 512: "0.5KB", 2 << 20: "2MB", 2182086: "2.08MB", 100 << 30: "100GB", 1 << 41: "2TB", -3 << 20: "-3MB",
	} {
		if got := Size(bytes, 2); got != want {
			t.Errorf("%d: %s, want %s", bytes, got, want)
		}
	}
	if got := Size(100<<20, 0); got != "100MB" {
		t.Errorf("without digits: %s", got)
	}
	for text, want := range map[string]int64{"100MB": 100 << 20, "2gb": 2 << 30, "1.5KB": 1536, "4096": 4096, "0": 0} {
		if got, ok := ParseSize(text); !ok || got != want {
			t.Errorf("%s: %d, %t", text, got, ok)
		}
	}
	for _, bad := range []string{"", "MB", "-1", "1XB", "NaN", "Inf", "0x10", "1_0", "9999999TB"} {
		if n, ok := ParseSize(bad); ok {
			t.Errorf("%q is taken for %d", bad, n)
		}
	}
}
