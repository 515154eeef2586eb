// SPDX-License-Identifier: LGPL-2.1-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "command.h"
#include "mount_namespace.h"
#include "process.h"
#include "veo/http/transport.h"
#include "veo/source/access.h"
#include "veo/system/file_handle.h"

namespace veo {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ApiKey : public testing::Test {
 protected:
  void SetUp() override { clear_environment(); }
  void TearDown() override { clear_environment(); }

  static void clear_environment() {
    for (const char* name : {"VEO_API_URL", "VEO_API_KEY", "VEO_API_KEY_FILE",
                             "VEO_API_KEY_COMMAND", "CREDENTIALS_DIRECTORY"}) {
      ::unsetenv(name);
    }
  }

  [[nodiscard]] std::string write_file(const std::string& name, const std::string& text,
                                       mode_t mode) const {
    const auto path = directory_.file(name);
    std::ofstream(path, std::ios::binary) << text;
    ::chmod(path.c_str(), mode);
    return path;
  }

  /// Returns the Authorization header for these options, or why there is none.
  static std::string find_header(const AccessOptions& options, AccessProgress& progress) {
    const auto access = resolve_access(options, progress);
    if (access) return http::Authorization::header(access->key);
    return std::string(nick(access.error().code)) + ": " + access.error().message;
  }
  static std::string find_header(const AccessOptions& options = {}) {
    AccessProgress progress;
    return find_header(options, progress);
  }
  static std::string header_of_file(const std::string& path) {
    AccessOptions options;
    options.api_key_file = path;
    return find_header(options);
  }
  static std::string header_of_property(const std::string& text) {
    AccessOptions options;
    options.api_key = Secret(text);
    return find_header(options);
  }
  static std::string header_of_command(const std::string& line) {
    ::setenv("VEO_API_KEY_COMMAND", line.c_str(), 1);
    return find_header();
  }

  /// Returns what a child process says. A process tells only once that others can read a key file,
  /// so a test that makes it tell that does so in a child.
  static std::string in_child(const std::function<std::string()>& work) {
    test::Process process([&](const test::Process::Say& say) { say(work()); });
    return process.line();
  }
  /// Returns what a child process with mounts of its own says, or "skip: " and why there is none.
  static std::string in_mount_namespace(const std::function<std::string()>& work) {
    test::Process process([&](const test::Process::Say& say) {
      const auto why = test::enter_mount_namespace();
      say(why.empty() ? work() : "skip: " + why);
    });
    return process.line();
  }

