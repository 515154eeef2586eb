// SPDX-License-Identifier: LGPL-2.1-or-later
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <list>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <variant>

#include "batch_file.h"
#include "command.h"
#include "display_text.h"
#include "exit_code.h"
#include "manifest.h"
#include "output.h"
#include "veo/core/budget.h"
#include "veo/core/digest.h"
#include "veo/core/error_table.h"
#include "veo/core/task_id.h"
#include "veo/source/access.h"
#include "veo/source/account.h"

namespace veo::cli {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

struct BatchArguments : Arguments {
  std::string file;
  std::string directory;
  unsigned jobs = 4;
  bool yes = false;
};

/// Returns the name of the task's video in the batch's directory.
std::string file_of(const std::string& task_id) { return make_task_file_stem(task_id) + ".mp4"; }

class Batch {
 public:
  Batch(Session& session, const BatchArguments& arguments, Display& display)
      : session_(session), arguments_(arguments), display_(display) {}

  int run() {
    auto common = arguments_.settings();
    if (!common) return refuse(common.error());
    limit_ = std::exchange(common->max_credits, 0);
    const bool is_dry = std::exchange(common->dry_run, false);
    if (!arguments_.has("layout")) common->layout = LayoutMode::original;
    // A file that is a pipe may be written by hand, or by a program that takes its time.
    const Patience patience{.timeout = std::chrono::hours(24),
                            .is_cancelled = [this] { return session_.interruption.happened(); }};
    auto file = read_batch(arguments_.file, *common, patience);
    if (!file) {
      return session_.interruption.happened() ? report_interruption() : refuse(file.error());
    }
    if (!is_dry) {
      auto manifest = Manifest::open(arguments_.directory);
      if (!manifest) return refuse(manifest.error());
      manifest_.emplace(std::move(*manifest));
    }
    if (auto sorted = sort_requests(std::move(*file), *common); !sorted) {
      return session_.interruption.happened() ? report_interruption() : refuse(sorted.error());
    }
    tell_price();
    if (is_dry) return exit_success;
    if (const auto notice = make_plain_http_notice(common->access); !notice.empty()) {
      display_.say(notice);
    }
    if (auto permitted = check_permission(*common); !permitted) {
      return session_.interruption.happened() ? report_interruption()
                                              : refuse(with_cost(permitted.error()));
    }
    if (!is_agreed())
      return session_.interruption.happened() ? report_interruption() : exit_success;
    return run_all();
  }

 private:
  struct Wish {
    BatchRequest request;
    bool is_reused = false;  ///< the task is paid already, or will not be submitted
    std::optional<std::uint32_t> credits;
  };

  struct Running {
    const Wish* wish = nullptr;
    std::unique_ptr<Source> source;
    std::optional<Output> output = std::nullopt;  // opened when the first bytes have arrived
    std::uint64_t bytes = 0;
    Sha256 digest{};
  };

  struct Failure {
    std::size_t line = 0;
    Error error;
  };

  enum class Step { waits, moved, ended };

  int refuse(const Error& error) {
    display_.failed(error);
    return exit_code(error.code);
  }

  // --- before anything is sent ---

