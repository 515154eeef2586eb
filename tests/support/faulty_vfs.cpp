// SPDX-License-Identifier: LGPL-2.1-or-later
#include "faulty_vfs.h"

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace veo::test {

namespace {

/// The file object of SQLite. The file object of the VFS below follows it in memory.
struct Shim {
  sqlite3_file base;
  struct Open* open;
};
static_assert(sizeof(Shim) % alignof(std::max_align_t) == 0);

struct Open {
  Open(FaultSequence& its_sequence, std::string its_path, bool with_directory,
       const sqlite3_io_methods& its_methods)
      : sequence(its_sequence),
        path(std::move(its_path)),
        syncs_directory(with_directory),
        methods(its_methods) {}

  FaultSequence& sequence;
  std::string path;      // empty for a temporary file, which has no faults
  bool syncs_directory;  // the next sync also syncs the directory
  sqlite3_io_methods methods;
};

sqlite3_file* real(sqlite3_file* file) {
  return reinterpret_cast<sqlite3_file*>(reinterpret_cast<Shim*>(file) + 1);
}
Open& opened(sqlite3_file* file) { return *reinterpret_cast<Shim*>(file)->open; }

FaultSequence& sequence_of(sqlite3_vfs* vfs) {
  return static_cast<FaultyVfs*>(vfs->pAppData)->sequence();
}
sqlite3_vfs* real(sqlite3_vfs* vfs) { return static_cast<FaultyVfs*>(vfs->pAppData)->real(); }

UndoLog* undo_of(const Open& file) { return file.path.empty() ? nullptr : file.sequence.undo(); }

std::string parent(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

// ---- sqlite3_io_methods

int close(sqlite3_file* file) {
  const std::unique_ptr<Open> owned(&opened(file));
  file->pMethods = nullptr;
  return real(file)->pMethods->xClose(real(file));
}

int read(sqlite3_file* file, void* into, int size, sqlite3_int64 offset) {
  auto& open = opened(file);
  const auto entered = open.sequence.enter();
  const int error = open.sequence.next(FileOperation::read, open.path);
  if (error != 0 && error != EINTR) {
    return error == EIO ? SQLITE_IOERR_CORRUPTFS : SQLITE_IOERR_READ;
  }
  return real(file)->pMethods->xRead(real(file), into, size, offset);
}

int write(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
  auto& open = opened(file);
  const auto entered = open.sequence.enter();
  const int error = open.sequence.next(FileOperation::write, open.path);
  const bool is_short = error == FaultPlan::short_write;
  if (error != 0 && error != EINTR && !is_short) {
    return error == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
  }
  if (is_short) size /= 2;
  if (auto* const undo = undo_of(open)) {
    undo->on_write(open.path, offset, static_cast<std::size_t>(size));
  }
  const int code = real(file)->pMethods->xWrite(real(file), from, size, offset);
  // SQLite's own VFS continues after a short write until it can write no more byte, and then
  // returns this code.
  return is_short && code == SQLITE_OK ? SQLITE_FULL : code;
}

int truncate(sqlite3_file* file, sqlite3_int64 size) {
  auto& open = opened(file);
  const auto entered = open.sequence.enter();
  const int error = open.sequence.next(FileOperation::truncate, open.path);
  if (error != 0 && error != EINTR) return SQLITE_IOERR_TRUNCATE;
  if (auto* const undo = undo_of(open)) undo->on_truncate(open.path, size);
  return real(file)->pMethods->xTruncate(real(file), size);
}

int sync(sqlite3_file* file, int flags) {
  auto& open = opened(file);
  const auto entered = open.sequence.enter();
  if (open.sequence.next(FileOperation::sync, open.path) != 0) return SQLITE_IOERR_FSYNC;
  open.sequence.before_step(FileOperation::sync, open.path);
  const int code = real(file)->pMethods->xSync(real(file), flags);
  if (code != SQLITE_OK) return code;
  if (auto* const undo = undo_of(open)) {
    undo->on_synced(open.path);
    if (open.syncs_directory) undo->on_synced(parent(open.path));
  }
  open.syncs_directory = false;
  open.sequence.after_step();
  return code;
}

int file_size(sqlite3_file* file, sqlite3_int64* size) {
  auto& open = opened(file);
  const auto entered = open.sequence.enter();
  if (open.sequence.next(FileOperation::stat, open.path) != 0) return SQLITE_IOERR_FSTAT;
  return real(file)->pMethods->xFileSize(real(file), size);
}

int lock(sqlite3_file* file, int level) {
  auto& open = opened(file);
  const auto entered = open.sequence.enter();
  const int error = open.sequence.next(FileOperation::lock, open.path);
  if (error != 0) return error == EINTR ? SQLITE_BUSY : SQLITE_IOERR_LOCK;
  return real(file)->pMethods->xLock(real(file), level);
}

int unlock(sqlite3_file* file, int level) {
  return real(file)->pMethods->xUnlock(real(file), level);
}
int check_reserved_lock(sqlite3_file* file, int* result) {
  return real(file)->pMethods->xCheckReservedLock(real(file), result);
}
int file_control(sqlite3_file* file, int operation, void* argument) {
  return real(file)->pMethods->xFileControl(real(file), operation, argument);
}
int sector_size(sqlite3_file* file) { return real(file)->pMethods->xSectorSize(real(file)); }
int device_characteristics(sqlite3_file* file) {
  return real(file)->pMethods->xDeviceCharacteristics(real(file));
}

/// Opens and grows the file of the shared memory. Both count as one operation.
int shm_map(sqlite3_file* file, int region, int size, int extend, void volatile** memory) {
  auto& open = opened(file);
  const auto entered = open.sequence.enter();
  const auto path = open.path + "-shm";
  const int error = open.sequence.next(FileOperation::open, path);
  if (error != 0 && error != EINTR) {
    return error == EMFILE ? SQLITE_CANTOPEN : SQLITE_IOERR_SHMSIZE;
  }
  if (auto* const undo = undo_of(open)) undo->add_memory(path);
  return real(file)->pMethods->xShmMap(real(file), region, size, extend, memory);
}
int shm_lock(sqlite3_file* file, int offset, int count, int flags) {
  return real(file)->pMethods->xShmLock(real(file), offset, count, flags);
}
void shm_barrier(sqlite3_file* file) { real(file)->pMethods->xShmBarrier(real(file)); }
int shm_unmap(sqlite3_file* file, int remove) {
  return real(file)->pMethods->xShmUnmap(real(file), remove);
}
int fetch(sqlite3_file* file, sqlite3_int64 offset, int size, void** memory) {
  return real(file)->pMethods->xFetch(real(file), offset, size, memory);
}
int unfetch(sqlite3_file* file, sqlite3_int64 offset, void* memory) {
  return real(file)->pMethods->xUnfetch(real(file), offset, memory);
}

constexpr sqlite3_io_methods methods = {
    .iVersion = 3,
    .xClose = close,
    .xRead = read,
    .xWrite = write,
    .xTruncate = truncate,
    .xSync = sync,
    .xFileSize = file_size,
    .xLock = lock,
    .xUnlock = unlock,
    .xCheckReservedLock = check_reserved_lock,
    .xFileControl = file_control,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = device_characteristics,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
    .xFetch = fetch,
    .xUnfetch = unfetch,
};

// ---- sqlite3_vfs

bool exists(sqlite3_vfs* vfs, const char* path) {
  int result = 0;
  return real(vfs)->xAccess(real(vfs), path, SQLITE_ACCESS_EXISTS, &result) == SQLITE_OK &&
         result != 0;
}

int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  auto& sequence = sequence_of(vfs);
  const auto entered = sequence.enter();
  file->pMethods = nullptr;  // otherwise SQLite would close a file that is not open
  const std::string path = name != nullptr ? name : "";
  const int error = sequence.next(FileOperation::open, path);
  if (error != 0 && error != EINTR) return SQLITE_CANTOPEN;

  const bool creates = name != nullptr && (flags & SQLITE_OPEN_CREATE) != 0 && !exists(vfs, name);
  if (creates) sequence.before_step(FileOperation::open, path);
  const int code = real(vfs)->xOpen(real(vfs), name, real(file), flags, out_flags);
  if (code != SQLITE_OK) {
    if (real(file)->pMethods != nullptr) real(file)->pMethods->xClose(real(file));
    return code;
  }
  constexpr int journals = SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
  const bool syncs_directory = (flags & SQLITE_OPEN_CREATE) != 0 && (flags & journals) != 0;
  auto open = std::make_unique<Open>(sequence, path, syncs_directory, methods);
  // SQLite must not call functions that the file below does not have.
  open->methods.iVersion = real(file)->pMethods->iVersion;
  file->pMethods = &open->methods;
  reinterpret_cast<Shim*>(file)->open = open.release();  // close() deletes it
  if (creates) {
    if (auto* const undo = sequence.undo()) undo->on_created(path);
    sequence.after_step();
  }
  return SQLITE_OK;
}

int delete_file(sqlite3_vfs* vfs, const char* name, int sync_directory) {
  auto& sequence = sequence_of(vfs);
  const auto entered = sequence.enter();
  if (sequence.next(FileOperation::unlink, name) != 0) return SQLITE_IOERR_DELETE;
  if (!exists(vfs, name)) return real(vfs)->xDelete(real(vfs), name, sync_directory);
  sequence.before_step(FileOperation::unlink, name);
  auto* const undo = sequence.undo();
  auto gone = undo != nullptr ? undo->hold(name) : nullptr;
  const int code = real(vfs)->xDelete(real(vfs), name, sync_directory);
  if (code != SQLITE_OK) return code;
  if (undo != nullptr) {
    undo->on_unlinked(name, std::move(gone));
    if (sync_directory != 0) undo->on_synced(parent(name));
  }
  sequence.after_step();
  return code;
}

int access(sqlite3_vfs* vfs, const char* name, int flags, int* result) {
  auto& sequence = sequence_of(vfs);
  const auto entered = sequence.enter();
  if (sequence.next(FileOperation::stat, name) != 0) {
    *result = 0;  // SQLite treats a file that it cannot access as missing
    return SQLITE_OK;
  }
  return real(vfs)->xAccess(real(vfs), name, flags, result);
}

int full_pathname(sqlite3_vfs* vfs, const char* name, int size, char* out) {
  return real(vfs)->xFullPathname(real(vfs), name, size, out);
}
void* dl_open(sqlite3_vfs* vfs, const char* name) { return real(vfs)->xDlOpen(real(vfs), name); }
void dl_error(sqlite3_vfs* vfs, int size, char* message) {
  real(vfs)->xDlError(real(vfs), size, message);
}
using Symbol = void (*)();
Symbol dl_sym(sqlite3_vfs* vfs, void* library, const char* name) {
  return real(vfs)->xDlSym(real(vfs), library, name);
}
void dl_close(sqlite3_vfs* vfs, void* library) { real(vfs)->xDlClose(real(vfs), library); }
int randomness(sqlite3_vfs* vfs, int size, char* out) {
  return real(vfs)->xRandomness(real(vfs), size, out);
}
int sleep(sqlite3_vfs* vfs, int microseconds) { return real(vfs)->xSleep(real(vfs), microseconds); }
int current_time(sqlite3_vfs* vfs, double* now) { return real(vfs)->xCurrentTime(real(vfs), now); }
int get_last_error(sqlite3_vfs* vfs, int size, char* out) {
  return real(vfs)->xGetLastError(real(vfs), size, out);
}
int current_time_int64(sqlite3_vfs* vfs, sqlite3_int64* now) {
  return real(vfs)->xCurrentTimeInt64(real(vfs), now);
}
int set_system_call(sqlite3_vfs* vfs, const char* name, sqlite3_syscall_ptr call) {
  return real(vfs)->xSetSystemCall(real(vfs), name, call);
}
sqlite3_syscall_ptr get_system_call(sqlite3_vfs* vfs, const char* name) {
  return real(vfs)->xGetSystemCall(real(vfs), name);
}
const char* next_system_call(sqlite3_vfs* vfs, const char* name) {
  return real(vfs)->xNextSystemCall(real(vfs), name);
}

}  // namespace

FaultyVfs::FaultyVfs(FaultSequence& sequence)
    : sequence_(sequence), real_(sqlite3_vfs_find(nullptr)) {
  if (real_ == nullptr || real_->iVersion < 3) throw std::runtime_error("no VFS of SQLite's");
  vfs_ = {
      .iVersion = 3,
      .szOsFile = static_cast<int>(sizeof(Shim)) + real_->szOsFile,
      .mxPathname = real_->mxPathname,
      .zName = "veo-faulty",
      .pAppData = this,
      .xOpen = open_file,
      .xDelete = delete_file,
      .xAccess = access,
      .xFullPathname = full_pathname,
      .xDlOpen = dl_open,
      .xDlError = dl_error,
      .xDlSym = dl_sym,
      .xDlClose = dl_close,
      .xRandomness = randomness,
      .xSleep = sleep,
      .xCurrentTime = current_time,
      .xGetLastError = get_last_error,
      .xCurrentTimeInt64 = current_time_int64,
      .xSetSystemCall = set_system_call,
      .xGetSystemCall = get_system_call,
      .xNextSystemCall = next_system_call,
  };
  if (sqlite3_vfs_register(&vfs_, 0) != SQLITE_OK) throw std::runtime_error("sqlite3_vfs_register");
}

FaultyVfs::~FaultyVfs() { sqlite3_vfs_unregister(&vfs_); }

}  // namespace veo::test
