// SPDX-License-Identifier: LGPL-2.1-or-later
#include "witness.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>

#include "veo/core/digest.h"
#include "veo/system/file_handle.h"

namespace veo {

namespace {

// "veo-ledger ID CHANGES SUM\n", with the same length for every number of changes, so that one
// write replaces the whole text. The sum tells a text that was written in part.
constexpr std::string_view mark = "veo-ledger ";
constexpr std::size_t id_size = 32;
constexpr std::size_t count_size = 20;
constexpr std::size_t sum_size = 16;
constexpr std::size_t text_size = mark.size() + id_size + 1 + count_size + 1 + sum_size + 1;

std::string compute_sum(std::string_view text) {
  return compute_sha256(std::string(text)).substr(0, sum_size);
}

std::string write_text(const LedgerAge& age) {
  const auto digits = std::to_string(age.changes);
  auto text = std::string(mark) + age.id + " " + std::string(count_size - digits.size(), '0') +
              digits + " ";
  return text + compute_sum(text) + "\n";
}

std::optional<LedgerAge> parse_text(std::string_view text) {
  LedgerAge age{.id = std::string(text.substr(mark.size(), id_size))};
  const auto count = text.substr(mark.size() + id_size + 1, count_size);
  const auto [end, error] = std::from_chars(count.data(), count.data() + count.size(), age.changes);
  if (error != std::errc{} || write_text(age) != text) return std::nullopt;
  return age;
}

FileHandle open(const std::string& path, int flags) {
  return FileHandle(retried([&] {
    return FileSystem::get().openat(AT_FDCWD, path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600);
  }));
}

}  // namespace

std::optional<LedgerAge> read_witness(const std::string& path) {
  const auto file = open(path, O_RDONLY);
  std::array<char, text_size> text{};
  const auto size = !file ? -1 : retried([&] {
    return FileSystem::get().pread(file.get(), text.data(), text.size(), 0);
  });
  if (size != static_cast<ssize_t>(text.size())) return std::nullopt;
  return parse_text({text.data(), text.size()});
}

bool write_witness(const std::string& path, const LedgerAge& age, WitnessSync sync) {
  auto& files = FileSystem::get();
  const auto file = open(path, O_RDWR | O_CREAT);
  if (!file) return false;
  const auto text = write_text(age);
  const auto size = retried([&] { return files.pwrite(file.get(), text.data(), text.size(), 0); });
  if (size != static_cast<ssize_t>(text.size())) return false;
  return sync == WitnessSync::no || retried([&] { return files.fsync(file.get()); }) == 0;
}

}  // namespace veo
