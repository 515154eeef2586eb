// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A command of `veo`: its file adds it to the parser, and gives what is to be done when it was
// chosen.
#pragma once

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "display.h"
#include "interruption.h"
#include "veo/options/option_table.h"
#include "veo/source/source.h"

namespace veo::cli {

/// What every command works with.
struct Session {
  std::shared_ptr<Wakeup> wakeup = std::make_shared<Wakeup>();
  Interruption interruption{wakeup};
};

/// Returns the exit code.
using Run = std::function<int(Session&)>;

/// The flags that several commands share.
struct Arguments {
  std::vector<std::pair<std::string, std::string>>
      options;                               ///< by the names of veo/options/option_table.h
  std::map<std::string, std::string> flags;  ///< likewise; empty: not given
  bool json = false;
  bool quiet = false;

  [[nodiscard]] Display::Kind kind() const;
  [[nodiscard]] bool has(const std::string& option) const;
  /// Of `options`. Fails with invalid_request.
  [[nodiscard]] Result<Options> settings() const;
};

/// Adds --json and --quiet, and those of the shared options that are in `groups`, but for
/// `without`.
void add_arguments(CLI::App& command, Arguments& arguments,
                   std::initializer_list<Option::Group> groups,
                   std::initializer_list<std::string_view> without = {});

void add_batch(CLI::App& app, Run& run);
void add_completion(CLI::App& app, Run& run);
void add_credits(CLI::App& app, Run& run);
void add_download(CLI::App& app, Run& run);
void add_extend(CLI::App& app, Run& run);
void add_generate(CLI::App& app, Run& run);
void add_history(CLI::App& app, Run& run);
void add_join(CLI::App& app, Run& run);
void add_play(CLI::App& app, Run& run);
void add_price(CLI::App& app, Run& run);
void add_reference(CLI::App& app, Run& run);
void add_serve(CLI::App& app, Run& run);
void add_status(CLI::App& app, Run& run);
void add_wait(CLI::App& app, Run& run);

}  // namespace veo::cli
