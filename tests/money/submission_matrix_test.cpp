// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Every way in which a submission can end, judged by the rules of docs/money.md. A submission that
// was surely not sent is repeated and plays. A definite refusal ends at once, and the user may try
// again. Any other end is submit-unknown until the user decides. No request is charged twice,
// except by the user's decision.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "command.h"
#include "relay.h"
#include "run.h"

namespace veo::test {
namespace {

enum class Link {
  direct,     ///< http
  localhost,  ///< http, by a name that has a second, refusing address
  plain,      ///< http, through a relay that spoils connections
  relayed,    ///< https, through such a relay
  proxied,    ///< https, through a proxy that spoils tunnels
};

struct Case {
  const char* name;
  Link link;
  /// The simulator's fault. `%N` stands for a number from 1 to N, which the seed draws.
  std::string fault;
  std::string code;  ///< the expected error; empty if the clip plays
  /// The simulator's counts at the end of the run.
  int posts = 1;
  int charges = 0;
  Relay::Spoil spoil = {};
  /// The addresses of the proxy's name, as for Resolver. Empty if the proxy is given by its
  /// address.
  std::string proxy_at = {};
  int retries = 3;
  bool is_long = false;  ///< the case takes a minute
};
void PrintTo(const Case& row, std::ostream* out) { *out << row.name; }

const Relay::Spoil spared{};
const Relay::Spoil closed_port{.closed = true};
const Relay::Spoil closes{.connections = 1};
const Relay::Spoil closes_unread{.connections = 1, .reads = false};
const Relay::Spoil is_silent{.connections = 1, .stalls = true};

const Relay::Spoil garbage{.connections = 1, .answer = "220 mail.example ESMTP\r\n"};
const Relay::Spoil continues{.connections = 1, .answer = "HTTP/1.1 100 Continue\r\n\r\n"};
const Relay::Spoil cut_head{.connections = 1, .answer = "HTTP/1.1 200 Connection est"};

Relay::Spoil resets(unsigned connections = 1) {
  return {.connections = connections, .resets = true};
}

Relay::Spoil says(const char* status, unsigned connections = 1) {
  return {.connections = connections,
          .answer = std::string("HTTP/1.1 ") + status + "\r\nContent-Length: 2\r\n\r\nno"};
}

const char* const unknown = "submit-unknown";
const char* const clip = "";
const char* const needs_password =
    "407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"";

const Case cases[] = {
    // The submission never began. One case for each phase of the connection.
    {"name_with_a_refusing_address", Link::localhost, "", clip, 1, 1},
    {"name_not_found", Link::proxied, "", clip, 1, 1, spared, ",127.0.0.1"},
    // Nobody listens at the port of the first address.
    {"port_closed", Link::proxied, "", clip, 1, 1, spared, "127.0.0.2,127.0.0.1"},
    {"port_closed_too_long", Link::relayed, "", "network", 0, 0, closed_port, "", 1},
    {"tls_closed", Link::relayed, "", clip, 1, 1, closes},
    {"tls_closed_unread", Link::relayed, "", clip, 1, 1, closes_unread},
    {"tls_reset", Link::relayed, "", clip, 1, 1, resets()},
    {"tls_reset_too_often", Link::relayed, "", "network", 0, 0, resets(2), "", 1},
    {"tls_garbage", Link::relayed, "", clip, 1, 1, says("200 OK")},
    {"tls_silent", Link::relayed, "", clip, 1, 1, is_silent},
    {"proxy_closed", Link::proxied, "", clip, 1, 1, closes},
    {"proxy_reset", Link::proxied, "", clip, 1, 1, resets()},
    {"proxy_silent", Link::proxied, "", clip, 1, 1, is_silent},
    {"proxy_without_end", Link::proxied, "", clip, 1, 1, cut_head},
    {"proxy_302", Link::proxied, "", clip, 1, 1,
     says("302 Found\r\nLocation: http://127.0.0.1:1/")},
    {"proxy_403", Link::proxied, "", clip, 1, 1, says("403 Forbidden")},
    {"proxy_407", Link::proxied, "", "network", 0, 0, says(needs_password)},
    {"proxy_421", Link::proxied, "", clip, 1, 1, says("421 Misdirected Request")},
    {"proxy_429", Link::proxied, "", clip, 1, 1, says("429 Too Many Requests")},
    {"proxy_502", Link::proxied, "", clip, 1, 1, says("502 Bad Gateway")},
    {"proxy_502_too_often", Link::proxied, "", "network", 0, 0, says("502 Bad Gateway", 2), "", 1},

    // The rate limiter refuses the request before it can be charged.
    {"429_rate", Link::direct, "submit:error=rate_limit_exceeded,retry-after=1*1", clip, 2, 1},
    {"429_rate_by_date", Link::direct, "submit:error=rate_limit_exceeded,retry-after-date=1*1",
     clip, 2, 1},
    {"429_rate_without_a_time", Link::direct, "submit:error=rate_limit_exceeded*2", clip, 3, 1},
    {"429_rate_in_the_tunnel", Link::proxied, "submit:error=rate_limit_exceeded*1", clip, 2, 1},
    {"429_rate_too_often", Link::direct, "submit:error=rate_limit_exceeded*2",
     "rate-limit-exceeded", 2, 0, spared, "", 1},

    // Definite refusals.
    {"400", Link::direct, "submit:error=invalid_request*1", "invalid-request"},
    {"401", Link::direct, "submit:error=invalid_api_key*1", "invalid-api-key"},
    {"401_page", Link::direct, "submit:error=invalid_api_key,html=401*1", "invalid-api-key"},
    {"402", Link::direct, "submit:error=insufficient_credits*1", "insufficient-credits"},
    {"403", Link::direct, "submit:error=ip_not_allowed*1", "ip-not-allowed"},
    {"404", Link::direct, "submit:error=model_not_found*1", "model-not-found"},
    {"407_in_the_tunnel", Link::proxied, "submit:status=407*1", "invalid-request"},
    {"410", Link::direct, "submit:status=410*1", "invalid-request"},
    {"429_spend", Link::direct, "submit:error=spend_limit_exceeded*1", "spend-limit-exceeded"},
    {"413_by_a_gateway", Link::plain, "", "invalid-request", 0, 0, says("413 Content Too Large")},
    // The body is not the service's own, so a retry is not allowed.
    {"429_by_a_gateway", Link::plain, "", "rate-limit-exceeded", 0, 0,
     says("429 Too Many Requests")},
    {"429_page", Link::direct, "submit:error=rate_limit_exceeded,html=429*1",
     "rate-limit-exceeded"},
    {"503_upstream", Link::direct, "submit:error=upstream_error*1", "upstream-error"},

    // Neither sure nor definite. With 0 submissions, the simulator has read no complete request.
    {"connection_closed", Link::direct, "connect-api:close*1", unknown, 0},
    {"request_half_read", Link::plain, "", unknown, 0, 0, closes},
    {"request_half_read_and_reset", Link::plain, "", unknown, 0, 0, resets()},
    {"no_http", Link::plain, "", unknown, 0, 0, garbage},
    {"half_a_head", Link::plain, "", unknown, 0, 0, cut_head},
    {"100_and_no_more", Link::plain, "", unknown, 0, 0, continues},
    {"connection_silent", Link::direct, "connect-api:stall*1", unknown, 0, 0, spared, "", 3, true},
    {"reset_before_reading", Link::direct, "submit:reset-before-reading*1", unknown},
    {"reset", Link::direct, "submit:reset*1", unknown},
    {"reset_charged", Link::direct, "submit:reset,charged*1", unknown, 1, 1},
    {"silent", Link::direct, "submit:stall*1", unknown, 1, 0, spared, "", 3, true},
    {"silent_charged", Link::direct, "submit:stall=%40*1", unknown, 1, 1, spared, "", 3, true},
    {"lost_answer", Link::direct, "submit:lost-answer*1", unknown, 1, 1},
    {"lost_answer_tls", Link::relayed, "submit:lost-answer*1", unknown, 1, 1},
    {"lost_answer_in_the_tunnel", Link::proxied, "submit:lost-answer*1", unknown, 1, 1},
    {"half_answer", Link::direct, "submit:half-answer*1", unknown, 1, 1},
    {"half_answer_tls", Link::relayed, "submit:half-answer*1", unknown, 1, 1},
    {"answer_reset", Link::direct, "submit:reset=%40*1", unknown, 1, 1},
    {"answer_cut", Link::direct, "submit:truncate=%40*1", unknown, 1, 1},
    {"answer_cut_in_chunks", Link::direct, "submit:chunked-cut-unterminated=%40*1", unknown, 1, 1},
    {"answer_too_short", Link::direct, "submit:chunked-cut=%40*1", unknown, 1, 1},
    {"302", Link::direct, "submit:redirect=http://127.0.0.1:1/*1", unknown},
    {"302_charged", Link::direct, "submit:redirect=http://127.0.0.1:1/,charged*1", unknown, 1, 1},
    // A client that follows the redirect would reach the accepting address.
    {"302_to_itself", Link::direct, "submit:redirect-loop*1", unknown},
    {"307_to_itself", Link::direct, "submit:redirect-loop,status=307*1", unknown},
    {"308_to_itself", Link::relayed, "submit:redirect-loop,status=308*1", unknown},
    {"400_cut", Link::direct, "submit:error=invalid_request,truncate=%40*1", unknown},
    {"408", Link::direct, "submit:status=408*1", unknown},
    {"408_charged", Link::direct, "submit:status=408,charged*1", unknown, 1, 1},
    {"409", Link::direct, "submit:status=409*1", unknown},
    {"421", Link::direct, "submit:status=421*1", unknown},
    {"421_tls", Link::relayed, "submit:status=421*1", unknown},
    {"429_rate_cut", Link::direct, "submit:error=rate_limit_exceeded,truncate=%40*1", unknown},
    {"500", Link::direct, "submit:error=internal_error*1", unknown},
    {"500_charged", Link::direct, "submit:error=internal_error,charged*1", unknown, 1, 1},
    {"502_by_a_gateway", Link::plain, "", unknown, 0, 0, says("502 Bad Gateway")},
    {"502_page", Link::direct, "submit:html=502*1", unknown, 1, 1},
    {"502_page_in_the_tunnel", Link::proxied, "submit:html=502*1", unknown, 1, 1},
    {"503_page", Link::direct, "submit:html=503*1", unknown, 1, 1},
    {"503_upstream_cut", Link::direct, "submit:error=upstream_error,truncate=%40*1", unknown},
    {"504", Link::direct, "submit:status=504,charged*1", unknown, 1, 1},
    {"200_without_id", Link::direct, "submit:no-task-id*1", unknown, 1, 1},
    {"200_page", Link::direct, "submit:html*1", unknown, 1, 1},
    {"200_no_json", Link::direct, "submit:not-json*1", unknown, 1, 1},
    {"200_wrong_types", Link::direct, "submit:wrong-types*1", unknown, 1, 1},
    {"200_deep", Link::direct, "submit:deep-json*1", unknown, 1, 1},
    {"200_huge", Link::direct, "submit:huge*1", unknown, 1, 1},
    {"204", Link::direct, "submit:status=204*1", unknown},

    // Good answers that are slow or odd.
    {"late", Link::direct, "submit:delay=%900ms*1", clip, 1, 1},
    // The delay exceeds `timeout`, which does not apply to a submission that was sent.
    {"very_late", Link::direct, "submit:delay=1500ms*1", clip, 1, 1},
    {"in_pieces", Link::direct, "submit:slice=%20*1", clip, 1, 1},
    {"in_chunks", Link::direct, "submit:chunked*1", clip, 1, 1},
    {"with_more_fields", Link::direct, "submit:extra-fields*1", clip, 1, 1},
    {"with_a_coding_claimed", Link::direct, "submit:gzip*1", clip, 1, 1},
};

constexpr int price = 40;  // the credits of a default request

using Random = std::mt19937;

unsigned draw(Random& random, unsigned most) {
  return std::uniform_int_distribution(1U, most)(random);
}

/// Returns `fault` with its numbers drawn, and possibly with a late, slow or split answer.
/// `met_before` is the number of requests that the fault spares.
std::string fault_of(const Case& row, Random& random, unsigned met_before) {
  auto fault = row.fault;
  if (const auto at = fault.find('%'); at != std::string::npos) {
    std::size_t digits = 0;
    const auto most = static_cast<unsigned>(std::stoul(fault.substr(at + 1), &digits));
    fault.replace(at, digits + 1, std::to_string(draw(random, most)));
  }
  if (!fault.starts_with("submit:")) return fault;
  const std::string paces[] = {"", ",delay=" + std::to_string(draw(random, 100)) + "ms",
                               ",slice=" + std::to_string(draw(random, 40)),
                               ",drip=" + std::to_string(1000 + draw(random, 4000))};
  const auto& pace = paces[draw(random, std::size(paces)) - 1];
  const auto effect = pace.substr(0, pace.find('='));
  // A body of megabytes fills the buffers on the way before the client closes.
  const bool has_own = !effect.empty() && fault.find(effect.substr(1)) != std::string::npos;
  const bool is_large =
      fault.find("huge") != std::string::npos || fault.find("deep") != std::string::npos;
  if (!has_own && !is_large) fault.insert(fault.find('*'), pace);
  if (met_before > 0) fault += "@" + std::to_string(met_before + 1);
  return fault;
}

struct Figures {
  int runs = 0;
  int posts = 0;
  int charges = 0;
  int most_charges = 0;
  int clips = 0;
  int refused = 0;
  int unknown = 0;
  int unknown_charged = 0;
};

class Matrix : public testing::TestWithParam<Case> {
 protected:
  static void SetUpTestSuite() {
    home_ = new TemporaryDirectory;
    certificate_ = new Certificate(make_certificate(*home_));
    small_clip();  // make it before several threads need it
  }
  static void TearDownTestSuite() {
    std::printf(
        "submission matrix: %d fault points, %d runs of them: %d POSTs, %d charges (at most "
        "%d for a request); %d clips, %d refused, %d submit-unknown, %d of these charged\n",
        points_, figures_.runs, figures_.posts, figures_.charges, figures_.most_charges,
        figures_.clips, figures_.refused, figures_.unknown, figures_.unknown_charged);
    delete certificate_;
    delete home_;
  }

