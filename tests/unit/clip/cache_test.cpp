// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/clip/cache.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iterator>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "command.h"
#include "process.h"
#include "veo/core/digest.h"
#include "veo/core/task_id.h"
#include "veo/system/store_thread.h"

namespace veo {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const std::string api = "https://api.example/v1";
const std::string stem_end = "-" + compute_sha256(api).substr(0, 8);

ClipIdentity clip_of(const std::string& task, const std::string& intent = std::string(64, 'a')) {
  return {.api_url = api, .task_id = task, .intent = intent};
}

/// Finds an intent's clip in a cache that can be read.
std::optional<CachedClip> found_in(Cache& cache, const std::string& api_url,
                                   const std::string& intent) {
  auto found = cache.find_intent(api_url, intent);
  EXPECT_TRUE(found) << found.error().message;
  return found ? *found : std::nullopt;
}

/// The thread for clips, which the tests hold so that the parts use the same one.
std::shared_ptr<StoreThread>& clips_thread() {
  static std::shared_ptr<StoreThread> thread;
  return thread;
}

/// Waits until all files that lost their last reference have been removed.
void settle() {
  auto& thread = clips_thread();
  if (!thread) thread = StoreThread::acquire(StoreThread::Store::clips);
  std::promise<void> done;
  thread->post([&] { done.set_value(); });
  done.get_future().wait();
}

/// Waits until this process has no other thread, because gst-veo does not work in a process that
/// was forked beside its threads.
void end_threads() {
  clips_thread().reset();
  const std::filesystem::path threads("/proc/self/task");
  while (std::distance(std::filesystem::directory_iterator(threads), {}) > 1) {
    std::this_thread::yield();
  }
}

class CacheTest : public testing::Test {
 protected:
  Cache& cache() {
    if (!cache_) cache_ = open(std::nullopt);
    return *cache_;
  }
  [[nodiscard]] std::shared_ptr<Cache> open(std::optional<std::uint64_t> limit) const {
    auto opened = Cache::open(path_, limit);
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? *opened : nullptr;
  }
  static std::shared_ptr<Cache::Part> begin(Cache& in, const ClipIdentity& identity,
                                            const std::string& bytes) {
    settle();
    auto part = in.begin(identity);
    EXPECT_TRUE(part) << part.error().message;
    if (!part) return nullptr;
    EXPECT_EQ(::pwrite((*part)->file()->get(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
    return *part;
  }
  static CachedClip keep(Cache& in, const ClipIdentity& identity, const std::string& bytes) {
    const auto part = begin(in, identity, bytes);
    auto kept = in.keep(*part, compute_sha256(bytes), bytes.size());
    EXPECT_TRUE(kept) << kept.error().message;
    return kept ? *kept : CachedClip{};
  }
  /// Returns the bytes of the file that find() opens.
  static std::string read(Cache& in, const ClipIdentity& identity, std::size_t size) {
    const auto file = in.find(identity, size);
    if (!file) return "nothing";
    std::string bytes(size, '\0');
    EXPECT_EQ(::pread(file->get(), bytes.data(), size, 0), static_cast<ssize_t>(size));
    return bytes;
  }
  [[nodiscard]] std::set<std::string> names() const {
    settle();
    std::set<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      found.insert(entry.path().filename());
    }
    return found;
  }
  [[nodiscard]] std::size_t count(const std::string& suffix) const {
    const auto all = names();
    return static_cast<std::size_t>(
        std::ranges::count_if(all, [&](const auto& name) { return name.ends_with(suffix); }));
  }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }
  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(file(name), std::ios::binary) << bytes;
  }
  /// Makes a clip look as if it was last played so long ago.
  void age(const CachedClip& clip, std::chrono::seconds by) const {
    const std::array<timespec, 2> times{
        timespec{.tv_sec = ::time(nullptr) - by.count(), .tv_nsec = 0},
        timespec{.tv_sec = ::time(nullptr) - by.count(), .tv_nsec = 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, clip.path.c_str(), times.data(), 0), 0);
  }