  /// Finds out which videos are here, which tasks are paid, and what the rest costs. Fails if a
  /// request would be refused; the message contains all such requests.
  Status sort_requests(BatchFile file, const Options& common) {
    // Price the good lines even if others have mistakes, so that one message has all mistakes.
    auto& [requests, mistakes] = file;
    lines_ = requests.size();
    const auto records =
        read_history(common.ledger, {.states = {RecordState::unknown}}, session_.wakeup);
    // After an interruption the caller reads `interruption` and ignores the error.
    if (!records) return fail(Error{});
    if (!*records) return fail(records->error());
    std::set<std::string_view> unknown;
    for (const auto& record : **records) unknown.insert(record.intent);
    for (auto& request : requests) {
      if (mistakes.contains(request.line)) continue;
      if (is_here(request.id)) {
        ++completed_;
        continue;
      }
      auto settings = request.settings;
      settings.dry_run = true;
      auto priced = Source::open(std::move(settings), session_.wakeup);
      if (!priced) return fail({.code = ErrorCode::network, .message = "It was interrupted."});
      if (!*priced) {
        const auto& error = priced->error();
        if (error.code != ErrorCode::invalid_request) {
          return fail(mistakes.empty() ? error : mistakes_in(arguments_.file, mistakes));
        }
        mistakes.emplace(request.line, error.message);
        continue;
      }
      const auto seen = (**priced)->snapshot();
      const bool is_reused =
          seen.reused || !request.settings.task_id.empty() ||
          (unknown.contains(request.id) && request.settings.on_unknown != OnUnknown::resubmit);
      wishes_.push_back(
          {.request = std::move(request), .is_reused = is_reused, .credits = seen.credits});
    }
    if (!mistakes.empty()) return fail(mistakes_in(arguments_.file, mistakes));
    here_ = completed_;
    for (const auto& wish : wishes_) {
      if (wish.is_reused) continue;
      ++to_submit_;
      if (wish.credits && price_) *price_ += *wish.credits;
      if (!wish.credits) price_.reset();
    }
    return {};
  }

  bool is_here(const std::string& id) const {
    if (!manifest_) return false;
    const auto entry = manifest_->find(id);
    if (entry.is_null() || entry.value("status", "") != "completed") return false;
    std::error_code error;
    const auto size =
        fs::file_size(fs::path(arguments_.directory) / entry.value("file", ""), error);
    return !error && size == entry.value("bytes", std::uint64_t{0});
  }

  void tell_price() {
    json event{{"event", "batch"},        {"lines", lines_},
               {"here", here_},           {"paid", wishes_.size() - to_submit_},
               {"to-submit", to_submit_}, {"credits", nullptr}};
    if (price_) event["credits"] = *price_;
    display_.tell(std::move(event));
    std::string text = count_text(lines_, "request") + ": ";
    if (here_ > 0) text += std::to_string(here_) + " here already, ";
    if (wishes_.size() > to_submit_) {
      text += std::to_string(wishes_.size() - to_submit_) + " without a payment, ";
    }
    text += std::to_string(to_submit_) + " to submit";
    if (to_submit_ > 0) {
      text += price_ ? " for " + std::to_string(*price_) + " credits"
                     : std::string(" for a price that the catalog does not know");
    }
    display_.say(text + ".");
  }

  /// Checks whether the run may spend the price of all requests.
  Status check_permission(const Options& common) {
    if (to_submit_ == 0) return {};
    const bool is_over = !price_ || *price_ > limit_;
    if (limit_ > 0 && is_over) {
      return fail(
          {.code = ErrorCode::budget_exceeded,
           .message =
               "The batch would cost " +
               (price_ ? std::to_string(*price_) + " credits" : "an unknown price") +
               ", and --max-credits=" + std::to_string(limit_) +
               " allows no more than that. Nothing was sent. Raise the limit, or remove lines."});
    }
    std::vector<std::string> notices;
    auto access = open_access(common.access, session_.wakeup, &notices);
    // After an interruption the caller reads `interruption` and ignores the error.
    if (!access) return fail(Error{});
    if (!*access) return fail(std::move(access->error()));
    for (const auto& notice : notices) display_.say(notice);
    if (!arguments_.yes && !is_interactive()) {
      return fail(
          {.code = ErrorCode::invalid_request,
           .message =
               "The batch would cost " +
               (price_ ? std::to_string(*price_) + " credits" : std::string("an unknown price")) +
               ", and veo cannot ask you here. Nothing was sent. --yes agrees to the "
               "price."});
    }
    return {};
  }

  [[nodiscard]] bool is_interactive() const {
    return arguments_.kind() == Display::Kind::automatic && ::isatty(STDIN_FILENO) != 0 &&
           ::isatty(STDERR_FILENO) != 0;
  }

