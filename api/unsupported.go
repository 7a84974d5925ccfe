package api

import (
	"slices"
	"strings"

	"github.com/haulout/haulout/cluster"
)

// unsupportedPaths are paths of the contract that are not served yet: they are
// refused by name, so that nobody takes a missing answer for an empty one. A
// star stands for one segment, three dots for any rest.
var unsupportedPaths = []string{
	"/v1/bdbs/*",
	"/v1/bdbs/*/actions/...",
	"/v1/bdbs/*/flush",
	"/v1/bdbs/*/passwords",
	"/v1/bdbs/*/reset_admin_pass",
	"/v1/bdb_groups/...",
	"/v1/bdbs/alerts/...",
	"/v1/bdbs/stats/...",
	"/v1/bootstrap/recover_cluster",
	"/v1/bootstrap/validate/*",
	"/v1/cluster/actions/...",
	"/v1/cluster/alerts/...",
	"/v1/cluster/certificates/...",
	"/v1/cluster/check",
	"/v1/cluster/stats/...",
	"/v1/cm_settings/...",
	"/v1/crdb_tasks/...",
	"/v1/crdbs/...",
	"/v1/debuginfo/...",
	"/v1/diagnostics/...",
	"/v1/endpoints/stats/...",
	"/v1/job_scheduler/...",
	"/v1/ldap_mappings/...",
	"/v1/license",
	"/v1/local/...",
	"/v1/modules/...",
	"/v1/nodes/alerts/...",
	"/v1/nodes/check/*",
	"/v1/nodes/stats/...",
	"/v1/migrations/...",
	"/v1/ocsp/...",
	"/v1/proxies/...",
	"/v1/redis_acls/...",
	"/v1/services/...",
	"/v1/shards/*/actions/*",
	"/v1/shards/actions/*",
	"/v1/shards/stats/...",
	"/v1/suffix/...",
	"/v1/suffixes/...",
	"/v1/usage_report/...",
	"/v2/...",
	"/v4/...",
}

// elsewhere answers what no route takes.
func elsewhere(method, path string) error {
	if unsupported(path) {
		return cluster.Refuse(cluster.CodeUnsupported, "", "%s %s is not supported yet", method, path)
	}
	return cluster.Refuse(CodeNotFound, "see /v1/openapi.json", "there is nothing at %s", path)
}

func unsupported(path string) bool {
	return slices.ContainsFunc(unsupportedPaths, func(pattern string) bool { return matches(pattern, path) })
}

// matches reports whether the path has the pattern's segments; * and {name}
// stand for any one, ... for any rest.
func matches(pattern, path string) bool {
	want, got := strings.Split(pattern, "/"), strings.Split(strings.TrimSuffix(path, "/"), "/")
	for i, segment := range want {
		if segment == "..." {
			return true
		}
		if i >= len(got) || segment != "*" && !strings.HasPrefix(segment, "{") && segment != got[i] {
			return false
		}
	}
	return len(got) == len(want)
}
