// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The command on other people's machines: keys from secret stores, read-only disks, users without a
// home.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "shell.h"

namespace veo::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Machine : public testing::Test {
 protected:
  /// Runs the line in bash, with the environment of a `veo` that has no key.
  [[nodiscard]] Program::Ended run_without_key(const std::string& line) const {
    auto settings = shell_.script(line);
    settings.env["VEO_API_KEY"] = "";
    return Program(settings).wait();
  }
  [[nodiscard]] nlohmann::json charges() const { return simulator_.state().at("charges"); }

  const Simulator simulator_ = start_simulator("0s");
  const Shell shell_{simulator_};
};

TEST_F(Machine, TheKeyComesFromAProcessSubstitution) {
  const auto ended = run_without_key("veo generate 'a dog' -o dog.mp4 --api-key-file=<(echo " +
                                     simulator_.key() + ")");
  EXPECT_EQ(ended.exit_code, 0) << ended;
  EXPECT_EQ(charges(), 1);
}

TEST_F(Machine, TheKeyComesFromACommand) {
  const auto ended = run_without_key(
      "export VEO_API_KEY_COMMAND='echo x >>runs; echo " + simulator_.key() +
      "; echo more'; printf '{\"prompt\": \"%s\"}\\n' a b c >list; veo batch list --yes -o out");
  EXPECT_EQ(ended.exit_code, 0) << ended;
  EXPECT_EQ(charges(), 3);
  EXPECT_EQ(shell_.contents("runs"), "x\n") << "the command runs once in a process";
}

TEST_F(Machine, AKeyCommandThatFailsIsToldAndNothingIsPaid) {
  const auto ended =
      run_without_key("export VEO_API_KEY_COMMAND='echo locked >&2; exit 4'; veo generate x");
  EXPECT_EQ(ended.exit_code, 3) << ended;
  EXPECT_THAT(ended.errors, AllOf(HasSubstr("VEO_API_KEY_COMMAND"), HasSubstr("status 4"),
                                  HasSubstr("locked"), HasSubstr("Nothing was sent")));
  EXPECT_EQ(charges(), 0);
}

TEST_F(Machine, ASignalEndsTheWaitForAKeyCommand) {
  auto settings = shell_.settings({"credits"});
  settings.env["VEO_API_KEY"] = "";
  settings.env["VEO_API_KEY_COMMAND"] = "echo $$ >command; exec sleep 1000";
  Program running(settings);
  const auto marker = shell_.file("command");
  while (!running.has_ended() && shell_.contents("command").find('\n') == std::string::npos) {
  }
  running.kill(SIGTERM);
  const auto ended = running.wait(std::chrono::seconds(20));
  EXPECT_EQ(ended.exit_code, 130) << ended;
}

TEST_F(Machine, APropertyKeyMayEndWithALineBreak) {
  const auto ended = run_without_key("veo credits --api-key \"" + simulator_.key() + "\n\"");
  EXPECT_EQ(ended.exit_code, 0) << ended;
  const auto bad = run_without_key("veo generate x --api-key $'sk-a\\r\\nX-Header: b'");
  EXPECT_EQ(bad.exit_code, 3) << bad;
  EXPECT_THAT(bad.errors, AllOf(HasSubstr("api-key"), Not(HasSubstr("CRITICAL"))));
  EXPECT_EQ(simulator_.state().at("submissions"), 0);
}

TEST_F(Machine, AUserAgentWithALineBreakIsRefused) {
  const auto ended = shell_.sh("veo generate x --user-agent $'a\\r\\nX-Injected: b'");
  EXPECT_EQ(ended.exit_code, 2) << ended;
  EXPECT_THAT(ended.errors, HasSubstr("user-agent"));
  EXPECT_EQ(simulator_.state().at("submissions"), 0);
}

TEST_F(Machine, ThePlayerGetsNoKey) {
  ASSERT_EQ(shell_.sh("veo generate 'a dog' -o dog.mp4").exit_code, 0);
  const auto id = simulator_.state().at("tasks").at(0).at("id").get<std::string>();
  const auto ended = shell_.sh(
      "export VEO_API_KEY_FILE= VEO_API_KEY_COMMAND= CREDENTIALS_DIRECTORY=/nowhere; veo play " +
      id + " --player='cat >/dev/null; env >seen'");
  EXPECT_EQ(ended.exit_code, 0) << ended;
  const auto seen = shell_.contents("seen");
  EXPECT_THAT(seen, HasSubstr("VEO_API_URL="));
  EXPECT_THAT(seen, Not(HasSubstr("VEO_API_KEY")));
  EXPECT_THAT(seen, Not(HasSubstr("CREDENTIALS_DIRECTORY")));
  EXPECT_THAT(seen, Not(HasSubstr(simulator_.key())));
}

