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

/// Of what is no task id: four times what one has, so that a person can look for it.
constexpr std::size_t longest_shown_id = 4 * longest_task_id;

// --- Requests --------------------------------------------------------------------------------

struct Unref {
  void operator()(JsonBuilder* builder) const { g_object_unref(builder); }
  void operator()(JsonNode* node) const { json_node_unref(node); }
};

/// Adds a field's value to a builder.
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
  void member(const std::string& name, const FieldValue& value) const {
    json_builder_set_member_name(builder, name.c_str());
    std::visit(*this, value);
  }
};

// --- Answers ---------------------------------------------------------------------------------

/// The service's own words, fit to be shown: verbatim, but at most 1 KiB, and with a space for each
/// control character, since terminals obey those.
std::string presentable(const Value& value) {
  constexpr std::size_t max_length = 1024;
  const auto text = value.string().value_or("");
  std::string shown;
  for (const char* at = text.c_str(); *at != '\0'; at = g_utf8_next_char(at)) {
    const std::string_view character(at, static_cast<std::size_t>(g_utf8_next_char(at) - at));
    if (shown.size() + character.size() > max_length) break;
    shown += g_unichar_iscntrl(g_utf8_get_char(at)) ? " " : character;
  }
  return shown;
}

/// An `error` object of any shape; a bare string is a message.
ServiceWords words_of(const Value& error) {
  if (error.string()) return {"", "", presentable(error)};
  return {presentable(error["code"]), presentable(error["type"]), presentable(error["message"])};
}

ServiceWords words_in(std::string_view body) {
  const auto document = Document::parse(body);
  return document ? words_of(document->root()["error"]) : ServiceWords{};
}

/// Reads `value` if it is there. False where it is there with another type.
template <class T>
bool read(const Value& value, std::optional<T> (Value::*as)() const, std::optional<T>& into) {
  if (!value.present()) return true;
  into = (value.*as)();
  return into.has_value();
}

/// An id by which the service can be asked; nullopt where it would not take it back.
std::optional<std::string> usable_id(std::optional<std::string> text) {
  return text && is_task_id(*text) ? std::move(text) : std::nullopt;
}

std::optional<std::string> non_empty(std::optional<std::string> text) {
  return text && !text->empty() ? std::move(text) : std::nullopt;
}

/// A field by which an answer breaks the API's promise, as the subject and verb of a sentence.
using Flaw = std::optional<std::string>;

Flaw read_output(const Value& output, TaskReport& report) {
  if (!output.is_object()) return "'output' is not an object";
  const auto urls = output["urls"];
  if (!urls.is_array()) return "'output.urls' is not an array";
  for (const auto& element : urls.elements()) {
    auto url = non_empty(element.string());
    if (!url) return "'output.urls' has an entry that is not a non-empty string";
    report.urls.push_back(*std::move(url));
  }
  if (report.urls.empty()) return "'output.urls' is empty";

  const auto metadata = output["metadata"];
  if (metadata.present() && !metadata.is_object()) return "'output.metadata' is not an object";
  if (!read(metadata["resolution"], &Value::string, report.resolution)) {
    return "'output.metadata.resolution' is not a string";
  }
  // No documented answer has it, so that another type is no broken promise.
  if (!report.upstream_task_id) {
    report.upstream_task_id = usable_id(metadata["upstream_task_id"].string());
  }
  return std::nullopt;
}

Error failure_of(const TaskReport& report, const Value& error) {
  auto words = words_of(error);
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

  const auto id = root["id"].string();
  if (!id) return "'id' is not a string";
  if (*id != task_id) return "'id' is another task's";
  report.id = *id;

  constexpr TaskStatus statuses[] = {TaskStatus::pending, TaskStatus::processing,
                                     TaskStatus::completed, TaskStatus::failed};
  const auto status = root["status"].string();
  if (!status) return "'status' is not a string";
  const auto* const known = std::ranges::find_if(
      statuses, [&](TaskStatus candidate) { return nick(candidate) == *status; });
  if (known == std::end(statuses)) {
    return "'status' is '" + presentable(root["status"]) + "', which is unknown";
  }
  report.status = *known;

  if (!read(root["created_at"], &Value::integer, report.created_at)) {
    return "'created_at' is not an integer";
  }
  if (!read(root["completed_at"], &Value::integer, report.completed_at)) {
    return "'completed_at' is not an integer";
  }
  report.progress = root["progress"].number();
  report.upstream_task_id = usable_id(root["upstream_task_id"].string());

  if (report.status == TaskStatus::completed) return read_output(root["output"], report);
  if (report.status == TaskStatus::failed) report.failure = failure_of(report, root["error"]);
  return std::nullopt;
}

Error broken_promise(std::string_view task_id, unsigned status, const std::string& flaw) {
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
  writer.member("model", model.name);
  if (request.callback_url) writer.member("callback_url", *request.callback_url);
  json_builder_set_member_name(builder.get(), "input");
  json_builder_begin_object(builder.get());
  for (const auto& field : model.fields) {
    if (const auto value = input_field(request, field)) writer.member(field, *value);
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
  if (auto id = non_empty(root["data"]["taskId"].string())) {
    if (const auto flaw = find_task_id_flaw(*id)) {
      answer.unusable_task_id = *flaw + " (\"" + escape_text(*id, longest_shown_id) + "\")";
    } else {
      answer.task_id = std::move(id);
    }
  }
  answer.well_formed_error = root["error"]["code"].string().has_value();
  if (answer.well_formed_error) answer.error = decode_error(status, body);
  return answer;
}

Result<TaskReport> decode_task(std::string_view task_id, unsigned status, std::string_view body) {
  if (!is_success(status)) {
    auto words = words_in(body);
    auto code = classify_service_error(status, words.code);
    // A 404 alone does not tell what was not found; here it was a task that was asked for.
    if (status == 404 && words.code != "model_not_found") code = ErrorCode::task_not_found;
    auto error = service_error(code, status, std::move(words));
    error.task_id = task_id;
    return fail(std::move(error));
  }
  const auto document = Document::parse(body);
  if (!document) return fail(broken_promise(task_id, status, document.error().message));
  TaskReport report;
  if (const auto flaw = read_task(document->root(), task_id, report)) {
    return fail(broken_promise(task_id, status, *flaw));
  }
  return report;
}

Error decode_error(unsigned status, std::string_view body) {
  auto words = words_in(body);
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
    const auto balance = place.number();
    if (balance && *balance >= 0) return balance;
  }
  return std::nullopt;
}

}  // namespace veo::json
