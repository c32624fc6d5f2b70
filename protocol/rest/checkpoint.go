// SPDX-License-Identifier: Apache-2.0

package rest

// Checkpoint is the answer of GET /api/v1/conversations/{id}/checkpoint: the conversation's head, signed by its hub.
type Checkpoint struct {
	ConversationID string                       `json:"conversationId"`
	Hash           string                       `json:"hash"` // entry hash of the head, base64url
	Hub            string                       `json:"hub"`
	Seq            int64                        `json:"seq"`
	Term           int64                        `json:"term"`
	Time           int64                        `json:"time"` // of signing, Unix milliseconds
	V              int                          `json:"v"`
	Signatures     map[string]map[string]string `json:"signatures"` // server name -> key id -> base64url
}

// ServerKeys is the answer of GET /.well-known/parley/server: who this server is, and the keys it signs with.
type ServerKeys struct {
	ServerName string            `json:"serverName"`
	Keys       map[string]string `json:"keys"` // key id -> Ed25519 public key, base64url
	// For other servers, if this one federates: where to connect if not at the name itself, and how requests are signed.
	Server      string   `json:"server,omitempty"`
	RequestAuth []string `json:"requestAuth,omitempty"`
}