  const test::TemporaryDirectory directory_;
};

TEST_F(ApiKey, ComesFromTheFirstPlaceThatIsSet) {
  ::setenv("VEO_API_KEY", "sk-variable", 1);
  EXPECT_EQ(find_header(), "Bearer sk-variable");
  EXPECT_EQ(header_of_command("echo sk-command"), "Bearer sk-command");
  ::setenv("VEO_API_KEY_FILE", write_file("a", "sk-variable-file", 0400).c_str(), 1);
  EXPECT_EQ(find_header(), "Bearer sk-variable-file");
  ::setenv("CREDENTIALS_DIRECTORY", directory_.path().c_str(), 1);
  EXPECT_EQ(find_header(), "Bearer sk-variable-file") << "there is no credential veo-api-key";
  (void)write_file("veo-api-key", "sk-credential\n", 0400);
  EXPECT_EQ(find_header(), "Bearer sk-credential");
  AccessOptions options;
  options.api_key_file = write_file("b", "sk-file\r\n", 0600);
  EXPECT_EQ(find_header(options), "Bearer sk-file");
  options.api_key = Secret("sk-property");
  EXPECT_EQ(find_header(options), "Bearer sk-property");
}

TEST_F(ApiKey, MayHaveWhiteSpaceAtItsEnds) {
  EXPECT_EQ(header_of_property("sk-a\n"), "Bearer sk-a");
  EXPECT_EQ(header_of_property(" sk-a\r\n\n"), "Bearer sk-a");
  EXPECT_EQ(header_of_file(write_file("a", "\tsk-a \r\n", 0600)), "Bearer sk-a");
  ::setenv("VEO_API_KEY", "sk-a\n", 1);
  EXPECT_EQ(find_header(), "Bearer sk-a");
}

TEST_F(ApiKey, MustBeTextThatAHeaderCanCarry) {
  for (const std::string& text :
       {std::string("\n"), std::string("sk-a\nsk-b"), std::string("sk-a\r\nX-Header: b"),
        std::string("sk-\0x", 5), std::string("sk-\xC3\xA9")}) {
    EXPECT_THAT(header_of_property(text),
                AllOf(StartsWith("invalid-api-key: The property api-key"),
                      HasSubstr("Nothing was sent"), Not(HasSubstr("sk-"))));
    EXPECT_THAT(header_of_file(write_file("bad", text, 0600)),
                StartsWith("invalid-api-key: The API key file " + directory_.file("bad")));
  }
  EXPECT_THAT(header_of_file(write_file("large", std::string(5000, 'k'), 0600)),
              HasSubstr("more than 4096 bytes"));
  EXPECT_THAT(header_of_file(directory_.file("missing")), HasSubstr("No such file"));
  EXPECT_THAT(header_of_file(directory_.path()), HasSubstr("it is a directory"));
  EXPECT_THAT(header_of_file("/dev/zero"), HasSubstr("it is a device"));
}

TEST_F(ApiKey, AFileThatItsOwnerCanProtectIsRefused) {
  for (const mode_t mode : {0604U, 0640U, 0644U, 0666U, 0440U, 0444U}) {
    const auto header = header_of_file(write_file("open", "sk-secret-text", mode));
    EXPECT_THAT(header, AllOf(StartsWith("invalid-api-key"), HasSubstr("chmod 600"),
                              Not(HasSubstr("sk-secret-text"))))
        << std::oct << mode;
    ::unlink(directory_.file("open").c_str());
  }
}

// systemd's LoadCredential, Kubernetes and Docker make files that another user owns.
TEST_F(ApiKey, AFileOfAnotherUserIsAcceptedWithOneNotice) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make a file of another user";
  (void)write_file("veo-api-key", "sk-credential\n", 0440);
  ASSERT_EQ(::chown(directory_.file("veo-api-key").c_str(), 65534, 0), 0);
  ::setenv("CREDENTIALS_DIRECTORY", directory_.path().c_str(), 1);
  const auto said = in_child([] {
    AccessProgress first;
    AccessProgress second;
    auto text = find_header({}, first);
    text += "; " + find_header({}, second);
    for (const auto& notice : first.notices) text += "; first: " + notice;
    for (const auto& notice : second.notices) text += "; second: " + notice;
    return text;
  });
  EXPECT_THAT(said, StartsWith("Bearer sk-credential; Bearer sk-credential; first: "));
  EXPECT_THAT(said, AllOf(HasSubstr(directory_.file("veo-api-key")), HasSubstr("0440"),
                          HasSubstr("belongs to another user")));
  EXPECT_THAT(said, Not(HasSubstr("second: "))) << "one notice in a process";
}

TEST_F(ApiKey, AFileOnAReadOnlyMountIsAccepted) {
  const auto path = write_file("key", "sk-mounted\n", 0444);
  const auto said = in_mount_namespace([&]() -> std::string {
    if (const auto why = test::make_read_only(directory_.path()); !why.empty()) {
      return "skip: " + why;
    }
    AccessProgress progress;
    AccessOptions options;
    options.api_key_file = path;
    const auto header = find_header(options, progress);
    return header + "; " + (progress.notices.empty() ? "no notice" : progress.notices[0]);
  });
  if (said.starts_with("skip: ")) GTEST_SKIP() << said;
  EXPECT_THAT(said,
              AllOf(StartsWith("Bearer sk-mounted; "), HasSubstr("the file system is read-only")));
}

