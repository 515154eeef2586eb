// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/clip_plan.h"

#include <algorithm>
#include <utility>

namespace veo {

namespace {

/// Whether a retry can help after this status of a file host.
bool is_passing_status(unsigned status) { return status == 408 || status == 429 || status >= 500; }

/// Whether a retry can help after this failure of a connection.
bool is_passing_failure(const Error& failure) {
  return !failure.is_final &&
         (failure.code == ErrorCode::network || failure.code == ErrorCode::timeout);
}

Error make_bad_response(std::string message, unsigned status = 0) {
  return {.code = ErrorCode::bad_response, .message = std::move(message), .http_status = status};
}

Error make_cut_off(std::uint64_t size) {
  return {.code = ErrorCode::network,
          .message = "the file host ended its answer in mid-file, after " + std::to_string(size) +
                     " bytes."};
}

Error make_no_url() {
  return make_bad_response(
      "its copy in the cache is gone or damaged, and no URL of it is recorded.");
}

}  // namespace

// The classes of answers, and of their ends.
enum class ClipPlan::Event {
  part,              ///< 206: the requested part of the same file
  same_file,         ///< 200: the complete file, which is the same file
  unproven_file,     ///< 200: a complete file, which may be another file
  other_from_start,  ///< 206: another file, from its start
  other_file,        ///< another file: it has another size or validator, or it is shorter
  nothing_left,      ///< 416: the file ends at the position of the main fetch
  nonsense,          ///< 206: not the requested part
  refused,           ///< a status after which a retry cannot help
  passing,           ///< a status after which a retry can help
  ended,             ///< the body is complete
  broke,             ///< the connection broke
  failed,            ///< a failure after which a retry cannot help
};

enum class ClipPlan::Action {
  accept,       ///< take the bytes of the answer
  accept_over,  ///< take them from the file's start, and ignore the bytes that are here already
  accept_anew,  ///< take them from the file's start, as a new version
  restart,      ///< begin a new version with a new fetch
  retry,        ///< send the request again after a delay
  advance,      ///< go on to the next hole
  leave,        ///< end the side fetch; the main fetch will bring its bytes
  give_up,      ///< the clip has failed
};

struct ClipPlan::Transition {
  enum class Stage { any, open, committed };
  Role role;
  Event event;
  Stage stage;
  Action action;
};

// The action for each fetch and event. `open` means that no reader has used bytes yet; `committed`
// means that one has. No row of the side fetch gives up or forgets bytes, because its failure must
// not harm the clip.
const ClipPlan::Transition ClipPlan::transitions[] = {
    {Role::main, Event::part, Transition::Stage::any, Action::accept},
    {Role::main, Event::same_file, Transition::Stage::any, Action::accept_over},
    {Role::main, Event::unproven_file, Transition::Stage::open, Action::accept_anew},
    {Role::main, Event::unproven_file, Transition::Stage::committed, Action::give_up},
    {Role::main, Event::other_from_start, Transition::Stage::open, Action::accept_anew},
    {Role::main, Event::other_from_start, Transition::Stage::committed, Action::give_up},
    {Role::main, Event::other_file, Transition::Stage::open, Action::restart},
    {Role::main, Event::other_file, Transition::Stage::committed, Action::give_up},
    {Role::main, Event::nothing_left, Transition::Stage::any, Action::advance},
    {Role::main, Event::nonsense, Transition::Stage::any, Action::give_up},
    {Role::main, Event::refused, Transition::Stage::any, Action::give_up},
    {Role::main, Event::passing, Transition::Stage::any, Action::retry},
    {Role::main, Event::ended, Transition::Stage::any, Action::advance},
    {Role::main, Event::broke, Transition::Stage::any, Action::retry},
    {Role::main, Event::failed, Transition::Stage::any, Action::give_up},

    {Role::side, Event::part, Transition::Stage::any, Action::accept},
    {Role::side, Event::same_file, Transition::Stage::any, Action::leave},
    {Role::side, Event::unproven_file, Transition::Stage::any, Action::leave},
    {Role::side, Event::other_from_start, Transition::Stage::any, Action::leave},
    {Role::side, Event::other_file, Transition::Stage::any, Action::leave},
    {Role::side, Event::nonsense, Transition::Stage::any, Action::leave},
    {Role::side, Event::refused, Transition::Stage::any, Action::leave},
    {Role::side, Event::passing, Transition::Stage::any, Action::retry},
    {Role::side, Event::ended, Transition::Stage::any, Action::advance},
    {Role::side, Event::broke, Transition::Stage::any, Action::retry},
    {Role::side, Event::failed, Transition::Stage::any, Action::leave},
};

// --- inputs ---

ClipPlan::Commands ClipPlan::begin() {
  has_begun_ = true;
  if (!settings_.has_url) {
    is_refused_ = true;
    give_up(make_no_url());
    return take_commands();
  }
  if (settings_.keep) command(Command::Kind::open_file);
  start(main_, 0, std::nullopt);
  start_tail();
  return take_commands();
}

ClipPlan::Commands ClipPlan::begin_with_kept(std::uint64_t size) {
  has_begun_ = true;
  contents_.size = size;
  contents_.is_size_told = true;
  contents_.is_known = true;
  contents_.bytes.add_stored(0, size);
  keeping_ = Keeping::kept;
  return take_commands();
}

ClipPlan::Commands ClipPlan::on_head(FetchId id, const Head& head, double random) {
  auto* const fetch = find_fetch(id);
  if (fetch == nullptr) return {};
  const auto event = classify(*fetch, head);
  // The tail is not needed if the main fetch has brought it already, or will bring it soon.
  const bool is_needless =
      fetch->is_tail && event == Event::part &&
      (count_here_from(head.part->first) > 0 || main_.will_soon_bring(head.part->first));
  if (is_needless) {
    learn_file(head);
    drop(*fetch);
  } else {
    act(*fetch, event, head, {}, random);
  }
  return take_commands();
}

ClipPlan::Event ClipPlan::classify(const Fetch& fetch, const Head& head) const {
  const auto& now = contents_;
  if (head.status == 206) {
    if (!head.part || (head.total && head.part->last >= *head.total)) return Event::nonsense;
    // The host may leave the file's size open. Then nothing says whether a tail is the file's tail.
    const bool is_asked_for = fetch.is_tail ? head.total && head.part->last + 1 == *head.total
                                            : head.part->first == fetch.position;
    if (!is_asked_for) return Event::nonsense;
    if (is_same_file(head)) return Event::part;
    return head.part->first == 0 ? Event::other_from_start : Event::other_file;
  }
  if (head.status == 200) {
    const bool is_proven = !now.validator.empty() && head.validator == now.validator;
    // The first answer to the main fetch says which file it is, unless the answer to the side fetch
    // contradicts it.
    const bool is_first = !now.is_known && is_same_file(head);
    return is_proven || is_first ? Event::same_file : Event::unproven_file;
  }
  if (head.status == 416 && fetch.position > 0) {
    const bool is_end = head.total.value_or(fetch.position) == fetch.position && !now.is_size_told;
    return is_end && fetch.role == Role::main ? Event::nothing_left : Event::other_file;
  }
  return is_passing_status(head.status) ? Event::passing : Event::refused;
}

bool ClipPlan::is_same_file(const Head& head) const {
  const auto& now = contents_;
  const auto size = head.status == 206 ? head.total : head.length;
  const bool has_sizes = now.is_size_told && size;
  if (has_sizes && *size != *now.size) return false;
  if (!now.validator.empty() && !head.validator.empty()) return now.validator == head.validator;
  // Without a size and a validator to compare, the file counts as another file.
  return has_sizes || (!now.is_known && !now.is_size_told);
}

void ClipPlan::act(Fetch& fetch, Event event, const Head& head, Error failure, double random) {
  using Stage = Transition::Stage;
  const auto stage = is_committed_ ? Stage::committed : Stage::open;
  const auto* const row = std::ranges::find_if(transitions, [&](const Transition& candidate) {
    return candidate.role == fetch.role && candidate.event == event &&
           (candidate.stage == Stage::any || candidate.stage == stage);
  });
  if (event == Event::nonsense) {
    failure =
        make_bad_response("the file host sent another range than it was asked for.", head.status);
  } else if (event == Event::unproven_file) {
    failure = make_bad_response(
        "the connection broke, and the file host cannot resume: it has no ranges, or the file "
        "changed.",
        head.status);
  } else if (event == Event::other_file || event == Event::other_from_start) {
    failure = make_bad_response("the file changed at the file host in mid-download.", head.status);
  } else if (event == Event::refused || event == Event::passing) {
    failure = {.code = ErrorCode::network,
               .message = "the file host answered with status " + std::to_string(head.status) + ".",
               .http_status = head.status};
  }
  switch (row->action) {
    case Action::accept:
      return accept(fetch, head);
    case Action::accept_over:
      fetch.position = 0;
      fetch.end.reset();
      fetch.passes_over = true;
      return accept(fetch, head);
    case Action::accept_anew:
      // This answer already brings the new version, so the fetch goes on.
      begin_version();
      fetch.position = 0;
      fetch.end.reset();
      return accept(fetch, head);
    case Action::restart:
      if (version_ >= max_versions) return give_up(std::move(failure));
      return restart();
    case Action::retry:
      return retry(fetch, failure, head.retry_after, random);
    case Action::advance:
      return finish(fetch, event);
    case Action::leave:
      return leave(fetch);
    case Action::give_up:
      is_refused_ = event == Event::refused;
      return give_up(std::move(failure));
  }
}

void ClipPlan::finish(Fetch& fetch, Event event) {
  flush(fetch);
  fetch.state = FetchState::idle;
  const auto asked_end = fetch.end ? fetch.end : contents_.size;
  // The host may send a part of what was asked for. The rest is asked for again, but not for ever:
  // such parts must bring the file on.
  const bool is_short = event == Event::ended && count_here_from(fetch.position) == 0 &&
                        (asked_end ? fetch.position < *asked_end : fetch.is_open_part);
  if (is_short && ++short_answers_ > allowed_short_answers + furthest_ / least_short_answer) {
    if (fetch.role == Role::side) return leave(fetch);
    return give_up(make_bad_response("the file host sends the file in too many small parts."));
  }
  if (fetch.role == Role::main && !contents_.size) {
    // Only a request behind this part tells whether the file ends with it.
    if (is_short) return start(fetch, fetch.position, std::nullopt);
    // If the host did not tell the size, the file ends where the answer to the main fetch ends.
    contents_.size = fetch.position;
  }
  advance();
}

void ClipPlan::accept(Fetch& fetch, const Head& head) {
  learn_file(head);
  if (fetch.role == Role::main) contents_.is_known = true;
  fetch.is_open_part = head.status == 206 && !head.total;
  if (fetch.is_tail) {
    fetch.position = head.part->first;
    fetch.end = *head.total;
    fetch.is_tail = false;
  }
  fetch.unflushed = fetch.position;
  fetch.state = FetchState::receiving;
  if (std::exchange(fetch.is_move, false)) {
    // A reader that jumps does not need the bytes that are only in memory.
    if (!settings_.keep) contents_.bytes.add_all_taken();
    drop(main_);
    main_ = std::exchange(side_, {.role = Role::side});
    main_.role = Role::main;
  }
}

void ClipPlan::learn_file(const Head& head) {
  auto& now = contents_;
  const auto size = head.status == 206 ? head.total : head.length;
  if (size && !now.is_size_told) {
    now.size = size;
    now.is_size_told = true;
  }
  if (now.validator.empty()) now.validator = head.validator;
  if (head.status == 206) now.has_ranges = true;
}

void ClipPlan::begin_version() {
  const bool has_nothing = contents_.bytes.is_empty() && !contents_.is_known;
  if (has_nothing && !side_.is_active()) {
    contents_ = {};
    return;
  }
  drop(side_);
  for (const auto piece : contents_.bytes.resident()) command(Command::Kind::evict).first = piece;
  contents_ = {};
  keeping_ = Keeping::downloading;
  ++version_;
  is_awaited_ = false;
  if (settings_.keep) command(Command::Kind::open_file);
}

void ClipPlan::restart() {
  drop(main_);
  begin_version();
  ++total_retries_;
  start(main_, 0, std::nullopt);
}

void ClipPlan::leave(Fetch& fetch) {
  // No reader asked for the tail, so its failure does not mean that side fetches are useless.
  if (!fetch.is_tail) contents_.is_side_useless = true;
  drop(fetch);
  advance();
}

void ClipPlan::retry(Fetch& fetch, const Error& failure,
                     std::optional<std::chrono::seconds> retry_after, double random) {
  flush(fetch);
  const bool may_retry =
      settings_.retries < 0 || fetch.attempts < static_cast<unsigned>(settings_.retries);
  const bool is_main = fetch.role == Role::main;
  if (is_main && !may_retry) return give_up(failure);
  if (!is_main && (fetch.is_tail || !may_retry)) {
    return leave(fetch);
  }
  ++total_retries_;
  // The fetch gets a new id, so late reports about the old request are ignored.
  command(Command::Kind::stop).fetch = fetch.id;
  fetch.id = ++last_id_;
  fetch.state = FetchState::waiting;
  fetch.passes_over = false;
  auto& wait = command(Command::Kind::wait);
  wait.fetch = fetch.id;
  wait.role = fetch.role;
  wait.delay = settings_.backoff.compute_delay(fetch.attempts++, random, retry_after);
}

ClipPlan::Place ClipPlan::assign_place(FetchId id) {
  auto* const fetch = find_fetch(id);
  if (fetch == nullptr) return {};
  const auto& size = contents_.size;
  const auto at = fetch->position;
  // After the last byte only the end of the answer is missing.
  if (contents_.is_size_told && at >= *size) return {Place::Kind::ignore, at, piece_size};
  if (const auto here = count_here_from(at); here > 0) {
    if (!fetch->passes_over) return {Place::Kind::stop, at, 0};
    return {Place::Kind::ignore, at, std::min(here, piece_size)};
  }
  if (fetch->role == Role::main && is_too_early()) {
    fetch->state = FetchState::paused;
    return {Place::Kind::pause, at, 0};
  }
  fetch->state = FetchState::receiving;
  const auto end = std::min(ClipContents::find_piece(at) + piece_size, find_next_here(at));
  return {Place::Kind::put, at, end - at};
}

std::optional<std::uint64_t> ClipPlan::find_put_offset(FetchId id) const {
  for (const auto* const fetch : {&main_, &side_}) {
    const bool is_it =
        fetch->is_active() && fetch->id == id && count_here_from(fetch->position) == 0;
    if (is_it && !(contents_.is_size_told && fetch->position >= *contents_.size)) {
      return fetch->position;
    }
  }
  return std::nullopt;
}

ClipPlan::Commands ClipPlan::on_data(FetchId id, std::uint64_t count) {
  auto* const fetch = find_fetch(id);
  if (fetch == nullptr || count == 0) return {};
  auto& now = contents_;
  if (now.is_size_told && count > *now.size - std::min(*now.size, fetch->position)) {
    Error failure = make_bad_response("the file host sent more bytes than it had announced.");
    act(*fetch, Event::failed, {}, std::move(failure), 0);
    return take_commands();
  }
  const auto first = fetch->position;
  fetch->position += count;
  if (count_here_from(first) > 0) {
    // These bytes are ignored. The next bytes to store begin after them.
    fetch->unflushed = fetch->position;
    return take_commands();
  }
  now.bytes.add(first, fetch->position);
  if (fetch->position % piece_size == 0) flush(*fetch);
  if (fetch->position > furthest_ || now.bytes.count_here() > most_held_) {
    furthest_ = std::max(furthest_, fetch->position);
    most_held_ = std::max(most_held_, now.bytes.count_here());
    fetch->attempts = 0;
  }
  if (!settings_.keep && now.bytes.count_unstored() > unread_limit) {
    give_up({.code = ErrorCode::cache,
             .message = "it is too large to be held in memory, and nothing may be kept: allow "
                        "files with VEO_CACHE_SIZE."});
    return take_commands();
  }
  if (is_complete()) {
    flush(main_);
    flush(side_);
  }
  shrink();
  check_if_complete();
  return take_commands();
}

ClipPlan::Commands ClipPlan::on_end(FetchId id, std::optional<Error> failure, double random) {
  auto* const fetch = find_fetch(id);
  if (fetch == nullptr) return {};
  const auto& now = contents_;
  // If the host did not tell the size, the end of the answer is the end of the file. It cannot be
  // before bytes that are here.
  const bool is_short =
      fetch->role == Role::main && !now.size && fetch->position < now.bytes.find_end();
  if (!failure && is_short) failure = make_cut_off(fetch->position);
  // If every byte is here, the failure of the connection does not matter.
  if (!failure || is_complete()) {
    act(*fetch, Event::ended, {}, {}, random);
  } else {
    const auto event = is_passing_failure(*failure) ? Event::broke : Event::failed;
    act(*fetch, event, {}, std::move(*failure), random);
  }
  return take_commands();
}

ClipPlan::Commands ClipPlan::on_timer(FetchId id) {
  auto* const fetch = find_fetch(id);
  if (fetch == nullptr || fetch->state != FetchState::waiting) return {};
  ask(*fetch);
  return take_commands();
}

ClipPlan::Commands ClipPlan::on_stored(unsigned version, std::uint64_t first, std::uint64_t end,
                                       const Status& stored) {
  if (version != version_ || !settings_.keep || error_) return {};
  if (stored) {
    contents_.bytes.add_stored(first, end);
    shrink();
    resume_if_there_is_room();
    check_if_complete();
  } else {
    stop_storing(stored.error());
  }
  return take_commands();
}

ClipPlan::Commands ClipPlan::on_verdict(unsigned version, std::optional<Error> fault,
                                        double random) {
  if (version != version_ || error_ || keeping_ == Keeping::not_kept) {
    // A fault that a reader finds ends the clip even if the clip is not kept.
    if (version == version_ && !error_ && fault) give_up(std::move(*fault));
    return take_commands();
  }
  if (fault && fault->code == ErrorCode::cache && keeping_ == Keeping::checking && settings_.keep) {
    // The disk has failed. This does not mean that the file is broken.
    keeping_ = Keeping::downloading;
    stop_storing(*fault);
    return take_commands();
  }
  if (!fault) {
    if (keeping_ != Keeping::checking) return {};
    contents_.is_size_shown = true;
    drop(main_);
    drop(side_);
    keeping_ = settings_.keep ? Keeping::keeping : Keeping::not_kept;
    if (settings_.keep) command(Command::Kind::keep);
    return take_commands();
  }
  if (keeping_ == Keeping::kept || keeping_ == Keeping::keeping) {
    command(Command::Kind::forget_kept);
  }
  const bool is_cut = !contents_.is_size_told && contents_.size;
  if (is_cut) {
    fault = make_cut_off(*contents_.size);
  }
  // A broken file may have been an error page, so it is fetched once more. A truncated answer
  // counts as a broken connection.
  const bool is_hopeless = is_committed_ || (!is_cut && std::exchange(was_broken_, true));
  if (is_hopeless || !settings_.has_url) {
    is_refused_ = !is_hopeless;
    give_up(is_hopeless ? std::move(*fault) : make_no_url());
    return take_commands();
  }
  const auto attempts = main_.attempts;
  drop(main_);
  begin_version();
  main_ = {.role = Role::main, .attempts = attempts};
  retry(main_, *fault, std::nullopt, random);
  return take_commands();
}

ClipPlan::Commands ClipPlan::on_kept(unsigned version, const Status& kept) {
  if (version != version_ || keeping_ != Keeping::keeping) return {};
  keeping_ = kept ? Keeping::kept : Keeping::not_kept;
  if (!kept) unkept_ = kept.error();
  return take_commands();
}

// --- readers ---

ClipPlan::Found ClipPlan::find(std::uint64_t offset) {
  if (const auto known = size(); known && offset >= *known) {
    // A reader gets the end only after the clip is kept, so that the next run finds the clip. A
    // later failure does not concern a reader that has all bytes.
    const bool is_settled = keeping_ == Keeping::kept || keeping_ == Keeping::not_kept;
    if (is_settled || error_ || !settings_.keep) return {Found::Kind::end, 0};
    return {Found::Kind::pending, 0};
  }
  // A reader cannot use a file whose size will never be known.
  if (error_ && !size()) return {Found::Kind::failed, 0};
  if (const auto here = count_here_from(offset); here > 0) {
    is_awaited_ = false;
    return {Found::Kind::ready, here};
  }
  if (error_) return {Found::Kind::failed, 0};
  wanted_ = offset;
  is_awaited_ = true;
  is_fetch_needed_ = is_fetch_needed_ || !is_coming(offset) || main_.state == FetchState::paused;
  return {Found::Kind::pending, 0};
}

ClipPlan::Commands ClipPlan::on_wanted() {
  is_fetch_needed_ = false;
  serve_wanted();
  return take_commands();
}

ClipPlan::Commands ClipPlan::on_taken(std::uint64_t first, std::uint64_t end) {
  if (settings_.keep) return {};
  contents_.bytes.add_taken(first, end);
  shrink();
  resume_if_there_is_room();
  return take_commands();
}

bool ClipPlan::commit(unsigned version) {
  if (version != version_) return false;
  is_committed_ = true;
  return true;
}

// --- state ---

bool ClipPlan::is_live(FetchId id) const {
  return std::ranges::any_of(std::array{&main_, &side_}, [id](const Fetch* fetch) {
    return fetch->is_active() && fetch->id == id;
  });
}

std::optional<std::uint64_t> ClipPlan::size() const {
  const bool is_shown = contents_.is_size_told || contents_.is_size_shown;
  return is_shown ? contents_.size : std::nullopt;
}

std::uint64_t ClipPlan::count_stored_from(std::uint64_t offset) const {
  return contents_.bytes.count_stored_from(offset);
}

std::uint64_t ClipPlan::count_here_from(std::uint64_t offset) const {
  return contents_.bytes.count_here_from(offset);
}

std::uint64_t ClipPlan::find_next_here(std::uint64_t offset) const {
  return contents_.bytes.find_next_here(offset,
                                        contents_.is_size_told ? *contents_.size : UINT64_MAX);
}

bool ClipPlan::is_complete() const {
  return contents_.size && contents_.bytes.count_here() == *contents_.size;
}

bool ClipPlan::is_over() const {
  // Bytes that are only in memory may have to be fetched again, even after the clip was complete.
  return error_ || !has_begun_ || (settings_.keep && keeping_ != Keeping::downloading);
}

// --- fetches ---

bool ClipPlan::Fetch::will_soon_bring(std::uint64_t offset) const {
  return is_active() && !is_tail && offset >= position && offset - position < near &&
         (!end || offset < *end);
}

ClipPlan::Fetch* ClipPlan::find_fetch(FetchId id) {
  for (auto* const fetch : {&main_, &side_}) {
    if (fetch->is_active() && fetch->id == id) return fetch;
  }
  return nullptr;
}

void ClipPlan::start(Fetch& fetch, std::uint64_t first, std::optional<std::uint64_t> end) {
  drop(fetch);
  fetch = {.role = fetch.role, .position = first, .end = end, .attempts = fetch.attempts};
  ask(fetch);
}

void ClipPlan::start_tail() {
  drop(side_);
  side_ = {.role = Role::side, .is_tail = true};
  ask(side_);
}

void ClipPlan::ask(Fetch& fetch) {
  fetch.id = ++last_id_;
  fetch.state = FetchState::asked;
  fetch.unflushed = fetch.position;
  auto& asked = command(Command::Kind::fetch);
  asked.fetch = fetch.id;
  asked.role = fetch.role;
  asked.is_suffix = fetch.is_tail;
  asked.first = fetch.is_tail ? tail_size : fetch.position;
  asked.end = fetch.end;
  asked.if_range = contents_.validator;
}

void ClipPlan::drop(Fetch& fetch) {
  if (!fetch.is_active()) return;
  flush(fetch);
  command(Command::Kind::stop).fetch = fetch.id;
  fetch.state = FetchState::idle;
}

void ClipPlan::give_up(Error error) {
  error_ = std::move(error);
  drop(main_);
  drop(side_);
}

void ClipPlan::advance() {
  check_if_complete();
  if (is_over() || !contents_.size || is_complete() || main_.is_active()) return;
  if (!settings_.keep) {
    if (is_awaited_) serve_wanted();
    return;
  }
  // The bytes that the side fetch brings need not be requested again, so the next hole is not known
  // yet.
  if (side_.is_active()) return;
  const auto hole = count_here_from(0);
  start(main_, hole, std::min(find_next_here(hole), *contents_.size));
}

void ClipPlan::check_if_complete() {
  if (error_ || keeping_ != Keeping::downloading || !is_complete()) return;
  const bool is_to_be_checked =
      settings_.keep ? contents_.bytes.count_unstored() == 0 : !contents_.is_size_told;
  if (!is_to_be_checked) return;
  keeping_ = Keeping::checking;
  command(Command::Kind::check);
}

void ClipPlan::serve_wanted() {
  if (is_over()) return;
  const auto& now = contents_;
  if (!is_awaited_ || count_here_from(wanted_) > 0 || is_coming(wanted_)) {
    return resume_if_there_is_room();
  }
  if (now.size && wanted_ >= *now.size) return;
  const auto end = find_next_here(wanted_);
  const auto stop = end == UINT64_MAX ? std::nullopt : std::optional(end);
  // If the side fetch cannot help, the reader waits for the main fetch.
  const bool is_ahead = wanted_ >= main_.position && (!main_.end || wanted_ < *main_.end);
  const bool may_ask_beside = now.has_ranges && !now.is_side_useless;
  if (main_.is_active() && may_ask_beside) {
    start(side_, wanted_, stop);
    side_.is_move = end - wanted_ > small_hole;
    return;
  }
  if (main_.is_active() && is_ahead) return resume_if_there_is_room();
  if (!settings_.keep) contents_.bytes.add_all_taken();
  start(main_, wanted_, stop);
}

bool ClipPlan::is_coming(std::uint64_t offset) const {
  const bool is_in_the_tail = side_.is_active() && side_.is_tail && contents_.is_size_told &&
                              offset + tail_size >= *contents_.size;
  return is_in_the_tail || main_.will_soon_bring(offset) || side_.will_soon_bring(offset);
}

// --- memory and disk ---

void ClipPlan::flush(Fetch& fetch) {
  const auto first = std::exchange(fetch.unflushed, fetch.position);
  if (!settings_.keep || first >= fetch.position || fetch.is_tail) return;
  auto& store = command(Command::Kind::store);
  store.first = first;
  store.end = fetch.position;
}

bool ClipPlan::is_too_early() const {
  const auto& now = contents_;
  if (settings_.keep) return now.bytes.count_unstored() >= unwritten_limit;
  // Before the size is known no reader takes bytes, so a pause would never end.
  const bool is_waited_for = is_awaited_ && wanted_ >= main_.position;
  if (is_waited_for || !size()) return false;
  return now.bytes.count_unread() >= memory_window;
}

void ClipPlan::resume_if_there_is_room() {
  if (main_.state != FetchState::paused || is_too_early()) return;
  main_.state = FetchState::receiving;
  command(Command::Kind::resume).fetch = main_.id;
}

void ClipPlan::shrink() {
  // The driver may be reading from a socket into the piece at the position of a fetch.
  std::vector<std::uint64_t> in_use;
  for (const auto* const fetch : {&main_, &side_}) {
    const bool is_in_one = fetch->is_active() && !fetch->is_tail;
    if (is_in_one) in_use.push_back(ClipContents::find_piece(fetch->position));
  }
  for (const auto piece : contents_.bytes.shrink(memory_window, settings_.keep, in_use)) {
    command(Command::Kind::evict).first = piece;
  }
}

void ClipPlan::stop_storing(const Error& reason) {
  unkept_ = reason;
  settings_.keep = false;
  shrink();
  resume_if_there_is_room();
  check_if_complete();
}

// --- commands ---

ClipPlan::Command& ClipPlan::command(Command::Kind kind) {
  commands_.push_back({.kind = kind, .version = version_});
  return commands_.back();
}

ClipPlan::Commands ClipPlan::take_commands() { return std::exchange(commands_, {}); }

std::string_view nick(ClipPlan::Role role) {
  return role == ClipPlan::Role::main ? "main" : "side";
}

std::string_view nick(ClipPlan::Keeping keeping) {
  constexpr std::string_view nicks[] = {"downloading", "checking", "keeping", "kept", "not kept"};
  return nicks[static_cast<std::size_t>(keeping)];
}

}  // namespace veo
