// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fault_effects.h"

#include <nlohmann/json.hpp>

#include "api_errors.h"

namespace simulator {
namespace {

Answer status_answer(unsigned status) {
  for (const auto& row : error_rows) {
    if (row.status == status) return make_error_answer(row);
  }
  return make_json_answer(status, {{"error",
                                    {{"code", "http_" + std::to_string(status)},
                                     {"message", find_reason(status)},
                                     {"type", "api_error"}}}});
}

Answer redirect_answer(const std::string& location, const Effects& effects) {
  const auto* status = effects.find(Kind::status);
  auto answer = make_html_answer(status != nullptr ? static_cast<unsigned>(status->number) : 302);
  answer.set_header("Location", location);
  return answer;
}

/// Gives each value of the document another type. The structure stays the same.
void change_types(Json& value) {
  if (value.is_structured()) {
    for (auto& one : value) change_types(one);
  } else if (value.is_string()) {
    value = value.get_ref<const std::string&>().size();
  } else if (value.is_number()) {
    value = value.dump();
  } else if (value.is_boolean()) {
    value = value.get<bool>() ? "true" : "false";
  } else {
    value = Json::object();
  }
}

void end_with(Answer& answer, End end, const Effect* effect) {
  if (effect == nullptr) return;
  answer.end = end;
  if (effect->has_value) answer.end_after = effect->number;
}

}  // namespace

Answer make_refusal(const Request& request, const Effects& effects) {
  if (const auto* error = effects.find(Kind::error))
    return make_error_answer(*find_error(error->text));
  if (const auto* redirect = effects.find(Kind::redirect))
    return redirect_answer(redirect->text, effects);
  if (effects.has(Kind::redirect_loop)) return redirect_answer(request.target, effects);
  if (const auto* status = effects.find(Kind::status))
    return status_answer(static_cast<unsigned>(status->number));
  // The effect is a reset or a stall, so no client sees this answer.
  return make_html_answer(500);
}

void spoil(Json& document, const Effects& effects) {
  // The answer to a query is the task itself. The answer to a submission has the task in "data".
  const bool is_task = document.contains("status");
  if (effects.has(Kind::no_task_id)) {
    document.erase("id");
    if (document.contains("data") && document["data"].is_object()) document["data"].erase("taskId");
  }
  if (is_task && effects.has(Kind::unknown_status)) document["status"] = "paused";
  if (is_task && (effects.has(Kind::no_urls) || effects.has(Kind::url))) {
    document["status"] = "completed";
    document.erase("progress");
    const auto* url = effects.find(Kind::url);
    document["output"]["urls"] = url != nullptr ? Json::array({url->text}) : Json::array();
  }
  if (const auto* upstream = effects.find(Kind::upstream_id); is_task && upstream != nullptr) {
    auto& where = upstream->text == "metadata" ? document["output"]["metadata"] : document;
    where["upstream_task_id"] = "upstream-" + document.value("id", "");
  }
  if (effects.has(Kind::extra_fields)) {
    document["trace"] = {{"node", "sim-1"}, {"spans", {1, 2.5, nullptr, true}}};
    document["提示"] = "不在文档中";
  }
  if (effects.has(Kind::huge)) document["padding"] = std::string(std::size_t{2} << 20U, 'x');
  if (effects.has(Kind::wrong_types)) change_types(document);
}

void spoil(Answer& answer, const Effects& effects) {
  static const std::string json = "application/json";
  if (const auto* html = effects.find(Kind::html))
    answer = make_html_answer(html->has_value ? static_cast<unsigned>(html->number) : 200);
  if (effects.has(Kind::not_mp4)) answer = make_html_answer(200);
  if (effects.has(Kind::not_json)) answer.set_body("{\"code\": 200, \"data\": {\"taskId\": ", json);
  if (effects.has(Kind::deep_json))
    answer.set_body(std::string(100'000, '[') + std::string(100'000, ']'), json);

  if (const auto* seconds = effects.find(Kind::retry_after))
    answer.set_header("Retry-After", std::to_string(seconds->number));
  if (const auto* seconds = effects.find(Kind::retry_after_date))
    answer.set_header("Retry-After", write_http_date(std::time(nullptr) +
                                                     static_cast<std::time_t>(seconds->number)));
  if (effects.has(Kind::gzip)) answer.set_header("Content-Encoding", "gzip");

  if (const auto* delay = effects.find(Kind::delay)) answer.delay_ms = delay->number;
  if (const auto* drip = effects.find(Kind::drip)) answer.drip = drip->number;
  if (const auto* slice = effects.find(Kind::slice)) answer.slice = slice->number;

  if (effects.has(Kind::chunked)) answer.chunked = true;
  if (const auto* cut = effects.find(Kind::chunked_cut)) {
    answer.chunked = true;
    answer.size = std::min(answer.size, cut->number);
  }
  if (const auto* cut = effects.find(Kind::chunked_cut_unterminated)) {
    answer.chunked = true;
    end_with(answer, End::close, cut);
  }
  end_with(answer, End::close, effects.find(Kind::lost_answer));
  end_with(answer, End::close, effects.find(Kind::truncate));
  end_with(answer, End::reset, effects.find(Kind::reset));
  end_with(answer, End::reset, effects.find(Kind::reset_before_reading));
  end_with(answer, End::stall, effects.find(Kind::stall));
  if (effects.has(Kind::half_answer)) {
    answer.end = End::close;
    answer.end_after = answer.size / 2;
  }
}

}  // namespace simulator
