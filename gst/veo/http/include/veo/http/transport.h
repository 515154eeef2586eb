// SPDX-License-Identifier: LGPL-2.1-or-later
//
// HTTP as gst-veo needs it, over libsoup: two kinds of exchange, each with its own rules.
//
//   call()    to the API. Carries the key. Never follows a redirect. The whole answer, at most
//             1 MiB, comes at once. A POST reports what was seen on the wire (SubmissionEvidence),
//             and once libsoup has begun it nothing cancels it.
//   fetch()   from a file host. Never carries the key. Follows up to 5 redirects, each checked by
//             the URL policy, and each connection by the address that it really reached. Bytes come
//             as they arrive.
//
// Everything here happens on the IoThread: methods are called there, and handlers run there. No
// handler runs after its Exchange is gone.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "veo/core/error.h"
#include "veo/core/result.h"
#include "veo/core/secret.h"
#include "veo/core/submission.h"
#include "veo/http/io_thread.h"

typedef struct _GTlsDatabase GTlsDatabase;

namespace veo::http {

/// How to reach the network. Equal settings share a session, and so its connections.
struct Network {
  std::string proxy;                           ///< URI as for souphttpsrc's `proxy`; empty: none
  std::string ssl_ca_file;                     ///< PEM file of trusted CAs; empty: the system's
  std::shared_ptr<GTlsDatabase> tls_database;  ///< goes before ssl_ca_file; may be null
  std::string user_agent;                      ///< empty: `gst-veo/VERSION`
  std::vector<std::string> no_proxy;  ///< hosts and networks that are reached without the proxy
  bool operator==(const Network&) const = default;
};

/// Makes the Authorization header: the one use of a Secret.
class Authorization {
 public:
  /// `Bearer …`. The caller hands it to libsoup and keeps no copy.
  static std::string header(const Secret& key);
};

struct ApiCall {
  std::string method = "GET";  ///< GET or POST
  std::string url;
  Secret key;
  std::string body;  ///< JSON, for POST
  /// No byte for this long ends a GET, and a POST that has not begun (error `timeout`).
  std::chrono::milliseconds idle_timeout{15'000};
  /// On the whole exchange; for a POST, from when it began.
  std::chrono::milliseconds total_timeout{60'000};
};

struct ApiAnswer {
  /// Filled for both methods; for a GET only `status`, `whole`, `retry_after`, `failure` matter.
  SubmissionEvidence evidence;
  std::string body;  ///< as far as it came, at most 1 MiB (beyond: failure bad_response)
};

/// A run of bytes of a file: [first, last], both included; no `last`: to the end.
struct ByteRange {
  std::uint64_t first = 0;
  std::optional<std::uint64_t> last;
  bool operator==(const ByteRange&) const = default;
};

struct FileFetch {
  std::string url;
  /// From the API base: http is allowed to loopback hosts only if the API itself is loopback, and
  /// so are loopback addresses.
  bool api_is_loopback = false;
  /// Neither: no Range header is sent.
  std::optional<ByteRange> range;
  std::optional<std::uint64_t> suffix;  ///< the last so many bytes, > 0; without `range`
  /// A strong validator for If-Range; only with a range.
  std::optional<std::string> if_range;
  std::chrono::milliseconds idle_timeout{15'000};
};

/// The head of a file host's final answer (redirects are behind us).
struct FileHead {
  unsigned status = 0;
  std::optional<std::uint64_t> content_length;  ///< of this answer's body
  std::optional<ByteRange> content_range;       ///< of a 206
  std::optional<std::uint64_t> total;           ///< from Content-Range (also of a 416)
  bool accepts_ranges = false;                  ///< `Accept-Ranges: bytes`
  std::string content_type;
  /// A strong ETag, else Last-Modified (RFC 9110 §8.8.2.2 conditions apply: only if it is older
  /// than Date by a second or more); empty: there is none.
  std::string strong_validator;
  std::optional<std::chrono::seconds> retry_after;
};

/// Where bytes are to go.
struct Room {
  std::shared_ptr<void> owner;  ///< of the bytes
  std::span<std::uint8_t> bytes;
};

struct FileHandler {
  /// Once, for any status. Returning false ends the exchange; `end` does not come then.
  std::function<bool(const FileHead&)> head;
  /// Asked before each read: where the next bytes are to go. Empty: nowhere just now, until
  /// Exchange::resume(). May be null.
  std::function<Room()> room;
  /// Each run of bytes as it comes: the beginning of what `room` has given, else valid during the
  /// call. Only for 200 and 206.
  std::function<void(std::span<const std::uint8_t>)> data;
  /// Once. nullopt: the body came whole (as Content-Length or Content-Range said). Else: network,
  /// tls, timeout, bad_response.
  std::function<void(std::optional<Error>)> end;
};

class ExchangeState;

class Transport {
 public:
  /// A running exchange. Destroying it drops its handler and cancels it; a POST that has begun is
  /// left to end by itself and keeps the IoThread until then, unheard.
  class Exchange {
   public:
    Exchange();
    Exchange(Exchange&&) noexcept;
    Exchange& operator=(Exchange&&) noexcept;
    ~Exchange();

    /// A POST of which bytes may have left.
    [[nodiscard]] bool begun() const;
    /// There is room again: of no consequence unless it was asked for in vain.
    void resume();
    explicit operator bool() const { return state_ != nullptr; }

   private:
    friend class Transport;
    std::shared_ptr<ExchangeState> state_;
  };

  /// The transport of the IoThread for these settings: equal settings, same transport.
  /// I/O thread only. Fails with tls where ssl_ca_file cannot be read, with invalid_request where
  /// the proxy is no URI.
  static Result<std::shared_ptr<Transport>> open(const std::shared_ptr<IoThread>& thread,
                                                 const Network& network);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  [[nodiscard]] Exchange call(ApiCall call, std::function<void(ApiAnswer)> answered);
  [[nodiscard]] Exchange fetch(FileFetch fetch, FileHandler handler);

 private:
  Transport();
  struct Private;
  std::unique_ptr<Private> p_;
};

}  // namespace veo::http
