// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The record of one submission: what the ledger keeps of it, and which way it may go (MONEY.md).
//
//               ┌──────── surely not sent ───────┐
//               ▼                                │
//   claim ──► reserved ──────────────────────► sending ──────► accepted ──► completed
//               │                              │ │   │            │
//               │ gave up, or its owner died   │ │   │ id         └──────► failed (refunded)
//               ▼                              │ │   ▼
//            released ◄────── refused ─────────┘ └► unknown ──► superseded
//
// A row that is `reserved` or `sending` has an owner, who holds a lock as long as he lives. Without
// one, `reserved` was never sent, and `sending` may have been: it is `unknown`.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "veo/core/error.h"

namespace veo {

enum class RecordState {
  reserved,    ///< its price is held; nothing was sent
  sending,     ///< durable right before the POST
  accepted,    ///< the service has named the task
  completed,   ///< its video is there
  failed,      ///< by the service, and refunded
  released,    ///< surely not charged: not sent, or refused
  unknown,     ///< may or may not have been accepted
  superseded,  ///< unknown, and submitted anew by the user's word; still counts as spent
};
std::string_view nick(RecordState state);
std::optional<RecordState> parse_record_state(std::string_view nick);

/// The states from which a record may go to `to`. A record that is there already has gone.
std::span<const RecordState> list_states_before(RecordState to);

/// Whether its credits count against the budgets.
bool is_spent(RecordState state);

/// Wall clock, UTC.
using UnixTime = std::chrono::sys_time<std::chrono::milliseconds>;

/// 2026-11-23 05:15:18 UTC.
std::string to_text(UnixTime time);

struct Record {
  std::int64_t id = 0;
  std::string intent;    ///< empty: foreign, the ledger did not see its submission
  std::string instance;  ///< of an element with reuse=false; else empty
  std::string request;   ///< SHA-256 of the canonical request
  RecordState state = RecordState::reserved;
  std::uint32_t credits = 0;  ///< estimate
  std::string api_url;
  std::string account;
  std::string model;
  std::string mode;
  std::string resolution;
  std::string prompt;
  std::string parent_task_id;
  std::string details;  ///< the other fields of the request as text, URLs redacted
  std::string key_mark;
  bool by_uri = false;
  std::string task_id;
  std::string url;          ///< of the finished video: a secret
  std::string clip_sha256;  ///< of the file as delivered; empty: never here whole
  std::uint64_t clip_size = 0;
  std::string clip_path;
  std::string error;  ///< nick of what ended it; empty: nothing
  std::string error_message;
  std::optional<double> balance;  ///< the last known when it became unknown
  UnixTime reserved_at{};
  std::optional<UnixTime> sending_at;
  std::optional<UnixTime> accepted_at;
  std::optional<UnixTime> finished_at;
  bool operator==(const Record&) const = default;
};

}  // namespace veo
