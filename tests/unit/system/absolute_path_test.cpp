// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/absolute_path.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

namespace veo::test {
namespace {

TEST(AbsolutePath, PutsTheWorkingDirectoryBeforeARelativePath) {
  const auto here = std::filesystem::current_path().string();
  EXPECT_EQ(make_absolute("ledger.db"), here + "/ledger.db");
  EXPECT_EQ(make_absolute("state/../ledger.db"), here + "/state/../ledger.db")
      << "links may matter";
}

TEST(AbsolutePath, LeavesTheRestAsItIs) {
  for (const std::string path :
       {"", "/", "/var/ledger.db", "postgresql://host/db", "veo+x://host/db"}) {
    EXPECT_EQ(make_absolute(path), path);
  }
}

}  // namespace
}  // namespace veo::test
