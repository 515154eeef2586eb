// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/http/address_lookup.h"

#include <gtest/gtest.h>

#include <future>
#include <string>
#include <vector>

#include "client.h"
#include "resolver.h"

namespace veo::test {
namespace {

using Answer = Result<http::AddressLookup::Addresses>;

/// Resolves the host as callers do. Returns the addresses with commas, or the error's text.
std::string look_up(const std::string& host) {
  const auto thread = http::IoThread::acquire();
  std::promise<Answer> promise;
  http::AddressLookup lookup;
  thread->post([&] {
    lookup = http::AddressLookup::start(
        thread, host, patience, [&](Answer answer) { promise.set_value(std::move(answer)); });
  });
  const auto answer = promise.get_future().get();
  std::promise<void> dropped;
  thread->post([&] {
    lookup = {};
    dropped.set_value();
  });
  dropped.get_future().get();
  if (!answer) return answer.error().message;
  std::string text;
  for (const auto& address : *answer) text += (text.empty() ? "" : ",") + to_text(address);
  return text;
}

// The resolver gives the next address at each question, so the address tells whether it was asked.
TEST(AddressLookup, AsksOnceAndAgainAfterForget) {
  const Resolver resolver("kept.example", {"10.0.0.1", "10.0.0.2"});
  EXPECT_EQ(look_up("kept.example"), "10.0.0.1");
  EXPECT_EQ(look_up("kept.example"), "10.0.0.1");
  http::AddressLookup::forget("kept.example");
  EXPECT_EQ(look_up("kept.example"), "10.0.0.2");
}

TEST(AddressLookup, KeepsAFailure) {
  const Resolver resolver("gone.example", {"", "10.0.0.2"});
  EXPECT_NE(look_up("gone.example").find("gone.example was not resolved"), std::string::npos);
  EXPECT_NE(look_up("gone.example").find("gone.example was not resolved"), std::string::npos);
}

TEST(AddressLookup, AnAddressIsItself) {
  EXPECT_EQ(look_up("198.18.0.7"), "198.18.0.7");
  EXPECT_EQ(look_up("fd00::1"), "fd00::1");
}

TEST(AddressLookup, EqualLookUpsShareAQuestion) {
  const Resolver resolver("shared.example", {"10.0.0.1", "10.0.0.2"});
  const auto thread = http::IoThread::acquire();
  std::vector<http::AddressLookup> lookups;
  std::vector<Answer> answers;
  std::promise<void> all;
  thread->post([&] {
    for (int i = 0; i < 3; ++i) {
      lookups.push_back(
          http::AddressLookup::start(thread, "shared.example", patience, [&](Answer answer) {
            answers.push_back(std::move(answer));
            if (answers.size() == 3) all.set_value();
          }));
    }
  });
  all.get_future().get();
  std::promise<void> dropped;
  thread->post([&] {
    lookups.clear();
    dropped.set_value();
  });
  dropped.get_future().get();
  for (const auto& answer : answers) {
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->size(), 1U);
    EXPECT_EQ(to_text(answer->front()), "10.0.0.1");
  }
}

// After its destruction a look-up calls nobody.
TEST(AddressLookup, CallsNobodyAfterItsEnd) {
  const Resolver resolver("dropped.example", {"10.0.0.1"});
  const auto thread = http::IoThread::acquire();
  bool is_called = false;
  std::promise<void> dropped;
  thread->post([&] {
    {
      auto lookup = http::AddressLookup::start(thread, "dropped.example", patience,
                                               [&](const Answer&) { is_called = true; });
    }
    dropped.set_value();
  });
  dropped.get_future().get();
  // The next look-up is answered later than the dropped one would have been.
  EXPECT_EQ(look_up("dropped.example"), "10.0.0.1");
  EXPECT_FALSE(is_called);
}

TEST(AddressLookup, AProxyResolvesNamesItself) {
  http::Network network;
  EXPECT_FALSE(http::is_resolved_by_proxy(network, "file.example"));
  for (const auto* proxy :
       {"http://p:1", "https://p:1", "socks4a://p:1", "socks5://p:1", "socks5h://u:w@p:1"}) {
    network.proxy = proxy;
    EXPECT_TRUE(http::is_resolved_by_proxy(network, "file.example")) << proxy;
    EXPECT_TRUE(http::is_resolved_by_proxy(network, "fd00::1")) << proxy;
  }
  network.is_proxy_for_http = false;
  EXPECT_TRUE(http::is_resolved_by_proxy(network, "file.example"));
  network.no_proxy = {"file.example"};
  EXPECT_FALSE(http::is_resolved_by_proxy(network, "file.example"));
}

}  // namespace
}  // namespace veo::test
