// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/av.h"

#include <cerrno>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "veo/libav/avio_stream.h"
#include "veo/options/option_table.h"
#include "veo/options/uri.h"
#include "veo/source/source_reader.h"

using veo::Error;
using veo::ErrorCode;
using veo::Job;
using veo::Options;
using veo::Source;

/// Reads the source on the caller's thread, and calls `progress` there.
struct VeoStream : veo::media::ByteStream {
  veo::Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
    auto got = reader.read(offset, into,
                           {.on_change = [this](const Source::Snapshot& seen) { tell(seen); }});
    if (got) return std::move(*got);
    cancelled = true;
    return veo::fail({.code = ErrorCode::network, .message = "It was cancelled."});
  }

  void tell(const Source::Snapshot& seen) {
    task_id = seen.job.task_id;
    auto phase = VEO_PHASE_DOWNLOAD;
    auto percent = seen.downloaded;
    if (seen.job.phase != Job::Phase::completed) {
      phase = task_id.empty() ? VEO_PHASE_SUBMIT : VEO_PHASE_GENERATE;
      percent = seen.job.percent;
    }
    const std::pair now(phase, percent.value_or(-1));
    if (!progress || told == now) return;
    told = now;
    progress(opaque, phase, task_id.c_str(), now.second);
  }

  [[nodiscard]] int number_of(const Error& error) const {
    return cancelled ? veo::media::averror_of_interruption() : veo::media::averror_of(error.code);
  }

  int refuse(Error what) {
    failed = std::move(what);
    told_error = {.code = cancelled ? "cancelled" : nick(failed->code).data(),
                  .message = failed->message.c_str(),
                  .task_id = failed->task_id.empty() ? task_id.c_str() : failed->task_id.c_str(),
                  .charged = nick(failed->charged).data(),
                  .http_status = static_cast<int>(failed->http_status)};
    return cancelled ? veo::media::averror_of_interruption() : veo::media::averror_of(failed->code);
  }

  int set(const std::string& name, const std::string& value) {
    if (reader.is_started()) {
      return refuse({.code = ErrorCode::invalid_request, .message = "The stream is open."});
    }
    if (name != "uri") {
      auto done = veo::set_option(settings, veo::OptionSetter::c_api, name, value);
      return done ? 0 : refuse(std::move(done.error()));
    }
    const auto uri = veo::parse_uri(value);
    if (!uri) return refuse(uri.error());
    auto done = veo::set_uri(settings, *uri);
    return done ? 0 : refuse(std::move(done.error()));
  }

  int open(AVIOContext** io) {
    if (reader.is_started()) {
      return refuse({.code = ErrorCode::invalid_request, .message = "The stream is open."});
    }
    const auto opened = reader.open(settings);
    if (!opened) {
      cancelled = true;
      return refuse({.code = ErrorCode::network, .message = "It was cancelled."});
    }
    if (!*opened) return refuse(opened->error());
    reader.start();
    avio = veo::media::AvioStream::make(
        *this, [this] { return reader.snapshot().size; },
        [this](const Error& error) { return number_of(error); });
    if (!avio) throw std::bad_alloc();
    // Read the first byte here, so that a failure ends veo_stream_open(), and not the demuxer's
    // first read.
    std::uint8_t first = 0;
    const auto got = read(0, {&first, 1});
    if (!got) return refuse(got.error());
    *io = avio->context();
    return 0;
  }

  Options settings;
  veo::SourceReader reader;
  std::unique_ptr<veo::media::AvioStream> avio;
  VeoProgressFunc progress = nullptr;
  void* opaque = nullptr;
  std::optional<std::pair<VeoPhase, int>> told;
  std::string task_id;
  bool cancelled = false;
  std::optional<Error> failed;
  VeoError told_error{};
};

namespace {

/// Lets no exception through C.
template <class Work>
int run_guarded(Work work) noexcept {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return -ENOMEM;  // AVERROR(ENOMEM)
  } catch (const std::exception&) {
    return -EIO;
  }
}

}  // namespace

VeoStream* veo_stream_new(void) {
  VeoStream* made = nullptr;
  run_guarded([&made] {
    auto stream = std::make_unique<VeoStream>();
    stream->settings.offers_launch_line = false;
    // With reuse=false, a stream that is opened again goes on with its task.
    stream->settings.instance = veo::make_instance();
    made = stream.release();
    return 0;
  });
  return made;
}

void veo_stream_free(VeoStream* stream) { delete stream; }

int veo_stream_set(VeoStream* stream, const char* name, const char* value) {
  return run_guarded([=] { return stream->set(name, value); });
}

void veo_stream_set_progress(VeoStream* stream, VeoProgressFunc progress, void* opaque) {
  stream->progress = progress;
  stream->opaque = opaque;
}

int veo_stream_open(VeoStream* stream, AVIOContext** io) {
  *io = nullptr;
  return run_guarded([=] { return stream->open(io); });
}

void veo_stream_cancel(VeoStream* stream) { stream->reader.interrupt(); }

const VeoError* veo_stream_error(const VeoStream* stream) {
  // A failed read of the context returns only a number, so get the error from the stream.
  run_guarded([stream] {
    auto* const self = const_cast<VeoStream*>(stream);
    if (self->avio && self->avio->error() && self->avio->error() != self->failed) {
      self->refuse(*self->avio->error());
    }
    return 0;
  });
  return stream->failed ? &stream->told_error : nullptr;
}

const char* veo_stream_task_id(const VeoStream* stream) { return stream->task_id.c_str(); }
