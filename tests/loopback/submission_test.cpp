// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The evidence of a POST for each way in which it can end. core/submission.h classifies
// submissions by this evidence.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client.h"
#include "raw_server.h"
#include "veo/core/submission.h"

namespace veo::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

struct Ending {
  const char* name;
  RawServer::Script script;
  bool got_head;
  bool whole;
  unsigned status;
  std::optional<ErrorCode> failure;
  std::string body = {};
};

/// Returns a script that reads the request, writes `answer`, and closes.
const Ending endings[] = {
    {"accepted",
     answers(http_answer("200 OK", accepted_body)),
     true,
     true,
     200,
     {},
     std::string(accepted_body)},
    {"accepted_in_chunks",
     answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
     true,
     true,
     200,
     {},
     "{}"},
    {"accepted_up_to_the_end",
     answers("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}"),
     true,
     true,
     200,
     {},
     "{}"},
    {"rate_limited",
     answers(http_answer("429 Too Many Requests", "{}", "Retry-After: 7\r\n")),
     true,
     true,
     429,
     {},
     "{}"},
    {"refused_with_a_challenge",
     answers(http_answer("401 Unauthorized", "no", "WWW-Authenticate: Basic realm=\"x\"\r\n")),
     true,
     true,
     401,
     {},
     "no"},
    {"refused_as_if_by_a_proxy",
     answers(http_answer("407 Proxy Authentication Required", "no",
                         "Proxy-Authenticate: Basic realm=\"x\"\r\n")),
     true,
     true,
     407,
     {},
     "no"},
    {"redirected_302",
     answers(http_answer("302 Found", "x", "Location: /elsewhere\r\n")),
     true,
     true,
     302,
     {},
     "x"},
    {"redirected_307",
     answers(http_answer("307 Temporary Redirect", "", "Location: /e\r\n")),
     true,
     true,
     307,
     {}},
    {"timed_out_there", answers(http_answer("408 Request Timeout", "")), true, true, 408, {}},
    {"misdirected", answers(http_answer("421 Misdirected Request", "x")), true, false, 421,
     ErrorCode::network},
    {"failed_there",
     answers(http_answer("500 Internal Server Error", "x")),
     true,
     true,
     500,
     {},
     "x"},
    {"without_content", answers("HTTP/1.1 204 No Content\r\n\r\n"), true, true, 204, {}},
    {"continued_unasked",
     answers("HTTP/1.1 100 Continue\r\n\r\n" + http_answer("200 OK", "{}")),
     true,
     true,
     200,
     {},
     "{}"},
    {"hinted_early",
     answers("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + http_answer("200 OK", "{}")),
     true,
     true,
     200,
     {},
     "{}"},
    {"continued_and_closed", answers("HTTP/1.1 100 Continue\r\n\r\n"), false, false, 0,
     ErrorCode::network},
    {"closed_unread", [](RawConnection&) {}, false, false, 0, ErrorCode::network},
    {"reset_half_read",
     [](RawConnection& connection) {
       connection.read(1);
       connection.reset();
     },
     false, false, 0, ErrorCode::network},
    {"closed_unanswered", [](RawConnection& connection) { connection.read_request(); }, false,
     false, 0, ErrorCode::network},
    {"reset_unanswered",
     [](RawConnection& connection) {
       connection.read_request();
       connection.reset();
     },
     false, false, 0, ErrorCode::network},
    {"cut_in_the_head", answers("HTTP/1.1 200 OK\r\nContent-Le"), false, false, 0,
     ErrorCode::network},
    {"not_http", answers("220 mail.example ESMTP\r\n\r\n"), false, false, 0, ErrorCode::network},
    {"cut_before_the_body", answers("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), true, false,
     200, ErrorCode::network},
    {"cut_in_the_body", answers("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"a\""), true, false,
     200, ErrorCode::network, "{\"a\""},
    {"cut_in_a_chunk", answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{\"a\""),
     true, false, 200, ErrorCode::network, "{\"a\""},
    // Where libsoup does not report this cut, the incomplete JSON shows it.
    {"cut_between_chunks",
     answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n"), true,
     !soup_reports_cut_chunks, 200, cut_chunks, "{\"a\""},
    {"too_large", answers(http_answer("200 OK", std::string(2 << 20, ' '))), true, false, 200,
     ErrorCode::bad_response, std::string(1 << 20, ' ')},
    {"exactly_the_limit",
     answers(http_answer("200 OK", std::string(1 << 20, ' '))),
     true,
     true,
     200,
     {},
     std::string(1 << 20, ' ')},
    // The client neither requests nor decodes this coding.
    {"coded",
     answers(http_answer("200 OK", "\x1f\x8b", "Content-Encoding: gzip\r\n")),
     true,
     true,
     200,
     {},
     "\x1f\x8b"},
};

void PrintTo(const Ending& ending, std::ostream* out) { *out << ending.name; }

class SubmissionEnds : public ::testing::TestWithParam<Ending> {};

TEST_P(SubmissionEnds, WithItsEvidence) {
  const auto& expected = GetParam();
  const RawServer server(expected.script);
  Client client;
  const auto answer = client.call(post(server.url("/v1/videos/generations")));
  const auto& evidence = answer.evidence;

  EXPECT_TRUE(evidence.begun);
  EXPECT_FALSE(evidence.second_start);
  EXPECT_EQ(evidence.got_head, expected.got_head);
  EXPECT_EQ(evidence.complete, expected.whole);
  EXPECT_EQ(evidence.status, expected.status);
  ASSERT_EQ(evidence.failure.has_value(), expected.failure.has_value());
  if (evidence.failure) {
    EXPECT_EQ(evidence.failure->code, *expected.failure);
    EXPECT_EQ(evidence.failure->http_status, expected.status);
  }
  // If the body is too large, any part of it may have been read.
  if (expected.failure == ErrorCode::bad_response) {
    EXPECT_LE(answer.body.size(), expected.body.size());
  } else {
    EXPECT_EQ(answer.body, expected.body);
  }
  // In every case the submission was sent at most once.
  EXPECT_EQ(server.connections(), 1U);
  EXPECT_LE(server.requests().size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(Each, SubmissionEnds, ::testing::ValuesIn(endings),
                         [](const auto& test) { return test.param.name; });

// A complete document is the answer, however its stream ends.
TEST(Submission, EndsWithACompleteDocument) {
  const auto chunk =
      "36\r\n"
      R"({"code":200,"data":{"taskId":"t-1"},"padding":"01234"})"
      "\r\n";
  const std::string body = R"({"code":200,"data":{"taskId":"t-1"},"padding":"01234"})";
  const std::string ends[] = {
      "HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n" + body,
      std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") + chunk,
      std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") + chunk + "oops",
      std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") + chunk +
          "0\r\nTrailer: x\r\n\r\n",
      "HTTP/1.1 200 OK\r\n\r\n" + body};
  for (const auto& end : ends) {
    SCOPED_TRACE(end);
    Event left;
    const RawServer server([&](RawConnection& connection) {
      connection.read_request();
      connection.write(end);
      connection.read_to_end();  // the server keeps the connection
      left.set();
    });
    Client client;
    auto call = post(server.url("/"));
    call.is_enough = [&](std::string_view seen) { return seen == body; };
    const auto answer = client.call(call);
    EXPECT_TRUE(answer.evidence.complete);
    EXPECT_FALSE(answer.evidence.failure);
    EXPECT_EQ(answer.body, body);
    EXPECT_TRUE(left.wait());
  }
}

TEST(Submission, IsOnTheWireAsTheApiWantsIt) {
  const RawServer server(answers(http_answer("200 OK", "{}")));
  Client client;
  client.call(post(server.url("/v1/videos/generations")));
  ASSERT_EQ(server.requests().size(), 1U);
  const auto request = server.requests().front();
  EXPECT_TRUE(request.starts_with("POST /v1/videos/generations HTTP/1.1\r\n")) << request;
  EXPECT_TRUE(request.ends_with("\r\n\r\n{\"model\":\"veo-3\"}")) << request;
  EXPECT_EQ(header_value(request, "authorization"), "Bearer " + std::string(key_text));
  EXPECT_EQ(header_value(request, "content-type"), "application/json");
  EXPECT_EQ(header_value(request, "accept-encoding"), "identity");
  EXPECT_THAT(header_value(request, "user-agent"), ::testing::StartsWith("gst-veo/"));
  EXPECT_EQ(header_value(request, "expect"), "");
  EXPECT_EQ(header_value(request, "cookie"), "");
}

TEST(Submission, ResolvesRetryAfter) {
  const RawServer server(answers(http_answer("429 Too Many Requests", "{}", "Retry-After: 7\r\n")));
  Client client;
  EXPECT_EQ(client.call(post(server.url("/"))).evidence.retry_after, 7s);
}

TEST(Submission, HasNotBegunWhereNobodyListens) {
  Client client;
  const auto url = "http://127.0.0.1:" + std::to_string(refused_port());
  const auto evidence = client.call(post(url + "/v1?secret=1")).evidence;
  EXPECT_FALSE(evidence.begun);
  EXPECT_FALSE(evidence.got_head);
  EXPECT_EQ(evidence.status, 0U);
  ASSERT_TRUE(evidence.failure);
  EXPECT_EQ(evidence.failure->code, ErrorCode::network);
  EXPECT_THAT(evidence.failure->message, HasSubstr(url));
  EXPECT_THAT(evidence.failure->message, Not(HasSubstr("secret")));
  EXPECT_THAT(evidence.failure->message, Not(HasSubstr(std::string(key_text))));
}

TEST(Submission, HasNotBegunWhereTheNameIsUnknown) {
  Client client;
  const auto evidence = client.call(post("https://nonexistent.invalid/v1")).evidence;
  EXPECT_FALSE(evidence.begun);
  ASSERT_TRUE(evidence.failure);
  EXPECT_EQ(evidence.failure->code, ErrorCode::network);
  EXPECT_THAT(evidence.failure->message, HasSubstr("nonexistent.invalid"));
}

TEST(Submission, HasNotBegunIfTheUrlIsInvalid) {
  Client client;
  const auto evidence = client.call(post("not a URL")).evidence;
  EXPECT_FALSE(evidence.begun);
  ASSERT_TRUE(evidence.failure);
  EXPECT_EQ(evidence.failure->code, ErrorCode::bad_response);
}

TEST(Submission, EndsByItsIdleDeadlineOnlyBeforeItHasBegun) {
  // The server never answers TLS's first message.
  const RawServer silent([](RawConnection& connection) { connection.read_to_end(); });
  Client client;
  auto call = post(silent.url("/", "https"));
  call.idle_timeout = 50ms;
  const auto evidence = client.call(call).evidence;
  EXPECT_FALSE(evidence.begun);
  ASSERT_TRUE(evidence.failure);
  EXPECT_EQ(evidence.failure->code, ErrorCode::timeout);
}

TEST(Submission, EndsByItsTotalDeadlineOnceItHasBegun) {
  const RawServer silent([](RawConnection& connection) {
    connection.read_request();
    connection.read_to_end();
  });
  Client client;
  auto call = post(silent.url("/"));
  call.idle_timeout = 50ms;  // does not apply after the submission has begun
  call.total_timeout = 400ms;
  const auto start = std::chrono::steady_clock::now();
  const auto evidence = client.call(call).evidence;
  EXPECT_GE(std::chrono::steady_clock::now() - start, 390ms);
  EXPECT_TRUE(evidence.begun);
  EXPECT_FALSE(evidence.got_head);
  ASSERT_TRUE(evidence.failure);
  EXPECT_EQ(evidence.failure->code, ErrorCode::timeout);
}

TEST(Submission, EndsByItsTotalDeadlineWhileTheAnswerDrips) {
  const RawServer dripping([](RawConnection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    while (connection.write(" ")) std::this_thread::sleep_for(5ms);
  });
  Client client;
  auto call = post(dripping.url("/"));
  call.total_timeout = 300ms;
  const auto answer = client.call(call);
  EXPECT_TRUE(answer.evidence.got_head);
  EXPECT_EQ(answer.evidence.status, 200U);
  EXPECT_FALSE(answer.evidence.complete);
  ASSERT_TRUE(answer.evidence.failure);
  EXPECT_EQ(answer.evidence.failure->code, ErrorCode::timeout);
  EXPECT_THAT(answer.body, Not(IsEmpty()));
}

TEST(Submission, NeverUsesAConnectionThatWasIdle) {
  const RawServer server([](RawConnection& connection) {
    while (!connection.read_request().empty()) connection.write(http_answer("200 OK", "{}"));
  });
  Client client;
  client.call(get(server.url("/tasks/1")));
  EXPECT_TRUE(client.call(post(server.url("/"))).evidence.complete);
  EXPECT_TRUE(client.call(post(server.url("/"))).evidence.complete);
  EXPECT_EQ(server.connections(), 3U);
}

}  // namespace
}  // namespace veo::test
