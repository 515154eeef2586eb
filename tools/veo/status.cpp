// SPDX-License-Identifier: LGPL-2.1-or-later
#include "deliver.h"

#include <nlohmann/json.hpp>

#include "display_text.h"
#include "exit_code.h"
#include "veo/core/task_machine.h"
#include "veo/source/access.h"
#include "veo/source/account.h"

namespace veo::cli {

namespace {

std::string describe(const TaskReport& report) {
  std::string text(nick(report.status));
  if (const auto done = compute_percent(report.progress);
      done && report.status != TaskStatus::completed) {
    text += ", " + std::to_string(*done) + " %";
  }
  if (report.status == TaskStatus::completed && report.urls.empty()) text += ", without a video";
  if (report.resolution) text += ", " + *report.resolution;
  if (report.failure) text += ": " + report.failure->message;
  return text;
}

nlohmann::json to_json(const TaskReport& report) {
  nlohmann::json object{
      {"event", "status"},     {"task-id", report.id},  {"status", nick(report.status)},
      {"percent", nullptr},    {"created-at", nullptr}, {"completed-at", nullptr},
      {"resolution", nullptr}, {"error", nullptr}};
  if (const auto done = compute_percent(report.progress)) object["percent"] = *done;
  if (report.created_at) object["created-at"] = *report.created_at;
  if (report.completed_at) object["completed-at"] = *report.completed_at;
  if (report.resolution) object["resolution"] = *report.resolution;
  if (report.failure) object["error"] = cli::to_json(*report.failure);
  return object;
}

int status(Session& session, const Arguments& arguments) {
  Display display(arguments.kind());
  auto settings = arguments.settings();
  const auto refuse = [&](const Error& error) {
    display.failed(error);
    return exit_code(error.code);
  };
  if (!settings) return refuse(settings.error());
  if (const auto notice = make_plain_http_notice(settings->access); !notice.empty()) {
    display.say(notice);
  }
  const auto answer =
      query_task(settings->access, settings->network, settings->task_id, session.wakeup);
  if (!answer) {
    display.interrupted("", "The same line asks again.");
    return exit_interrupted;
  }
  if (!*answer) return refuse(answer->error());
  if (arguments.json) {
    print_json(to_json(**answer));
  } else {
    print(printable(describe(**answer)) + "\n");
  }
  return exit_success;
}

}  // namespace

void add_status(Command& app, Action& chosen) {
  auto command = app.add_command("status", "ask the service how a task is");
  const auto arguments = std::make_shared<Arguments>();
  add_task(command, *arguments, "task-id");
  add_arguments(command, *arguments, {Option::Group::service});
  command.set_footer(
      R"(Prints pending, processing, completed or failed. One query; see also: veo wait.

Example:
  veo status cbf6b69d-4f03-4817-8ed7-94c0292184a8)");
  command.on_chosen([arguments, &chosen] {
    chosen = [arguments](Session& session) { return status(session, *arguments); };
  });
}

}  // namespace veo::cli