TEST_F(ApiKey, AnImmutableFileIsAccepted) {
  const auto path = write_file("key", "sk-immutable\n", 0444);
  const FileHandle file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  int flags = 0;
  ASSERT_TRUE(file);
  if (::ioctl(file.get(), FS_IOC_GETFLAGS, &flags) != 0) GTEST_SKIP() << "no flags of files here";
  int immutable = flags | FS_IMMUTABLE_FL;
  if (::ioctl(file.get(), FS_IOC_SETFLAGS, &immutable) != 0) {
    GTEST_SKIP() << "no immutable files here";
  }
  const auto header = in_child([&] { return header_of_file(path); });
  ASSERT_EQ(::ioctl(file.get(), FS_IOC_SETFLAGS, &flags), 0);
  EXPECT_EQ(header, "Bearer sk-immutable");
}

TEST_F(ApiKey, APipeIsReadToItsEndAndOnce) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const FileHandle out(ends[0]);
  {
    const FileHandle in(ends[1]);
    ASSERT_EQ(::write(in.get(), "sk-pi", 5), 5);
    ASSERT_EQ(::write(in.get(), "ped\n", 4), 4);
  }
  const auto path = "/dev/fd/" + std::to_string(out.get());
  EXPECT_EQ(header_of_file(path), "Bearer sk-piped");
  EXPECT_EQ(header_of_file(path), "Bearer sk-piped") << "a second source of the same process";
}

TEST_F(ApiKey, AFifoWaitsForItsWriter) {
  const auto path = directory_.file("fifo");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  // open(2) of the writer returns when the reader has opened the FIFO.
  std::thread writer([&] { std::ofstream(path) << "sk-fifo\n"; });
  EXPECT_EQ(header_of_file(path), "Bearer sk-fifo");
  writer.join();
}

TEST_F(ApiKey, APipeThatStaysOpenIsGivenUp) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const FileHandle out(ends[0]);
  const FileHandle in(ends[1]);
  ASSERT_EQ(::write(in.get(), "sk-half", 7), 7);
  AccessOptions options;
  options.api_key_file = "/dev/fd/" + std::to_string(out.get());
  AccessProgress progress{.patience = {.timeout = std::chrono::milliseconds(50)}};
  EXPECT_THAT(find_header(options, progress),
              AllOf(StartsWith("invalid-api-key"), HasSubstr("did not write and close it in time"),
                    Not(HasSubstr("sk-half"))));
}

TEST_F(ApiKey, TheFirstLineOfACommandsOutputIsTheKey) {
  EXPECT_EQ(header_of_command("printf 'sk-first\\nuser: me\\n'"), "Bearer sk-first");
  EXPECT_EQ(header_of_command("printf ' sk-blank \\r\\n'"), "Bearer sk-blank");
  EXPECT_EQ(header_of_command("echo sk-left; sleep 600 & exit 0"), "Bearer sk-left")
      << "a process that the command leaves behind is not waited for";
}

TEST_F(ApiKey, ACommandRunsOnceInAProcess) {
  const auto count = directory_.file("count");
  const auto good = "echo x >> " + count + "; echo sk-once";
  EXPECT_EQ(header_of_command(good), "Bearer sk-once");
  EXPECT_EQ(header_of_command(good), "Bearer sk-once");
  const auto bad = "echo y >> " + count + "; exit 3";
  EXPECT_THAT(header_of_command(bad), HasSubstr("status 3"));
  EXPECT_THAT(header_of_command(bad), HasSubstr("status 3"));
  std::ifstream runs(count);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(runs), {}), "x\ny\n");
}

TEST_F(ApiKey, ACommandSeesNoVariableOfTheKey) {
  ::setenv("VEO_API_KEY", "sk-variable", 1);
  ::setenv("VEO_API_KEY_FUTURE", "sk-variable", 1);
  ::setenv("CREDENTIALS_DIRECTORY", directory_.path().c_str(), 1);
  ::setenv("VEO_API_URL", "https://api.example/v1", 1);
  const auto header = header_of_command(
      "env | grep -c -e ^VEO_API_KEY -e ^CREDENTIALS_DIRECTORY; env | grep -c ^VEO_API_URL >&2");
  ::unsetenv("VEO_API_KEY_FUTURE");
  EXPECT_EQ(header, "Bearer 0");
}

