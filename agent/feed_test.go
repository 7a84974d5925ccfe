package agent

import "testing"

func TestRightToServe(t *testing.T) {
	const now = 1000
	for name, test := range map[string]struct {
		fed, held right
		routed    bool
		want      right
		told      bool
	}{
		"no lease yet":                             {right{}, right{}, true, right{}, false},
		"the first, with the routes":               {right{}, right{2000, 900}, true, right{2000, 900}, true},
		"the first, without them":                  {right{}, right{2000, 900}, false, right{}, false},
		"renewed while routes are on their way":    {right{1500, 100}, right{2000, 100}, false, right{2000, 100}, true},
		"renewed after it had ended":               {right{900, 100}, right{2000, 100}, false, right{900, 100}, false},
		"the same with the routes":                 {right{900, 100}, right{2000, 100}, true, right{2000, 100}, true},
		"lost":                                     {right{1500, 100}, right{990, 100}, false, right{990, 100}, true},
		"another lease, with the routes":           {right{1500, 100}, right{2000, 900}, true, right{2000, 900}, true},
		"another lease, without them":              {right{1500, 100}, right{2000, 900}, false, right{now, 100}, true},
		"another lease, and the last one is over":  {right{now, 100}, right{2000, 900}, false, right{now, 100}, false},
		"another lease, over, and then the routes": {right{now, 100}, right{2000, 900}, true, right{2000, 900}, true},
	} {
		got, told := test.fed.next(test.held, now, test.routed)
		if got != test.want || told != test.told {
			t.Errorf("%s: %v, %v", name, got, told)
		}
	}
}
