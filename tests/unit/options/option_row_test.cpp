// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A row of the tables of options and of errors that leaves a field out does not compile, with
// either compiler: an option cannot forget what it means for two jobs, nor an error its exit code.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "command.h"

namespace veo {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

struct Field {
  const char* name;
  const char* value;
};
using Row = std::vector<Field>;

const Row option_row{
    {"name", "\"prompt\""},
    {"title", "\"Prompt\""},
    {"help", "\"What the video shows\""},
    {"group", "veo::Option::Group::request"},
    {"type", "veo::OptionType{.kind = veo::OptionType::Kind::text, .form = \"TEXT\"}"},
    {"member", "veo::option_member::member<&veo::Options::ledger>()"},
    {"identity", "veo::Option::Identity::request"},
    {"setters", "veo::OptionSetter::command"},
    {"since", "\"0.1\""},
};
const Row error_row{
    {"code", "veo::ErrorCode::network"},
    {"nick", "\"network\""},
    {"meaning", "\"There is no connection.\""},
    {"gst", "veo::gst_error::resource_read"},
    {"exit_code", "9"},
    {"http_status", "502"},
    {"libav", "veo::libav_error::input_output"},
    {"ends_batch", "false"},
    {"batch_rank", "14"},
    {"is_passing", "true"},
    {"keeps_task", "true"},
    {"advice", "\"\""},
};

/// A line of code: the row, without `left_out`.
std::string code_of(const char* type, const char* name, const Row& row, const char* left_out) {
  std::string code = "constexpr veo::" + std::string(type) + " " + name + "{";
  for (const auto& field : row) {
    if (std::string(field.name) != left_out) {
      code += "." + std::string(field.name) + " = " + field.value + ", ";
    }
  }
  return code + "};\n";
}

class TableRow : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::string(GetParam()).empty()) GTEST_SKIP() << "this compiler is not here";
  }

  /// What the compiler says of `lines`, which follow on line 3, and `compiled` if it has no
  /// objection.
  [[nodiscard]] std::string compile(const std::string& lines) const {
    std::ofstream(directory_.file("code.cpp")) << "#include \"veo/core/error_table.h\"\n"
                                                  "#include \"option_member.h\"\n"
                                               << lines;
    return test::output_of(std::string(GetParam()) +
                           " -std=c++20 -fsyntax-only " VEO_OPTION_INCLUDES " " +
                           directory_.file("code.cpp") + " 2>&1 && echo compiled");
  }

  test::TemporaryDirectory directory_;
};

TEST_P(TableRow, NeedsEveryField) {
  for (const auto& [type, row] :
       {std::pair("Option", option_row), std::pair("ErrorRow", error_row)}) {
    ASSERT_EQ(compile(code_of(type, "complete", row, "")), "compiled\n")
        << "else the rest proves nothing";
    std::string lines;
    for (const auto& field : row) {
      const auto name = "without_" + std::string(field.name);
      lines += code_of(type, name.c_str(), row, field.name);
    }
    const auto said = compile(lines);
    EXPECT_THAT(said, Not(HasSubstr("compiled\n")));
    for (std::size_t i = 0; i < row.size(); ++i) {
      // A compiler goes on after an error, and names the line of each.
      const auto place = "code.cpp:" + std::to_string(i + 3) + ":[0-9]+: error";
      EXPECT_THAT(said, ContainsRegex(place)) << type << " without " << row[i].name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Compilers, TableRow, testing::Values(VEO_GCC, VEO_CLANG),
                         [](const auto& compiler) {
                           return std::string(compiler.index == 0 ? "gcc" : "clang");
                         });

}  // namespace
}  // namespace veo