TEST_F(Machine, ACatalogThatIsNoSmallFileIsRefusedAtOnce) {
  ASSERT_EQ(::mkfifo(shell_.file("fifo").c_str(), 0600), 0);
  for (const std::string& path : {shell_.file(""), shell_.file("fifo"), std::string("/dev/zero")}) {
    for (const auto* const command : {"veo generate x", "veo price"}) {
      const auto ended = shell_.sh("VEO_CATALOG=" + path + " " + command);
      EXPECT_EQ(ended.exit_code, 2) << ended;
      EXPECT_THAT(ended.errors, AllOf(HasSubstr("VEO_CATALOG"), HasSubstr(path)));
    }
  }
  EXPECT_EQ(simulator_.state().at("submissions"), 0);
}

// --- folders ---

/// Makes the disk of / read-only, with a small writable disk at $PWD, and then runs a line.
std::string on_read_only_root(const std::string& line) {
  return "unshare -m bash -c 'mount -t tmpfs none . && cd \"$PWD\" && mount -o remount,bind,ro / "
         "&& " +
         line + "'";
}

class ReadOnlyRoot : public Machine {
 protected:
  void SetUp() override {
    const auto ended = shell_.sh(on_read_only_root("! touch /veo-test-file"));
    if (ended.exit_code != 0) GTEST_SKIP() << "no read-only root here: " << ended.errors;
  }
  /// Runs `veo` by this line, without a variable that names a folder.
  [[nodiscard]] Program::Ended run(const std::string& variables, const std::string& line) const {
    auto settings = shell_.settings({});
    const auto program = settings.args.front();
    settings.args = {"/bin/bash", "-c",
                     on_read_only_root("unset VEO_LEDGER VEO_CACHE_DIR XDG_STATE_HOME "
                                       "XDG_CACHE_HOME HOME; " +
                                       variables + " " + program + " " + line)};
    return Program(settings).wait();
  }
};

TEST_F(ReadOnlyRoot, ADirectoryThatCannotBeMadeIsNamedWithTheVariable) {
  for (const auto* const home : {"HOME=/", "HOME="}) {
    const auto ended =
        run(std::string("VEO_LEDGER=$PWD/l/ledger.db ") + home, "generate x -o x.mp4");
    EXPECT_EQ(ended.exit_code, 9) << ended;
    EXPECT_THAT(ended.errors, AllOf(HasSubstr("cache"), HasSubstr("/veo cannot be used"),
                                    HasSubstr("Read-only file system"), HasSubstr("VEO_CACHE_DIR"),
                                    HasSubstr("XDG_CACHE_HOME"), Not(HasSubstr("//"))))
        << home;
  }
  const auto ended = run("VEO_CACHE_DIR=$PWD/cache HOME=/", "generate x -o x.mp4");
  EXPECT_EQ(ended.exit_code, 9) << ended;
  EXPECT_THAT(ended.errors,
              AllOf(HasSubstr("the folder /.local cannot be made: Read-only file system"),
                    HasSubstr("VEO_LEDGER"), HasSubstr("HOME is /")));
  EXPECT_EQ(simulator_.state().at("submissions"), 0);
}

TEST_F(ReadOnlyRoot, WithoutACacheNoCacheFolderIsNeeded) {
  const auto ended = run("VEO_LEDGER=$PWD/l/ledger.db HOME=/ VEO_CACHE_SIZE=0 TMPDIR=/nowhere",
                         "generate x -o x.mp4 && ls -l x.mp4");
  EXPECT_EQ(ended.exit_code, 0) << ended;
  EXPECT_THAT(ended.output, HasSubstr("x.mp4"));
  EXPECT_EQ(charges(), 1);
}

TEST_F(Machine, AUserWithoutAnEntryAndHomeIsToldWhichVariableToSet) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  ASSERT_EQ(::chmod(shell_.file("").c_str(), 0777), 0);
  const auto ended = shell_.sh(
      "unset HOME VEO_LEDGER VEO_CACHE_DIR XDG_STATE_HOME XDG_CACHE_HOME; VEO_CACHE_DIR=$PWD/c "
      "setpriv --reuid=12345 --regid=12345 --clear-groups " +
      shell_.settings({}).args.front() + " generate x -o x.mp4");
  if (ended.exit_code == 127) GTEST_SKIP() << "setpriv is missing";
  EXPECT_EQ(ended.exit_code, 9) << ended;
  EXPECT_THAT(ended.errors, AllOf(HasSubstr("the folder /.local cannot be made: Permission denied"),
                                  HasSubstr("VEO_LEDGER"), HasSubstr("HOME is not set")));
  EXPECT_EQ(simulator_.state().at("submissions"), 0);
}

TEST_F(Machine, ACacheOfSizeZeroTouchesNoFolder) {
  const auto cache = shell_.file("cache");
  const auto ended =
      shell_.sh("VEO_CACHE_SIZE=0 VEO_CACHE_DIR=" + cache + " veo generate 'a dog' -o dog.mp4");
  EXPECT_EQ(ended.exit_code, 0) << ended;
  EXPECT_FALSE(std::filesystem::exists(cache));
  EXPECT_EQ(charges(), 1);
}

}  // namespace
}  // namespace veo::test
