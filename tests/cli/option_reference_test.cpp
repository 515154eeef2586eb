// SPDX-License-Identifier: LGPL-2.1-or-later
//
// An option is told in six places: the properties of the elements, --help, the man page, the
// completions of bash, zsh and fish, and docs/reference/options.md. This test reads the properties
// as GObject has them, and looks for the same name, values, default and help in each other place.
#include <gmock/gmock.h>
#include <gst/gst.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include "shell.h"

namespace veo::test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

/// What GObject knows of a property.
struct Property {
  std::string help;
  std::vector<std::string> choices;  ///< of a boolean `true` and `false`
  std::string standard;              ///< as text; empty: none
  std::string range;                 ///< `1 to 3600`, of a number
};

std::string text_of_default(const GParamSpec* spec) {
  if (G_IS_PARAM_SPEC_BOOLEAN(spec)) {
    return G_PARAM_SPEC_BOOLEAN(spec)->default_value != FALSE ? "true" : "false";
  }
  if (G_IS_PARAM_SPEC_UINT(spec)) return std::to_string(G_PARAM_SPEC_UINT(spec)->default_value);
  if (G_IS_PARAM_SPEC_INT(spec)) return std::to_string(G_PARAM_SPEC_INT(spec)->default_value);
  if (!G_IS_PARAM_SPEC_ENUM(spec)) return "";
  const auto* const enums = G_PARAM_SPEC_ENUM(spec);
  return g_enum_get_value(enums->enum_class, enums->default_value)->value_nick;
}

Property read_property(const GParamSpec* spec) {
  Property property{.help = g_param_spec_get_blurb(const_cast<GParamSpec*>(spec)),
                    .choices = {},
                    .standard = text_of_default(spec),
                    .range = {}};
  if (G_IS_PARAM_SPEC_ENUM(spec)) {
    const auto* const enums = G_PARAM_SPEC_ENUM(spec)->enum_class;
    for (guint i = 0; i < enums->n_values; ++i) {
      property.choices.emplace_back(enums->values[i].value_nick);
    }
  }
  if (G_IS_PARAM_SPEC_BOOLEAN(spec)) property.choices = {"true", "false"};
  if (G_IS_PARAM_SPEC_UINT(spec) || G_IS_PARAM_SPEC_INT(spec)) {
    // The property takes every number of its type. Its text names the option's range.
    const auto begin = property.help.rfind(" [");
    EXPECT_THAT(property.help, EndsWith("]")) << spec->name;
    if (begin == std::string::npos) return property;
    property.range = property.help.substr(begin + 2, property.help.size() - begin - 3);
    property.help.resize(begin);
  }
  return property;
}

/// The element's own properties that can be set, but for `uri`, which is no option.
std::map<std::string, Property> properties_of(const char* element) {
  std::map<std::string, Property> properties;
  auto* const made = gst_element_factory_make(element, nullptr);
  if (made == nullptr) return properties;
  guint count = 0;
  GParamSpec** const specs = g_object_class_list_properties(G_OBJECT_GET_CLASS(made), &count);
  for (guint i = 0; i < count; ++i) {
    const auto* const spec = specs[i];
    const bool is_own = spec->owner_type == G_OBJECT_TYPE(made);
    const bool can_be_set = (spec->flags & G_PARAM_WRITABLE) != 0;
    if (is_own && can_be_set) properties.emplace(spec->name, read_property(spec));
  }
  g_free(specs);
  gst_object_unref(gst_object_ref_sink(made));
  return properties;
}

std::string joined(const std::vector<std::string>& words, const std::string& between) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

std::string without(std::string text, const std::string& what) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at)) {
    text.erase(at, what.size());
  }
  return text;
}

/// Every run of white space as one space.
std::string flowing(const std::string& text) {
  std::istringstream words(text);
  std::string flow;
  for (std::string word; words >> word;) flow += (flow.empty() ? "" : " ") + word;
  return flow;
}

/// The first line of `text` that contains `what`; empty: none.
std::string line_with(const std::string& text, const std::string& what) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.find(what) != std::string::npos) return line;
  }
  return "";
}

/// The help of a flag begins with a small letter, but for a name such as PEM or User-Agent.
std::string with_small_initial(std::string text) {
  const auto end =
      text.begin() + static_cast<std::ptrdiff_t>(std::min(text.find(' '), text.size()));
  const bool is_name =
      std::any_of(text.begin() + 1, end, [](char c) { return g_ascii_isupper(c); });
  if (!is_name) text[0] = g_ascii_tolower(text[0]);
  return text;
}

/// What a flag's help must be; `layout` has another default in the command.
std::string flag_help_of(const Property& property, const std::string& name) {
  auto help = with_small_initial(property.help);
  const auto standard =
      name == "layout" ? "original for a file, streamable for -" : property.standard;
  if (standard.empty() || standard == "false") return help;
  const auto explained = help.find("(" + standard + ": ");
  if (explained != std::string::npos) return help.insert(explained + 1, "default ");
  const bool has_two_ends = property.range.find(" to ") != std::string::npos;
  return help + " (default " + standard + (has_two_ends ? "; " + property.range : "") + ")";
}