  const test::TemporaryDirectory directory_;
  const std::string path_ = directory_.file("cache");
  std::shared_ptr<Cache> cache_;
};

// --- From the first byte to the kept clip -------------------------------------------------------

TEST_F(CacheTest, AClipHasItsNameOnlyWhenItIsComplete) {
  const auto id = clip_of("T");
  const auto part = begin(cache(), id, "the clip");
  ASSERT_TRUE(part);
  EXPECT_EQ(count(".part"), 1U);
  EXPECT_EQ(count(".mp4"), 0U);
  EXPECT_EQ(cache().find(id, 8), nullptr);
  EXPECT_EQ(found_in(cache(), api, id.intent), std::nullopt);

  const auto kept = cache().keep(*part, compute_sha256("the clip"), 8);
  ASSERT_TRUE(kept) << kept.error().message;
  EXPECT_EQ(kept->path, file("T" + stem_end + ".mp4"));
  EXPECT_EQ(kept->size, 8U);
  EXPECT_EQ(kept->sha256, compute_sha256("the clip"));
  EXPECT_THAT(names(), UnorderedElementsAre("T" + stem_end + ".mp4",
                                            "T" + stem_end + "." + std::string(16, 'a') + ".clip"));
  EXPECT_EQ(read(cache(), id, 8), "the clip");
}

TEST_F(CacheTest, FilesAreTheirUsersAlone) {
  const auto mask = ::umask(0);
  const auto part = begin(cache(), clip_of("part"), "bytes");
  keep(cache(), clip_of("T"), "bytes");
  ::umask(mask);
  for (const auto& name : names()) {
    struct stat info {};
    ASSERT_EQ(::stat(file(name).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777U, 0600U) << name;
  }
  EXPECT_EQ(names().size(), 3U);
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0700U);
}

TEST_F(CacheTest, APartThatIsNotKeptIsRemoved) {
  auto part = begin(cache(), clip_of("T"), "half a cl");
  const auto still_read = part->file();
  part.reset();
  EXPECT_THAT(names(), IsEmpty());
  std::string bytes(9, '\0');
  EXPECT_EQ(::pread(still_read->get(), bytes.data(), 9, 0), 9);
  EXPECT_EQ(bytes, "half a cl") << "a reader keeps its bytes";
}

TEST_F(CacheTest, ADifferentSizeTaskOrServiceIsAnotherClip) {
  keep(cache(), clip_of("T"), "the clip");
  EXPECT_EQ(cache().find(clip_of("T"), 7), nullptr);
  EXPECT_EQ(cache().find(clip_of("T"), 9), nullptr);
  EXPECT_EQ(cache().find(clip_of("t"), 8), nullptr) << "the case of a task id matters";
  auto elsewhere = clip_of("T");
  elsewhere.api_url = "https://other.example/v1";
  EXPECT_EQ(cache().find(elsewhere, 8), nullptr) << "another service";
}

TEST_F(CacheTest, RemovingAClipRemovesItsSidecarsAndNothingElse) {
  keep(cache(), clip_of("T", std::string(64, 'a')), "the clip");
  keep(cache(), clip_of("T", std::string(64, 'b')), "the clip");
  keep(cache(), clip_of("T2"), "another");
  keep(cache(), clip_of("T" + stem_end + "-2"), "third");
  ASSERT_EQ(names().size(), 7U);
  const auto played = cache().find(clip_of("T"), 8);
  cache().remove(clip_of("T"));
  EXPECT_EQ(cache().find(clip_of("T"), 8), nullptr);
  EXPECT_EQ(names().size(), 4U);
  EXPECT_EQ(read(cache(), clip_of("T2"), 7), "another");
  char byte = 0;
  EXPECT_EQ(::pread(played->get(), &byte, 1, 7), 1);
  EXPECT_EQ(byte, 'p');
  cache().remove(clip_of("never here"));
}

TEST_F(CacheTest, AClipThatIsFetchedAgainReplacesTheOldOne) {
  keep(cache(), clip_of("T"), "rotten bytes");
  keep(cache(), clip_of("T"), "good");
  EXPECT_EQ(read(cache(), clip_of("T"), 4), "good");
  EXPECT_EQ(names().size(), 2U);
  EXPECT_EQ(found_in(cache(), api, clip_of("T").intent)->sha256, compute_sha256("good"));
}

// --- Without the ledger --------------------------------------------------------------------------

TEST_F(CacheTest, TheSidecarKnowsTheIntentsClip) {
  const auto id = clip_of("T");
  const auto kept = keep(cache(), id, "the clip");
  const auto found = found_in(*open(std::nullopt), api, id.intent);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->identity.task_id, "T");
  EXPECT_EQ(found->identity.api_url, api);
  EXPECT_EQ(found->identity.intent, id.intent);
  EXPECT_EQ(found->sha256, compute_sha256("the clip"));
  EXPECT_EQ(found->size, 8U);
  EXPECT_EQ(found->path, kept.path);
}

