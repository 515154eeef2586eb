// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `veo film` makes one film of a storyboard:
//
//   read the file ─► price all shots ─► agree ─► run the shots ─► join their clips ─► the film's
//   file
//
// Shots of different chains run at the same time. A shot that continues another one begins when the
// clip of that shot is here and can be a part of the film, so a clip that cannot be joined costs no
// continuation. Each task is in the ledger and each clip in the cache, so the command itself keeps
// no record: a run after a kill finds what is paid.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "deliver.h"
#include "display_text.h"
#include "exit_code.h"
#include "film_writer.h"
#include "line_cost.h"
#include "line_runner.h"
#include "shots.h"
#include "veo/core/error_table.h"
#include "veo/media/library.h"
#include "veo/source/access.h"
#include "veo/source/film.h"
#include "veo/source/streams.h"

namespace veo::cli {

using nlohmann::json;

namespace {

struct FilmArguments : Deliver {
  std::string storyboard;
  unsigned jobs = 4;
  bool yes = false;
};

class StoryboardFilm : private LineWork {
 public:
  StoryboardFilm(Session& session, const FilmArguments& arguments, Display& display)
      : session_(session), arguments_(arguments), display_(display) {}

  int run() {
    auto common = arguments_.settings();
    if (!common) return refuse(common.error());
    common_ = std::move(*common);
    limit_ = std::exchange(common_.max_credits, 0);
    const bool is_dry = std::exchange(common_.dry_run, false);
    // A file that is a pipe may be written by hand, or by a program that takes its time.
    const Patience patience{.timeout = std::chrono::hours(24),
                            .is_cancelled = [this] { return session_.interruption.happened(); }};
    auto read = Shots::read(arguments_.storyboard, common_, patience, session_.wakeup);
    if (!read) return report_interruption();
    if (!*read) return refuse(read->error());
    shots_ = std::move(**read);
    tell_price();
    if (is_dry) return tell_plan();
    if (auto ready = check_place(); !ready) return refuse(with_cost(ready.error()));
    if (const auto notice = make_plain_http_notice(common_.access); !notice.empty()) {
      display_.say(notice);
    }
    const auto agreed =
        approve(session_, display_, arguments_, common_, shots_.cost(),
                {.what = "The film", .limit = limit_, .yes = arguments_.yes, .needs_all = true});
    if (!agreed) return report_interruption();
    if (!*agreed) return refuse(with_cost(agreed->error()));
    if (!**agreed) return exit_success;
    has_begun_ = true;
    if (!runner_.run()) return report_interruption();
    return completed_ == shots_.list().size() ? make_film() : report_failures();
  }

 private:
  using State = Shot::State;

  /// Reports why nothing was done. After an interruption the error only says that.
  int refuse(const Error& error) {
    if (session_.interruption.happened()) return report_interruption();
    display_.failed(error);
    return exit_code(error.code);
  }

  // --- before anything is sent ---

  void tell_price() {
    const auto to_submit = shots_.cost().to_submit();
    const auto paid = shots_.list().size() - to_submit;
    const auto chains = std::ranges::count_if(
        shots_.list(), [](const Shot& shot) { return !shot.parent.has_value(); });
    json event{{"event", "film"}, {"shots", shots_.list().size()}, {"chains", chains},
               {"paid", paid},    {"to-submit", to_submit},        {"credits", nullptr}};
    if (shots_.cost().credits()) event["credits"] = *shots_.cost().credits();
    display_.tell(std::move(event));
    std::string text = count_text(shots_.list().size(), "shot") + ": ";
    text += shots_.cost().describe_plan(shots_.list().size());
    display_.say(text + ".");
  }

  int tell_plan() {
    for (const auto& shot : shots_.list()) {
      const auto& [is_paid, is_unknown, credits] = shot.price;
      std::string text = is_unknown ? "of an unknown submission, which is not repeated and may be "
                                      "paid"
                         : is_paid  ? "paid already"
                                    : "to submit";
      if (!is_paid) {
        text += credits ? ", " + count_text(*credits, "credit") : ", of an unknown price";
      }
      if (const auto* const parent = shots_.parent_of(shot)) {
        text += ", continues line " + std::to_string(parent->request.line);
      }
      if (!shot.task_id.empty()) text += ", task " + shot.task_id;
      const auto& prompt = shot.request.settings.request.prompt;
      if (!prompt.empty()) text += ": " + prompt;
      display_.say(at_line(arguments_.storyboard, shot.request.line, text));
      tell_shot(shot, {{"status", is_unknown ? "submit-unknown" : is_paid ? "paid" : "to-submit"}});
    }
    return exit_success;
  }

