// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Every way in which a submission can end, as MONEY.md judges it: charges ≤ 1 always, what was
// surely not sent plays after its retry, what is definite ends at once, and what is neither is told
// as submit-unknown, until the user decides.
#include <gtest/gtest.h>

#include <cstdio>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "command.h"
#include "relay.h"
#include "run.h"

namespace veo::test {
namespace {

enum class Link {
  direct,     ///< http
  localhost,  ///< http, by a name of which another address refuses
  relayed,    ///< https, behind a relay that spoils the first connection
  proxied,    ///< https, through a proxy that spoils the first CONNECT
};

struct Case {
  const char* name;
  Link link = Link::direct;
  /// Of the simulator; `%N` is a number that the seed draws, from 1 to N.
  std::string fault;
  std::string code;  ///< the error; empty: a clip
  Relay::Spoil spoil;
};
void PrintTo(const Case& row, std::ostream* out) { *out << row.name; }

std::string answer(const char* status, const char* more = "") {
  return std::string("HTTP/1.1 ") + status + "\r\n" + more + "Content-Length: 2\r\n\r\nno";
}

const char* const unknown = "submit-unknown";

const Case cases[] = {
    // Never begun: each phase of the connection.
    {"name_with_a_refusing_address", Link::localhost, "", ""},
    {"tls_closed", Link::relayed, "", "", {.connections = 1}},
    {"tls_closed_unread", Link::relayed, "", "", {.connections = 1, .reads = false}},
    {"tls_reset", Link::relayed, "", "", {.connections = 1, .resets = true}},
    {"tls_garbage", Link::relayed, "", "", {.connections = 1, .answer = "HTTP/1.1 200 OK\r\n\r\n"}},
    {"tls_silent", Link::relayed, "", "", {.connections = 1, .stalls = true}},
    {"proxy_closed", Link::proxied, "", "", {.connections = 1}},
    {"proxy_reset", Link::proxied, "", "", {.connections = 1, .resets = true}},
    {"proxy_silent", Link::proxied, "", "", {.connections = 1, .stalls = true}},
    {"proxy_403", Link::proxied, "", "", {.connections = 1, .answer = answer("403 Forbidden")}},
    {"proxy_407",
     Link::proxied,
     "",
     "",
     {.connections = 1,
      .answer = answer("407 Proxy Authentication Required",
                       "Proxy-Authenticate: Basic realm=\"x\"\r\n")}},
    {"proxy_429",
     Link::proxied,
     "",
     "",
     {.connections = 1, .answer = answer("429 Too Many Requests")}},
    {"proxy_502", Link::proxied, "", "", {.connections = 1, .answer = answer("502 Bad Gateway")}},
    {"proxy_without_end",
     Link::proxied,
     "",
     "",
     {.connections = 1, .answer = "HTTP/1.1 200 Connection est"}},

    // The rate limiter, who stands before the till.
    {"429_rate", Link::direct, "submit:error=rate_limit_exceeded,retry-after=1*1", ""},
    {"429_rate_without_a_time", Link::direct, "submit:error=rate_limit_exceeded*1", ""},

    // Definite.
    {"400", Link::direct, "submit:error=invalid_request*1", "invalid-request"},
    {"401", Link::direct, "submit:error=invalid_api_key*1", "invalid-api-key"},
    {"402", Link::direct, "submit:error=insufficient_credits*1", "insufficient-credits"},
    {"403", Link::direct, "submit:error=ip_not_allowed*1", "ip-not-allowed"},
    {"404", Link::direct, "submit:error=model_not_found*1", "model-not-found"},
    {"429_spend", Link::direct, "submit:error=spend_limit_exceeded*1", "spend-limit-exceeded"},
    {"503_upstream", Link::direct, "submit:error=upstream_error*1", "upstream-error"},

    // Neither.
    {"connection_closed", Link::direct, "connect-api:close*1", unknown},
    {"reset", Link::direct, "submit:reset*1", unknown},
    {"reset_charged", Link::direct, "submit:reset,charged*1", unknown},
    {"reset_before_reading", Link::direct, "submit:reset-before-reading*1", unknown},
    {"lost_answer", Link::direct, "submit:lost-answer*1", unknown},
    {"half_answer", Link::direct, "submit:half-answer*1", unknown},
    {"answer_reset", Link::direct, "submit:reset=%40*1", unknown},
    {"answer_cut", Link::direct, "submit:truncate=%40*1", unknown},
    {"answer_cut_in_chunks", Link::direct, "submit:chunked-cut-unterminated=%40*1", unknown},
    {"302", Link::direct, "submit:redirect=http://127.0.0.1:1/*1", unknown},
    {"302_charged", Link::direct, "submit:redirect=http://127.0.0.1:1/,charged*1", unknown},
    {"408", Link::direct, "submit:status=408*1", unknown},
    {"409", Link::direct, "submit:status=409*1", unknown},
    {"421", Link::direct, "submit:status=421*1", unknown},
    {"500", Link::direct, "submit:error=internal_error*1", unknown},
    {"500_charged", Link::direct, "submit:error=internal_error,charged*1", unknown},
    {"502_page", Link::direct, "submit:html=502*1", unknown},
    {"503_page", Link::direct, "submit:html=503*1", unknown},
    {"200_without_id", Link::direct, "submit:no-task-id*1", unknown},
    {"200_no_json", Link::direct, "submit:not-json*1", unknown},
    {"200_wrong_types", Link::direct, "submit:wrong-types*1", unknown},
    {"200_deep", Link::direct, "submit:deep-json*1", unknown},
    {"200_huge", Link::direct, "submit:huge*1", unknown},

    // Good, if slow or odd.
    {"late", Link::direct, "submit:delay=%200ms*1", ""},
    {"in_pieces", Link::direct, "submit:slice=%20*1", ""},
    {"in_chunks", Link::direct, "submit:chunked*1", ""},
    {"with_more_fields", Link::direct, "submit:extra-fields*1", ""},
};

class Matrix : public testing::TestWithParam<Case> {
 protected:
  static void SetUpTestSuite() {
    home_ = new TemporaryDirectory;
    certificate_ = new Certificate(make_certificate(*home_));
  }
  static void TearDownTestSuite() {
    delete certificate_;
    delete home_;
  }

