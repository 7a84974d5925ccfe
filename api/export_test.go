package api

import "github.com/haulout/haulout/cluster"

// Listed reports whether the code is in the error table.
func Listed(c cluster.Code) bool { _, ok := statuses[c]; return ok }
