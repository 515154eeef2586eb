// SPDX-License-Identifier: LGPL-2.1-or-later
//
// HTTP as gst-veo needs it, over libsoup: two kinds of exchange, each with its own rules.
//
//   call()    sends a request to the API, with the key. It never follows a redirect. The handler
//             gets the complete answer, at most 1 MiB, at once. A POST reports the events on the
//             wire (SubmissionEvidence), and nothing cancels a POST that libsoup has begun.
//   fetch()   downloads from a file host, never with the key. It follows up to 5 redirects. The URL
//             policy checks each URL, and the address that each connection really reached. The
//             handler gets the bytes as they arrive.
//
// All methods are called on the IoThread, and all handlers run there. No handler runs after its
// Exchange is destroyed.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "veo/core/error.h"
#include "veo/core/result.h"
#include "veo/core/secret.h"
#include "veo/core/submission.h"
#include "veo/core/url_policy.h"
#include "veo/http/io_thread.h"

typedef struct _GTlsDatabase GTlsDatabase;

namespace veo::http {

/// How to reach the network. Equal settings share a session, and so its connections.
struct Network {
  std::string proxy;        ///< URI: http, https, socks4a, socks5 or socks5h; empty: none
  std::string ssl_ca_file;  ///< PEM file of trusted CAs; empty: the system's
  std::shared_ptr<GTlsDatabase> tls_database;  ///< goes before ssl_ca_file; may be null
  std::string user_agent;                      ///< empty: `gst-veo/VERSION`
  std::vector<std::string> no_proxy = {};      ///< hosts and networks that are reached without it
  bool is_proxy_for_http = true;               ///< false: the proxy is for https alone
  std::string proxy_name = "proxy";            ///< the option or variable that has `proxy`
  std::string ca_name = "ssl-ca-file";         ///< the option or variable that has `ssl_ca_file`
  bool operator==(const Network&) const = default;
};

/// Makes the headers that hold a secret: the one use of a Secret.
class Authorization {
 public:
  /// `Basic …` for a proxy (RFC 7617). `credentials` is `USER:PASSWORD`.
  static std::string proxy_header(const Secret& credentials);
  /// `Bearer …`. The caller hands it to libsoup and keeps no copy.
  static std::string header(const Secret& key);
  /// Replaces each occurrence of the key in an answer by asterisks, because a service may quote the
  /// request in its error, and its words go to messages, the log and the ledger. A key of less than
  /// 8 bytes stays: it could be a part of any text.
  static void erase(const Secret& key, std::string& answer);
};

struct ApiCall {
  std::string method = "GET";  ///< GET or POST
  std::string url;
  Secret key;
  std::string body;  ///< JSON, for POST
  /// If no byte comes for this long, a GET ends with the error `timeout`, and so does a POST that
  /// has not begun.
  std::chrono::milliseconds idle_timeout{15'000};
  /// Limits the complete exchange; a POST from the moment when it began.
  std::chrono::milliseconds total_timeout{60'000};
  /// Called with the body of a 2xx as far as it has come. True: the exchange ends, because the
  /// answer is complete. Then it does not matter how the stream ends: a missing last chunk, a
  /// reset, or a connection that stays open. May be null.
  std::function<bool(std::string_view body)> is_enough = {};
};

struct ApiAnswer {
  /// Filled for both methods; for a GET only `status`, `complete`, `retry_after`, `failure` matter.
  SubmissionEvidence evidence;
  std::string body;  ///< the part of the body that has come, at most 1 MiB (a larger body: failure
                     ///< bad_response)
};

/// Consecutive bytes of a file: [first, last], both included. Without `last` they end with the
/// file.
struct ByteRange {
  std::uint64_t first = 0;
  std::optional<std::uint64_t> last;
  bool operator==(const ByteRange&) const = default;
};

struct FileFetch {
  std::string url;
  FilePolicy policy = {};  ///< which hosts and addresses are allowed
  /// Without `range` and `suffix` no Range header is sent.
  std::optional<ByteRange> range;
  std::optional<std::uint64_t> suffix;  ///< > 0: asks for so many last bytes; only without `range`
  /// A strong validator for If-Range; only with a range.
  std::optional<std::string> if_range;
  std::chrono::milliseconds idle_timeout{15'000};
};

/// The head of a file host's final answer, after all redirects.
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

/// A place for received bytes.
struct Room {
  std::shared_ptr<void> owner;  ///< of the bytes
  std::span<std::uint8_t> bytes;
};

struct FileHandler {
  /// Called once, for any status. If it returns false, the exchange ends, and `end` is not called.
  std::function<bool(const FileHead&)> head;
  /// Called before each read: returns the place for the next bytes. An empty place pauses the
  /// exchange until Exchange::resume(). May be null.
  std::function<Room()> room;
  /// Called with received bytes, for the statuses 200 and 206 only. With `room`, the bytes are at
  /// the beginning of the place that `room` returned; without, they are valid during the call.
  std::function<void(std::span<const std::uint8_t>)> data;
  /// Called once. nullopt: the body is complete, as Content-Length or Content-Range said. Else the
  /// code is network, tls, timeout or bad_response.
  std::function<void(std::optional<Error>)> end;
};

class ExchangeState;

class Transport {
 public:
  /// A running exchange. Its destruction drops the handler and cancels the exchange. A POST that
  /// has begun is not cancelled: it ends by itself, keeps the IoThread until then, and reports to
  /// nobody.
  class Exchange {
   public:
    Exchange();
    Exchange(Exchange&&) noexcept;
    Exchange& operator=(Exchange&&) noexcept;
    ~Exchange();

    /// Whether the exchange is a POST, and some of its bytes may have left.
    [[nodiscard]] bool has_begun() const;
    /// Tells the exchange that there is room again. Has no effect unless the exchange is paused.
    void resume();
    explicit operator bool() const { return state_ != nullptr; }

   private:
    friend class Transport;
    std::shared_ptr<ExchangeState> state_;
  };

  /// Returns the IoThread's transport for these settings; equal settings get the same transport.
  /// I/O thread only. Fails with tls if ssl_ca_file cannot be read, and with invalid_request if the
  /// proxy is no URI of a kind that is known.
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
