// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Uses the C API as programs with FFmpeg's libraries do.
#include "veo/av.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

extern "C" {
#include <libavformat/avformat.h>
}

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "command.h"
#include "sha256.h"
#include "simulator.h"

namespace veo::test {
namespace {

using testing::HasSubstr;

struct Free {
  void operator()(VeoStream* stream) const { veo_stream_free(stream); }
};

class Av : public testing::Test {
 protected:
  using Stream = std::unique_ptr<VeoStream, Free>;

  Stream make(const std::string& prompt = "a dog") {
    Stream stream(veo_stream_new());
    set(*stream, "api-url", simulator_.api_url());
    set(*stream, "api-key", simulator_.key());
    set(*stream, "ledger", simulator_.ledger());
    set(*stream, "cache-dir", simulator_.cache());
    set(*stream, "poll-interval", "10");
    if (!prompt.empty()) set(*stream, "prompt", prompt);
    return stream;
  }
  static void set(VeoStream& stream, const std::string& name, const std::string& value) {
    EXPECT_EQ(veo_stream_set(&stream, name.c_str(), value.c_str()), 0) << name;
  }
  static std::string read_all(AVIOContext* io) {
    std::string bytes;
    std::vector<unsigned char> piece(30'000);
    for (;;) {
      const int got = avio_read(io, piece.data(), static_cast<int>(piece.size()));
      if (got <= 0) return bytes;
      bytes.append(piece.begin(), piece.begin() + got);
    }
  }
  static std::string code(const Stream& stream) {
    const auto* const error = veo_stream_error(stream.get());
    return error != nullptr ? error->code : "";
  }
  [[nodiscard]] nlohmann::json task() const { return simulator_.state().at("tasks").at(0); }

  Simulator simulator_ = Simulator::start({"--generation-time", "0s", "--frames", "96"});
};

TEST_F(Av, IsReadByADemuxer) {
  const auto stream = make();
  AVFormatContext* format = avformat_alloc_context();
  ASSERT_EQ(veo_stream_open(stream.get(), &format->pb), 0);
  EXPECT_EQ(veo_stream_task_id(stream.get()), task().at("id"));
  ASSERT_EQ(avformat_open_input(&format, nullptr, nullptr, nullptr), 0);
  ASSERT_EQ(format->nb_streams, 2U);
  std::vector<int> packets(2);
  AVPacket* packet = av_packet_alloc();
  while (av_read_frame(format, packet) == 0) {
    ++packets[static_cast<std::size_t>(packet->stream_index)];
    av_packet_unref(packet);
  }
  EXPECT_EQ(packets[0], 96);
  // The demuxer can seek in the clip.
  EXPECT_GE(av_seek_frame(format, 0, 0, AVSEEK_FLAG_BACKWARD), 0);
  EXPECT_EQ(av_read_frame(format, packet), 0);
  av_packet_free(&packet);
  avformat_close_input(&format);
  EXPECT_EQ(veo_stream_error(stream.get()), nullptr);
}

TEST_F(Av, GivesTheOriginalOnRequestAndIsPaidOnce) {
  for (int runs = 0; runs < 2; ++runs) {
    const auto stream = make();
    set(*stream, "layout", "original");
    AVIOContext* io = nullptr;
    ASSERT_EQ(veo_stream_open(stream.get(), &io), 0);
    const auto original = read_all(io);
    EXPECT_EQ(task().at("sha256"), sha256(original));
    EXPECT_NE(original.find("\xd8\xfe\xc3\xd6\x1b\x0e\x48\x3c"), std::string::npos);
  }
  const auto by_uri = make("");
  set(*by_uri, "uri", "veo:task/" + task().at("id").get<std::string>());
  AVIOContext* io = nullptr;
  ASSERT_EQ(veo_stream_open(by_uri.get(), &io), 0);
  const auto streamable = read_all(io);
  EXPECT_EQ(streamable.size(), static_cast<std::size_t>(avio_size(io)));
  // The hash of the C2PA manifest does not hold in this layout, so the manifest is gone.
  EXPECT_EQ(streamable.find("\xd8\xfe\xc3\xd6\x1b\x0e\x48\x3c"), std::string::npos);
  EXPECT_EQ(simulator_.state().at("charges"), 1);
}

TEST_F(Av, CanBeSeeked) {
  const auto stream = make();
  AVIOContext* io = nullptr;
  ASSERT_EQ(veo_stream_open(stream.get(), &io), 0);
  EXPECT_NE(io->seekable & AVIO_SEEKABLE_NORMAL, 0);
  const auto whole = read_all(io);
  ASSERT_EQ(avio_size(io), static_cast<std::int64_t>(whole.size()));
  for (const auto& [offset, whence, at] :
       {std::tuple(std::int64_t{1000}, SEEK_SET, std::size_t{1000}),
        std::tuple(static_cast<std::int64_t>(whole.size()) - 1000, SEEK_SET, whole.size() - 1000),
        std::tuple(std::int64_t{-5000}, SEEK_CUR, whole.size() - 1000 + 100 - 5000)}) {
    ASSERT_EQ(avio_seek(io, offset, whence), static_cast<std::int64_t>(at));
    std::string bytes(100, '\0');
    ASSERT_EQ(avio_read(io, reinterpret_cast<unsigned char*>(bytes.data()), 100), 100);
    EXPECT_EQ(bytes, whole.substr(at, 100));
  }
  EXPECT_LT(avio_seek(io, -1, SEEK_SET), 0);
}

struct Told {
  VeoStream* stream;
  std::vector<VeoPhase> phases;
  std::optional<VeoPhase> cancel_at;
};

void note(void* opaque, VeoPhase phase, const char* task_id, int percent) {
  auto& told = *static_cast<Told*>(opaque);
  EXPECT_TRUE(phase == VEO_PHASE_SUBMIT || *task_id != '\0');
  EXPECT_LE(percent, 100);
  if (told.phases.empty() || told.phases.back() != phase) told.phases.push_back(phase);
  if (phase == told.cancel_at) veo_stream_cancel(told.stream);
}

TEST_F(Av, IsCancelledAtOnceAndJoinedLater) {
  simulator_ = Simulator::start({"--generation-time", "500ms", "--frames", "96"});
  auto stream = make();
  Told told{.stream = stream.get(), .phases = {}, .cancel_at = VEO_PHASE_GENERATE};
  veo_stream_set_progress(stream.get(), note, &told);
  AVIOContext* io = nullptr;
  EXPECT_EQ(veo_stream_open(stream.get(), &io), AVERROR_EXIT);
  EXPECT_EQ(io, nullptr);
  EXPECT_EQ(code(stream), "cancelled");
  const std::string id = veo_stream_task_id(stream.get());
  stream.reset();

  stream = make();
  told = {.stream = stream.get(), .phases = {}, .cancel_at = std::nullopt};
  veo_stream_set_progress(stream.get(), note, &told);
  ASSERT_EQ(veo_stream_open(stream.get(), &io), 0);
  EXPECT_EQ(veo_stream_task_id(stream.get()), id);
  EXPECT_EQ(told.phases.back(), VEO_PHASE_DOWNLOAD);
  EXPECT_EQ(simulator_.state().at("charges"), 1);
}

TEST_F(Av, EndsAReadThatWaits) {
  simulator_.set_faults({"file:stall=60000"});
  const auto stream = make();
  AVIOContext* io = nullptr;
  ASSERT_EQ(veo_stream_open(stream.get(), &io), 0);
  auto bytes = std::async(std::launch::async, [io] { return read_all(io); });
  veo_stream_cancel(stream.get());
  bytes.get();
  EXPECT_EQ(io->error, AVERROR_EXIT);
  EXPECT_EQ(code(stream), "cancelled");
}

TEST_F(Av, ReadsNothingMoreOnceItIsCancelled) {
  AVIOContext* io = nullptr;
  auto stream = make();
  ASSERT_EQ(veo_stream_open(stream.get(), &io), 0);
  read_all(io);
  stream = make();
  ASSERT_EQ(veo_stream_open(stream.get(), &io), 0);
  veo_stream_cancel(stream.get());
  EXPECT_EQ(read_all(io), "");
  EXPECT_EQ(io->error, AVERROR_EXIT);
  EXPECT_EQ(code(stream), "cancelled");
}

TEST_F(Av, SaysWhatFailed) {
  AVIOContext* io = nullptr;
  auto stream = make();
  EXPECT_EQ(veo_stream_set(stream.get(), "mode", "slow"), AVERROR(EINVAL));
  EXPECT_THAT(veo_stream_error(stream.get())->message, HasSubstr("slow"));
  EXPECT_EQ(veo_stream_set(stream.get(), "colour", "red"), AVERROR(EINVAL));
  EXPECT_EQ(veo_stream_set(stream.get(), "uri", "veo:clip?api-key=x"), AVERROR(EINVAL));
  const auto endless = "veo:clip?prompt=x&image-urls=" + std::string(28'000, 'a');
  EXPECT_EQ(veo_stream_set(stream.get(), "uri", endless.c_str()), AVERROR(EINVAL));
  EXPECT_THAT(veo_stream_error(stream.get())->message, HasSubstr("16384"));

  set(*stream, "max-credits", "1");
  EXPECT_EQ(veo_stream_open(stream.get(), &io), AVERROR(EDQUOT));
  EXPECT_EQ(code(stream), "budget-exceeded");
  EXPECT_EQ(veo_stream_open(stream.get(), &io), AVERROR(EINVAL)) << "once";
  EXPECT_TRUE(simulator_.log().empty());

  stream = make("");
  set(*stream, "task-id", "unknown");
  EXPECT_EQ(veo_stream_open(stream.get(), &io), AVERROR(ENOENT));
  EXPECT_EQ(code(stream), "task-not-found");

  simulator_.set_faults({"task:failed"});
  stream = make();
  EXPECT_EQ(veo_stream_open(stream.get(), &io), AVERROR(EIO));
  EXPECT_EQ(io, nullptr);
  const auto* const error = veo_stream_error(stream.get());
  ASSERT_NE(error, nullptr);
  EXPECT_STREQ(error->code, "task-failed");
  EXPECT_STREQ(error->charged, "refunded");
  EXPECT_EQ(error->task_id, task().at("id"));
}

TEST_F(Av, OfADryRunIsEmptyAndSendsNothing) {
  const auto stream = make();
  set(*stream, "dry-run", "true");
  AVIOContext* io = nullptr;
  ASSERT_EQ(veo_stream_open(stream.get(), &io), 0);
  EXPECT_EQ(read_all(io), "");
  EXPECT_TRUE(simulator_.log().empty());
}

TEST(AvFree, TakesNull) { veo_stream_free(nullptr); }

}  // namespace
}  // namespace veo::test