TEST_F(CacheTest, AnotherIntentsClipIsNotFound) {
  const auto id = clip_of("T");
  keep(cache(), id, "the clip");
  EXPECT_FALSE(found_in(cache(), api, std::string(64, 'b')));
  EXPECT_FALSE(found_in(cache(), api, std::string(16, 'a') + std::string(48, 'b')))
      << "only the names begin alike";
  EXPECT_FALSE(found_in(cache(), "https://other.example/v1", id.intent));
  EXPECT_FALSE(found_in(cache(), "https://api.example/v", id.intent));
  EXPECT_FALSE(found_in(cache(), api, ""));
}

TEST_F(CacheTest, TheSidecarKnowsTheLedgerThatPaid) {
  const LedgerIdentity lost{.path = "/state/ledger.db", .id = "lost"};
  auto clip = clip_of("T");
  clip.ledger = lost;
  keep(cache(), clip, "bytes");
  const auto found = [&](const std::string& path, const std::string& id) {
    const auto proof = cache().find_paid_elsewhere({.path = path, .id = id});
    EXPECT_TRUE(proof) << proof.error().message;
    return proof && *proof ? (*proof)->identity.task_id : "nothing";
  };
  EXPECT_EQ(found(lost.path, "new"), "T");
  EXPECT_EQ(found(lost.path, lost.id), "nothing") << "the ledger is here";
  EXPECT_EQ(found("/other/ledger.db", "new"), "nothing");
  EXPECT_EQ(found_in(cache(), api, clip.intent)->identity.ledger.id, lost.id);
}

TEST_F(CacheTest, AClipThatNoLedgerPaidIsNoProof) {
  auto foreign = clip_of("T", "");
  foreign.ledger = {.path = "/state/ledger.db", .id = "lost"};
  keep(cache(), foreign, "bytes");
  keep(cache(), clip_of("U"), "bytes");  // as an earlier version wrote its sidecar
  const auto proof = cache().find_paid_elsewhere({.path = "/state/ledger.db", .id = "new"});
  ASSERT_TRUE(proof);
  EXPECT_FALSE(*proof);
}

TEST_F(CacheTest, ASidecarWithoutItsClipIsNothing) {
  const auto kept = keep(cache(), clip_of("T"), "the clip");
  std::filesystem::remove(kept.path);
  EXPECT_FALSE(found_in(cache(), api, clip_of("T").intent));
}

TEST_F(CacheTest, ADamagedSidecarIsNothing) {
  keep(cache(), clip_of("T"), "the clip");
  const auto name = "T" + stem_end + "." + std::string(16, 'a') + ".clip";
  const std::string intent(64, 'a');
  for (const std::string& text :
       {std::string(), std::string("[clip]\n"), std::string(100'000, '\xff'), std::string("\0", 1),
        "[clip]\napi-url=" + api + "\nintent=" + intent + "\ntask-id=T\n",
        "[clip]\napi-url=" + api + "\nintent=" + intent + "\nsha256=abc\n"}) {
    write(name, text);
    EXPECT_FALSE(found_in(cache(), api, intent)) << text.substr(0, 80);
  }
}

// A user may edit a sidecar. An edited sidecar must not name a file outside the cache.
TEST_F(CacheTest, ATaskIdInASidecarIsNoPath) {
  keep(cache(), clip_of("T"), "the clip");
  std::ofstream(directory_.file("outside" + stem_end + ".mp4")) << "x";
  write("T" + stem_end + "." + std::string(16, 'a') + ".clip",
        "[clip]\napi-url=" + api + "\nintent=" + std::string(64, 'a') +
            "\ntask-id=../outside\nsha256=abc\nsize=1\n");
  EXPECT_FALSE(found_in(cache(), api, std::string(64, 'a')));
}

class WeirdTaskId : public CacheTest, public testing::WithParamInterface<std::string> {};
TEST_P(WeirdTaskId, IsAClipLikeAnyOther) {
  const auto id = clip_of(GetParam());
  const auto kept = keep(cache(), id, "the clip");
  EXPECT_EQ(std::filesystem::path(kept.path).parent_path(), path_);
  EXPECT_EQ(read(cache(), id, 8), "the clip");
  EXPECT_EQ(found_in(cache(), api, id.intent)->identity.task_id, GetParam());
  EXPECT_EQ(names().size(), 2U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_.path()), {}), 1)
      << "a file was made outside the cache";
  cache().remove(id);
  EXPECT_THAT(names(), IsEmpty());
}
INSTANTIATE_TEST_SUITE_P(All, WeirdTaskId,
                         testing::Values("..", ".", "../T", "/etc/passwd", "a/b",
                                         std::string(300, 'x'), "山", "a b", "a\nb", " a ",
                                         "a=b;c\\d", " ", "a  ", "\\s", ".hidden",
                                         std::string(512, 'x'), "-rf", "T.mp4"));