  [[nodiscard]] bool is_agreed() const {
    if (to_submit_ == 0 || arguments_.yes) return true;
    std::fputs("Go on? [y/N] ", stderr);
    std::array<pollfd, 2> fds{{{STDIN_FILENO, POLLIN, 0}, {session_.interruption.fd(), POLLIN, 0}}};
    while (::poll(fds.data(), fds.size(), -1) < 0) {
    }
    std::array<char, 64> answer{};
    if (fds[1].revents != 0 || ::read(STDIN_FILENO, answer.data(), answer.size()) <= 0) {
      std::fputs("\n", stderr);
      return false;
    }
    const bool yes = answer[0] == 'y' || answer[0] == 'Y';
    if (!yes) std::fputs("Nothing was sent.\n", stderr);
    return yes;
  }

  // --- the run ---

  int run_all() {
    const auto next_redraw = [this] {
      return std::chrono::steady_clock::now() + (display_.moves() ? redraw_interval : 60s);
    };
    const auto code = session_.wakeup->wait_for([this] { return advance_all(); }, next_redraw);
    return code ? *code : report_interruption();
  }

  /// Advances each running request until all of them wait. Returns the exit code when the batch has
  /// ended.
  std::optional<int> advance_all() {
    for (bool moved = true; moved;) {
      if (session_.interruption.happened()) return report_interruption();
      start_more();
      moved = false;
      for (auto running = running_.begin(); running != running_.end();) {
        const auto step = advance(*running);
        moved = moved || step != Step::waits;
        running = step == Step::ended ? running_.erase(running) : std::next(running);
      }
      show();
      if (running_.empty() && next_ == wishes_.size()) return report_end();
    }
    return std::nullopt;
  }

  void start_more() {
    for (; running_.size() < arguments_.jobs && next_ < wishes_.size(); ++next_) {
      const auto& wish = wishes_[next_];
      if (stopped_ && !wish.is_reused) {
        ++not_submitted_;
        tell_line(wish, {{"status", "not-submitted"}});
        continue;
      }
      auto opened = Source::open(wish.request.settings, session_.wakeup);
      if (!opened) return;
      if (!*opened) {
        fail_line(wish, std::move(opened->error()));
        continue;
      }
      (**opened)->start();
      running_.push_back({.wish = &wish, .source = std::move(**opened)});
    }
  }

  /// Writes the bytes of the video that have arrived, if there are any.
  Step advance(Running& running) {
    auto there = running.source->at(running.bytes);
    if (auto* error = std::get_if<Error>(&there)) {
      return fail_line(*running.wish, std::move(*error));
    }
    if (std::holds_alternative<Clip::Pending>(there)) return Step::waits;
    const auto task_id = running.source->snapshot().job.task_id;
    const auto fail_here = [&](Error error) {
      error.task_id = task_id;
      error.charged = Charged::unknown;
      return fail_line(*running.wish, std::move(error));
    };
    if (!running.output) {
      const auto file = fs::path(arguments_.directory) / file_of(task_id);
      auto output = Output::open(file.string(), session_.interruption);
      if (!output) return fail_here(std::move(output.error()));
      running.output.emplace(std::move(*output));
    }
    const auto* ready = std::get_if<Clip::Ready>(&there);
    if (ready == nullptr) {
      auto finished = running.output->finish("");
      if (!finished) return fail_here(std::move(finished.error()));
      return complete(running, task_id);
    }
    auto taken =
        running.source->take(running.bytes, std::min<std::uint64_t>(ready->size, largest_piece));
    if (!taken) return fail_here(std::move(taken.error()));
    running.bytes += taken->bytes.size();
    running.digest.add(taken->bytes);
    const auto written = running.output->write(taken->bytes);
    return written ? Step::moved : fail_here(written.error());
  }

