// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Asks the shells which completions they offer, and checks the man page with mandoc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "shell.h"

namespace veo::test {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::UnorderedElementsAre;

const std::vector<std::string> commands{"batch", "completion", "credits", "download", "extend",
                                        "film",  "generate",   "history", "join",     "ledger",
                                        "play",  "price",      "serve",   "status",   "wait"};

class Completion : public testing::Test {
 protected:
  /// Returns the completions that `shell` offers for the last of these words, without their
  /// descriptions.
  [[nodiscard]] std::vector<std::string> offered(const std::string& shell,
                                                 const std::vector<std::string>& words) const {
    std::string line;
    if (shell == "fish") {
      std::string typed;
      for (const auto& word : words) typed += (typed.empty() ? "" : " ") + word;
      line =
          "veo completion fish > veo.fish; fish --no-config -c 'source veo.fish; complete -C \"" +
          typed + "\"' | cut -f1";
    } else {
      std::string quoted;
      for (const auto& word : words) quoted += " '" + word + "'";
      line = "source <(veo completion bash); COMP_WORDS=(" + quoted +
             "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _veo; "
             "((${#COMPREPLY[@]} == 0)) || printf '%s\\n' \"${COMPREPLY[@]}\"";
    }
    std::istringstream lines(shell_.sh(line).output);
    std::vector<std::string> found;
    for (std::string one; std::getline(lines, one);) found.push_back(one);
    return found;
  }
  [[nodiscard]] std::string help(const std::string& command) const {
    return shell_.veo({command, "--help"}).output;
  }
  /// Returns all words of the form `--flag` in `text`.
  static std::set<std::string> flags_in(const std::string& text) {
    std::set<std::string> flags;
    for (auto at = text.find("--"); at != std::string::npos; at = text.find("--", at)) {
      const auto end =
          std::min(text.find_first_not_of("abcdefghijklmnopqrstuvwxyz-", at), text.size());
      auto flag = text.substr(at, end - at);
      flag.resize(flag.find_last_not_of('-') + 1);
      if (flag.size() > 3) flags.insert(std::move(flag));
      at = end;
    }
    return flags;
  }

  Simulator simulator_ = start_simulator("0s");
  Shell shell_{simulator_};
};

TEST_F(Completion, OffersEachCommandAndEachOfItsFlags) {
  for (const std::string shell : {"bash", "fish"}) {
    EXPECT_THAT(offered(shell, {"veo", ""}), IsSupersetOf(commands)) << shell;
    EXPECT_THAT(offered(shell, {"veo", "gen"}), UnorderedElementsAre("generate")) << shell;
    for (const auto& command : commands) {
      const auto options = offered(shell, {"veo", command, "--"});
      std::set<std::string> names;
      for (const auto& option : options) names.insert(option.substr(0, option.find('=')));
      // The examples name other commands' flags, so leave them out. Each command has --help.
      const auto text = help(command);
      for (const auto& flag : flags_in(text.substr(0, text.find("Example")))) {
        EXPECT_THAT(names, Contains(flag)) << shell << ": veo " << command;
      }
    }
  }
}

TEST_F(Completion, OffersTheValuesOfAFlag) {
  EXPECT_THAT(offered("bash", {"veo", "generate", "--mode", ""}),
              UnorderedElementsAre("fast", "quality", "lite"));
  EXPECT_THAT(offered("bash", {"veo", "generate", "--mode", "=", "q"}),
              UnorderedElementsAre("quality"));
  EXPECT_THAT(offered("bash", {"veo", "generate", "--resolution", "="}),
              UnorderedElementsAre("720p", "1080p", "4k"));
  EXPECT_THAT(offered("bash", {"veo", "generate", "--seed", ""}), IsEmpty());
  EXPECT_THAT(offered("bash", {"veo", "extend", "x", "--join", "a"}),
              UnorderedElementsAre("auto", "append"));
  EXPECT_THAT(offered("fish", {"veo", "generate", "--mode", ""}),
              UnorderedElementsAre("fast", "quality", "lite"));
}

TEST_F(Completion, OfZshIsWellFormed) {
  const auto parsed = shell_.sh("veo completion zsh > _veo && zsh -n _veo");
  EXPECT_EQ(parsed.exit_code, 0) << parsed;
  const auto script = shell_.contents("_veo");
  for (const auto& command : commands) EXPECT_THAT(script, HasSubstr("        " + command + ")\n"));
  EXPECT_THAT(script, HasSubstr("(fast quality lite)"));
}

TEST_F(Completion, ManPageHasEachFlagAndNoFault) {
  const auto linted = shell_.sh("veo completion man > veo.1 && mandoc -T lint -W warning veo.1");
  EXPECT_EQ(linted.exit_code, 0) << linted;
  const auto page = shell_.sh("mandoc -T utf8 -O width=200 veo.1 | sed 's/.\\x08//g'").output;
  const auto there = flags_in(page);
  for (const auto& command : commands) {
    EXPECT_THAT(page, HasSubstr("veo " + command));
    for (const auto& flag : flags_in(help(command))) {
      EXPECT_THAT(there, Contains(flag)) << command;
    }
  }
  for (const auto* const heading : {"EXIT STATUS", "ENVIRONMENT", "FILES", "SEE ALSO"}) {
    EXPECT_THAT(page, HasSubstr(heading));
  }
}

TEST_F(Completion, OfAnotherShellIsABadLine) {
  EXPECT_EQ(shell_.veo({"completion", "csh"}).exit_code, 2);
}

}  // namespace
}  // namespace veo::test
