// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Decodes any bytes as an answer of the service. The code must not crash, must not cause a critical
// message of GLib, and must keep the promises of codec.h. This is an entry for libFuzzer;
// tests/unit/json/mutation_test.cpp calls it too.
#include <glib.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "veo/json/codec.h"
#include "veo/json/prescan.h"

namespace {

constexpr std::string_view task_id = "7d89c51e-9430-410e-909e-df347131ebaa";

void must(bool promise) {
  if (!promise) std::abort();
}

void must_be_text(std::string_view text) {
  must(text.empty() || g_utf8_validate_len(text.data(), text.size(), nullptr));
}

void must_be_presentable(const veo::Error& error) {
  for (const std::string_view words :
       {error.service_code, error.service_type, error.service_message}) {
    must_be_text(words);
    must(words.size() <= 1024);
    for (const char c : words) must(static_cast<unsigned char>(c) >= 0x20 && c != '\x7f');
  }
  must_be_text(error.message);
}

}  // namespace

// The name and the type are libFuzzer's.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const bool valid = veo::json::prescan(body).has_value();

  const auto report = veo::json::decode_task(task_id, 200, body);
  if (report) {
    must(valid);
    must(report->id == task_id);
    must(report->status != veo::TaskStatus::none);
    // A completed task may have no video.
    must(report->urls.empty() || report->status == veo::TaskStatus::completed);
    must((report->status == veo::TaskStatus::failed) == report->failure.has_value());
    for (const auto& url : report->urls) must_be_text(url);
    if (report->failure) must_be_presentable(*report->failure);
  } else {
    must(report.error().code == veo::ErrorCode::bad_response);
    must(report.error().task_id == task_id);
    must_be_presentable(report.error());
  }

  const auto answer = veo::json::decode_submission(400, body);
  if (answer.task_id) {
    must(valid && !answer.task_id->empty());
    must_be_text(*answer.task_id);
  }
  must(valid || !answer.well_formed_error);
  must_be_presentable(answer.error);
  must_be_presentable(veo::json::decode_error(500, body));

  const auto balance = veo::json::decode_credits(body);
  must(!balance || (valid && *balance >= 0));
  return 0;
}