  Step complete(Running& running, const std::string& task_id) {
    const auto seen = running.source->snapshot();
    json credits;
    if (seen.credits) credits = *seen.credits;
    if (!record(*running.wish, {{"status", "completed"},
                                {"task-id", task_id},
                                {"file", file_of(task_id)},
                                {"bytes", running.bytes},
                                {"sha256", running.digest.finish()},
                                {"credits", std::move(credits)},
                                {"reused", seen.reused}})) {
      return Step::ended;
    }
    ++completed_;
    if (!display_.moves()) {
      display_.say(at_line(arguments_.file, running.wish->request.line,
                           "saved " + arguments_.directory + "/" + file_of(task_id)));
    }
    return Step::ended;
  }

  Step fail_line(const Wish& wish, Error error) {
    if (session_.interruption.happened()) return Step::ended;
    if (error_row(error.code).ends_batch) stopped_ = true;
    const bool is_unknown = error.code == ErrorCode::submit_unknown;
    display_.say(
        at_line(arguments_.file, wish.request.line, "failed: " + std::string(nick(error.code))));
    json entry{{"status", is_unknown ? "submit-unknown" : "failed"}, {"error", to_json(error)}};
    if (!error.task_id.empty()) entry["task-id"] = error.task_id;
    failures_.push_back({.line = wish.request.line, .error = std::move(error)});
    static_cast<void>(record(wish, std::move(entry)));
    return Step::ended;
  }

  /// Adds the result to the manifest, and reports it after that.
  bool record(const Wish& wish, json entry) {
    describe(wish, entry);
    const auto added = manifest_->add(entry);
    if (!added) {
      stopped_ = true;
      failures_.push_back({.line = wish.request.line, .error = added.error()});
    }
    tell_line(wish, std::move(entry));
    return added.has_value();
  }

  static void describe(const Wish& wish, json& entry) {
    const auto& settings = wish.request.settings;
    entry["id"] = wish.request.id;
    entry["line"] = wish.request.line;
    entry["prompt"] = settings.request.prompt;
    entry["take"] = settings.take;
    if (!settings.request_id.empty()) entry["request-id"] = settings.request_id;
  }

  void tell_line(const Wish& wish, json entry) {
    describe(wish, entry);
    for (const char* const member :
         {"task-id", "file", "bytes", "sha256", "credits", "reused", "error"}) {
      if (!entry.contains(member)) entry[member] = nullptr;
    }
    entry["event"] = "line";
    display_.tell(std::move(entry));
  }

  void show() {
    const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - began_);
    const auto ended = completed_ + failures_.size() + not_submitted_;
    std::string text = pad(clock_text(elapsed), 4) + "  " + std::to_string(completed_) + " of " +
                       std::to_string(lines_) + " here, " + std::to_string(running_.size()) +
                       " under way";
    if (!failures_.empty()) text += ", " + std::to_string(failures_.size()) + " failed";
    display_.show(
        "Batch", static_cast<double>(ended) / static_cast<double>(std::max(lines_, std::size_t{1})),
        text);
  }

  // --- its end ---

  int report_end() {
    std::ranges::sort(failures_, {}, &Failure::line);
    display_.say(std::to_string(completed_) + " of " + std::to_string(lines_) + " in " +
                 arguments_.directory + ".");
    bool is_unknown = false;
    for (const auto& [line, error] : failures_) {
      is_unknown = is_unknown || error.code == ErrorCode::submit_unknown;
      display_.say(
          at_line(arguments_.file, line, std::string(nick(error.code)) + ": " + error.message));
    }
    if (not_submitted_ > 0) {
      display_.say(count_text(not_submitted_, "request") +
                   (not_submitted_ == 1 ? " was" : " were") +
                   " not submitted, because each would have failed in the same way.");
    }
    if (is_unknown) {
      display_.say(
          "veo does not know whether the service accepted these submissions, so it does not repeat "
          "them. Look at your account. If it shows the task, add its \"task-id\" to that line. If "
          "it "
          "shows none, \"on-unknown\": \"resubmit\" submits the line again.");
    }
    if (!failures_.empty() || not_submitted_ > 0) {
      display_.say(
          "The same line again goes on with the missing requests, and pays nothing twice.");
    }
    const int code = worst_exit_code();
    display_.tell({{"event", "batch-done"},
                   {"lines", lines_},
                   {"completed", completed_},
                   {"failed", failures_.size()},
                   {"not-submitted", not_submitted_},
                   {"exit-code", code}});
    return code;
  }

