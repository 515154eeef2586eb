// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/clip/cache.h"

#include <dirent.h>
#include <glib.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <map>
#include <memory>
#include <string_view>
#include <tuple>
#include <vector>

#include "veo/core/digest.h"
#include "veo/core/error_table.h"
#include "veo/core/log.h"
#include "veo/core/owned_text.h"
#include "veo/core/task_id.h"
#include "veo/system/exit_hold.h"
#include "veo/system/guarded.h"
#include "veo/system/private_directory.h"
#include "veo/system/store_thread.h"

namespace veo {

namespace {

constexpr std::string_view clip_suffix = ".mp4";
constexpr std::string_view sidecar_suffix = ".clip";
constexpr std::string_view part_suffix = ".part";
constexpr const char* group = "clip";
constexpr std::size_t max_sidecar = 64U << 10U;

struct KeyFileFree {
  void operator()(GKeyFile* file) const { g_key_file_free(file); }
};
using KeyFile = std::unique_ptr<GKeyFile, KeyFileFree>;

std::string make_stem(const ClipIdentity& identity, const std::string& task) {
  return task + "-" + compute_sha256(identity.api_url).substr(0, 8);
}

/// Makes the clip's name without a suffix.
std::string make_stem(const ClipIdentity& identity) {
  return make_stem(identity, make_task_file_stem(identity.task_id));
}

/// Lists the names that the clip may have. Its own name comes first. The name from earlier versions
/// follows if it differs: there the hash has no prefix, or the id begins with a dot.
std::vector<std::string> list_stems(const ClipIdentity& identity) {
  const auto& id = identity.task_id;
  std::vector<std::string> stems{make_stem(identity)};
  if (make_task_file_stem(id) == id) return stems;
  const auto without_dot = "x" + id.substr(std::min<std::size_t>(id.size(), 1));
  const bool was_plain = id.starts_with('.') && make_task_file_stem(without_dot) == without_dot;
  stems.push_back(make_stem(identity, was_plain ? id : compute_sha256(id)));
  return stems;
}

/// Sets a value, with the spaces at its end escaped, because a key file drops plain ones.
void set_text(GKeyFile* file, const char* key, const std::string& text) {
  g_key_file_set_string(file, group, key, text.c_str());
  const OwnedText escaped(g_key_file_get_value(file, group, key, nullptr));
  std::string value(escaped.get());
  const auto kept = value.find_last_not_of(' ') + 1;
  const auto spaces = value.size() - kept;
  value.resize(kept);
  for (std::size_t i = 0; i < spaces; ++i) value += "\\s";
  g_key_file_set_value(file, group, key, value.c_str());
}

std::string make_intent_part(const std::string& intent) {
  return intent.empty() ? "foreign" : intent.substr(0, 16);
}

Error make_error(const std::string& what) {
  return {.code = ErrorCode::cache, .message = with_advice(what, ErrorCode::cache)};
}

bool lock_file(int fd, short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return retried([&] { return FileSystem::get().lock(fd, lock); }) == 0;
}

}  // namespace

Result<std::optional<std::uint64_t>> parse_cache_size(const std::optional<std::string>& text) {
  if (!text) return std::optional<std::uint64_t>();
  constexpr std::string_view units = "KMGT";
  std::uint64_t value = 0;
  const auto* const end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, value);
  const auto unit = stop == end ? 0 : units.find(*stop) + 1;
  const bool whole = stop == end || (stop + 1 == end && unit != 0);
  if (error != std::errc{} || !whole || value > (UINT64_MAX >> (10 * unit))) {
    return fail(Error{.code = ErrorCode::cache,
                      .message = "VEO_CACHE_SIZE=" + *text +
                                 " is not a number of bytes, such as 5000000000, 500M or 5G."});
  }
  return std::optional(value << (10 * unit));
}

