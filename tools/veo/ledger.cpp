// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The care of the ledger. Each action is a row of `actions`.
#include <algorithm>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>

#include "command.h"
#include "display_text.h"
#include "exit_code.h"
#include "history.h"
#include "veo/source/account.h"

namespace veo::cli {

namespace {

struct LedgerArguments : Arguments {
  std::string action;
  std::string file;
};

/// What each action has at hand.
struct Work {
  Session& session;
  const LedgerArguments& wanted;
  std::string ledger;  // the ledger's path
  Display& display;

  [[nodiscard]] int refuse(const Error& error) const {
    display.failed(error);
    return exit_code(error.code);
  }
  [[nodiscard]] int interrupt() const {
    display.interrupted("", "The same line again starts from the beginning.");
    return exit_interrupted;
  }
};

/// Returns the newest date of a record.
UnixTime find_last_date(const Record& record) {
  auto last = record.reserved_at;
  for (const auto& date : {record.sending_at, record.accepted_at, record.finished_at}) {
    last = std::max(last, date.value_or(last));
  }
  return last;
}

int back_up(const Work& work) {
  std::error_code error;
  // A relative name is one of this process's directory, so the answer has the complete path.
  const auto absolute = std::filesystem::absolute(work.wanted.file, error);
  const auto file = error ? work.wanted.file : absolute.string();
  const auto copy = back_up_ledger(work.ledger, file, work.session.wakeup);
  if (!copy) return work.interrupt();
  if (!*copy) return work.refuse(copy->error());
  if (work.wanted.json) {
    print_json({{"event", "backup"},
                {"ledger", work.ledger},
                {"file", file},
                {"rows", (*copy)->rows},
                {"tasks", (*copy)->tasks}});
  } else if (!work.wanted.quiet) {
    print("Copied " + count_text((*copy)->rows, "row") + " with " +
          count_text((*copy)->tasks, "task") + " from " + printable(work.ledger) + " to " +
          printable(file) + ".\n");
  }
  return exit_success;
}

int redate(const Work& work) {
  const auto changes = redate_ledger(work.ledger, work.session.wakeup);
  if (!changes) return work.interrupt();
  if (!*changes) return work.refuse(changes->error());
  for (const auto& [before, after] : **changes) {
    // If only a later date of the row was in the future, that date is the one to show.
    const bool is_of_start = before.reserved_at != after.reserved_at;
    const auto from = is_of_start ? before.reserved_at : find_last_date(before);
    const auto to = is_of_start ? after.reserved_at : find_last_date(after);
    if (work.wanted.json) {
      print_json({{"event", "redated"},
                  {"row", before.id},
                  {"task-id", before.task_id},
                  {"from", iso_text(from)},
                  {"to", iso_text(to)}});
    } else if (!work.wanted.quiet) {
      const auto task = before.task_id.empty() ? "" : ", task " + printable(before.task_id);
      print("Row " + std::to_string(before.id) + task + ": " + to_text(from) + " is now " +
            to_text(to) + ".\n");
    }
  }
  if (!work.wanted.json && !work.wanted.quiet) {
    print((*changes)->empty() ? "No row of " + printable(work.ledger) +
                                    " is dated in the future. Nothing was changed.\n"
                              : count_text((*changes)->size(), "row") + " of " +
                                    printable(work.ledger) + " got another date.\n");
  }
  return exit_success;
}

int accept(const Work& work) {
  const auto accepted = accept_ledger(work.ledger, work.session.wakeup);
  if (!accepted) return work.interrupt();
  if (!*accepted) return work.refuse(accepted->error());
  const auto& given_up = (*accepted)->given_up;
  if (work.wanted.json) {
    nlohmann::json object{{"event", "accept"},
                          {"ledger", work.ledger},
                          {"needed", (*accepted)->was_needed},
                          {"given-up", nullptr}};
    if (given_up) object["given-up"] = given_up->missing;
    print_json(object);
  } else if (!work.wanted.quiet) {
    const auto name = "The ledger " + printable(work.ledger);
    print(!(*accepted)->was_needed
              ? name + " lacks nothing. Nothing was changed.\n"
              : name + " is accepted as it is. " +
                    (given_up ? count_text(given_up->missing, "recorded change")
                              : std::string("What an earlier ledger recorded")) +
                    (!given_up || given_up->missing == 1 ? " is" : " are") +
                    " given up. Requests that it does not know are submitted again, and cost "
                    "credits.\n");
  }
  return exit_success;
}

struct LedgerAction {
  std::string_view name;
  bool takes_file;
  int (*run)(const Work&);
};

constexpr LedgerAction actions[] = {
    {.name = "accept", .takes_file = false, .run = accept},
    {.name = "backup", .takes_file = true, .run = back_up},
    {.name = "redate", .takes_file = false, .run = redate},
};

/// Returns the names with `between` between them.
std::string join_names(const std::string& between) {
  std::string names;
  for (const auto& action : actions) {
    if (!names.empty()) names += between;
    names += action.name;
  }
  return names;
}

const LedgerAction* find_action(const std::string& name) {
  const auto* const found = std::ranges::find(actions, name, &LedgerAction::name);
  return found == std::end(actions) ? nullptr : found;
}

int ledger(Session& session, const LedgerArguments& wanted) {
  Display display(wanted.kind());
  const auto settings = wanted.settings();
  Work work{.session = session, .wanted = wanted, .ledger = {}, .display = display};
  if (!settings) return work.refuse(settings.error());
  const auto* const action = find_action(wanted.action);  // the parser has checked the name
  if (action->takes_file == wanted.file.empty()) {
    return work.refuse(
        {.code = ErrorCode::invalid_request,
         .message = "veo ledger " + wanted.action +
                    (action->takes_file ? " needs the name of a file" : " takes no file") +
                    ". Nothing was changed."});
  }
  work.ledger = locate_ledger(settings->ledger);
  return action->run(work);
}

}  // namespace

void add_ledger(Command& app, Action& chosen) {
  auto command = app.add_command("ledger", "care for the record of what was paid");
  const auto wanted = std::make_shared<LedgerArguments>();
  add_named_arguments(command, *wanted, {"ledger"});
  command.add_option("action", wanted->action, "what to do")
      .set_form(join_names("|"))
      .set_required()
      .set_check([](const std::string& text) {
        return find_action(text) != nullptr ? ""
                                            : "\"" + text + "\" is none of " + join_names(", ");
      });
  command.add_option("file", wanted->file, "the new file (with backup)").set_form("FILE");
  command.set_footer(
      R"(`backup FILE` copies the ledger to a new file, also while others use the ledger. The copy is
one file, and has all tasks that were recorded before the copy began. It never replaces a file.
`accept` goes on with a ledger that is older than its last use, or that was removed and made anew.
Until then nothing is submitted with such a ledger. What it lacks is given up.

`redate` corrects the dates of rows that were recorded while the clock of this machine was ahead.
Use it when the clock is right again. Budgets do not depend on these dates.

Examples:
  veo ledger backup ledger-2026-11-26.db
  veo ledger accept)");
  command.on_chosen([wanted, &chosen] {
    chosen = [wanted](Session& session) { return ledger(session, *wanted); };
  });
}

}  // namespace veo::cli
