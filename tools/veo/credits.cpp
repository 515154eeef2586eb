// SPDX-License-Identifier: LGPL-2.1-or-later
#include "command.h"

#include <nlohmann/json.hpp>

#include "display_text.h"
#include "exit_code.h"
#include "veo/source/access.h"
#include "veo/source/account.h"

namespace veo::cli {

namespace {

int credits(Session& session, const Arguments& arguments) {
  Display display(arguments.kind());
  const auto refuse = [&](const Error& error) {
    display.failed(error);
    return exit_code(error.code);
  };
  auto settings = arguments.settings();
  if (!settings) return refuse(settings.error());
  if (const auto notice = make_plain_http_notice(settings->access); !notice.empty()) {
    display.say(notice);
  }
  const auto answer = query_credits(settings->access, settings->network, session.wakeup);
  if (!answer) {
    display.interrupted("", "The same line asks again.");
    return exit_interrupted;
  }
  if (!*answer) return refuse(answer->error());
  const auto& balance = **answer;
  if (arguments.json) {
    nlohmann::json object{{"event", "credits"}, {"credits", nullptr}};
    if (balance) object["credits"] = *balance;
    print_json(object);
  } else {
    print((balance ? credits_text(*balance) : "unknown") + "\n");
  }
  return exit_success;
}

}  // namespace

void add_credits(Command& app, Action& chosen) {
  auto command = app.add_command("credits", "ask the service for the account's balance");
  const auto arguments = std::make_shared<Arguments>();
  add_arguments(command, *arguments, {Option::Group::service});
  command.set_footer(
      R"(Prints a number, or `unknown` where the service answers in a way that we do not know.

Example:
  veo credits)");
  command.on_chosen([arguments, &chosen] {
    chosen = [arguments](Session& session) { return credits(session, *arguments); };
  });
}

}  // namespace veo::cli
