package cluster

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Code names a refusal or failure. Codes are stable and never reused: scripts
// and tests match them, people read the message.
type Code string

// The codes, in the order of the room that first needs them.
const (
	CodeInternal              Code = "internal_error"
	CodeBadRequest            Code = "bad_request"
	CodeUnsupported           Code = "not_supported"
	CodeUnauthorized          Code = "unauthorized"
	CodeForbidden             Code = "forbidden"
	CodeTooLarge              Code = "body_too_large"
	CodeNoQuorum              Code = "no_quorum"
	CodeServingAlone          Code = "serving_without_quorum"
	CodeServingStopped        Code = "not_serving_without_quorum"
	CodeNoLeader              Code = "no_cluster_master"
	CodeStale                 Code = "state_changed"
	CodeNotBootstrapped       Code = "not_bootstrapped"
	CodeAlreadyBootstrapped   Code = "already_bootstrapped"
	CodeStarting              Code = "node_is_starting"
	CodeJoinRefused           Code = "join_refused"
	CodeForeignData           Code = "foreign_data_folder"
	CodeDamagedData           Code = "damaged_data_folder"
	CodeNodeNotFound          Code = "node_not_found"
	CodeNodeDown              Code = "node_down"
	CodeNodeNotVoter          Code = "node_does_not_vote"
	CodeUnheard               Code = "not_reported_yet"
	CodeDatabaseNotFound      Code = "db_not_exist"
	CodeShardNotFound         Code = "shard_not_exist"
	CodeEndpointNotFound      Code = "endpoint_not_exist"
	CodeActionNotFound        Code = "action_not_found"
	CodeCancelled             Code = "cancelled"
	CodeActionRunning         Code = "action_already_running"
	CodeSnapshotNotFound      Code = "snapshot_not_found"
	CodeSnapshotUnusable      Code = "snapshot_unusable"
	CodeSnapshotProtected     Code = "maintenance_snapshot_protected"
	CodeNotInMaintenance      Code = "not_in_maintenance"
	CodeQuorumWouldBeLost     Code = "quorum_would_be_lost"
	CodeInsufficientResources Code = "insufficient_resources"
	CodeRackViolation         Code = "rack_awareness_violation"
	CodeEngineTooOld          Code = "engine_too_old"
	CodeNotRackAware          Code = "not_rack_aware"
	CodeBusy                  Code = "db_busy"
	CodeNameTaken             Code = "name_already_exists"
	CodeMissingName           Code = "missing_db_name"
	CodeMissingMemory         Code = "missing_memory_size"
	CodeUIDExists             Code = "uid_exists"
	CodePortUnavailable       Code = "port_unavailable"
	CodeInvalidSharding       Code = "invalid_sharding"
	CodeInvalidPersistence    Code = "invalid_data_persistence"
	CodeInvalidEviction       Code = "eviction_policy_violation"
	CodeInvalidProxyPolicy    Code = "invalid_proxy_policy"
	CodeInvalidCertificate    Code = "invalid_certificate"
	CodeCertificateEnds       Code = "certificate_ends"
	CodeStoreFull             Code = "state_store_full"
	CodeDiskFull              Code = "disk_full"
	CodeDiskSilent            Code = "disk_does_not_answer"
	CodeClockDiffers          Code = "clock_differs"
	CodeOutOfFiles            Code = "out_of_file_descriptors"
	CodeShardIsMaster         Code = "shard_is_master"
	CodeShardIsSlave          Code = "shard_is_slave"
	CodeNotInSync             Code = "replica_not_in_sync"
	CodeShardsDiffer          Code = "failover_shards_different_bdb"
	CodeHandoverFailed        Code = "handover_failed"
	CodeDeadline              Code = "deadline_passed"
	CodeShardLost             Code = "shard_lost"
	CodeIsMaster              Code = "node_is_cluster_master"
	CodeLastNode              Code = "last_node"
	CodeNodeRemoved           Code = "node_removed"
	CodeNodeClosed            Code = "node_closed"
	CodeCopiesTogether        Code = "replication_node_violation"
	CodeKeyUsed               Code = "idempotency_key_used"
	CodeUserNotFound          Code = "user_not_exist"
	CodeRoleNotFound          Code = "role_not_exist"
	CodeEmailTaken            Code = "email_already_exists"
	CodeLastAdmin             Code = "change_last_admin_role_not_allowed"
	CodeRoleProtected         Code = "role_protected"
	CodeRoleInUse             Code = "role_in_use"
	CodeLoginLocked           Code = "login_locked"
	CodePasswordSimple        Code = "password_not_complex"
	CodePasswordSame          Code = "new_password_same_as_current"
	CodeLastPassword          Code = "cannot_delete_last_password"
	CodeTooManyPasswords      Code = "too_many_passwords"
	CodeTooManyUsers          Code = "too_many_users"
	CodeInvalidRules          Code = "invalid_acl_rules"
	CodeNotYours              Code = "unauthorized_action"
	CodeDamagedBackup         Code = "damaged_backup"
	CodeQuorumStands          Code = "quorum_stands"
	CodeRecovering            Code = "cluster_recovering"
	CodeFormerFilesNotFound   Code = "former_files_not_found"
)

// Error is the one error type that reaches people. Message says what and
// which object, Hint what to do next. Anything else is an internal error:
// detailed in the log, anonymous to the user.
type Error struct {
	Code    Code   `json:"error_code"`
	Message string `json:"description"`
	Hint    string `json:"hint,omitempty"`
}

// LookFirst is the hint of errors that leave open whether what was asked for has happened.
const LookFirst = "look whether it happened, then try again"

// Unsure reports whether what was asked for may have happened all the same.
func (e *Error) Unsure() bool { return e.Hint == LookFirst }

// Error renders the sentence and, behind a semicolon, the hint.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + "; " + e.Hint
}

// Refuse makes an Error. The hint may be empty.
func Refuse(code Code, hint, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// Refusals is every blocker found at once, never just the first.
type Refusals []*Error

// Error joins the blockers, one a line.
func (r Refusals) Error() string {
	lines := make([]string, len(r))
	for i, e := range r {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As and errors.Is see each blocker.
func (r Refusals) Unwrap() []error {
	errs := make([]error, len(r))
	for i, e := range r {
		errs[i] = e
	}
	return errs
}

// CodeOf returns the stable code of err: that of the first *Error in it, or
// CodeInternal.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

// Unheard reports whether err is, or has among others, that a host has only not told yet
// what was asked: the same may be done in a moment.
func Unheard(err error) bool {
	var all Refusals
	if errors.As(err, &all) {
		return slices.ContainsFunc(all, func(e *Error) bool { return e.Code == CodeUnheard })
	}
	return CodeOf(err) == CodeUnheard
}

// WireError is how the error crosses between daemons.
func (e *Error) WireError() (code, message, hint string) { return string(e.Code), e.Message, e.Hint }