  /// Checks what would make the film impossible after it is paid.
  Status check_place() {
    const auto media = media::load();
    if (!media) return fail(media.error());
    media_ = *media;
    std::error_code not_there;
    if (std::filesystem::equivalent(arguments_.storyboard, arguments_.output, not_there)) {
      return fail(
          {.code = ErrorCode::invalid_request,
           .message = "The film would replace its storyboard " + arguments_.storyboard +
                      ": name another file with -o. Nothing was sent, and nothing is paid."});
    }
    // The film is opened again when all shots are here. Until then no unfinished file lies around.
    const auto output = Output::open(arguments_.output, session_.interruption);
    return output ? Status{} : fail(output.error());
  }

  // --- the shots ---

  std::optional<NextLine> take_next() override {
    for (std::size_t i = 0; i < shots_.list().size(); ++i) {
      auto& shot = shots_.list()[i];
      if (shot.state != State::waits) continue;
      // A shot that names its task needs no parent.
      const auto* const parent =
          shot.request.settings.task_id.empty() ? shots_.parent_of(shot) : nullptr;
      const bool has_no_parent = parent != nullptr && (parent->state == State::failed ||
                                                       parent->state == State::not_submitted);
      if (has_no_parent || (stopped_ && !shot.price.is_paid)) {
        shot.state = State::not_submitted;
        ++not_submitted_;
        tell_shot(shot, {{"status", "not-submitted"}});
        continue;
      }
      if (parent != nullptr && parent->state != State::completed) continue;
      shots_.set_parent_task(shot);
      shot.state = State::runs;
      shot.task_id.clear();  // until the service or the ledger names it
      return NextLine{.line = i, .settings = shot.request.settings};
    }
    return std::nullopt;
  }

  void on_change(const RunningLine& running) override {
    auto& shot = shots_.list()[running.line];
    const auto seen = running.source->snapshot();
    if (seen.job.task_id.empty()) return;
    if (shot.task_id.empty()) {
      shot.task_id = seen.job.task_id;
      tell_shot(shot, {{"status", "running"}, {"reused", seen.reused}});
    }
    // The clip of a completed task does not know at once whether the cache has the file.
    const bool is_known =
        seen.job.phase != Job::Phase::completed || seen.cached || seen.clip.requests > 0;
    if (is_known) name_task(shot, seen);
  }

  /// Tells people once which task the shot has, and whether the shot is paid by this run.
  void name_task(Shot& shot, const Source::Snapshot& seen) {
    if (display_.moves() || std::exchange(shot.is_named, true)) return;
    const bool names_its_task = !shot.request.settings.task_id.empty();
    const auto text = seen.cached      ? "the video of task " + shot.task_id + " is in the cache"
                      : names_its_task ? "takes the video of task " + shot.task_id
                      : seen.reused    ? "goes on with task " + shot.task_id
                                       : "submitted task " + shot.task_id;
    display_.say(at_line(arguments_.storyboard, shot.request.line, text));
  }

  /// The bytes of a clip go into the cache. The film needs them only when all clips are here.
  Status on_bytes(const RunningLine& /*running*/,
                  std::span<const std::uint8_t> /*bytes*/) override {
    return {};
  }

  Status on_complete(const RunningLine& running) override {
    auto& shot = shots_.list()[running.line];
    const auto seen = running.source->snapshot();
    shot.task_id = seen.job.task_id;
    if (seen.job.report) shot.upstream_id = seen.job.report->upstream_task_id.value_or("");
    if (auto fits = check_format(shot.task_id); !fits) return fits;
    shot.state = State::completed;
    ++completed_;
    json told{{"status", "completed"}, {"reused", seen.reused}};
    if (seen.credits) told["credits"] = *seen.credits;
    tell_shot(shot, told);
    name_task(shot, seen);
    if (!display_.moves() && !seen.cached) {
      display_.say(at_line(arguments_.storyboard, shot.request.line, "the video is here"));
    }
    return {};
  }

  /// Checks that the clip can be a part of the film.
  Status check_format(const std::string& task_id) {
    const auto clip = open(task_id);
    if (!clip) return fail(clip.error());
    auto format = media_->probe(**clip);
    auto mismatch = format ? std::optional<Error>() : format.error();
    if (format && !formats_.empty()) {
      mismatch = media::find_mismatch(formats_.begin()->second, *format);
    }
    if (mismatch) {
      if (mismatch->code == ErrorCode::bad_media) {
        mismatch->message = "The video of task " + task_id +
                            " is paid, but cannot be a part of the film: " + mismatch->message;
      }
      return fail(std::move(*mismatch));
    }
    formats_.emplace(task_id, std::move(*format));
    return {};
  }

