-- SPDX-License-Identifier: Apache-2.0
-- +goose Up
-- Whose database this is: one row, written when the homeserver is created. Another server name or signing key is refused.
CREATE TABLE homeserver (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    server_name text  NOT NULL,
    public_key  bytea NOT NULL
);