// Earlier versions gave other names to clips whose task id is not a valid file name.
TEST_F(CacheTest, AClipIsFoundByItsOldName) {
  for (const std::string id : {".hidden", "models/x/1", "..x"}) {
    const auto identity = clip_of(id);
    const auto clip = keep(cache(), identity, "the clip");
    const auto now = make_task_file_stem(id) + stem_end;
    const auto before = (id.starts_with('.') ? id : compute_sha256(id)) + stem_end;
    for (const auto& name : names()) {
      ASSERT_TRUE(name.starts_with(now + ".")) << name;
      std::filesystem::rename(file(name), file(before + name.substr(now.size())));
    }
    EXPECT_EQ(read(cache(), identity, 8), "the clip") << id;
    const auto by_task = cache().find_task(identity.api_url, id);
    ASSERT_TRUE(by_task && *by_task) << id;
    EXPECT_EQ((*by_task)->path, file(before + ".mp4"));
    const auto by_intent = cache().find_intent(identity.api_url, identity.intent);
    ASSERT_TRUE(by_intent && *by_intent) << id;
    EXPECT_EQ((*by_intent)->path, file(before + ".mp4"));
    cache().remove(identity);
    EXPECT_THAT(names(), IsEmpty());
  }
}

TEST_F(CacheTest, IsOneForAProcess) {
  const auto one = open(std::nullopt);
  EXPECT_EQ(open(std::nullopt), one);
  EXPECT_NE(open(1000), one) << "another limit";
  std::filesystem::remove_all(path_);
  EXPECT_NE(open(std::nullopt), one) << "another directory";
}

// --- Other writers and other users ---------------------------------------------------------------

TEST_F(CacheTest, ManyWritersOfOneClipEachWriteTheirOwnFile) {
  const auto first = begin(cache(), clip_of("T"), "the clip");
  const auto second = begin(*open(std::nullopt), clip_of("T"), "the c");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(count(".part"), 2U);
  ASSERT_TRUE(cache().keep(*first, compute_sha256("the clip"), 8));
  EXPECT_EQ(::pwrite(second->file()->get(), "lip", 3, 5), 3);
  EXPECT_EQ(read(cache(), clip_of("T"), 8), "the clip") << "the other writer changed the clip";
  ASSERT_TRUE(cache().keep(*second, compute_sha256("the clip"), 8));
  EXPECT_EQ(read(cache(), clip_of("T"), 8), "the clip");
  EXPECT_EQ(names().size(), 2U);
}

TEST_F(CacheTest, APartOfADeadWriterIsSweptAndOneOfALiveWriterIsNot) {
  end_threads();
  test::Process writer([&](const test::Process::Say& say) {
    const auto part = begin(*open(std::nullopt), clip_of("T"), "half");
    say("writing");
    ::pause();
  });
  ASSERT_EQ(writer.line(), "writing");
  write("foreign.txt", "not ours");
  ASSERT_EQ(count(".part"), 1U);
  begin(cache(), clip_of("U"), "").reset();
  EXPECT_EQ(count(".part"), 1U) << "the part's writer is alive";
  writer.kill();
  begin(cache(), clip_of("U"), "").reset();
  EXPECT_EQ(count(".part"), 1U) << "a cache sweeps only once";
  cache_.reset();
  begin(cache(), clip_of("U"), "").reset();
  EXPECT_THAT(names(), UnorderedElementsAre("foreign.txt"));
}

