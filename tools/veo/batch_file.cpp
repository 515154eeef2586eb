// SPDX-License-Identifier: LGPL-2.1-or-later
#include "batch_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "veo/core/intent.h"
#include "veo/options/option_table.h"
#include "veo/source/access.h"
#include "veo/system/environment.h"

namespace veo::cli {

using nlohmann::json;

namespace {

constexpr std::size_t longest_line = 1U << 20U;
constexpr std::size_t most_mistakes = 20;

/// Beside the members that say what to generate.
constexpr std::string_view members_of_money[] = {"take", "request-id", "task-id", "on-unknown"};

const Option* find_member(std::string_view name) {
  const auto* const found = std::ranges::find(option_table(), name, &Option::name).base();
  if (found == option_table().data() + option_table().size()) return nullptr;
  const bool is_taken = found->group == Option::Group::request ||
                        std::ranges::find(members_of_money, name) != std::end(members_of_money);
  return is_taken ? found : nullptr;
}

/// The value as an option's text; nullopt: it is of another type.
std::optional<std::string> text_of(const json& value, const Option& option) {
  if (option.form == "true|false") {
    return value.is_boolean() ? std::optional(value.dump()) : std::nullopt;
  }
  if (option.form == "N") {
    return value.is_number_unsigned() ? std::optional(value.dump()) : std::nullopt;
  }
  return value.is_string() ? std::optional(value.get<std::string>()) : std::nullopt;
}

std::string type_of(const Option& option) {
  if (option.is_list) return "an array of strings";
  if (option.form == "true|false") return "true or false";
  if (option.form == "N") return "a whole number";
  return "a string";
}

/// What is wrong with it; empty: it is set.
std::string set_member(Options& settings, const std::string& name, const json& value) {
  const auto* const option = find_member(name);
  if (option == nullptr) return "there is no member \"" + name + "\"";
  const auto wrong = name + " takes " + type_of(*option);
  if (option->is_list != value.is_array()) return wrong;
  for (const auto& item : option->is_list ? value : json::array({value})) {
    const auto text = text_of(item, *option);
    if (!text) return wrong;
    if (!option->set(settings, *text)) {
      return name + ": " + item.dump() + " is not of the form " + std::string(option->form);
    }
  }
  return "";
}

/// An object whose members are there once each. Throws json::exception.
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

/// What is wrong with the line; empty: it is read.
std::string read_line(const std::string& text, Options& settings, bool& names_its_take) {
  if (text.size() > longest_line) return "it is longer than 1 MiB";
  json object;
  std::string twice;
  try {
    object = parse_object(text, twice);
    if (!object.is_object()) return "it is no JSON object";
    if (!twice.empty()) return "the member \"" + twice + "\" is there twice";
    for (const auto& [name, value] : object.items()) {
      if (auto wrong = set_member(settings, name, value); !wrong.empty()) return wrong;
    }
  } catch (const json::exception& error) {
    return std::string("it is no JSON: ") + error.what();
  }
  names_its_take = object.contains("take");
  if (names_its_take && !settings.request_id.empty())
    return "take and request-id exclude each other";
  return "";
}

class Reader {
 public:
  Reader(std::string path, const Options& common) : path_(std::move(path)), common_(common) {}

  Result<std::vector<BatchRequest>> read() {
    auto api_url = resolve_api_url(common_.access.api_url);
    if (!api_url) return fail(std::move(api_url.error()));
    errno = 0;
    std::ifstream file(path_);
    std::string text;
    for (std::size_t line = 1; std::getline(file, text); ++line) {
      if (text.find_first_not_of(" \t\r") != std::string::npos) add(line, text);
    }
    if (!file.eof()) {
      return fail({.code = ErrorCode::cache,
                   .message = "Cannot read " + path_ + ": " + std::strerror(errno) +
                              ". Nothing was sent."});
    }
    name(*api_url);
    if (!mistakes_.empty()) return fail(mistakes_in(path_, mistakes_));
    return std::move(requests_);
  }

 private:
  void add(std::size_t line, const std::string& text) {
    BatchRequest request{.line = line, .settings = common_, .id = {}};
    bool names_its_take = false;
    if (auto wrong = read_line(text, request.settings, names_its_take); !wrong.empty()) {
      return mistakes_.push_back(at_line(path_, line, wrong));
    }
    const auto& settings = request.settings;
    has_take_.push_back(names_its_take || !settings.request_id.empty());
    if (names_its_take) takes_[make_canonical_request(settings.request)].insert(settings.take);
    requests_.push_back(std::move(request));
  }

  /// Which takes those are that do not say it, and so what each line is called.
  void name(const std::string& api_url) {
    const auto account = environment::get("VEO_ACCOUNT").value_or("");
    std::map<std::string, std::uint32_t> last;
    std::map<std::string, std::size_t> lines;
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      auto& [line, settings, id] = requests_[i];
      if (!has_take_[i]) {
        const auto request = make_canonical_request(settings.request);
        const auto& taken = takes_[request];
        do settings.take = ++last[request];
        while (taken.contains(settings.take));
      }
      id = settings.task_id.empty()
               ? make_intent(settings.request, {.api_url = api_url,
                                                .account = account,
                                                .take = settings.take,
                                                .request_id = settings.request_id})
                     .id
               : "task/" + settings.task_id;
      const auto [before, is_new] = lines.emplace(id, line);
      if (!is_new) {
        mistakes_.push_back(at_line(
            path_, line, "it asks for what line " + std::to_string(before->second) + " asks for"));
      }
    }
  }

  const std::string path_;
  const Options& common_;
  std::vector<BatchRequest> requests_;
  std::vector<bool> has_take_;                            // by the lines of requests_
  std::map<std::string, std::set<std::uint32_t>> takes_;  // that lines have named, by request
  std::vector<std::string> mistakes_;
};

}  // namespace

Result<std::vector<BatchRequest>> read_batch(const std::string& path, const Options& common) {
  return Reader(path, common).read();
}

std::string at_line(const std::string& path, std::size_t line, const std::string& what) {
  return path + ":" + std::to_string(line) + ": " + what;
}

Error mistakes_in(const std::string& path, const std::vector<std::string>& mistakes) {
  std::string message;
  for (std::size_t i = 0; i < std::min(mistakes.size(), most_mistakes); ++i) {
    message += mistakes[i] + "\n";
  }
  if (mistakes.size() > most_mistakes) {
    message += "and " + std::to_string(mistakes.size() - most_mistakes) + " lines more.\n";
  }
  return {.code = ErrorCode::invalid_request,
          .message = message + "Nothing was sent: mend " + path + " first."};
}

}  // namespace veo::cli
