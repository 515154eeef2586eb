// SPDX-License-Identifier: LGPL-2.1-or-later

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <utility>

#include "batch_file.h"
#include "command.h"
#include "display_text.h"
#include "exit_code.h"
#include "line_cost.h"
#include "line_runner.h"
#include "manifest.h"
#include "output.h"
#include "storyboard.h"
#include "veo/core/digest.h"
#include "veo/core/error_table.h"
#include "veo/core/task_id.h"
#include "veo/source/access.h"

namespace veo::cli {

namespace fs = std::filesystem;
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

class Batch : private LineWork {
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
    auto file = read_batch(arguments_.file, *common, patience, {.suggest_command = suggest_film});
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
    const auto agreed = approve(session_, display_, arguments_, *common, cost_,
                                {.what = "The batch", .limit = limit_, .yes = arguments_.yes});
    if (!agreed) return report_interruption();
    if (!*agreed) return refuse(with_cost(agreed->error()));
    if (!**agreed) return exit_success;
    has_begun_ = true;
    return runner_.run() ? report_end() : report_interruption();
  }

 private:
  struct Wish {
    BatchRequest request;
    LinePrice price;
    bool has_ended = false;  // its video is here, or it has failed
  };

  /// The video of a line that runs.
  struct Video {
    std::optional<Output> output = std::nullopt;  // opened when the first bytes have arrived
    Sha256 digest{};
  };

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
    const auto pricer = LinePricer::open(common, session_.wakeup);
    // After an interruption the caller reads `interruption` and ignores the error.
    if (!pricer) return fail(Error{});
    if (!*pricer) return fail(pricer->error());
    for (auto& request : requests) {
      if (mistakes.contains(request.line)) continue;
      if (is_here(request.id)) {
        ++completed_;
        continue;
      }
      const auto priced = (*pricer)->price(request, mistakes);
      if (!priced) return fail(Error{});
      if (!*priced) {
        return fail(mistakes.empty() ? priced->error() : mistakes_in(arguments_.file, mistakes));
      }
      if (!**priced) continue;
      wishes_.push_back({.request = std::move(request), .price = ***priced});
    }
    if (!mistakes.empty()) return fail(mistakes_in(arguments_.file, mistakes));
    here_ = completed_;
    for (const auto& wish : wishes_) cost_.add(wish.price);
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
    const auto to_submit = cost_.to_submit();
    json event{{"event", "batch"},       {"lines", lines_},
               {"here", here_},          {"paid", wishes_.size() - to_submit},
               {"to-submit", to_submit}, {"credits", nullptr}};
    if (cost_.credits()) event["credits"] = *cost_.credits();
    display_.tell(std::move(event));
    std::string text = count_text(lines_, "request") + ": ";
    if (here_ > 0) text += std::to_string(here_) + " here already, ";
    display_.say(text + cost_.describe_plan(wishes_.size()) + ".");
  }

  // --- the run ---

  std::optional<NextLine> take_next() override {
    for (; next_ < wishes_.size(); ++next_) {
      const auto& wish = wishes_[next_];
      if (!stopped_ || wish.price.is_paid) {
        return NextLine{.line = next_++, .settings = wish.request.settings};
      }
      ++not_submitted_;
      tell_line(wish, {{"status", "not-submitted"}});
    }
    return std::nullopt;
  }

  /// Returns the video of the line, whose output is open.
  Result<Video*> open_video(const RunningLine& running) {
    auto& video = videos_[running.line];
    if (video.output) return &video;
    const auto file =
        fs::path(arguments_.directory) / file_of(running.source->snapshot().job.task_id);
    auto output = Output::open(file.string(), session_.interruption);
    if (!output) return fail(std::move(output.error()));
    video.output.emplace(std::move(*output));
    return &video;
  }

  Status on_bytes(const RunningLine& running, std::span<const std::uint8_t> bytes) override {
    const auto video = open_video(running);
    if (!video) return fail(video.error());
    (*video)->digest.add(bytes);
    const auto written = (*video)->output->write(bytes);
    return written ? Status{} : fail(written.error());
  }

  Status on_complete(const RunningLine& running) override {
    const auto video = open_video(running);
    if (!video) return fail(video.error());
    const auto finished = (*video)->output->finish("");
    if (!finished) return fail(finished.error());
    complete(running, **video);
    videos_.erase(running.line);
    return {};
  }

  void complete(const RunningLine& running, Video& video) {
    auto& wish = wishes_[running.line];
    wish.has_ended = true;
    const auto seen = running.source->snapshot();
    const auto& task_id = seen.job.task_id;
    json credits;
    if (seen.credits) credits = *seen.credits;
    if (!record(wish, {{"status", "completed"},
                       {"task-id", task_id},
                       {"file", file_of(task_id)},
                       {"bytes", running.bytes},
                       {"sha256", video.digest.finish()},
                       {"credits", std::move(credits)},
                       {"reused", seen.reused}})) {
      return;
    }
    ++completed_;
    if (!display_.moves()) {
      display_.say(at_line(arguments_.file, wish.request.line,
                           "saved " + arguments_.directory + "/" + file_of(task_id)));
    }
  }

  void on_failure(std::size_t index, Error error) override {
    auto& wish = wishes_[index];
    wish.has_ended = true;
    videos_.erase(index);
    if (error_row(error.code).ends_batch) stopped_ = true;
    const bool is_unknown = error.code == ErrorCode::submit_unknown;
    display_.say(
        at_line(arguments_.file, wish.request.line, "failed: " + std::string(nick(error.code))));
    json entry{{"status", is_unknown ? "submit-unknown" : "failed"}, {"error", to_json(error)}};
    if (!error.task_id.empty()) entry["task-id"] = error.task_id;
    failures_.add(wish.request.line, std::move(error));
    static_cast<void>(record(wish, std::move(entry)));
  }

  /// Adds the result to the manifest, and reports it after that.
  bool record(const Wish& wish, json entry) {
    describe(wish, entry);
    const auto added = manifest_->add(entry);
    if (!added) {
      stopped_ = true;
      failures_.add(wish.request.line, added.error());
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

  void show(std::size_t running) override {
    const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - began_);
    const auto ended = completed_ + failures_.count() + not_submitted_;
    std::string text = pad(clock_text(elapsed), 4) + "  " + std::to_string(completed_) + " of " +
                       std::to_string(lines_) + " here, " + std::to_string(running) + " under way";
    if (failures_.count() > 0) text += ", " + std::to_string(failures_.count()) + " failed";
    display_.show(
        "Batch", static_cast<double>(ended) / static_cast<double>(std::max(lines_, std::size_t{1})),
        text);
  }

  // --- its end ---

  int report_end() {
    display_.say(std::to_string(completed_) + " of " + std::to_string(lines_) + " in " +
                 arguments_.directory + ".");
    failures_.say(display_, arguments_.file);
    if (not_submitted_ > 0) {
      display_.say(count_text(not_submitted_, "request") +
                   (not_submitted_ == 1 ? " was" : " were") +
                   " not submitted, because each would have failed in the same way.");
    }
    if (failures_.has_unknown()) {
      display_.say(
          "Until you decide, the same line again stops at these submissions again. It goes on with "
          "the other missing requests, and pays nothing twice.");
    } else if (failures_.count() > 0 || not_submitted_ > 0) {
      display_.say(
          "The same line again goes on with the missing requests, and pays nothing twice.");
    }
    const int code = failures_.exit_code();
    display_.tell({{"event", "batch-done"},
                   {"lines", lines_},
                   {"completed", completed_},
                   {"failed", failures_.count()},
                   {"not-submitted", not_submitted_},
                   {"exit-code", code}});
    return code;
  }

  int report_interruption() {
    std::string next = "Nothing was sent, and nothing is paid.";
    if (has_begun_) {
      LeftWork left;
      for (std::size_t i = 0; i < wishes_.size(); ++i) {
        const auto& [request, price, has_ended] = wishes_[i];
        if (!has_ended) left.add(request.line, price, runner_.find(i));
      }
      next = std::to_string(completed_) + " of " + std::to_string(lines_) + " here. ";
      if (failures_.count() > 0) next += std::to_string(failures_.count()) + " failed. ";
      next += left.describe("request");
    }
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
  LineCost cost_;
  Credits limit_ = 0;                    // 0: none
  std::vector<Wish> wishes_;             // the requests whose videos are not here yet
  std::size_t next_ = 0;                 // index in wishes_ of the next request to start
  std::map<std::size_t, Video> videos_;  // by the index in wishes_
  LineRunner runner_{session_, display_, *this, arguments_.jobs};
  bool has_begun_ = false;  // the requests run
  bool stopped_ = false;    // the batch submits nothing more
  std::size_t completed_ = 0;
  std::size_t not_submitted_ = 0;
  LineFailures failures_;
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