TEST_F(CacheTest, AClipThatIsReplacedKeepsItsBytesForItsReader) {
  keep(cache(), clip_of("T"), std::string(100'000, 'a'));
  const auto playing = cache().find(clip_of("T"), 100'000);
  ASSERT_TRUE(playing);
  keep(cache(), clip_of("T"), std::string(100'000, 'b'));
  std::string bytes(100'000, '\0');
  ASSERT_EQ(::pread(playing->get(), bytes.data(), bytes.size(), 0), 100'000);
  EXPECT_EQ(bytes, std::string(100'000, 'a'));
}

TEST_F(CacheTest, ALinkInAClipsPlaceIsNotFollowed) {
  const auto target = directory_.file("target");
  std::ofstream(target) << "precious";
  keep(cache(), clip_of("other"), "x");
  const auto name = file("T" + stem_end + ".mp4");
  std::filesystem::create_symlink(target, name);
  EXPECT_EQ(cache().find(clip_of("T"), 8), nullptr);

  keep(cache(), clip_of("T"), "the clip");
  EXPECT_FALSE(std::filesystem::is_symlink(name));
  EXPECT_EQ(read(cache(), clip_of("T"), 8), "the clip");
  std::ifstream in(target);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "precious");
}

TEST_F(CacheTest, TheTargetOfALinkInPlaceOfAPartIsNotSwept) {
  const auto target = directory_.file("target");
  std::ofstream(target) << "precious";
  ASSERT_TRUE(begin(cache(), clip_of("T"), ""));
  std::filesystem::create_symlink(target, file("x.part"));
  begin(cache(), clip_of("T"), "").reset();
  EXPECT_TRUE(std::filesystem::exists(target));
}

TEST_F(CacheTest, AFifoInPlaceOfAClipIsIgnored) {
  keep(cache(), clip_of("other"), "x");
  ASSERT_EQ(::mkfifo(file("T" + stem_end + ".mp4").c_str(), 0600), 0);
  EXPECT_EQ(cache().find(clip_of("T"), 0), nullptr);
}

TEST_F(CacheTest, ADirectoryThatOthersCouldChangeIsRefused) {
  std::filesystem::create_directory(path_);
  ::chmod(path_.c_str(), 0777);
  const auto open_to_all = Cache::open(path_, std::nullopt);
  ASSERT_FALSE(open_to_all);
  EXPECT_EQ(open_to_all.error().code, ErrorCode::cache);

  const auto link = directory_.file("link");
  std::filesystem::create_directory_symlink(path_, link);
  EXPECT_FALSE(Cache::open(link, std::nullopt)) << "through a link";
  ::chmod(path_.c_str(), 0700);
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(path_.c_str(), 65534, 65534), 0);
    EXPECT_FALSE(Cache::open(link, std::nullopt)) << "of another user";
  }
}

TEST_F(CacheTest, ADirectoryWithoutWritePermissionIsNamed) {
  end_threads();
  std::filesystem::create_directory(path_);
  ::chmod(path_.c_str(), 0500);
  const auto why = test::as_ordinary_user(directory_.path(), [&] {
    const auto opened = Cache::open(path_, std::nullopt);
    if (!opened) return opened.error().message;
    const auto part = (*opened)->begin(clip_of("T"));
    return part ? "there is one" : std::string(nick(part.error().code)) + part.error().message;
  });
  EXPECT_THAT(why, testing::AllOf(HasSubstr("cache"), HasSubstr(path_), HasSubstr("Permission")));
}

TEST_F(CacheTest, AClipThatCannotBeKeptCanStillBeRead) {
  const auto part = begin(cache(), clip_of("T"), "the clip");
  std::filesystem::create_directory(file("T" + stem_end + ".mp4"));
  const auto kept = cache().keep(*part, compute_sha256("the clip"), 8);
  ASSERT_FALSE(kept);
  EXPECT_EQ(kept.error().code, ErrorCode::cache);
  EXPECT_THAT(kept.error().message, HasSubstr(path_));
  std::string bytes(8, '\0');
  EXPECT_EQ(::pread(part->file()->get(), bytes.data(), 8, 0), 8);
  EXPECT_EQ(bytes, "the clip");
}

/// Runs a function in the middle of an operation on a file, as another process could act there.
class Interrupted : public FileSystem {
 public:
  Interrupted() { FileSystem::set(this); }
  ~Interrupted() override {
    settle();
    FileSystem::set(nullptr);
  }

  int fsync(int fd) override {
    if (auto act = std::exchange(at_fsync_, nullptr)) act();
    return FileSystem::fsync(fd);
  }
  int lock(int fd, const struct flock& lock) override {
    if (auto act = std::exchange(at_lock_, nullptr)) {
      act(fd);
      const int result = FileSystem::lock(fd, lock);
      const int reason = errno;
      holder_ = FileHandle();
      errno = reason;
      return result;
    }
    return FileSystem::lock(fd, lock);
  }

  std::function<void()> at_fsync_;
  std::function<void(int)> at_lock_;
  FileHandle holder_;
};

// While keep() writes the sidecar, the sidecar is a part for a moment. Another cache must not sweep
// it.
TEST_F(CacheTest, AClipIsKeptThoughAnotherIsBegunMeanwhile) {
  Interrupted files;
  const auto part = begin(cache(), clip_of("T"), "the clip");
  const auto other = open(1U << 30U);  // another cache object, which sweeps
  files.at_fsync_ = [&] { files.at_fsync_ = [&] { begin(*other, clip_of("U"), "").reset(); }; };
  const auto kept = cache().keep(*part, compute_sha256("the clip"), 8);
  EXPECT_TRUE(kept) << kept.error().message;
  EXPECT_TRUE(found_in(cache(), api, clip_of("T").intent));
}

// begin() makes a file and then locks the file. Between these steps another cache may lock and
// remove the file.
TEST_F(CacheTest, AClipIsBegunThoughAnotherSweepsMeanwhile) {
  Interrupted files;
  files.at_lock_ = [&](int fd) {
    const auto link = "/proc/self/fd/" + std::to_string(fd);
    files.holder_ = FileHandle(::open(link.c_str(), O_RDWR | O_CLOEXEC));
    struct flock whole {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    ASSERT_EQ(::fcntl(files.holder_.get(), F_OFD_SETLK, &whole), 0);
    for (const auto& name : names()) std::filesystem::remove(file(name));
  };
  const auto part = cache().begin(clip_of("T"));
  EXPECT_TRUE(part) << part.error().message;
  EXPECT_EQ(count(".part"), part ? 1U : 0U);
}

TEST_F(CacheTest, ATaskIdThatBeginsAsAnothersNameKeepsItsSidecar) {
  const auto id = clip_of("T" + stem_end + ".x");
  keep(cache(), clip_of("T", std::string(64, 'b')), "the clip");
  keep(cache(), id, "another");
  cache().remove(clip_of("T"));
  EXPECT_TRUE(cache().find(id, 7));
  EXPECT_TRUE(found_in(cache(), api, id.intent));
}

TEST_F(CacheTest, AFileThatIsFoundTellsItsPath) {
  const auto kept = keep(cache(), clip_of("T"), "the clip");
  const auto found = cache().find(clip_of("T"), 8);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->path, kept.path);
}

// --- VEO_CACHE_SIZE --------------------------------------------------------------------------

TEST_F(CacheTest, WithoutALimitNothingGoes) {
  for (int i = 0; i < 20; ++i) keep(cache(), clip_of("T" + std::to_string(i)), "clip");
  EXPECT_EQ(count(".mp4"), 20U);
}

TEST_F(CacheTest, BeyondTheLimitTheClipThatWasNotPlayedForTheLongestIsRemoved) {
  const auto limited = open(300);
  const std::string bytes(100, 'x');
  age(keep(*limited, clip_of("A"), bytes), std::chrono::hours(3));
  age(keep(*limited, clip_of("B"), bytes), std::chrono::hours(2));
  age(keep(*limited, clip_of("C"), bytes), std::chrono::hours(1));
  EXPECT_EQ(count(".mp4"), 3U) << "exactly at the limit";
  ASSERT_TRUE(limited->find(clip_of("A"), 100)) << "find() counts as a play";
  keep(*limited, clip_of("D"), bytes);
  EXPECT_FALSE(limited->find(clip_of("B"), 100));
  EXPECT_EQ(count(".mp4"), 3U);
  EXPECT_EQ(count(".clip"), 3U) << "a sidecar goes with its clip";
  EXPECT_TRUE(limited->find(clip_of("A"), 100));
}

TEST_F(CacheTest, AClipInUseIsLeftAlone) {
  const auto limited = open(150);
  const std::string bytes(100, 'x');
  age(keep(*limited, clip_of("A"), bytes), std::chrono::hours(3));
  const auto playing = open(std::nullopt)->find(clip_of("A"), 100);
  ASSERT_TRUE(playing);
  const auto part = begin(*limited, clip_of("B"), bytes);
  ASSERT_TRUE(limited->keep(*part, compute_sha256(bytes), 100));
  EXPECT_EQ(count(".mp4"), 2U) << "one clip is played, the other has just come";
  keep(*limited, clip_of("C"), bytes);
  EXPECT_TRUE(limited->find(clip_of("A"), 100));
  EXPECT_TRUE(limited->find(clip_of("B"), 100));
}

// With a limit of 0 the cache finds kept clips, so that they are not paid for again, but makes
// nothing.
TEST_F(CacheTest, ALimitOfZeroNeedsNoDirectory) {
  EXPECT_FALSE(std::filesystem::exists(path_));
  const auto without = open(0);
  ASSERT_TRUE(without);
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_EQ(without->find(clip_of("A"), 8), nullptr);
  const auto none = without->find_task(clip_of("A").api_url, "A");
  ASSERT_TRUE(none);
  EXPECT_FALSE(*none);
  EXPECT_FALSE(without->begin(clip_of("A")));

  keep(*open(std::nullopt), clip_of("A"), "the clip");
  EXPECT_TRUE(open(0)->find(clip_of("A"), 8));
}

// The process that fetched the clip may end while another one plays it.
TEST_F(CacheTest, AClipInUseIsLeftAloneAfterItsWriterIsGone) {
  const auto limited = open(1);
  auto part = begin(*limited, clip_of("A"), "the clip");
  ASSERT_TRUE(limited->keep(*part, compute_sha256("the clip"), 8));
  const auto playing = open(std::nullopt)->find(clip_of("A"), 8);
  part.reset();
  keep(*limited, clip_of("B"), "bytes");
  EXPECT_TRUE(limited->find(clip_of("A"), 8));
}

TEST_F(CacheTest, ALimitOfOneByteKeepsOnlyWhatIsInUse) {
  const auto none = open(1);
  keep(*none, clip_of("A"), "bytes");
  keep(*none, clip_of("B"), "bytes");
  EXPECT_EQ(count(".mp4"), 1U);
  EXPECT_FALSE(none->find(clip_of("A"), 5));
}

TEST_F(CacheTest, PruningTouchesClipsAlone) {
  const auto limited = open(1);
  keep(*limited, clip_of("A"), "bytes");
  write("notes.txt", std::string(1000, 'n'));
  const auto writing = begin(*limited, clip_of("W"), std::string(1000, 'w'));
  keep(*limited, clip_of("B"), "bytes");
  EXPECT_TRUE(std::filesystem::exists(file("notes.txt")));
  EXPECT_EQ(count(".part"), 1U);
}

struct Size {
  const char* text;
  std::uint64_t bytes;
};
class CacheSize : public testing::TestWithParam<Size> {};
TEST_P(CacheSize, IsRead) {
  const auto size = parse_cache_size(GetParam().text);
  ASSERT_TRUE(size) << size.error().message;
  EXPECT_EQ(*size, GetParam().bytes);
}
INSTANTIATE_TEST_SUITE_P(All, CacheSize,
                         testing::Values(Size{"0", 0}, Size{"5000000000", 5'000'000'000},
                                         Size{"1K", 1024}, Size{"500M", 500ULL << 20U},
                                         Size{"5G", 5ULL << 30U}, Size{"2T", 2ULL << 40U},
                                         Size{"18446744073709551615", UINT64_MAX},
                                         Size{"16777215T", 16'777'215ULL << 40U}));

class CacheSizeToRefuse : public testing::TestWithParam<std::string> {};
TEST_P(CacheSizeToRefuse, IsNotGuessed) {
  const auto size = parse_cache_size(GetParam());
  ASSERT_FALSE(size) << size->value_or(0);
  EXPECT_EQ(size.error().code, ErrorCode::cache);
  EXPECT_THAT(size.error().message, HasSubstr("VEO_CACHE_SIZE=" + GetParam()));
}
INSTANTIATE_TEST_SUITE_P(All, CacheSizeToRefuse,
                         testing::Values("", "G", "-1", "+1", "1.5G", "5g", "5 G", "5GB", "5GG",
                                         " 5", "5 ", "5P", "0x10", "18446744073709551616",
                                         "16777216T", "18446744073709551615K",
                                         std::string("5\0", 2)));

TEST(CacheSize, UnsetIsNoLimit) { EXPECT_EQ(parse_cache_size(std::nullopt).value(), std::nullopt); }

}  // namespace
}  // namespace veo