  /// One case with one seed: what the properties of the line are, and what came of it.
  void run_case(const Case& row, unsigned seed) {
    std::mt19937 random(seed);
    auto fault = row.fault;
    if (const auto at = fault.find('%'); at != std::string::npos) {
      std::size_t digits = 0;
      const auto most = static_cast<unsigned>(std::stoul(fault.substr(at + 1), &digits));
      fault.replace(at, digits + 1,
                    std::to_string(std::uniform_int_distribution(1U, most)(random)));
    }
    const bool is_secure = row.link == Link::relayed || row.link == Link::proxied;
    std::vector<std::string> arguments = {"--generation-time", "0s", "--clip", small_clip().path};
    if (is_secure) {
      arguments.insert(arguments.end(),
                       {"--tls-cert", certificate_->certificate, "--tls-key", certificate_->key});
    }
    if (!fault.empty()) arguments.insert(arguments.end(), {"--fault", fault});
    const auto simulator = Simulator::start(arguments);
    const auto url = simulator.api_url();
    const auto port = static_cast<std::uint16_t>(std::stoul(url.substr(url.rfind(':') + 1)));
    const Relay relay(port, row.link == Link::proxied, row.spoil);

    // A request from a few bytes to many of TCP's windows.
    const auto size = std::uniform_int_distribution(1U, 60'000U)(random);
    std::vector<std::string> more = {"prompt=" + std::string(size, 'x'), "timeout=1", "retries=3"};
    if (is_secure) more.push_back("ssl-ca-file=" + certificate_->certificate);
    if (row.link == Link::localhost) {
      more.push_back("api-url=http://localhost:" + std::to_string(port) + "/v1");
    } else if (row.link == Link::relayed) {
      more.push_back("api-url=https://127.0.0.1:" + std::to_string(relay.port()) + "/v1");
    } else if (row.link == Link::proxied) {
      more.push_back("proxy=http://127.0.0.1:" + std::to_string(relay.port()));
    }

    const Line line(simulator);
    const auto posts = [&] { return simulator.state().at("submissions").get<int>(); };
    const auto charges = [&] { return simulator.state().at("charges").get<int>(); };
    const auto first = line.run("", more);
    EXPECT_LE(charges(), 1);
    if (row.spoil.connections > 0) {
      EXPECT_GT(relay.connections(), row.spoil.connections) << "it was not in the way";
    }
    EXPECT_EQ(first.error_code(), row.code) << first;
    EXPECT_EQ(first.played(small_clip().sha256), row.code.empty()) << first;
    if (row.code.empty()) {
      EXPECT_EQ(charges(), 1);
      ++clips;
    }
    posts_ += posts();
    charges_ += charges();
    if (row.code != unknown) return;
    ++unknowns;
    EXPECT_LE(posts(), 1) << "never again by itself";
    // Seen, and told again, but not sent again; and then by the user's word, once.
    const auto before = posts();
    EXPECT_EQ(line.run("", more).error_code(), unknown);
    EXPECT_EQ(posts(), before);
    more.emplace_back("on-unknown=resubmit");
    const auto resubmitted = line.run("", more);
    EXPECT_TRUE(resubmitted.played(small_clip().sha256)) << resubmitted;
    EXPECT_EQ(posts(), before + 1);
  }

  static inline TemporaryDirectory* home_ = nullptr;
  static inline Certificate* certificate_ = nullptr;
  static inline int posts_ = 0;
  static inline int charges_ = 0;
  static inline int unknowns = 0;
  static inline int clips = 0;
};

TEST_P(Matrix, EndsAsItMust) {
  const unsigned seeds = std::max(1U, repeats());
  for (unsigned seed = 1; seed <= seeds && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    run_case(GetParam(), seed);
  }
  std::printf("  so far: %d submissions, %d charges, %d clips, %d submit-unknown\n", posts_,
              charges_, clips, unknowns);
}

INSTANTIATE_TEST_SUITE_P(Submission, Matrix, testing::ValuesIn(cases),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace veo::test
