// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/private_directory.h"

#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "command.h"
#include "mount_namespace.h"
#include "process.h"

namespace veo {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

unsigned mode_of(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 07777U : 0U;
}

class PrivateDirectoryTest : public testing::Test {
 protected:
  static Result<FileHandle> open(const std::string& path) {
    return open_private_directory(path, ErrorCode::cache, "The test's directory");
  }
  static std::string why_not(const std::string& path) {
    const auto opened = open(path);
    if (opened) return "it can be used";
    EXPECT_EQ(opened.error().code, ErrorCode::cache);
    EXPECT_THAT(opened.error().message, StartsWith("The test's directory " + path));
    return opened.error().message;
  }

  const test::TemporaryDirectory directory_;
};

TEST_F(PrivateDirectoryTest, IsMadeWithItsParentsForItsUserAlone) {
  const auto mask = ::umask(0);
  const auto opened = open(directory_.file("a/b/c"));
  ::umask(mask);
  ASSERT_TRUE(opened) << opened.error().message;
  for (const char* made : {"a", "a/b", "a/b/c"}) {
    EXPECT_EQ(mode_of(directory_.file(made)), 0700U) << made;
  }
  struct stat by_handle {};
  struct stat by_name {};
  ASSERT_EQ(::fstat(opened->get(), &by_handle), 0);
  ASSERT_EQ(::stat(directory_.file("a/b/c").c_str(), &by_name), 0);
  EXPECT_EQ(by_handle.st_ino, by_name.st_ino);
}

TEST_F(PrivateDirectoryTest, ASlashAtTheEndMakesNoDifference) {
  EXPECT_TRUE(open(directory_.file("a/b/")));
  EXPECT_TRUE(open(directory_.file("a//b")));
}

TEST_F(PrivateDirectoryTest, AnExistingDirectoryIsLeftUnchanged) {
  ASSERT_EQ(::chmod(directory_.path().c_str(), 0755), 0);
  EXPECT_TRUE(open(directory_.path())) << "others may read, but not write";
  EXPECT_EQ(mode_of(directory_.path()), 0755U);
}

TEST_F(PrivateDirectoryTest, OneWhereOthersMayWriteIsRefused) {
  for (const mode_t mode : {0770U, 0707U, 0720U, 0702U, 01777U}) {
    ASSERT_EQ(::chmod(directory_.path().c_str(), mode), 0);
    EXPECT_THAT(why_not(directory_.path()), HasSubstr("others may write there"))
        << std::oct << mode;
  }
}

TEST_F(PrivateDirectoryTest, AnothersIsRefusedAlsoThroughALink) {
  // Choose a directory that belongs to another user than the one who runs this test.
  const std::string others = ::geteuid() == 0 ? directory_.file("others") : "/";
  if (::geteuid() == 0) {
    std::filesystem::create_directory(others);
    ASSERT_EQ(::chown(others.c_str(), 65534, 65534), 0);
  }
  EXPECT_THAT(why_not(others), HasSubstr("belongs to another user"));
  const auto link = directory_.file("link");
  std::filesystem::create_directory_symlink(others, link);
  EXPECT_THAT(why_not(link), HasSubstr("belongs to another user"));
}

TEST_F(PrivateDirectoryTest, AFileIsRefused) {
  const auto file = directory_.file("file");
  std::ofstream(file) << "bytes";
  EXPECT_THAT(why_not(file), HasSubstr("Not a directory"));
  EXPECT_THAT(why_not(file + "/below"), HasSubstr("Not a directory"));
  EXPECT_THAT(why_not(""), HasSubstr("No such file"));
}

TEST_F(PrivateDirectoryTest, OneThatCannotBeMadeIsRefused) {
  const auto parent = directory_.file("parent");
  std::filesystem::create_directory(parent);
  ::chmod(parent.c_str(), 0500);
  const auto why =
      test::as_ordinary_user(directory_.path(), [&] { return why_not(parent + "/child"); });
  EXPECT_THAT(why, HasSubstr("cannot be used"));
  EXPECT_FALSE(std::filesystem::exists(parent + "/child"));
}

TEST_F(PrivateDirectoryTest, TheMessageNamesTheFolderThatFailedAndTheSetting) {
  const auto parent = directory_.file("parent");
  std::filesystem::create_directory(parent);
  ::chmod(parent.c_str(), 0500);
  const auto why =
      test::as_ordinary_user(directory_.path(), [&] { return why_not(parent + "/a/b/c"); });
  EXPECT_THAT(why, HasSubstr("the folder " + parent + "/a cannot be made: Permission denied."));
  EXPECT_THAT(why, HasSubstr("VEO_CACHE_DIR or XDG_CACHE_HOME"));
  const auto ledger = open_private_directory("/proc/veo", ErrorCode::ledger, "The ledger's");
  ASSERT_FALSE(ledger);
  EXPECT_THAT(ledger.error().message, HasSubstr("VEO_LEDGER to a file"));
}

// The root of a container's volume often belongs to root and a group of the user.
TEST_F(PrivateDirectoryTest, InAnothersVolumeAFolderOfItsOwnIsNamedAndCanBeUsed) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make a folder of another user";
  const auto volume = directory_.file("volume");
  std::filesystem::create_directory(volume);
  ASSERT_EQ(::chmod(directory_.path().c_str(), 0755), 0);
  ASSERT_EQ(::chown(volume.c_str(), 0, 65534), 0);
  ASSERT_EQ(::chmod(volume.c_str(), 02775), 0);
  test::Process user([&](const test::Process::Say& say) {
    if (::setgroups(0, nullptr) != 0 || ::setgid(65534) != 0 || ::setuid(12345) != 0) return;
    say(why_not(volume));
    say(open(volume + "/veo") ? "it can be used" : why_not(volume + "/veo"));
  });
  const auto why = user.line();
  EXPECT_THAT(why, HasSubstr("it belongs to another user"));
  EXPECT_THAT(why, HasSubstr("set VEO_CACHE_DIR=" + volume + "/veo."));
  EXPECT_EQ(user.line(), "it can be used");
  EXPECT_EQ(mode_of(volume + "/veo") & 0777U, 0700U);
}

TEST_F(PrivateDirectoryTest, AReadOnlyDiskIsTheReason) {
  test::Process process([&](const test::Process::Say& say) {
    auto why = test::enter_mount_namespace();
    if (why.empty()) why = test::make_read_only(directory_.path());
    say(why.empty() ? why_not(directory_.file(".cache/veo")) : "skip: " + why);
  });
  const auto why = process.line();
  if (why.starts_with("skip: ")) GTEST_SKIP() << why;
  EXPECT_THAT(why, HasSubstr("the folder " + directory_.file(".cache") +
                             " cannot be made: Read-only file system"));
}

}  // namespace
}  // namespace veo
