// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client.h"

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace veo::test {

Client::Client(const http::Network& network) : thread_(http::IoThread::acquire()) {
  auto opened = on_thread([&] { return http::Transport::open(thread_, network); });
  if (!opened) throw std::runtime_error(opened.error().message);
  transport_ = std::move(*opened);
}

Client::~Client() {
  on_thread([&] { transport_.reset(); });
}

http::ApiAnswer Client::call(const http::ApiCall& call) {
  std::promise<http::ApiAnswer> promise;
  auto answered = promise.get_future();
  auto exchange = on_thread([&] {
    return transport_->call(call,
                            [&](http::ApiAnswer answer) { promise.set_value(std::move(answer)); });
  });
  if (answered.wait_for(patience) != std::future_status::ready) {
    ADD_FAILURE() << "no answer from " << call.url;
    std::abort();  // the handler refers to local variables
  }
  on_thread([&] { exchange = {}; });
  return answered.get();
}

Fetched Client::fetch(const http::FileFetch& fetch) {
  Fetched fetched;
  Event done;
  http::Transport::Exchange exchange;
  on_thread([&] {
    exchange = transport_->fetch(fetch, {.head =
                                             [&](const http::FileHead& head) {
                                               EXPECT_FALSE(fetched.head) << "a second head";
                                               fetched.head = head;
                                               return true;
                                             },
                                         .data =
                                             [&](std::span<const std::uint8_t> bytes) {
                                               EXPECT_TRUE(fetched.head) << "bytes before the head";
                                               fetched.body.append(bytes.begin(), bytes.end());
                                             },
                                         .end =
                                             [&](std::optional<Error> failure) {
                                               fetched.ended = true;
                                               fetched.failure = std::move(failure);
                                               done.set();
                                             }});
  });
  if (!done.wait()) {
    ADD_FAILURE() << "no end of " << fetch.url;
    std::abort();  // the handlers refer to local variables
  }
  on_thread([&] { exchange = {}; });
  return fetched;
}

http::ApiCall get(std::string url) {
  http::ApiCall call;
  call.url = std::move(url);
  call.key = Secret(std::string(key_text));
  return call;
}

http::ApiCall post(std::string url) {
  auto call = get(std::move(url));
  call.method = "POST";
  call.body = R"({"model":"veo-3"})";
  return call;
}

http::FileFetch file(std::string url) {
  return {.url = std::move(url), .policy = {.api_is_loopback = true}, .range = {}, .if_range = {}};
}

unsigned threads_named(std::string_view name) {
  unsigned count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "comm");
    std::string line;
    if (std::getline(file, line) && line == name) ++count;
  }
  return count;
}

bool threads_end(std::string_view name) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (threads_named(name) > 0) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace veo::test