struct Cache::Private {
  [[nodiscard]] FileHandle open(const std::string& name, int flags) const {
    return FileHandle(retried([&] {
      return FileSystem::get().openat(directory.get(), name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW,
                                      0600);
    }));
  }

  /// Lists the directory. nullopt and errno: the directory cannot be read.
  [[nodiscard]] std::optional<std::vector<std::string>> list() const {
    // Open a descriptor for the stream, because fdopendir(3) takes the descriptor over, and two
    // streams would share its position.
    const int fd = retried([&] {
      return FileSystem::get().openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    });
    if (fd < 0) return std::nullopt;
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd), ::closedir);
    if (!stream) {
      FileSystem::get().close(fd);
      return std::nullopt;
    }
    std::vector<std::string> found;
    errno = 0;
    while (const auto* entry = ::readdir(stream.get())) found.emplace_back(entry->d_name);
    if (errno != 0) return std::nullopt;
    return found;
  }

  /// Lists the directory for tidying, which can wait until the directory can be read.
  [[nodiscard]] std::vector<std::string> list_names() const {
    return list().value_or(std::vector<std::string>());
  }

  void unlink(const std::string& name) const {
    FileSystem::get().unlinkat(directory.get(), name.c_str(), 0);
  }

  [[nodiscard]] bool rename(const std::string& from, const std::string& to) const {
    return retried([&] {
             return FileSystem::get().renameat(directory.get(), from.c_str(), directory.get(),
                                               to.c_str());
           }) == 0;
  }

  [[nodiscard]] static bool sync(int fd) {
    return retried([&] { return FileSystem::get().fsync(fd); }) == 0;
  }

  /// Makes and locks a new part of that stem. Null and errno: the file cannot be made.
  [[nodiscard]] FileHandle create(const std::string& stem, std::string& name) const {
    for (;;) {
      name = stem + "." + OwnedText(g_uuid_string_random()).get() + std::string(part_suffix);
      auto file = open(name, O_RDWR | O_CREAT | O_EXCL);
      if (!file) return file;
      struct stat info {};
      // Until the file is locked, another process's sweep() may remove it as left behind.
      const bool locked = lock_file(file.get(), F_WRLCK);
      if (!locked && errno == EAGAIN) continue;
      if (locked && FileSystem::get().fstat(file.get(), &info) == 0) {
        if (info.st_nlink != 0) return file;
        continue;
      }
      const int reason = errno;
      unlink(name);
      file = FileHandle();
      errno = reason;
      return file;
    }
  }

  [[nodiscard]] bool write_sidecar(const ClipIdentity& identity, const std::string& sha256,
                                   std::uint64_t size) const {
    const KeyFile file(g_key_file_new());
    set_text(file.get(), "api-url", identity.api_url);
    set_text(file.get(), "task-id", identity.task_id);
    set_text(file.get(), "intent", identity.intent);
    if (!identity.ledger.path.empty()) {
      set_text(file.get(), "ledger", identity.ledger.path);
      set_text(file.get(), "ledger-id", identity.ledger.id);
    }
    set_text(file.get(), "sha256", sha256);
    g_key_file_set_uint64(file.get(), group, "size", size);
    gsize length = 0;
    const OwnedText text(g_key_file_to_data(file.get(), &length, nullptr));

    const auto name = make_stem(identity) + "." + make_intent_part(identity.intent);
    std::string part;
    const auto out = create(name, part);
    if (!out) return false;
    for (gsize at = 0; at < length;) {
      const auto done = retried([&] {
        return FileSystem::get().pwrite(out.get(), text.get() + at, length - at,
                                        static_cast<off_t>(at));
      });
      if (done <= 0) {
        unlink(part);
        return false;
      }
      at += static_cast<gsize>(done);
    }
    if (sync(out.get()) && rename(part, name + std::string(sidecar_suffix))) return true;
    unlink(part);
    return false;
  }

  /// Reads a sidecar. nullopt: there is none, or it is damaged. Fails with cache if it cannot be
  /// read.
  [[nodiscard]] Result<std::optional<CachedClip>> read_sidecar(const std::string& name) const {
    const auto nothing = std::optional<CachedClip>();
    const auto in = open(name, O_RDONLY);
    if (!in && errno == ENOENT) return nothing;
    std::string text(max_sidecar, '\0');
    const auto size = !in ? -1 : retried([&] {
      return FileSystem::get().pread(in.get(), text.data(), text.size(), 0);
    });
    if (size < 0) return fail(describe_unreadable(name));
    const KeyFile file(g_key_file_new());
    if (g_key_file_load_from_data(file.get(), text.data(), static_cast<gsize>(size),
                                  G_KEY_FILE_NONE, nullptr) == FALSE) {
      return nothing;
    }
    const auto field = [&](const char* key) {
      const OwnedText value(g_key_file_get_string(file.get(), group, key, nullptr));
      return std::string(value ? value.get() : "");
    };
    CachedClip clip{.identity = {.api_url = field("api-url"),
                                 .task_id = field("task-id"),
                                 .intent = field("intent"),
                                 .ledger = {.path = field("ledger"), .id = field("ledger-id")}},
                    .sha256 = field("sha256"),
                    .size = g_key_file_get_uint64(file.get(), group, "size", nullptr),
                    .path = {}};
    if (clip.identity.task_id.empty() || clip.sha256.empty()) return nothing;
    for (const auto& stem : list_stems(clip.identity)) {
      const auto clip_name = stem + std::string(clip_suffix);
      if (open(clip_name, O_PATH)) {
        clip.path = make_path(clip_name);
        return std::optional(std::move(clip));
      }
      if (errno != ENOENT) return fail(describe_unreadable(clip_name));
    }
    return nothing;
  }

  [[nodiscard]] Error describe_unreadable(const std::string& name) const {
    return make_error("The cache " + make_path(name) + " cannot be read: " + std::strerror(errno) +
                      ".");
  }

  /// Finds the first sidecar whose name satisfies `is_it` and whose identity satisfies `fits`.
  template <class IsIt, class Fits>
  [[nodiscard]] Result<std::optional<CachedClip>> find_sidecar(IsIt is_it, Fits fits) const {
    if (!directory) return std::optional<CachedClip>();
    const auto found = list();
    if (!found) return fail(describe_unreadable(""));
    for (const auto& name : *found) {
      if (!name.ends_with(sidecar_suffix) || !is_it(name)) continue;
      auto clip = read_sidecar(name);
      if (!clip) return clip;
      if (*clip && fits((*clip)->identity)) return clip;
    }
    return std::optional<CachedClip>();
  }

  [[nodiscard]] std::string make_path(const std::string& name) const { return path + "/" + name; }

  /// Removes the parts that dead processes have left behind: nobody holds a lock on them.
  void sweep() const {
    for (const auto& name : list_names()) {
      if (!name.ends_with(part_suffix)) continue;
      const auto file = open(name, O_RDWR);
      if (!file || !lock_file(file.get(), F_WRLCK)) continue;
      log::debug(log::Category::clip, "removes ", log::text(make_path(name)),
                 ", which a process has left behind");
      unlink(name);
    }
  }

  void prune() const {
    if (!limit) return;
    struct Clip {
      std::string name;
      std::uint64_t size;
      std::int64_t played;
    };
    std::vector<Clip> clips;
    std::uint64_t total = 0;
    for (const auto& name : list_names()) {
      struct stat info {};
      if (!name.ends_with(clip_suffix) ||
          ::fstatat(directory.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
        continue;
      }
      clips.push_back({name, static_cast<std::uint64_t>(info.st_size),
                       std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec});
      total += clips.back().size;
    }
    std::ranges::sort(clips, {}, &Clip::played);
    for (const auto& clip : clips) {
      if (total <= *limit) return;
      const auto file = open(clip.name, O_RDWR);
      if (!file || !lock_file(file.get(), F_WRLCK)) continue;  // somebody is playing it
      log::info(log::Category::clip, "evicts ", log::text(make_path(clip.name)), ", ", clip.size,
                " bytes: the cache has ", total, " of ", *limit, " bytes");
      forget(clip.name.substr(0, clip.name.size() - clip_suffix.size()));
      total -= clip.size;
    }
  }

  void forget(const std::string& stem) const {
    for (const auto& name : list_names()) {
      const bool is_sidecar =
          name.starts_with(stem + ".") && name.ends_with(sidecar_suffix) &&
          name.find('.', stem.size() + 1) == name.size() - sidecar_suffix.size();
      if (is_sidecar || name == stem + std::string(clip_suffix)) unlink(name);
    }
  }

  std::string path;
  FileHandle directory;  // none: there is no directory, and nothing is to be kept
  std::optional<std::uint64_t> limit;
  std::atomic_flag swept;
};

