// SPDX-License-Identifier: LGPL-2.1-or-later
#include "service.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "patience.h"

namespace veo::test {

namespace {

constexpr const char* submit = "POST /v1/videos/generations";
constexpr const char* query = "GET /v1/tasks/";
constexpr const char* json = "Content-Type: application/json\r\n";

std::string error_body(const std::string& code, const char* type) {
  return R"({"error":{"code":")" + code + R"(","message":"As the test says.","type":")" + type +
         R"("}})";
}

/// Returns the part of a request's first line between `from` and `to`.
std::string find_between(const std::string& request, const std::string& from,
                         const std::string& to) {
  const auto begin = request.find(from) + from.size();
  return request.substr(begin, request.find(to, begin) - begin);
}

}  // namespace

Service::Service(Script script)
    : script_(std::move(script)), server_([this](RawConnection& raw) { serve(raw); }) {
  if (script_.clip.empty()) script_.clip = clip();
}

// Answers the open requests first: a submission without an answer would hold up the end of the
// process.
Service::~Service() {
  go_on();
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, patience(), [&] { return unanswered_ == 0; });
}

const std::string& Service::clip() {
  static const auto* const bytes = [] {
    const char* const path = std::getenv("VEO_CHECK_CLIP");
    std::ifstream file(path != nullptr ? path : "", std::ios::binary);
    if (!file) throw std::runtime_error("VEO_CHECK_CLIP names no file");
    return new std::string(std::istreambuf_iterator<char>(file), {});
  }();
  return *bytes;
}

void Service::go_on() {
  const std::lock_guard lock(mutex_);
  held_ = false;
  changed_.notify_all();
}

bool Service::wait_for(const std::string& head) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience(), [&] {
    return std::ranges::any_of(requests_, [&](const auto& one) { return one.starts_with(head); });
  });
}

unsigned Service::count(const std::string& head) const {
  const std::lock_guard lock(mutex_);
  return static_cast<unsigned>(
      std::ranges::count_if(requests_, [&](const auto& one) { return one.starts_with(head); }));
}

std::vector<std::string> Service::submissions() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> bodies;
  for (const auto& request : requests_) {
    if (request.starts_with(submit)) bodies.push_back(request.substr(request.find("\r\n\r\n") + 4));
  }
  return bodies;
}

bool Service::is_held(Phase phase) const {
  const std::lock_guard lock(mutex_);
  return held_ && script_.hold == phase;
}

void Service::pass(Phase phase) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !held_ || script_.hold != phase; });
}

void Service::serve(RawConnection& connection) {
  for (auto request = connection.read_request(); !request.empty();
       request = connection.read_request()) {
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
      ++unanswered_;
      changed_.notify_all();
    }
    if (request.starts_with(query) || request.starts_with(submit)) {
      connection.write(answer(request));
    } else {
      send_clip(connection, request);
    }
    const std::lock_guard lock(mutex_);
    --unanswered_;
    changed_.notify_all();
  }
}

std::string Service::answer(const std::string& request) {
  if (request.starts_with(submit)) {
    pass(Phase::submission);
    if (const auto& fault = script_.submission; fault.status != nullptr) {
      return http_answer(fault.status, error_body(fault.code, fault.type), json);
    }
    const std::lock_guard lock(mutex_);
    const auto id = "task-" + std::to_string(++tasks_);
    return http_answer("200 OK",
                       R"({"code":200,"msg":"success","data":{"taskId":")" + id + R"("}})", json);
  }
  if (const auto& fault = script_.query; fault.status != nullptr) {
    return http_answer(fault.status, error_body(fault.code, fault.type), json);
  }
  const auto id = find_between(request, query, " ");
  std::string task = R"({"id":")" + id + R"(","model":"veo-3","created_at":1700000000,)";
  if (is_held(Phase::generation)) {
    task += R"("status":"processing","progress":30})";
  } else if (script_.failure != nullptr) {
    task += std::string(R"("status":"failed","error":{"code":")") + script_.failure +
            R"(","message":"As the test says."}})";
  } else {
    task += R"("status":"completed","completed_at":1700000060,"output":{"urls":[")" +
            server_.url("/" + id + ".mp4") + R"("]}})";
  }
  return http_answer("200 OK", task, json);
}

void Service::send_clip(RawConnection& connection, const std::string& request) {
  const auto& bytes = script_.clip;
  const auto range = header_value(request, "range");
  std::size_t begin = 0;
  std::size_t end = bytes.size();
  std::string headers = "Content-Type: video/mp4\r\nETag: \"1\"\r\nAccept-Ranges: bytes\r\n";
  if (range.starts_with("bytes=")) {
    const auto dash = range.find('-');
    if (dash == 6) {
      begin = bytes.size() - std::min<std::size_t>(std::stoul(range.substr(7)), bytes.size());
    } else {
      begin = std::stoul(range.substr(6, dash - 6));
      if (dash + 1 < range.size()) {
        end = std::min<std::size_t>(std::stoul(range.substr(dash + 1)) + 1, end);
      }
    }
    headers += "Content-Range: bytes " + std::to_string(begin) + "-" + std::to_string(end - 1) +
               "/" + std::to_string(bytes.size()) + "\r\n";
  }
  const auto body = bytes.substr(begin, end - begin);
  const auto whole = http_answer(range.empty() ? "200 OK" : "206 Partial Content", body, headers);
  // Never hold the end of the file, because the stream needs the `moov` to begin.
  const bool is_main = begin == 0 && body.size() > bytes.size() / 2;
  const auto first = is_main && is_held(Phase::download) ? whole.size() - body.size() / 2 : 0;
  connection.write(whole.substr(0, first));
  if (first > 0) pass(Phase::download);
  connection.write(whole.substr(first));
}

}  // namespace veo::test
