// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Everything that the project knows of each error code: one table, one row a code. The rows are in
// error_codes.def. Beside it: the service's own error codes, row for row as in its documentation.
#pragma once

#include <cerrno>
#include <span>
#include <string>
#include <string_view>

#include "veo/core/error.h"
#include "veo/core/given.h"

namespace veo {

/// A GStreamer error. Core does not include GStreamer, so the numbers are written out here;
/// plugin/gstveoerror.cpp asserts that they are GStreamer's.
struct GstErrorKind {
  enum class Domain { resource, stream };
  Domain domain;
  int number;
  std::string_view name;  ///< for the docs
  constexpr bool operator==(const GstErrorKind&) const = default;
};

namespace gst_error {
using Domain = GstErrorKind::Domain;
inline constexpr GstErrorKind resource_failed{Domain::resource, 1, "RESOURCE/FAILED"};
inline constexpr GstErrorKind resource_not_found{Domain::resource, 3, "RESOURCE/NOT_FOUND"};
inline constexpr GstErrorKind resource_busy{Domain::resource, 4, "RESOURCE/BUSY"};
inline constexpr GstErrorKind resource_open_read_write{Domain::resource, 7,
                                                       "RESOURCE/OPEN_READ_WRITE"};
inline constexpr GstErrorKind resource_read{Domain::resource, 9, "RESOURCE/READ"};
inline constexpr GstErrorKind resource_write{Domain::resource, 10, "RESOURCE/WRITE"};
inline constexpr GstErrorKind resource_settings{Domain::resource, 13, "RESOURCE/SETTINGS"};
inline constexpr GstErrorKind resource_not_authorized{Domain::resource, 15,
                                                      "RESOURCE/NOT_AUTHORIZED"};
inline constexpr GstErrorKind stream_wrong_type{Domain::stream, 5, "STREAM/WRONG_TYPE"};
}  // namespace gst_error

/// An FFmpeg error. Core does not include FFmpeg, so AVERROR() and AVERROR_INVALIDDATA are written
/// out here; libav/avio_stream.cpp asserts that they are FFmpeg's.
struct LibavErrorKind {
  int number;
  std::string_view name;  ///< for the docs
};

namespace libav_error {
inline constexpr LibavErrorKind invalid_argument{-EINVAL, "AVERROR(EINVAL)"};
inline constexpr LibavErrorKind access_denied{-EACCES, "AVERROR(EACCES)"};
inline constexpr LibavErrorKind quota_exceeded{-EDQUOT, "AVERROR(EDQUOT)"};
inline constexpr LibavErrorKind no_entry{-ENOENT, "AVERROR(ENOENT)"};
inline constexpr LibavErrorKind busy{-EBUSY, "AVERROR(EBUSY)"};
inline constexpr LibavErrorKind timed_out{-ETIMEDOUT, "AVERROR(ETIMEDOUT)"};
inline constexpr LibavErrorKind input_output{-EIO, "AVERROR(EIO)"};
inline constexpr LibavErrorKind invalid_data{-('I' | 'N' << 8 | 'D' << 16 | 'A' << 24),
                                             "AVERROR_INVALIDDATA"};
}  // namespace libav_error

struct ErrorRow {
  Given<ErrorCode> code;
  Given<std::string_view> nick;     ///< the stable name: `invalid-request`
  Given<std::string_view> meaning;  ///< what happened: a sentence for the docs
  Given<GstErrorKind> gst;          ///< the error on GStreamer's bus
  Given<int> exit_code;             ///< of `veo`
  Given<unsigned> http_status;      ///< of `veo serve`
  Given<LibavErrorKind> libav;      ///< of `veo_stream_open()` and of reads through an AVIOContext
  Given<bool>
      ends_batch;  ///< every other submission would fail likewise, so a batch submits no more
  Given<int> batch_rank;   ///< a batch takes its exit code from its failure of the lowest rank
  Given<bool> is_passing;  ///< to ask for the task again can help
  Given<bool> keeps_task;  ///< a task that the error names can still be played or waited for
  Given<std::string_view> advice;  ///< what a user can do: a sentence, or empty
};

/// One row for each code, in the order of the enum.
std::span<const ErrorRow> error_table();
const ErrorRow& error_row(ErrorCode code);

/// Maps the service's error answer to ours: by the body's `code`, else by the status alone.
/// `status` is 0 for the `error` object of a failed task. A status that the table does not have
/// is `invalid_request` if 4xx, `internal_error` if 5xx, and `bad_response` otherwise.
ErrorCode classify_service_error(unsigned status, std::string_view service_code);

/// Whether to try again can help: the code's row says so, and the error itself is not final.
bool is_passing(const Error& error);

/// The row's advice; empty if the row has none.
std::string_view advice(ErrorCode code);
/// `text`, followed by the code's advice.
std::string with_advice(std::string text, ErrorCode code);

/// `text` without the code's advice, which with_advice() has added. The advice is for a person who
/// has to act, and not for a try that is repeated by itself.
std::string without_advice(std::string text, ErrorCode code);

/// Whether the error names a task that the service has accepted and has not given up: its credits
/// are gone, and its video can still be had. `charged` is about the failed work, and stays
/// `unknown` there.
bool is_paid(const Error& error);

/// Adds to the error of a submission what it costs: nothing was sent, the submission was refused,
/// or the credits come back. `charged` and `http_status` (0: nobody answered) decide. A message
/// that says already that nothing was sent stays as it is, and so does an error of `unknown`
/// charge, whose message explains what to look for.
Error with_cost(Error error);

/// The `error` object of an answer. A part that the answer does not have is empty.
struct ServiceWords {
  std::string code;
  std::string type;
  std::string message;
};

/// The Error for a refusal by the service, in the service's own words and with advice. `charged`
/// stays `no`: the caller knows what was asked, and so what the refusal means for money.
Error service_error(ErrorCode code, unsigned status, ServiceWords words);

}  // namespace veo
