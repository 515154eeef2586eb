// SPDX-License-Identifier: LGPL-2.1-or-later
#include "batch_file.h"

#include <algorithm>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>

#include "veo/core/intent.h"
#include "veo/options/option_table.h"
#include "veo/source/access.h"
#include "veo/system/environment.h"
#include "veo/system/small_file.h"

namespace veo::cli {

using nlohmann::json;

namespace {

constexpr std::size_t longest_line = 1U << 20U;
constexpr std::size_t largest_file = 256U << 20U;
constexpr std::size_t most_mistakes = 20;

/// Returns the value of one item. nullopt: the JSON has another type. A choice or a text is a
/// string.
std::optional<OptionValue> parse_item(const OptionType& type, const json& value) {
  switch (type.kind) {
    case OptionType::Kind::flag:
      return value.is_boolean() ? std::optional<OptionValue>(value.get<bool>()) : std::nullopt;
    case OptionType::Kind::number:
      // A number above the range of int64 is above the range of every option.
      if (value.is_number_unsigned()) {
        const auto number = value.get<std::uint64_t>();
        constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
        return OptionValue(static_cast<std::int64_t>(std::min(number, most)));
      }
      return value.is_number_integer() ? std::optional<OptionValue>(value.get<std::int64_t>())
                                       : std::nullopt;
    default:
      return value.is_string() ? std::optional<OptionValue>(value.get<std::string>())
                               : std::nullopt;
  }
}

std::string json_type_of(const OptionType& type) {
  switch (type.kind) {
    case OptionType::Kind::list:
      return "an array of strings";
    case OptionType::Kind::flag:
      return "true or false";
    case OptionType::Kind::number:
      return "a whole number";
    default:
      return "a string";
  }
}

/// Sets an option to the item, or adds the item to a list. Returns what is wrong, or an empty text.
std::string set_item(Options& settings, const Option& option, const json& item) {
  const OptionType& type = option.type;
  auto value = parse_item(type, item);
  if (!value) return std::string(option.name.value) + " takes " + json_type_of(type);
  const auto* const text = std::get_if<std::string>(&*value);
  const auto set = text != nullptr ? set_option(settings, option, *text)
                                   : set_option(settings, option, std::move(*value));
  return set ? "" : set.error().message;
}

/// Sets the option that the member names. Returns what is wrong, or an empty text.
std::string set_member(Options& settings, const std::string& name, const json& value) {
  const auto* const option = find_option(name, OptionSetter::batch);
  if (option == nullptr) return "there is no member \"" + name + "\"";
  const OptionType& type = option->type;
  const bool is_list = type.kind == OptionType::Kind::list;
  if (is_list != value.is_array()) return name + " takes " + json_type_of(type);
  for (const auto& item : is_list ? value : json::array({value})) {
    if (auto wrong = set_item(settings, *option, item); !wrong.empty()) return wrong;
  }
  return "";
}

/// Parses an object. Writes to `twice` the name of a member that the object has twice. Throws
/// json::exception.
json parse_object(const std::string& text, std::string& twice) {
  std::set<std::string> names;
  return json::parse(text, [&](int depth, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::key && depth == 1 &&
        !names.insert(parsed.get<std::string>()).second) {
      twice = parsed.get<std::string>();
    }
    return true;
  });
}

/// Sets the options and the flags that the line names. Returns what is wrong with the line, or an
/// empty text.
std::string parse_line(const std::string& text, const LineForm& form, BatchRequest& request) {
  auto& settings = request.settings;
  if (text.size() > longest_line) return "it is longer than 1 MiB";
  json object;
  std::string twice;
  try {
    object = parse_object(text, twice);
    if (!object.is_object()) return "it is no JSON object";
    if (!twice.empty()) return "the member \"" + twice + "\" is there twice";
    for (const auto& [name, value] : object.items()) {
      if (std::ranges::find(form.flags, name) != form.flags.end()) {
        if (!value.is_boolean()) return name + " takes true or false";
        if (value.get<bool>()) request.flags.insert(name);
        continue;
      }
      if (auto wrong = set_member(settings, name, value); !wrong.empty()) {
        return form.suggest_command ? wrong + form.suggest_command(name) : wrong;
      }
      request.members.insert(name);
    }
  } catch (const json::exception& error) {
    return std::string("it is no JSON: ") + error.what();
  }
  if (request.members.contains("take") && !settings.request_id.empty())
    return "take and request-id exclude each other";
  return "";
}

class BatchParser {
 public:
  BatchParser(std::string path, const Options& common, const Patience& patience,
              const LineForm& form)
      : path_(std::move(path)), common_(common), patience_(patience), form_(form) {}

