// Package plan decides where instances and endpoints should go: moves with
// reasons, or blockers with numbers.
//
// It is pure. The same view gives the same plan, whatever the order of its maps:
// nodes are compared by load and then by id, so that a plan can be read, shown
// before it is carried out, and made again by the next leader.
package plan