/// `text` without what the syntax around it adds: quotes, escapes, fonts, line ends.
std::string plain(std::string text) {
  for (const auto* const mark : {"\\fB", "\\fI", "\\fR", "\\", "'"}) text = without(text, mark);
  for (auto at = text.find("…"); at != std::string::npos; at = text.find("…")) {
    text.replace(at, std::string("…").size(), "...");
  }
  return flowing(text);
}

/// From `begin` on, up to `end`; empty: `begin` is not there.
std::string part(const std::string& text, const std::string& begin, const std::string& end) {
  const auto from = text.find(begin);
  if (from == std::string::npos) return "";
  const auto to = text.find(end, from + begin.size());
  return text.substr(from, to == std::string::npos ? to : to - from);
}

struct Case {
  const char* element;
  const char* command;
  std::set<std::string> no_flags;  ///< properties that the command does not have as a flag
};
void PrintTo(const Case& it, std::ostream* out) { *out << it.element << " and " << it.command; }

class OptionReference : public testing::TestWithParam<Case> {
 protected:
  static void SetUpTestSuite() { gst_init(nullptr, nullptr); }

  void SetUp() override {
    std::ifstream page(VEO_OPTION_PAGE);
    docs_ = {std::istreambuf_iterator<char>(page), {}};
    const std::string command = GetParam().command;
    help_ = plain(shell_.veo({command, "--help"}).output);
    man_ = part(completion("man"), "\n.SS " + command + "\n", "\n.SS ");
    zsh_ = part(completion("zsh"), "\n        " + command + ")\n", "\n          ;;");
    fish_ = completion("fish");
    bash_ = completion("bash");
  }

  void expect_row_of(const std::string& name, const Property& property) const {
    const auto row = line_with(docs_, "| `" + name + "` | ");
    EXPECT_THAT(plain(row), HasSubstr(" | " + plain(property.help) + "."));
    EXPECT_THAT(
        row, HasSubstr(property.standard.empty() ? " |  | " : " | `" + property.standard + "` | "));
    if (!property.range.empty()) {
      EXPECT_THAT(row, HasSubstr(", " + property.range + " | "));
    }
    for (const auto& choice : property.choices) EXPECT_THAT(row, HasSubstr(choice));
  }

  void expect_flag_of(const std::string& name, const Property& property) const {
    const std::string command = GetParam().command;
    const auto flag = "--" + name;
    const auto help = plain(flag_help_of(property, name));
    const auto form = joined(property.choices, "|");
    EXPECT_THAT(help_, HasSubstr(flag + " " + form));
    EXPECT_THAT(help_, HasSubstr(" " + help + " "));

    const auto entry = plain(part(plain_names(man_), "\n" + flag, "\n.TP"));
    EXPECT_THAT(entry, StartsWith(flag));
    EXPECT_THAT(entry, HasSubstr("=" + form));
    EXPECT_THAT(entry, EndsWith(" " + help));

    const auto zsh = plain(line_with(zsh_, "*" + flag + "="));
    EXPECT_THAT(zsh, HasSubstr("[" + help + "]"));
    EXPECT_THAT(zsh, HasSubstr(property.choices.empty() ? "" : joined(property.choices, " ")));

    const auto fish =
        plain(line_with(fish_, "__fish_seen_subcommand_from " + command + "' -l " + name + " "));
    EXPECT_THAT(fish, EndsWith(" -d " + help));
    if (property.choices.empty()) return;
    const auto bash = line_with(bash_, command + ":" + flag + "=");
    EXPECT_THAT(bash, HasSubstr("-W '" + joined(property.choices, " ") + "'"));
  }

  Simulator simulator_ = start_simulator("0s");
  Shell shell_{simulator_};

 private:
  [[nodiscard]] std::string completion(const std::string& shell) const {
    return shell_.veo({"completion", shell}).output;
  }
  /// The man page's names of flags as they are typed.
  static std::string plain_names(const std::string& page) {
    return without(without(without(without(page, "\\fB"), "\\fI"), "\\fR"), "\\");
  }

  std::string docs_;
  std::string help_;
  std::string man_;
  std::string zsh_;
  std::string fish_;
  std::string bash_;
};

TEST_P(OptionReference, SaysTheSameEverywhere) {
  const auto properties = properties_of(GetParam().element);
  ASSERT_GT(properties.size(), 30U) << GetParam().element << " is not here";
  unsigned flags = 0;
  for (const auto& [name, property] : properties) {
    if (name == "uri") continue;  // no option
    SCOPED_TRACE(name);
    expect_row_of(name, property);
    if (GetParam().no_flags.contains(name)) continue;
    expect_flag_of(name, property);
    ++flags;
  }
  EXPECT_GT(flags, 20U);
}

// The prompt is an argument of both commands, and the parent one of `veo extend`.
INSTANTIATE_TEST_SUITE_P(
    Elements, OptionReference,
    testing::Values(Case{"veosrc", "generate", {"prompt", "tls-database", "prompt-tag"}},
                    Case{"veoextend",
                         "extend",
                         {"prompt", "tls-database", "prompt-tag", "extend-task-id", "mode",
                          "resolution", "aspect-ratio", "generation-type", "image-urls",
                          "enable-translation", "seed", "watermark"}}),
    [](const auto& it) { return std::string(it.param.element); });

}  // namespace
}  // namespace veo::test
