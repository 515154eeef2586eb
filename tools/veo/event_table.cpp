// SPDX-License-Identifier: LGPL-2.1-or-later
#include "event_table.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

namespace veo::cli {

namespace {

constexpr std::string_view table_of_states =
    "`reserved`, `sending`, `accepted`, `completed`, `failed`, `released`, `unknown`, `superseded` "
    "([money.md](../money.md#states-of-a-submission))";

constexpr EventRow table[] = {
    // --- a task ---
    {"price", "", "", "What a request costs, by the catalog."},
    {"price", "credits", "number", "The price; null: the catalog does not know it."},
    {"price", "reused", "boolean",
     "With `--dry-run`: the ledger has the task, so that a run pays nothing. In a run the price "
     "comes before the ledger was asked, so that it is false: take `reused` of `task`."},
    {"price", "extension", "boolean", "Of `veo price`: the price of an extension."},
    {"price", "mode", "string", "Of `veo price`: the mode."},
    {"price", "resolution", "string", "Of `veo price`: the resolution."},
    {"task", "", "", "The task, at each change of its state."},
    {"task", "task-id", "string", "The task."},
    {"task", "status", "string", "`pending`, `processing`, `completed` or `failed`."},
    {"task", "reused", "boolean", "The task existed before, so that this run pays nothing."},
    {"progress", "", "", "How far a phase is."},
    {"progress", "phase", "string", "`submit`, `generate` or `download`."},
    {"progress", "percent", "number", "How much of the phase is done."},
    {"progress", "eta", "number", "The seconds that are left, as estimated."},
    {"retry", "", "", "Something failed that can pass. `veo` tries again by itself."},
    {"retry", "message", "string", "What failed."},
    {"notice", "", "", "Something that the user should know."},
    {"notice", "message", "string", "The text."},
    {"join", "", "", "Of `veo extend`: what the new video's file contains."},
    {"join", "task-id", "string", "The new task."},
    {"join", "join", "string", "`append` or `replace`: how the film was joined."},
    {"join", "frames", "number", "The frames in the new video's file."},
    {"join", "contained-steps", "number", "How many earlier steps the file contains."},
    {"done", "", "", "The command has done what it was asked for."},
    {"done", "task-id", "string", "The task."},
    {"done", "status", "string", "`completed`."},
    {"done", "file", "string", "The file that was written; `-`: standard output."},
    {"done", "bytes", "number", "The size of the file."},
    {"done", "credits", "number", "The price of the task, by the catalog."},
    {"done", "reused", "boolean", "The task existed before, so that this run paid nothing."},
    {"done", "polls", "number", "How often the service was asked for the task."},
    {"done", "requests", "number", "All requests to the service and to the file host."},
    {"status", "", "", "Of `veo status`: the answer of the service."},
    {"status", "task-id", "string", "The task."},
    {"status", "status", "string", "`pending`, `processing`, `completed` or `failed`."},
    {"status", "percent", "number", "The progress, if the service tells it."},
    {"status", "created-at", "number", "The Unix time of the task's creation."},
    {"status", "completed-at", "number", "The Unix time of the task's end."},
    {"status", "resolution", "string", "The resolution that the service tells."},
    {"status", "error", "object", "Why the task failed."},
    {"status", "error.code", "string", "The [error code](errors.md)."},
    {"status", "error.message", "string", "A text for people."},
    {"status", "error.http-status", "number", "The status of the service's answer."},
    {"status", "error.type", "string", "The service's type of the error."},
    {"status", "error.service-code", "string", "The service's code."},
    {"status", "error.service-message", "string", "The service's text."},
    {"status", "error.task-id", "string", "The task."},
    {"status", "error.charged", "string", "`no`, `refunded` or `unknown`: are the credits gone?"},
    {"status", "error.paid", "boolean", "The task is paid, and its video can still be had."},
    {"credits", "", "", "Of `veo credits`: the balance."},
    {"credits", "credits", "number", "The credits, as the service tells them."},

    // --- files and servers ---
    {"joined", "", "", "Of `veo join`: the film is complete."},
    {"joined", "file", "string", "The film's file."},
    {"joined", "bytes", "number", "Its size."},
    {"joined", "frames", "number", "Its frames."},
    {"joined", "clips", "number", "How many clips it has."},
    {"serving", "", "", "Of `veo serve`: the server accepts connections."},
    {"serving", "url", "string", "The address below which tasks and requests play."},

    // --- batches ---
    {"batch", "", "", "Of `veo batch`: what the batch needs, before anything is sent."},
    {"batch", "lines", "number", "The lines of the file."},
    {"batch", "here", "number", "Results that exist."},
    {"batch", "paid", "number", "Results that cost nothing more."},
    {"batch", "to-submit", "number", "Requests that will be submitted."},
    {"batch", "credits", "number", "The price of these requests."},
    {"line", "", "",
     "Of `veo batch`: the result of a line. The manifest has the same objects, without those with "
     "the status `not-submitted`."},
    {"line", "line", "number", "The number of the line, from 1 on."},
    {"line", "id", "string", "What names the request in the manifest."},
    {"line", "status", "string", "`completed`, `failed`, `submit-unknown` or `not-submitted`."},
    {"line", "prompt", "string", "The prompt."},
    {"line", "take", "number", "The take."},
    {"line", "request-id", "string", "The line's own name for the request, if it has one."},
    {"line", "task-id", "string", "The task."},
    {"line", "file", "string", "The video's file."},
    {"line", "bytes", "number", "Its size."},
    {"line", "sha256", "string", "Its SHA-256."},
    {"line", "credits", "number", "The price of the task."},
    {"line", "reused", "boolean", "The task existed before, so that this run paid nothing."},
    {"line", "error", "object", "Why the line failed."},
    {"line", "error.code", "string", "The [error code](errors.md)."},
    {"line", "error.message", "string", "A text for people."},
    {"line", "error.http-status", "number", "The status of the service's answer."},
    {"line", "error.type", "string", "The service's type of the error."},
    {"line", "error.service-code", "string", "The service's code."},
    {"line", "error.service-message", "string", "The service's text."},
    {"line", "error.task-id", "string", "The task."},
    {"line", "error.charged", "string", "`no`, `refunded` or `unknown`: are the credits gone?"},
    {"line", "error.paid", "boolean", "The task is paid, and its video can still be had."},
    {"batch-done", "", "", "Of `veo batch`: the end."},
    {"batch-done", "lines", "number", "The lines of the file."},
    {"batch-done", "completed", "number", "Lines with a result."},
    {"batch-done", "failed", "number", "Lines that failed."},
    {"batch-done", "not-submitted", "number", "Lines that were not submitted."},
    {"batch-done", "exit-code", "number", "The exit code of the command."},

    // --- films of a storyboard ---
    {"film", "", "", "Of `veo film`: what the film needs, before anything is sent."},
    {"film", "shots", "number", "The shots of the storyboard."},
    {"film", "chains", "number", "The chains: a shot, and the shots that continue it."},
    {"film", "paid", "number", "Shots that cost nothing more."},
    {"film", "to-submit", "number", "Shots that will be submitted."},
    {"film", "credits", "number", "The price of these shots; null: the catalog does not know it."},
    {"shot", "", "", "Of `veo film`: a shot. With `--dry-run`, the plan of the shot."},
    {"shot", "line", "number", "The number of the line, from 1 on."},
    {"shot", "continues", "number", "The line of the shot that this shot continues; null: none."},
    {"shot", "status", "string",
     "`running` (the service has accepted the task), `completed` (the video is here), `failed`, "
     "`submit-unknown` or `not-submitted`. With `--dry-run`: `paid`, `to-submit` or "
     "`submit-unknown`."},
    {"shot", "prompt", "string", "The prompt."},
    {"shot", "take", "number", "The take."},
    {"shot", "task-id", "string", "The task."},
    {"shot", "credits", "number", "The price of the shot."},
    {"shot", "reused", "boolean", "The task existed before, so that this run paid nothing."},
    {"shot", "error", "object", "Why the shot failed."},
    {"shot", "error.code", "string", "The [error code](errors.md)."},
    {"shot", "error.message", "string", "A text for people."},
    {"shot", "error.http-status", "number", "The status of the service's answer."},
    {"shot", "error.type", "string", "The service's type of the error."},
    {"shot", "error.service-code", "string", "The service's code."},
    {"shot", "error.service-message", "string", "The service's text."},
    {"shot", "error.task-id", "string", "The task."},
    {"shot", "error.charged", "string", "`no`, `refunded` or `unknown`: are the credits gone?"},
    {"shot", "error.paid", "boolean", "The task is paid, and its video can still be had."},
    {"film-done", "", "", "Of `veo film`: the end."},
    {"film-done", "shots", "number", "The shots of the storyboard."},
    {"film-done", "completed", "number", "Shots whose video is here."},
    {"film-done", "failed", "number", "Shots that failed."},
    {"film-done", "not-submitted", "number", "Shots that were not submitted."},
    {"film-done", "file", "string", "The film; `-`: standard output; null: no film was made."},
    {"film-done", "bytes", "number", "The size of the film."},
    {"film-done", "frames", "number", "The frames of the film."},
    {"film-done", "exit-code", "number", "The exit code of the command."},

    // --- ends ---
    {"interrupted", "", "", "Ctrl-C or SIGTERM has ended the command."},
    {"interrupted", "task-id", "string", "The task, which goes on."},
    {"interrupted", "next", "string", "How to go on, for people."},
    {"interrupted", "exit-code", "number", "130."},
    {"error", "", "", "An error has ended the command."},
    {"error", "code", "string", "The [error code](errors.md)."},
    {"error", "message", "string", "A text for people."},
    {"error", "http-status", "number", "The status of the service's answer."},
    {"error", "type", "string", "The service's type of the error."},
    {"error", "service-code", "string", "The service's code."},
    {"error", "service-message", "string", "The service's text."},
    {"error", "task-id", "string", "The task."},
    {"error", "charged", "string", "`no`, `refunded` or `unknown`: are the credits gone?"},
    {"error", "paid", "boolean", "The task is paid, and its video can still be had."},
    {"error", "exit-code", "number", "The exit code of the command."},
    {"error", "next", "string", "What the user can type, if there is something."},

    // --- the ledger ---
    {"record", "", "", "Of `veo history`: a row of the ledger."},
    {"record", "task-id", "string", "The task."},
    {"record", "status", "string", table_of_states},
    {"record", "model", "string", "The service's model."},
    {"record", "mode", "string", "The mode."},
    {"record", "resolution", "string", "The resolution."},
    {"record", "prompt", "string", "The prompt."},
    {"record", "details", "string", "The other fields of the request, for people."},
    {"record", "extends", "string", "The task that this task continues."},
    {"record", "credits", "number", "The price; 0: refunded, refused or not sent."},
    {"record", "reserved-at", "string", "When the row was made, in UTC (ISO 8601)."},
    {"record", "accepted-at", "string", "When the service accepted the task."},
    {"record", "finished-at", "string", "When the task ended."},
    {"record", "file", "string", "The clip in the cache."},
    {"record", "bytes", "number", "The size of the clip."},
    {"record", "sha256", "string", "The SHA-256 of the clip."},
    {"record", "api-url", "string", "The API."},
    {"record", "account", "string", "The value of `VEO_ACCOUNT`."},
    {"record", "error", "object", "Why the task has no video."},
    {"record", "error.code", "string", "The [error code](errors.md)."},
    {"record", "error.message", "string", "A text for people."},
    {"total", "", "", "Of `veo history`: the sums of the rows shown, one object for each API."},
    {"total", "api-url", "string", "The API."},
    {"total", "play-money", "boolean", "The API is a simulator on this machine."},
    {"total", "tasks", "number", "The rows."},
    {"total", "credits", "number", "Their credits."},
    {"total", "unpriced", "number", "Rows with an unknown price."},
    {"total", "in-doubt", "number",
     "The part of `credits` that is of submissions that may not have been accepted."},
    {"backup", "", "", "Of `veo ledger backup`: the copy is complete."},
    {"backup", "ledger", "string", "The ledger."},
    {"backup", "file", "string", "The copy."},
    {"backup", "rows", "number", "The rows of the copy."},
    {"backup", "tasks", "number", "The rows with a task id."},
    {"accept", "", "", "Of `veo ledger accept`: the ledger counts as it is."},
    {"accept", "ledger", "string", "The ledger."},
    {"accept", "needed", "boolean", "False: nothing was missing, and nothing was changed."},
    {"accept", "given-up", "number", "The changes that are given up; null: not known."},
    {"redated", "", "", "Of `veo ledger redate`: a row got another date."},
    {"redated", "row", "number", "The row."},
    {"redated", "task-id", "string", "The task; empty: the row has none."},
    {"redated", "from", "string", "The date before, in UTC (ISO 8601)."},
    {"redated", "to", "string", "The date now."},
};

bool is_listed(std::string_view event, std::string_view member) {
  return std::ranges::any_of(
      table, [&](const EventRow& row) { return row.event == event && row.member == member; });
}

nlohmann::json keep_listed(const nlohmann::json& object, const std::string& event,
                           const std::string& before) {
  auto kept = nlohmann::json::object();
  for (const auto& [name, value] : object.items()) {
    const auto path = before + name;
    if (path == "event") {
      kept[name] = value;
    } else if (is_listed(event, path)) {
      kept[name] = value.is_object() ? keep_listed(value, event, path + ".") : value;
    }
  }
  return kept;
}

}  // namespace

std::span<const EventRow> event_table() { return table; }

nlohmann::json keep_listed_members(const nlohmann::json& object) {
  const auto event = object.value("event", "");
  if (!is_listed(event, "")) return nullptr;
  return keep_listed(object, event, "");
}

}  // namespace veo::cli
