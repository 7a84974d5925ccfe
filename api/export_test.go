package api

import (
	"golang.org/x/crypto/bcrypt"

	"github.com/haulout/haulout/cluster"
)

func init() { hashCost = bcrypt.MinCost } // the tests log in often

// Listed reports whether the code is in the error table.
func Listed(c cluster.Code) bool { _, ok := statuses[c]; return ok }

// Patterns are the routes, as method and path.
func Patterns() []string {
	var list []string
	for _, r := range routes() {
		list = append(list, r.pattern)
	}
	return list
}
