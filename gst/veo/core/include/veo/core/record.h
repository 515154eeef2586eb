// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The record of one submission in the ledger: its contents, its states, and the transitions between
// them (docs/money.md).
//
//               ┌──────── surely not sent ───────┐
//               ▼                                │
//   claim ──► reserved ──────────────────────► sending ──────► accepted ──► completed
//               │                              │ │             ▲    │
//               │ gave up, or its owner died   │ │     task id │    └──────► failed (refunded)
//               ▼                              │ │             │
//            released ◄────── refused ─────────┘ └──────► unknown ─────────► superseded
//
// A record in the state `reserved` or `sending` has an owner: the process that submits. The owner
// holds a lock as long as it runs. If nobody holds the lock, a `reserved` record was never sent,
// and a `sending` record may have been sent, so it counts as `unknown`.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "veo/core/error.h"
#include "veo/core/ledger_time.h"

namespace veo {

enum class RecordState {
  reserved,    ///< the price counts against the budgets; nothing was sent
  sending,     ///< written durably right before the POST
  accepted,    ///< the service has returned the task id
  completed,   ///< the task is finished, with a video or without one: see is_without_video()
  failed,      ///< the service gave up and refunded the credits
  released,    ///< surely not charged: not sent, or refused
  unknown,     ///< the service may or may not have accepted the submission
  superseded,  ///< unknown, and the user has submitted again; the credits still count as spent
};
/// The name of the state in the ledger and in `veo history`.
std::string_view nick(RecordState state);
/// Finds the state with this nick; nullopt if there is none.
std::optional<RecordState> parse_record_state(std::string_view nick);

/// Lists the states from which a record may go to `to`. The span is valid for ever. `to` itself is
/// not in the list.
std::span<const RecordState> list_states_before(RecordState to);

/// Whether the credits of a record in this state count against the budgets.
bool is_spent(RecordState state);

/// Writes the time as `2026-11-23 05:15:18 UTC`.
std::string to_text(UnixTime time);

/// One row of the ledger. A text is empty, and an optional is unset, if the value is not known.
struct Record {
  std::int64_t id = 0;   ///< the ledger's own number
  std::string intent;    ///< Intent::id; empty if this ledger did not submit the task
  std::string instance;  ///< tells apart equal intents with reuse=false; empty with reuse=true
  std::string request;   ///< Intent::request
  RecordState state = RecordState::reserved;
  std::uint32_t credits = 0;  ///< the price by the catalog
  std::string api_url;
  std::string account;
  std::string model;
  std::string mode;
  std::string resolution;
  std::string prompt;
  std::string parent_task_id;
  std::string details;   ///< the other fields of the request as text; URLs are redacted
  std::string key_mark;  ///< Secret::make_mark() of the key, with the ledger's salt
  bool by_uri = false;   ///< a `veo:` URI asked for the submission
  std::string task_id;
  std::string url;              ///< of the finished video; a secret
  std::string clip_sha256;      ///< of the file as delivered; empty until the clip is complete
  std::uint64_t clip_size = 0;  ///< in bytes
  std::string clip_path;        ///< of the file in the cache
  std::string error;            ///< the nick of the error that ended it; empty for no error
  std::string error_message;
  std::optional<double> balance;  ///< in credits, asked for after the submission became unknown
  // Dates for people, as the wall clock had them.
  UnixTime reserved_at{};
  std::optional<UnixTime> sending_at;
  std::optional<UnixTime> accepted_at;
  std::optional<UnixTime> finished_at;
  // For the rules.
  LedgerTime reserved_ledger_time{};  ///< of the first reservation
  LedgerTime changed_ledger_time{};   ///< when the record got its present state
  bool operator==(const Record&) const = default;
};

/// A record whose dates were in the future, before and after the correction of its dates.
struct Redating {
  Record before;
  Record after;
};

/// Whether the service completed the task without a video. Such a row is `completed`, so its
/// credits count as spent, and it has an error in place of a file.
bool is_without_video(const Record& record);

}  // namespace veo