  Result<BatchFile> parse() {
    auto api_url = resolve_api_url(common_.access);
    if (!api_url) return fail(std::move(api_url.error()));
    auto contents = read_small_file_or_pipe(
        path_, {.what = "The file " + path_, .code = ErrorCode::cache, .most = largest_file},
        patience_);
    if (!contents) {
      contents.error().message += " Nothing was sent.";
      return fail(std::move(contents.error()));
    }
    std::istringstream lines(std::move(*contents));
    std::string text;
    for (std::size_t line = 1; std::getline(lines, text); ++line) {
      if (text.find_first_not_of(" \t\r") != std::string::npos) add(line, text);
    }
    name(*api_url);
    return BatchFile{.requests = std::move(requests_), .mistakes = std::move(mistakes_)};
  }

 private:
  void add(std::size_t line, const std::string& text) {
    const auto before = std::exchange(line_before_, line);
    BatchRequest request{.line = line, .settings = common_, .id = {}};
    auto wrong = parse_line(text, form_, request);
    if (wrong.empty() && form_.finish) wrong = form_.finish(request, before);
    if (!wrong.empty()) {
      mistakes_.emplace(line, wrong);
      return;
    }
    const auto& settings = request.settings;
    const bool names_its_take = request.members.contains("take");
    has_take_.push_back(names_its_take || !settings.request_id.empty());
    if (names_its_take) takes_[make_canonical_request(settings.request)].insert(settings.take);
    requests_.push_back(std::move(request));
  }

  /// Gives each line that names no take the next free take of its request, and each line its id.
  void name(const std::string& api_url) {
    std::map<std::string, std::uint32_t> last;
    std::map<std::string, std::size_t> lines;
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      auto& [line, settings, id, members, flags] = requests_[i];
      if (!has_take_[i]) {
        const auto request = make_canonical_request(settings.request);
        const auto& taken = takes_[request];
        do settings.take = ++last[request];
        while (taken.contains(settings.take));
      }
      id = make_request_name(settings, api_url);
      const auto [before, is_new] = lines.emplace(id, line);
      if (!is_new) {
        mistakes_.emplace(line,
                          "it asks for what line " + std::to_string(before->second) + " asks for");
      }
    }
  }

  const std::string path_;
  const Options& common_;
  const Patience& patience_;
  const LineForm& form_;
  std::optional<std::size_t> line_before_;  // the line that was read before
  std::vector<BatchRequest> requests_;
  std::vector<bool> has_take_;                            // for each of requests_
  std::map<std::string, std::set<std::uint32_t>> takes_;  // the takes that lines name, by request
  std::map<std::size_t, std::string> mistakes_;
};

}  // namespace

Result<BatchFile> read_batch(const std::string& path, const Options& common,
                             const Patience& patience, const LineForm& form) {
  return BatchParser(path, common, patience, form).parse();
}

std::string make_request_name(const Options& settings, const std::string& api_url) {
  if (!settings.task_id.empty()) return "task/" + settings.task_id;
  return make_intent(settings.request, {.api_url = api_url,
                                        .account = environment::get("VEO_ACCOUNT").value_or(""),
                                        .take = settings.take,
                                        .request_id = settings.request_id})
      .id;
}

namespace {

/// Removes the sentence about the cost from the end of a message, because the last line of the
/// message about the whole file says it once.
std::string without_cost(std::string text) {
  for (const std::string_view end :
       {" Nothing was sent, and nothing is paid.", " Nothing was sent."}) {
    if (text.ends_with(end)) text.resize(text.size() - end.size());
  }
  return text;
}

}  // namespace

std::string at_line(const std::string& path, std::size_t line, const std::string& what) {
  return path + ":" + std::to_string(line) + ": " + what;
}

Error mistakes_in(const std::string& path, const std::map<std::size_t, std::string>& mistakes) {
  std::string message;
  std::size_t told = 0;
  for (const auto& [line, what] : mistakes) {
    if (++told > most_mistakes) break;
    message += at_line(path, line, without_cost(what)) + "\n";
  }
  if (mistakes.size() > most_mistakes) {
    message += "and " + std::to_string(mistakes.size() - most_mistakes) + " more lines.\n";
  }
  return {
      .code = ErrorCode::invalid_request,
      .message = message + "Nothing was sent, and nothing is paid. Correct " + path + " first."};
}

}  // namespace veo::cli
