// SPDX-License-Identifier: LGPL-2.1-or-later
#include "api_handler.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "api_errors.h"
#include "api_rules.h"
#include "fault_effects.h"

namespace simulator {
namespace {

constexpr std::string_view tasks_path = "/v1/tasks/";

}  // namespace

ApiHandler::ApiHandler(const Options& options, Service& service, FaultPlan& faults,
                       std::function<Json()> connections)
    : key_(options.key),
      extend_credits_(options.extend_credits),
      service_(service),
      faults_(faults),
      connections_(std::move(connections)),
      rate_limit_(static_cast<double>(options.rate_limit)),
      tokens_(rate_limit_) {}

std::optional<Phase> ApiHandler::find_phase(const Request& request) const {
  const auto path = request.path();
  if (request.method == "POST" && path == "/v1/videos/generations") return Phase::submit;
  if (request.method == "GET" && path == "/v1/credits") return Phase::credits;
  if (request.method == "GET" && path.starts_with(tasks_path)) return Phase::query;
  return std::nullopt;
}

bool ApiHandler::is_control(const Request& request) const {
  return request.path().starts_with("/simulator/");
}

Answer ApiHandler::answer(const Request& request, const Effects& effects) {
  if (is_control(request)) return answer_control(request);
  Answer answer;
  try {
    if (!effects.is_refusal() || effects.has(Kind::charged)) {
      auto body = make_document(request);
      spoil(body, effects);
      answer = make_json_answer(200, body);
    }
  } catch (const ApiError& error) {
    answer = error.make_answer();
    if (error.code() == "rate_limit_exceeded") answer.set_header("Retry-After", "1");
  }
  if (effects.is_refusal()) answer = make_refusal(request, effects);
  spoil(answer, effects);
  return answer;
}

Json ApiHandler::make_document(const Request& request) {
  check_key(request);
  if (!take_token()) throw ApiError("rate_limit_exceeded");
  const auto which = find_phase(request);
  if (which == Phase::submit) {
    const auto id = service_.create(check_generation(request, extend_credits_));
    return {{"code", 200}, {"msg", "success"}, {"data", {{"taskId", id}}}};
  }
  if (which == Phase::query)
    return service_.describe_task(percent_decode(request.path().substr(tasks_path.size())));
  if (which == Phase::credits) return {{"data", {{"credits", service_.balance()}}}};
  throw ApiError("invalid_request", "There is no " + request.method + " " + request.target + ".");
}

Answer ApiHandler::answer_control(const Request& request) {
  if (request.method == "GET" && request.path() == "/simulator/state") {
    auto state = service_.describe_state();
    state["submissions"] = faults_.count(Phase::submit);
    state["queries"] = faults_.count(Phase::query);
    state["credit_queries"] = faults_.count(Phase::credits);
    state["file_requests"] = faults_.count(Phase::file);
    state["callbacks"] = faults_.count(Phase::callback);
    state["connections"] = connections_();
    return make_json_answer(200, state);
  }
  if (request.method == "PUT" && request.path() == "/simulator/faults") {
    try {
      const auto specs = Json::parse(request.body).get<std::vector<std::string>>();
      faults_.replace(specs);
      return make_json_answer(200, specs);
    } catch (const std::invalid_argument& error) {
      return make_error_answer(*find_error("invalid_request"), error.what());
    } catch (const Json::exception& error) {
      return make_error_answer(*find_error("invalid_request"), error.what());
    }
  }
  return make_html_answer(404);
}

void ApiHandler::check_key(const Request& request) const {
  static constexpr std::string_view scheme = "Bearer ";
  const auto* header = request.find_header("Authorization");
  if (header == nullptr || !header->starts_with(scheme)) throw ApiError("invalid_api_key");
  const auto key = std::string_view(*header).substr(scheme.size());
  if (!key.starts_with("sk-") || (!key_.empty() && key != key_)) throw ApiError("invalid_api_key");
}

bool ApiHandler::take_token() {
  if (rate_limit_ == 0) return true;
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  const std::chrono::duration<double> passed = now - std::exchange(filled_, now);
  tokens_ = std::min(rate_limit_, tokens_ + passed.count() * rate_limit_);
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

}  // namespace simulator