  void on_failure(std::size_t index, Error error) override {
    auto& shot = shots_.list()[index];
    shot.state = State::failed;
    if (error_row(error.code).ends_batch) stopped_ = true;
    const bool is_unknown = error.code == ErrorCode::submit_unknown;
    display_.say(at_line(arguments_.storyboard, shot.request.line,
                         "failed: " + std::string(nick(error.code))));
    if (shot.task_id.empty()) shot.task_id = error.task_id;
    tell_shot(shot,
              {{"status", is_unknown ? "submit-unknown" : "failed"}, {"error", to_json(error)}});
    failures_.add(shot.request.line, std::move(error));
  }

  /// Tells machines of the shot. `more` has the members that change.
  void tell_shot(const Shot& shot, const json& more) {
    const auto& settings = shot.request.settings;
    json event{{"event", "shot"},
               {"line", shot.request.line},
               {"continues", nullptr},
               {"status", nullptr},
               {"prompt", settings.request.prompt},
               {"take", settings.take},
               {"task-id", nullptr},
               {"credits", nullptr},
               {"reused", nullptr},
               {"error", nullptr}};
    if (const auto* const parent = shots_.parent_of(shot))
      event["continues"] = parent->request.line;
    if (!shot.task_id.empty()) event["task-id"] = shot.task_id;
    if (shot.price.credits) event["credits"] = *shot.price.credits;
    event.update(more);
    display_.tell(std::move(event));
  }

  void show(std::size_t running) override {
    const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - began_);
    std::string text = pad(clock_text(elapsed), 4) + "  " + count_here() + ", " +
                       std::to_string(running) + " under way";
    if (failures_.count() > 0) text += ", " + std::to_string(failures_.count()) + " failed";
    const auto ended = completed_ + failures_.count() + not_submitted_;
    display_.show("Film", static_cast<double>(ended) / static_cast<double>(shots_.list().size()),
                  text);
  }

  /// `3 of 12 here`
  [[nodiscard]] std::string count_here() const {
    return std::to_string(completed_) + " of " + std::to_string(shots_.list().size()) + " here";
  }

  // --- the film ---

  Result<std::unique_ptr<media::ByteStream>> open(const std::string& task_id) const {
    return SourceStream::open_task(common_, task_id, session_.wakeup);
  }

  /// Returns the tasks whose files, one after the other, are the film. The file of a continuation
  /// may contain the shots before (see film.h).
  Result<std::vector<std::string>> list_files() const {
    std::vector<std::string> files;
    for (const auto& chain : shots_.chains()) {
      auto part = chain;
      if (chain.size() > 1 && common_.join == Join::replace) part = {chain.back()};
      if (chain.size() > 1 && common_.join == Join::automatic) {
        const auto steps =
            find_steps(*media_, chain, [this](const std::string& id) { return open(id); });
        if (!steps) return fail(steps.error());
        part = files_of(*steps, steps->size());
      }
      files.insert(files.end(), part.begin(), part.end());
    }
    return files;
  }

  int make_film() {
    auto output = Output::open(arguments_.output, session_.interruption);
    if (!output) return fail_to_join(output.error());
    const auto files = list_files();
    if (!files) return fail_to_join(files.error());
    std::vector<media::ClipFormat> formats;
    for (const auto& id : *files) formats.push_back(formats_.at(id));
    FilmWriter writer(*media_, *output,
                      {.asks_for_fragments = arguments_.asks_for_fragments,
                       .has_one_configuration = media::have_same_parameter_sets(formats)});
    std::vector<std::string> ids;
    for (const auto& shot : shots_.list()) ids.push_back(shot.task_id);
    writer.set_tags(make_film_tags(std::move(ids), shots_.list().size()));
    for (std::size_t i = 0; i < files->size(); ++i) {
      display_.show("Joining", static_cast<double>(i) / static_cast<double>(files->size()),
                    size_text(writer.bytes()));
      const auto clip = open((*files)[i]);
      if (!clip) return fail_to_join(clip.error());
      const auto added = writer.add(**clip);
      writer.report_notices(display_);
      if (!added) return fail_to_join(added.error());
      if (*added == Output::Written::interrupted) return report_interruption();
      // The reader of a pipe may leave early. The clips are in the cache, and nothing is lost.
      if (*added == Output::Written::closed) return exit_success;
    }
    const auto rest = writer.finish();
    if (!rest) return fail_to_join(rest.error());
    if (*rest == Output::Written::interrupted) return report_interruption();
    if (*rest == Output::Written::closed) return exit_success;
    const auto file = output->finish("");
    if (!file) return fail_to_join(file.error());
    tell_end(exit_success,
             {{"file", *file}, {"bytes", writer.bytes()}, {"frames", writer.frames()}});
    if (*file != "-") {
      display_.say("Saved " + *file + ": " + std::to_string(writer.frames()) + " frames of " +
                   count_text(shots_.list().size(), "shot") + ".");
    }
    return exit_success;
  }

  int fail_to_join(Error error) {
    if (session_.interruption.happened()) return report_interruption();
    error.message = "The film was not written: " + error.message +
                    " All shots are paid. The same line again joins them, and pays nothing.";
    display_.failed(error);
    return exit_code(error.code);
  }

