-- SPDX-License-Identifier: Apache-2.0
-- +goose Up
-- By term: the checkpoint with which the hub of that term handed the conversation over, JSON as text.
ALTER TABLE replicas ADD COLUMN handovers jsonb NOT NULL DEFAULT '{}';