struct Cache::Part::Private {
  std::shared_ptr<Cache::Private> cache;
  ClipIdentity identity;
  std::string name;  // empty after the file was kept
  std::shared_ptr<const FileHandle> file;
};

Cache::Part::Part() = default;
Cache::Part::~Part() {
  if (p_ && !p_->name.empty()) p_->cache->unlink(p_->name);
}
std::shared_ptr<const FileHandle> Cache::Part::file() const { return p_->file; }

namespace {

/// The caches that are open in this process, by the directory's device, inode and limit.
using OpenCaches =
    std::map<std::tuple<dev_t, ino_t, std::optional<std::uint64_t>>, std::weak_ptr<Cache>>;

}  // namespace

Cache::Cache() = default;
Cache::~Cache() = default;

Result<std::shared_ptr<Cache>> Cache::open(const std::string& directory,
                                           std::optional<std::uint64_t> limit) {
  // If nothing is to be kept, do not make the directory. If it is there, its clips are still used.
  const bool is_needed = limit != 0U;
  if (!is_needed && ::access(directory.c_str(), F_OK) != 0) return make(directory, {}, limit);
  auto opened = open_private_directory(directory, ErrorCode::cache, "The cache directory");
  if (!opened && !is_needed) return make(directory, {}, limit);
  if (!opened) return fail(std::move(opened.error()));
  struct stat info {};
  if (::fstat(opened->get(), &info) != 0) {
    return fail(make_error("The cache directory " + directory +
                           " cannot be read: " + std::strerror(errno) + "."));
  }
  // A thousand jobs share one cache, and so one descriptor and one sweep.
  // Never destroyed: threads may use it after the static destructors.
  static auto* const process = new Guarded<OpenCaches>;
  auto caches = process->lock();
  auto& slot = (*caches)[{info.st_dev, info.st_ino, limit}];
  if (auto cache = slot.lock()) return cache;
  log::debug(log::Category::clip, "opened the cache ", log::text(directory));
  auto cache = make(directory, std::move(*opened), limit);
  slot = cache;
  return cache;
}