  // --- the end ---

  /// Tells machines of the end. `film` has the members that describe the film's file.
  void tell_end(int code, const json& film = json::object()) {
    json event{{"event", "film-done"},
               {"shots", shots_.list().size()},
               {"completed", completed_},
               {"failed", failures_.count()},
               {"not-submitted", not_submitted_},
               {"file", nullptr},
               {"bytes", nullptr},
               {"frames", nullptr},
               {"exit-code", code}};
    event.update(film);
    display_.tell(std::move(event));
  }

  int report_failures() {
    display_.say("No film was made: " + count_here() + ".");
    failures_.say(display_, arguments_.storyboard);
    if (not_submitted_ > 0) {
      display_.say(count_text(not_submitted_, "shot") + (not_submitted_ == 1 ? " was" : " were") +
                   " not submitted, and nothing is paid for " +
                   (not_submitted_ == 1 ? "it." : "them."));
    }
    display_.say(failures_.has_unknown()
                     ? "Until you decide, the same line again stops at these submissions again. It "
                       "pays for no other shot again."
                     : "The same line again goes on with the missing shots, and pays for no other "
                       "shot again.");
    const int code = failures_.exit_code();
    tell_end(code);
    return code;
  }

  int report_interruption() {
    std::string next = "Nothing was sent, and nothing is paid.";
    if (has_begun_) {
      LeftWork left;
      for (std::size_t i = 0; i < shots_.list().size(); ++i) {
        const auto& shot = shots_.list()[i];
        const bool has_ended = shot.state == State::completed || shot.state == State::failed;
        if (!has_ended) left.add(shot.request.line, shot.price, runner_.find(i));
      }
      next = count_here() + ". ";
      if (failures_.count() > 0) next += std::to_string(failures_.count()) + " failed. ";
      next += left.describe("shot");
    }
    display_.interrupted("", next);
    return exit_interrupted;
  }

  Session& session_;
  const FilmArguments& arguments_;
  Display& display_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  Options common_;     // what all shots share
  Credits limit_ = 0;  // 0: none
  Shots shots_;
  const media::Library* media_ = nullptr;             // set before the first shot runs
  std::map<std::string, media::ClipFormat> formats_;  // of the clips that are here, by task
  LineRunner runner_{session_, display_, *this, arguments_.jobs};
  bool has_begun_ = false;  // the shots run
  bool stopped_ = false;    // the run submits nothing more
  std::size_t completed_ = 0;
  std::size_t not_submitted_ = 0;
  LineFailures failures_;
};

}  // namespace

void add_film(Command& app, Action& chosen) {
  auto command = app.add_command("film", "make one film of a storyboard; costs credits");
  const auto arguments = std::make_shared<FilmArguments>();
  command.add_option("storyboard", arguments->storyboard, "JSON lines, one shot each")
      .set_form("STORYBOARD.jsonl")
      .set_required();
  command
      .add_option("-o,--output", arguments->output,
                  "where to: a file, or - for standard output (default STORYBOARD.mp4)")
      .set_form("FILE|-");
  add_fragmented(command, *arguments);
  command.add_option("-j,--jobs", arguments->jobs, "so many shots at a time (default 4)")
      .set_form("N")
      .set_range(1, 256);
  command.add_flag("-y,--yes", arguments->yes, "agree to the price");
  using Group = Option::Group;
  add_arguments(command, *arguments,
                {Group::money, Group::files, Group::service, Group::waiting, Group::film},
                {"task-id", "take", "request-id", "reuse"});
  command.set_footer(
      R"(A line is a shot, as in `veo batch`. A shot with "continue": true goes on where the shot
before ends, and has a prompt alone:
  {"prompt": "a dog in a park"}
  {"prompt": "it finds a ball", "continue": true}
  {"prompt": "a cat on a roof"}
The film has all shots in the order of the lines. The same command again goes on where
it stopped, and pays nothing twice. --max-credits is for the film. It refuses a
continuation until extend_credits in the catalog (VEO_CATALOG) sets the price.

Examples:
  veo film shots.jsonl --dry-run
  veo film shots.jsonl -o film.mp4 --yes
  veo film shots.jsonl --yes -o - | mpv -)");
  command.on_chosen([arguments, &chosen] {
    if (arguments->output.empty()) {
      const std::filesystem::path file(arguments->storyboard);
      arguments->output = file.extension() == ".jsonl"
                              ? std::filesystem::path(file).replace_extension(".mp4").string()
                              : file.string() + ".mp4";
    }
    chosen = [arguments](Session& session) {
      Display display(arguments->kind(), arguments->output == "-");
      return StoryboardFilm(session, *arguments, display).run();
    };
  });
}

}  // namespace veo::cli
