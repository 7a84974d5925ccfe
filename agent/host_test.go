package agent

import "testing"

func TestParseRelease(t *testing.T) {
	for text, want := range map[string][2]string{
		"NAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\nID=ubuntu\nID_LIKE=debian\n": {"ubuntu", "24.04"},
		"ID='alpine'\nVERSION_ID=3.20.1":                                     {"alpine", "3.20.1"},
		"ID=arch\n":                                                          {"arch", ""},
		"":                                                                   {"", ""},
	} {
		if name, version := parseRelease(text); [2]string{name, version} != want {
			t.Errorf("%q: %s %s", text, name, version)
		}
	}
}
