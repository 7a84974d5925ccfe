package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/haulout/haulout/cluster"
)

// Codes that only HTTP knows.
const (
	CodeNotFound           cluster.Code = "not_found"
	CodeMethodNotAllowed   cluster.Code = "method_not_allowed"
	CodeShardsRequired     cluster.Code = "shard_uids_required"
	CodeMediaType          cluster.Code = "unsupported_media_type"
	CodeWrongState         cluster.Code = "wrong_cluster_state_id"
	CodeNoSchema           cluster.Code = "schema_not_exist"
	CodeShardUnreachable   cluster.Code = "bdb_unavailable_shard_unreachable"
	CodePortUnbound        cluster.Code = "bdb_unavailable_port_unbound"
	CodeDuplicatedCerts    cluster.Code = "duplicated_certs"
	CodeCertificateExpired cluster.Code = "certificate_expired"
)

// statuses is the one table code -> HTTP status. 406 is the contract's answer to
// a request that is well formed and can not be carried out as things stand.
var statuses = map[cluster.Code]int{
	CodeMethodNotAllowed:              http.StatusMethodNotAllowed,
	CodeShardsRequired:                http.StatusNotFound,
	CodeShardUnreachable:              http.StatusServiceUnavailable,
	CodePortUnbound:                   http.StatusServiceUnavailable,
	CodeWrongState:                    http.StatusConflict,
	CodeNoSchema:                      http.StatusNotAcceptable,
	CodeMediaType:                     http.StatusUnsupportedMediaType,
	CodeDuplicatedCerts:               http.StatusNotAcceptable,
	CodeCertificateExpired:            http.StatusNotAcceptable,
	CodeNotFound:                      http.StatusNotFound,
	"node_already_populated":          http.StatusNotAcceptable,
	cluster.CodeCancelled:             http.StatusConflict,
	cluster.CodeActionNotFound:        http.StatusNotFound,
	cluster.CodeActionRunning:         http.StatusConflict,
	cluster.CodeAlreadyBootstrapped:   http.StatusConflict,
	cluster.CodeBadRequest:            http.StatusBadRequest,
	cluster.CodeBusy:                  http.StatusConflict,
	cluster.CodeDamagedData:           http.StatusInternalServerError,
	cluster.CodeDatabaseNotFound:      http.StatusNotFound,
	cluster.CodeDeadline:              http.StatusGatewayTimeout,
	cluster.CodeEndpointNotFound:      http.StatusNotFound,
	cluster.CodeForbidden:             http.StatusForbidden,
	cluster.CodeForeignData:           http.StatusConflict,
	cluster.CodeHandoverFailed:        http.StatusServiceUnavailable,
	cluster.CodeInsufficientResources: http.StatusNotAcceptable,
	cluster.CodeInternal:              http.StatusInternalServerError,
	cluster.CodeIsMaster:              http.StatusConflict,
	cluster.CodeLastNode:              http.StatusNotAcceptable,
	cluster.CodeNodeRemoved:           http.StatusConflict,
	cluster.CodeNodeClosed:            http.StatusNotAcceptable,
	cluster.CodeCopiesTogether:        http.StatusNotAcceptable,
	cluster.CodeDamagedBackup:         http.StatusNotAcceptable,
	cluster.CodeQuorumStands:          http.StatusConflict,
	cluster.CodeRecovering:            http.StatusConflict,
	cluster.CodeInvalidCertificate:    http.StatusNotAcceptable,
	cluster.CodeCertificateEnds:       http.StatusServiceUnavailable,
	cluster.CodeStoreFull:             http.StatusInsufficientStorage,
	cluster.CodeDiskFull:              http.StatusInsufficientStorage,
	cluster.CodeDiskSilent:            http.StatusServiceUnavailable,
	cluster.CodeClockDiffers:          http.StatusServiceUnavailable,
	cluster.CodeOutOfFiles:            http.StatusServiceUnavailable,
	cluster.CodeInvalidEviction:       http.StatusNotAcceptable,
	cluster.CodeInvalidPersistence:    http.StatusNotAcceptable,
	cluster.CodeInvalidProxyPolicy:    http.StatusNotAcceptable,
	cluster.CodeInvalidSharding:       http.StatusNotAcceptable,
	cluster.CodeJoinRefused:           http.StatusConflict,
	cluster.CodeMissingMemory:         http.StatusNotAcceptable,
	cluster.CodeMissingName:           http.StatusNotAcceptable,
	cluster.CodeNameTaken:             http.StatusConflict,
	cluster.CodeNoLeader:              http.StatusServiceUnavailable,
	cluster.CodeStarting:              http.StatusServiceUnavailable,
	cluster.CodeNoQuorum:              http.StatusServiceUnavailable,
	cluster.CodeServingAlone:          http.StatusServiceUnavailable,
	cluster.CodeServingStopped:        http.StatusServiceUnavailable,
	cluster.CodeNodeDown:              http.StatusServiceUnavailable,
	cluster.CodeUnheard:               http.StatusServiceUnavailable,
	cluster.CodeNodeNotVoter:          http.StatusNotAcceptable,
	cluster.CodeNodeNotFound:          http.StatusNotFound,
	cluster.CodeNotBootstrapped:       http.StatusServiceUnavailable,
	cluster.CodeNotInMaintenance:      http.StatusConflict,
	cluster.CodeNotInSync:             http.StatusConflict,
	cluster.CodeEngineTooOld:          http.StatusNotAcceptable,
	cluster.CodeNotRackAware:          http.StatusNotAcceptable,
	cluster.CodePortUnavailable:       http.StatusNotAcceptable,
	cluster.CodeQuorumWouldBeLost:     http.StatusNotAcceptable,
	cluster.CodeRackViolation:         http.StatusNotAcceptable,
	cluster.CodeShardIsMaster:         http.StatusBadRequest,
	cluster.CodeShardsDiffer:          http.StatusBadRequest,
	cluster.CodeShardIsSlave:          http.StatusBadRequest,
	cluster.CodeShardLost:             http.StatusConflict,
	cluster.CodeShardNotFound:         http.StatusNotFound,
	cluster.CodeSnapshotNotFound:      http.StatusNotFound,
	cluster.CodeFormerFilesNotFound:   http.StatusNotFound,
	cluster.CodeSnapshotProtected:     http.StatusForbidden,
	cluster.CodeSnapshotUnusable:      http.StatusNotAcceptable,
	cluster.CodeStale:                 http.StatusConflict,
	cluster.CodeTooLarge:              http.StatusRequestEntityTooLarge,
	cluster.CodeUIDExists:             http.StatusConflict,
	cluster.CodeKeyUsed:               http.StatusConflict,
	cluster.CodeUserNotFound:          http.StatusNotFound,
	cluster.CodeRoleNotFound:          http.StatusNotFound,
	cluster.CodeEmailTaken:            http.StatusConflict,
	cluster.CodeLastAdmin:             http.StatusNotAcceptable,
	cluster.CodeRoleProtected:         http.StatusForbidden,
	cluster.CodeRoleInUse:             http.StatusNotAcceptable,
	cluster.CodeLoginLocked:           http.StatusUnauthorized,
	cluster.CodePasswordSimple:        http.StatusBadRequest,
	cluster.CodePasswordSame:          http.StatusBadRequest,
	cluster.CodeLastPassword:          http.StatusNotAcceptable,
	cluster.CodeTooManyPasswords:      http.StatusNotAcceptable,
	cluster.CodeTooManyUsers:          http.StatusNotAcceptable,
	cluster.CodeInvalidRules:          http.StatusNotAcceptable,
	cluster.CodeNotYours:              http.StatusForbidden,
	cluster.CodeUnauthorized:          http.StatusUnauthorized,
	cluster.CodeUnsupported:           http.StatusNotImplemented,
}