  /// The exit code of the failure that the user must look at first.
  [[nodiscard]] int worst_exit_code() const {
    if (failures_.empty()) return exit_success;
    const auto rank = [](const Failure& failure) -> int {
      return error_row(failure.error.code).batch_rank;
    };
    return exit_code(std::ranges::min_element(failures_, {}, rank)->error.code);
  }

  int report_interruption() {
    const auto tasks = std::ranges::count_if(running_, [](const Running& running) {
      return !running.source->snapshot().job.task_id.empty();
    });
    const auto next = std::to_string(completed_) + " of " + std::to_string(lines_) +
                      " are here, and " + count_text(static_cast<std::size_t>(tasks), "task") +
                      (tasks == 1 ? " goes" : " go") +
                      " on without us. The same line again goes on with them, and pays nothing "
                      "twice.";
    display_.interrupted("", next);
    return exit_interrupted;
  }

  Session& session_;
  const BatchArguments& arguments_;
  Display& display_;
  std::optional<Manifest> manifest_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::size_t lines_ = 0;
  std::size_t here_ = 0;  // how many videos were here before the run
  std::size_t to_submit_ = 0;
  std::optional<Credits> price_ = 0;  // of the requests to submit; nullopt: unknown
  Credits limit_ = 0;                 // 0: none
  std::vector<Wish> wishes_;          // the requests whose videos are not here yet
  std::size_t next_ = 0;              // index in wishes_ of the next request to start
  std::list<Running> running_;
  bool stopped_ = false;  // the batch submits nothing more
  std::size_t completed_ = 0;
  std::size_t not_submitted_ = 0;
  std::vector<Failure> failures_;
};

}  // namespace

void add_batch(Command& app, Action& chosen) {
  auto command = app.add_command("batch", "make a video for each line of a file; costs credits");
  const auto arguments = std::make_shared<BatchArguments>();
  command.add_option("file", arguments->file, "JSON lines, one request each")
      .set_form("FILE.jsonl")
      .set_required();
  command
      .add_option("-o,--output", arguments->directory,
                  "where to: a directory (default FILE without .jsonl)")
      .set_form("DIR");
  command.add_option("-j,--jobs", arguments->jobs, "so many at a time (default 4)")
      .set_form("N")
      .set_range(1, 256);
  command.add_flag("-y,--yes", arguments->yes, "agree to the price");
  using Group = Option::Group;
  add_arguments(command, *arguments,
                {Group::money, Group::files, Group::service, Group::waiting, Group::stream},
                {"task-id", "take", "request-id", "reuse"});
  command.set_footer(
      R"(A line is an object whose members are veosrc's properties, such as
  {"prompt": "a dog in a park", "mode": "quality", "seed": 12345}
Equal lines are takes of one request: 200 of them are 200 videos. Each video is
DIR/TASK.mp4, and DIR/manifest.jsonl tells which is whose. The same command again
goes on where it stopped, and pays nothing twice. --max-credits is for the batch.

Examples:
  veo batch shots.jsonl --dry-run
  veo batch shots.jsonl -o shots --jobs 8 --max-credits 2000 --yes)");
  command.on_chosen([arguments, &chosen] {
    if (arguments->directory.empty()) {
      const fs::path file(arguments->file);
      arguments->directory = file.extension() == ".jsonl"
                                 ? fs::path(file).replace_extension("").string()
                                 : file.string() + ".d";
    }
    chosen = [arguments](Session& session) {
      Display display(arguments->kind());
      return Batch(session, *arguments, display).run();
    };
  });
}

}  // namespace veo::cli