  /// A simulator, the relay before it, and a user's line to it.
  struct Course {
    Course(const Case& from, unsigned seed);

    /// Runs the line with a budget for exactly this many requests.
    [[nodiscard]] Ended run(int affords, const std::vector<std::string>& more = {}) const {
      auto all = properties;
      all.push_back("--budget=" + std::to_string(price * (affords + (is_warm ? 1 : 0))));
      all.insert(all.end(), more.begin(), more.end());
      return line->run("", all);
    }
    /// The simulator's counts, without the request that warmed up the connections.
    [[nodiscard]] int posts() const { return counted("submissions"); }
    [[nodiscard]] int charges() const { return counted("charges"); }
    [[nodiscard]] int counted(const char* what) const {
      return simulator->state().at(what).get<int>() - (is_warm ? 1 : 0);
    }

    /// Returns the state of the last row, or of an earlier one. Empty if there is no such row.
    [[nodiscard]] std::string recorded(std::size_t earlier = 0) const {
      const auto rows = line->rows();
      return earlier < rows.size() ? rows[rows.size() - 1 - earlier].state : "";
    }

    const Case& row;
    /// The process already has open connections to the server.
    bool is_warm;
    std::optional<Simulator> simulator;
    std::optional<Relay> relay;
    std::optional<Line> line;
    std::vector<std::string> properties;
  };