std::shared_ptr<Cache> Cache::make(const std::string& path, FileHandle directory,
                                   std::optional<std::uint64_t> limit) {
  std::shared_ptr<Cache> cache(new Cache);
  cache->p_ = std::make_shared<Private>();
  cache->p_->path = path;
  cache->p_->directory = std::move(directory);
  cache->p_->limit = limit;
  return cache;
}

Result<std::shared_ptr<Cache::Part>> Cache::begin(const ClipIdentity& identity) {
  // Sweep once in a process. A sweep checks each file that is being written, so a sweep for each of
  // a thousand downloads would make a million checks.
  if (!p_->swept.test_and_set()) p_->sweep();
  auto thread = StoreThread::try_acquire(StoreThread::Store::clips);
  if (!thread) return fail(std::move(thread.error()));
  std::string name;
  auto file = p_->create(make_stem(identity), name);
  if (!file) {
    return fail(make_error("No file can be made in the cache directory " + p_->path + ": " +
                           std::strerror(errno) + "."));
  }
  // The last reference may be dropped on the I/O thread, which must not wait for the disk. So the
  // thread for clips removes the file.
  const auto end = [thread = std::move(*thread)](Part* gone) {
    thread->post([owned = std::shared_ptr<Part>(gone), hold = hold_exit()] {});
  };
  std::shared_ptr<Part> part(new Part, end);
  part->p_ = std::make_unique<Part::Private>();
  part->p_->cache = p_;
  part->p_->identity = identity;
  part->p_->name = name;
  part->p_->file = std::make_shared<const FileHandle>(std::move(file));
  return part;
}