TEST_F(ApiKey, AFailedCommandIsToldWithoutItsOutput) {
  struct Case {
    const char* line;
    const char* why;
  };
  const Case cases[] = {
      {"echo sk-secret; echo first >&2; printf 'no\\tkey\\n\\n' >&2; exit 2",
       "the command ended with status 2. Its last words were: no\\x09key"},
      {"echo sk-secret; kill -KILL $$", "the signal 9 (Killed) ended the command"},
      {"set -x; echo sk-secret; exit 1", "Its last words were: + exit 1"},
      {"echo sk-secret; echo cannot use sk-secret here >&2; exit 1", "cannot use *** here"},
      {": sk-secret", "the command printed nothing"},
      {"echo; echo sk-secret", "the first line of its output is empty"},
      {"echo sk-secret with spaces", "characters that no key has"},
      {"while :; do echo sk-secret; done", "printed more than 65536 bytes"},
      {"/no/such/program sk-secret", "status 127"},
  };
  for (const auto& one : cases) {
    const auto header = header_of_command(one.line);
    EXPECT_THAT(header,
                AllOf(StartsWith("invalid-api-key: VEO_API_KEY_COMMAND"), HasSubstr(one.why),
                      HasSubstr("Nothing was sent"), Not(HasSubstr("sk-secret"))))
        << one.line;
  }
}

TEST_F(ApiKey, ACommandThatTakesTooLongIsEnded) {
  const auto pid = directory_.file("pid");
  ::setenv("VEO_API_KEY_COMMAND", ("echo $$ > " + pid + "; trap '' TERM; sleep 600").c_str(), 1);
  AccessProgress progress{.patience = {.timeout = std::chrono::milliseconds(200)}};
  EXPECT_THAT(find_header({}, progress), HasSubstr("did not end within 1 s"));
  pid_t child = 0;
  std::ifstream(pid) >> child;
  ASSERT_GT(child, 0);
  EXPECT_NE(::kill(child, 0), 0) << "the command still runs";
}

TEST_F(ApiKey, ACommandThatNobodyNeedsIsEndedAndDoesNotCount) {
  const auto line = "if test -e " + directory_.file("again") + "; then echo sk-again; else touch " +
                    directory_.file("again") + "; sleep 600; fi";
  ::setenv("VEO_API_KEY_COMMAND", line.c_str(), 1);
  AccessProgress progress{.patience = {.is_cancelled = [&] {
                            return ::access(directory_.file("again").c_str(), F_OK) == 0;
                          }}};
  EXPECT_THAT(find_header({}, progress), HasSubstr("nobody waits"));
  EXPECT_EQ(find_header(), "Bearer sk-again");
}

TEST_F(ApiKey, ACommandsKeyGoesOnlyToTheEnvironmentsService) {
  const auto marker = directory_.file("ran");
  ::setenv("VEO_API_KEY_COMMAND", ("touch " + marker + "; echo sk-command").c_str(), 1);
  AccessOptions options;
  options.api_url = "https://elsewhere.example/v1";
  EXPECT_THAT(find_header(options),
              AllOf(StartsWith("missing-api-key"), HasSubstr("elsewhere.example")));
  EXPECT_NE(::access(marker.c_str(), F_OK), 0) << "the command ran";
}

TEST_F(ApiKey, AWaitThatIsInterruptedEndsTheCommand) {
  const auto pid = directory_.file("pid");
  ::setenv("VEO_API_KEY_COMMAND", ("echo $$ > " + pid + "; exec sleep 600").c_str(), 1);
  const auto wakeup = std::make_shared<Wakeup>();
  wakeup->interrupt();
  EXPECT_FALSE(open_access({}, wakeup).has_value());
  // The thread for settings does its work in order: the next answer comes when the command is gone.
  wakeup->resume();
  AccessOptions options;
  options.api_key = Secret("sk-property");
  const auto access = open_access(options, wakeup);
  ASSERT_TRUE(access.has_value());
  EXPECT_TRUE(access->has_value());
}

}  // namespace
}  // namespace veo