  static void run_case(const Case& row, unsigned seed);
  static void check_clip(const Course& course);
  static void check_refused(const Course& course, const Ended& first);
  static void check_unknown(const Course& course, const Ended& first);
  static void check_connections(const Simulator& simulator);

  static inline TemporaryDirectory* home_ = nullptr;
  static inline Certificate* certificate_ = nullptr;
  static inline int points_ = 0;
  static inline std::mutex mutex_;
  static inline Figures figures_;  // guarded by mutex_
};

Matrix::Course::Course(const Case& from, unsigned seed) : row(from) {
  Random random(seed);
  // Only a fault of a request can happen on an open connection.
  is_warm = seed % 2 == 0 && row.fault.starts_with("submit:");
  const bool is_secure = row.link == Link::relayed || row.link == Link::proxied;
  std::vector<std::string> arguments = {"--generation-time", "0s", "--clip", small_clip().path};
  if (is_secure) {
    arguments.insert(arguments.end(),
                     {"--tls-cert", certificate_->certificate, "--tls-key", certificate_->key});
  }
  const auto fault = fault_of(row, random, is_warm ? 1 : 0);
  if (!fault.empty()) arguments.insert(arguments.end(), {"--fault", fault});
  simulator.emplace(Simulator::start(arguments));
  line.emplace(*simulator);

  // The request has from a few bytes up to several TCP windows.
  properties = {"prompt=" + std::string(draw(random, 60'000), 'x'), "timeout=1",
                "retries=" + std::to_string(row.retries)};
  const auto url = simulator->api_url();
  const auto port = static_cast<std::uint16_t>(std::stoul(url.substr(url.rfind(':') + 1)));
  if (row.link == Link::localhost) {
    properties.push_back("api-url=http://localhost:" + std::to_string(port) + "/v1");
  }
  if (row.link == Link::direct || row.link == Link::localhost) return;
  if (is_secure) properties.push_back("ssl-ca-file=" + certificate_->certificate);
  relay.emplace(port, row.link == Link::proxied, row.spoil);
  const auto before = std::to_string(relay->port());
  if (row.link == Link::plain) {
    properties.push_back("api-url=http://127.0.0.1:" + before + "/v1");
  } else if (row.link == Link::relayed) {
    properties.push_back("api-url=https://127.0.0.1:" + before + "/v1");
  } else if (row.proxy_at.empty()) {
    properties.push_back("proxy=http://127.0.0.1:" + before);
  } else {
    properties.push_back("proxy=http://proxy.example:" + before);
    properties.push_back("--name=proxy.example=" + row.proxy_at);
  }
}

void Matrix::run_case(const Case& row, unsigned seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  Course course(row, seed);
  const auto first = course.is_warm ? course.run(1, {"--first=prompt=a cat"}) : course.run(1);
  EXPECT_EQ(first.error_code(), row.code) << first;
  EXPECT_EQ(course.posts(), row.posts) << first;
  const auto charges = course.charges();
  EXPECT_EQ(charges, row.charges) << first;
  if (course.relay) {
    // Each attempt opens a connection. Queries may open more connections after the last attempt.
    const auto spoiled = row.spoil.connections;
    if (row.posts > 0) {
      EXPECT_GT(course.relay->connections(), spoiled);
    } else {
      EXPECT_GE(course.relay->connections(), spoiled);
    }
    course.relay->open();
  }
  {
    const std::lock_guard lock(mutex_);
    ++figures_.runs;
    figures_.posts += course.posts();
    figures_.charges += charges;
    figures_.most_charges = std::max(figures_.most_charges, charges);
    ++(row.code.empty()      ? figures_.clips
       : row.code == unknown ? figures_.unknown
                             : figures_.refused);
    if (row.code == unknown) figures_.unknown_charged += charges;
  }
  if (row.code.empty()) {
    EXPECT_TRUE(first.played(small_clip().sha256)) << first;
    check_clip(course);
  } else if (row.code == unknown) {
    check_unknown(course, first);
  } else {
    check_refused(course, first);
  }
  check_connections(*course.simulator);
}

/// Checks that the next run finds the clip and pays nothing.
void Matrix::check_clip(const Course& course) {
  EXPECT_EQ(course.recorded(), "completed");
  const auto again = course.run(0);
  EXPECT_TRUE(again.played(small_clip().sha256)) << again;
  EXPECT_EQ(course.posts(), course.row.posts);
}

/// Checks that nothing was paid, that the next run plays, and that its budget is not reduced.
void Matrix::check_refused(const Course& course, const Ended& first) {
  EXPECT_EQ(first.charged(), course.row.code == "upstream-error" ? "refunded" : "no") << first;
  // The row stays `reserved`, without an owner, if the process ended before it could release the
  // row.
  const auto state = course.recorded();
  EXPECT_TRUE(state == "released" || state == "reserved") << state;
  const auto next = course.run(1);
  EXPECT_TRUE(next.played(small_clip().sha256)) << next;
  EXPECT_EQ(course.posts(), course.row.posts + 1);
  EXPECT_EQ(course.charges(), 1);
}

/// Checks that the next run reports the unknown submission again and sends nothing, and that one
/// submission is sent after the user's decision.
void Matrix::check_unknown(const Course& course, const Ended& first) {
  EXPECT_EQ(first.charged(), "unknown") << first;
  const auto again = course.run(0);
  EXPECT_EQ(again.error_code(), unknown) << again;
  EXPECT_EQ(again.charged(), "unknown") << again;
  EXPECT_EQ(course.recorded(), "unknown");
  EXPECT_EQ(course.posts(), course.row.posts);
  EXPECT_EQ(course.charges(), course.row.charges);

  const auto resubmitted = course.run(1 + 1, {"on-unknown=resubmit"});
  EXPECT_TRUE(resubmitted.played(small_clip().sha256)) << resubmitted;
  EXPECT_EQ(course.posts(), course.row.posts + 1);
  EXPECT_EQ(course.charges(), course.row.charges + 1);
  EXPECT_EQ(course.recorded(1), "superseded");
  EXPECT_EQ(course.recorded(), "completed");
}

/// Checks that each POST uses a new connection. An idle connection may be dead, and a POST on it
/// would be in doubt.
void Matrix::check_connections(const Simulator& simulator) {
  std::set<int> used;
  for (const auto& entry : simulator.log()) {
    if (entry.at("listener") != "api") continue;
    const bool is_new = used.insert(entry.at("connection").get<int>()).second;
    if (entry.at("method") == "POST") {
      EXPECT_TRUE(is_new) << "a POST on an idle connection";
    }
  }
}

TEST_P(Matrix, EndsAsItMust) {
  const auto& row = GetParam();
  if (row.is_long && repeats() == 0) {
    GTEST_SKIP() << "waits for a deadline of a minute: runs if VEO_TEST_REPEAT is set";
  }
  ++points_;
  const unsigned seeds = repeats() > 0 ? repeats() : 2;
  // A case mostly waits, and a long case does hardly anything else.
  const unsigned at_once = row.is_long ? seeds : 2;
  for (unsigned seed = 1; seed <= seeds && !HasFailure();) {
    std::vector<std::jthread> running;
    for (unsigned i = 0; i < at_once && seed <= seeds; ++i, ++seed) {
      running.emplace_back([&row, seed] {
        try {
          run_case(row, seed);
        } catch (const std::exception& error) {
          ADD_FAILURE() << "seed " << seed << ": " << error.what();
        }
      });
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Submission, Matrix, testing::ValuesIn(cases),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace veo::test