// StatusOf returns the HTTP status of a code; 406 for one that is not in the table.
func StatusOf(code cluster.Code) int {
	if status, ok := statuses[code]; ok {
		return status
	}
	return http.StatusNotAcceptable
}

// ErrorBody is the body of every answer that is an error. Message is a copy of
// Description, for readers of the older contract. Blockers are all of them when
// there are several; the fields above show the first.
type ErrorBody struct {
	Code        cluster.Code     `json:"error_code"`
	Description string           `json:"description"`
	Message     string           `json:"message"`
	Hint        string           `json:"hint,omitempty"`
	Blockers    []*cluster.Error `json:"blockers,omitempty"`
	RequestID   string           `json:"request_id,omitempty"` // of an internal error, also in the log
}

// bodyOf tells people about err. The second result is false if err is nothing
// for them: its detail belongs in the log.
func bodyOf(err error) (ErrorBody, bool) {
	var all cluster.Refusals
	var one *cluster.Error
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &all) && len(all) > 0:
		body := bodyOfOne(all[0])
		body.Blockers = all
		return body, true
	case errors.As(err, &one):
		return bodyOfOne(one), true
	case errors.As(err, &large):
		return bodyOfOne(cluster.Refuse(cluster.CodeTooLarge, "send less", "the body is larger than %d bytes", large.Limit)), true
	case errors.Is(err, context.DeadlineExceeded):
		return bodyOfOne(cluster.Refuse(cluster.CodeDeadline, cluster.LookFirst, "the cluster did not answer in time")), true
	}
	return bodyOfOne(cluster.Refuse(cluster.CodeInternal, "look for the request id in the log of the daemon", "internal error")), false
}

func bodyOfOne(e *cluster.Error) ErrorBody {
	return ErrorBody{Code: e.Code, Description: e.Message, Message: e.Message, Hint: e.Hint}
}

// errorOf is the inverse of bodyOf, on the client's side.
func errorOf(body ErrorBody) error {
	if len(body.Blockers) > 0 {
		return cluster.Refusals(body.Blockers)
	}
	e := cluster.Error{Code: body.Code, Message: body.Description, Hint: body.Hint}
	if e.Message == "" {
		e.Message = body.Message
	}
	if body.RequestID != "" {
		e.Message += " (request " + body.RequestID + ")"
	}
	return &e
}
