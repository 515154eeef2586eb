// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/json/codec.h"

#include <glib.h>
#include <json-glib/json-glib.h>

#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "document.h"
#include "veo/core/error_table.h"
#include "veo/core/escape.h"
#include "veo/core/task_id.h"

namespace veo::json {
namespace {

/// The number of bytes that are shown of a text that is not a task id. This is four times the
/// length of the longest task id, so that a person can look for the task.
constexpr std::size_t longest_shown_id = 4 * longest_task_id;

// --- Requests --------------------------------------------------------------------------------

struct Unref {
  void operator()(JsonBuilder* builder) const { g_object_unref(builder); }
  void operator()(JsonNode* node) const { json_node_unref(node); }
};

/// Writes the fields of a request into a builder.
struct Writer {
  JsonBuilder* builder;

  void operator()(std::string_view text) const {
    json_builder_add_string_value(builder, std::string(text).c_str());
  }
  void operator()(std::int64_t number) const { json_builder_add_int_value(builder, number); }
  void operator()(bool flag) const { json_builder_add_boolean_value(builder, flag ? TRUE : FALSE); }
  void operator()(std::span<const std::string> list) const {
    json_builder_begin_array(builder);
    for (const auto& item : list) (*this)(std::string_view(item));
    json_builder_end_array(builder);
  }
  void write_member(const std::string& name, const FieldValue& value) const {
    json_builder_set_member_name(builder, name.c_str());
    std::visit(*this, value);
  }
};

// --- Answers ---------------------------------------------------------------------------------

/// Makes a text of the service fit to be shown. The text is unchanged, but has at most 1 KiB, and a
/// space in place of each control character, because terminals obey control characters.
std::string make_presentable(const Value& value) {
  constexpr std::size_t max_length = 1024;
  const auto text = value.get_string().value_or("");
  std::string shown;
  for (const char* at = text.c_str(); *at != '\0'; at = g_utf8_next_char(at)) {
    const std::string_view character(at, static_cast<std::size_t>(g_utf8_next_char(at) - at));
    if (shown.size() + character.size() > max_length) break;
    shown += g_unichar_iscntrl(g_utf8_get_char(at)) ? " " : character;
  }
  return shown;
}

/// Decodes an `error` member of any shape. A string is a message.
ServiceWords decode_words(const Value& error) {
  if (error.get_string()) return {"", "", make_presentable(error)};
  return {make_presentable(error["code"]), make_presentable(error["type"]),
          make_presentable(error["message"])};
}

ServiceWords find_words(std::string_view body) {
  const auto document = Document::parse(body);
  return document ? decode_words(document->root()["error"]) : ServiceWords{};
}

/// Reads `value` into `into` if it is present. Returns false if it is present with another type.
template <class T>
bool read_if_present(const Value& value, std::optional<T> (Value::*as)() const,
                     std::optional<T>& into) {
  if (!value.is_present()) return true;
  into = (value.*as)();
  return into.has_value();
}

/// Returns the text if it is a task id, otherwise nullopt.
std::optional<std::string> filter_task_id(std::optional<std::string> text) {
  return text && is_task_id(*text) ? std::move(text) : std::nullopt;
}

std::optional<std::string> filter_non_empty(std::optional<std::string> text) {
  return text && !text->empty() ? std::move(text) : std::nullopt;
}

/// The reason why an answer breaks the API's promise, as a sentence without its end. nullopt if the
/// answer is good.
using Flaw = std::optional<std::string>;

/// Reads the output of a completed task. An output without a URL breaks no promise, in whatever way
/// the service writes that there is none: the task has no video.
Flaw read_output(const Value& output, TaskReport& report) {
  if (!output.is_present()) return std::nullopt;
  if (!output.is_object()) return "'output' is not an object";
  const auto urls = output["urls"];
  if (urls.is_present() && !urls.is_array()) return "'output.urls' is not an array";
  for (const auto& element : urls.get_elements()) {
    if (!element.is_present()) continue;
    auto url = element.get_string();
    if (!url) return "'output.urls' has an entry that is not a string";
    if (!url->empty()) report.urls.push_back(*std::move(url));
  }

  const auto metadata = output["metadata"];
  if (metadata.is_present() && !metadata.is_object()) return "'output.metadata' is not an object";
  if (!read_if_present(metadata["resolution"], &Value::get_string, report.resolution)) {
    return "'output.metadata.resolution' is not a string";
  }
  // The documentation does not mention this field, so another type does not break a promise.
  if (!report.upstream_task_id) {
    report.upstream_task_id = filter_task_id(metadata["upstream_task_id"].get_string());
  }
  return std::nullopt;
}

Error make_task_failure(const TaskReport& report, const Value& error) {
  auto words = decode_words(error);
  Error failure;
  failure.code = ErrorCode::task_failed;
  failure.message = "Task " + report.id + " failed at the service";
  if (!words.message.empty()) failure.message += ": \"" + words.message + "\"";
  if (!words.code.empty()) failure.message += " (" + words.code + ")";
  failure.message = with_advice(failure.message + ".", failure.code);
  failure.service_code = std::move(words.code);
  failure.service_type = std::move(words.type);
  failure.service_message = std::move(words.message);
  failure.task_id = report.id;
  failure.charged = Charged::refunded;
  return failure;
}

Flaw read_task(const Value& root, std::string_view task_id, TaskReport& report) {
  if (!root.is_object()) return "it is not an object";

  const auto id = root["id"].get_string();
  if (!id) return "'id' is not a string";
  if (*id != task_id) return "'id' is another task's";
  report.id = *id;

  constexpr TaskStatus statuses[] = {TaskStatus::pending, TaskStatus::processing,
                                     TaskStatus::completed, TaskStatus::failed};
  const auto status = root["status"].get_string();
  if (!status) return "'status' is not a string";
  const auto* const known = std::ranges::find_if(
      statuses, [&](TaskStatus candidate) { return nick(candidate) == *status; });
  if (known == std::end(statuses)) {
    return "'status' is '" + make_presentable(root["status"]) + "', which is unknown";
  }
  report.status = *known;

  if (!read_if_present(root["created_at"], &Value::get_integer, report.created_at)) {
    return "'created_at' is not an integer";
  }
  if (!read_if_present(root["completed_at"], &Value::get_integer, report.completed_at)) {
    return "'completed_at' is not an integer";
  }
  report.progress = root["progress"].get_number();
  report.upstream_task_id = filter_task_id(root["upstream_task_id"].get_string());

  if (report.status == TaskStatus::completed) return read_output(root["output"], report);
  if (report.status == TaskStatus::failed)
    report.failure = make_task_failure(report, root["error"]);
  return std::nullopt;
}

Error make_broken_promise_error(std::string_view task_id, unsigned status,
                                const std::string& flaw) {
  Error error;
  error.code = ErrorCode::bad_response;
  error.message = with_advice("The service's answer about task " + std::string(task_id) +
                                  " is not what its API promises: " + flaw + ".",
                              error.code);
  error.http_status = status;
  error.task_id = task_id;
  return error;
}

bool is_success(unsigned status) { return status / 100 == 2; }

}  // namespace

std::string encode_create(const Request& request, const Catalog& catalog) {
  const auto& model = request.is_extension() ? catalog.extension : catalog.generation;
  const std::unique_ptr<JsonBuilder, Unref> builder(json_builder_new());
  const Writer writer{builder.get()};

  json_builder_begin_object(builder.get());
  writer.write_member("model", model.name);
  if (request.callback_url) writer.write_member("callback_url", *request.callback_url);
  json_builder_set_member_name(builder.get(), "input");
  json_builder_begin_object(builder.get());
  for (const auto& field : model.fields) {
    if (const auto value = find_input_field(request, field)) writer.write_member(field, *value);
  }
  json_builder_end_object(builder.get());
  json_builder_end_object(builder.get());

  const std::unique_ptr<JsonNode, Unref> root(json_builder_get_root(builder.get()));
  const std::unique_ptr<char, decltype(&g_free)> text(json_to_string(root.get(), FALSE), g_free);
  return text.get();
}

SubmissionAnswer decode_submission(unsigned status, std::string_view body) {
  SubmissionAnswer answer;
  const auto document = Document::parse(body);
  if (!document) return answer;
  const auto root = document->root();
  if (auto id = filter_non_empty(root["data"]["taskId"].get_string())) {
    if (const auto flaw = find_task_id_flaw(*id)) {
      answer.unusable_task_id = *flaw + " (\"" + escape_text(*id, longest_shown_id) + "\")";
    } else {
      answer.task_id = std::move(id);
    }
  }
  answer.well_formed_error = root["error"]["code"].get_string().has_value();
  if (answer.well_formed_error) answer.error = decode_error(status, body);
  return answer;
}

Result<TaskReport> decode_task(std::string_view task_id, unsigned status, std::string_view body) {
  if (!is_success(status)) {
    auto words = find_words(body);
    auto code = classify_service_error(status, words.code);
    // A 404 does not tell which thing was not found. This query asked for a task.
    if (status == 404 && words.code != "model_not_found") code = ErrorCode::task_not_found;
    auto error = service_error(code, status, std::move(words));
    error.task_id = task_id;
    return fail(std::move(error));
  }
  const auto document = Document::parse(body);
  if (!document) return fail(make_broken_promise_error(task_id, status, document.error().message));
  TaskReport report;
  if (const auto flaw = read_task(document->root(), task_id, report)) {
    return fail(make_broken_promise_error(task_id, status, *flaw));
  }
  return report;
}

Error decode_error(unsigned status, std::string_view body) {
  auto words = find_words(body);
  const auto code = classify_service_error(status, words.code);
  return service_error(code, status, std::move(words));
}

std::optional<double> decode_credits(std::string_view body) {
  const auto document = Document::parse(body);
  if (!document) return std::nullopt;
  const auto root = document->root();
  const auto data = root["data"];
  for (const auto& place :
       {data["credits"], data["balance"], data, root["credits"], root["balance"]}) {
    const auto balance = place.get_number();
    if (balance && *balance >= 0) return balance;
  }
  return std::nullopt;
}

}  // namespace veo::json
