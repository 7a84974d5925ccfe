package cluster

import "testing"

func TestMayLead(t *testing.T) {
	v := View{
		Board: (*Board)(nil).With(1, Change{Put: []Object{
			Node{ID: 1, Membership: Voter}, Node{ID: 2, Membership: Voter}, Node{ID: 3, Membership: Voter}, Node{ID: 4, Membership: Learner},
			Node{ID: 5, Membership: Voter}, Node{ID: 7, Membership: Voter, Maintenance: &Maintenance{}}, Node{ID: 8, Membership: Voter, Vacating: "a"},
			Action{ID: "a", Name: MaintenanceOn, Node: 5, Status: ActionRunning, Options: MaintenanceOptions{DemoteNode: true}},
		}}),
		Alive: map[int]bool{1: true, 2: true, 4: true, 5: true, 7: true, 8: true}, Leader: 1,
	}
	for node, want := range map[int]Code{1: "", 2: "", 3: CodeNodeDown, 4: CodeNodeNotVoter, 5: CodeBusy, 6: CodeNodeNotFound, 7: CodeNodeClosed, 8: CodeNodeClosed} {
		if err := v.MayLead(node); (err == nil) != (want == "") || err != nil && CodeOf(err) != want {
			t.Errorf("node:%d: %v, want %q", node, err, want)
		}
	}
}