Result<CachedClip> Cache::keep(Part& part, const std::string& sha256, std::uint64_t size) {
  const auto& identity = part.p_->identity;
  const auto name = make_stem(identity) + std::string(clip_suffix);
  if (!Private::sync(part.p_->file->get()) || !p_->write_sidecar(identity, sha256, size) ||
      !p_->rename(part.p_->name, name) || !Private::sync(p_->directory.get())) {
    return fail(make_error("The clip of task " + identity.task_id +
                           " could not be kept in the cache directory " + p_->path + ": " +
                           std::strerror(errno) + "."));
  }
  part.p_->name.clear();
  lock_file(part.p_->file->get(), F_RDLCK);  // others may play it too
  p_->prune();
  return CachedClip{
      .identity = identity, .sha256 = sha256, .size = size, .path = p_->make_path(name)};
}

std::shared_ptr<const Cache::OpenFile> Cache::find(const ClipIdentity& identity,
                                                   std::uint64_t size) {
  for (const auto& stem : list_stems(identity)) {
    const auto name = stem + std::string(clip_suffix);
    // O_RDONLY works on a read-only disk too. O_NONBLOCK does not wait for a FIFO in the file's
    // place.
    auto file = p_->open(name, O_RDONLY | O_NONBLOCK);
    struct stat info {};
    if (!file || FileSystem::get().fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode) ||
        static_cast<std::uint64_t>(info.st_size) != size) {
      continue;
    }
    lock_file(file.get(), F_RDLCK);
    if (p_->limit != 0U) ::futimens(file.get(), nullptr);  // it was played now
    return std::make_shared<const OpenFile>(OpenFile{{std::move(file)}, p_->make_path(name)});
  }
  return nullptr;
}

void Cache::remove(const ClipIdentity& identity) {
  for (const auto& stem : list_stems(identity)) p_->forget(stem);
}

Result<std::optional<CachedClip>> Cache::find_intent(const std::string& api_url,
                                                     const std::string& intent) {
  const auto suffix = "." + make_intent_part(intent) + std::string(sidecar_suffix);
  return p_->find_sidecar([&](const std::string& name) { return name.ends_with(suffix); },
                          [&](const ClipIdentity& identity) {
                            return identity.intent == intent && identity.api_url == api_url;
                          });
}

Result<std::optional<CachedClip>> Cache::find_task(const std::string& api_url,
                                                   const std::string& task_id) {
  const auto stems = list_stems({.api_url = api_url, .task_id = task_id, .intent = {}});
  const auto is_of_task = [&stems](const std::string& name) {
    return std::ranges::any_of(
        stems, [&name](const std::string& stem) { return name.starts_with(stem + "."); });
  };
  return p_->find_sidecar(is_of_task, [&](const ClipIdentity& identity) {
    return identity.task_id == task_id && identity.api_url == api_url;
  });
}

Result<std::optional<CachedClip>> Cache::find_paid_elsewhere(const LedgerIdentity& ledger) {
  return p_->find_sidecar([](const std::string& /*name*/) { return true; },
                          [&](const ClipIdentity& identity) {
                            return !identity.intent.empty() &&
                                   identity.ledger.path == ledger.path &&
                                   identity.ledger.id != ledger.id;
                          });
}

}  // namespace veo
