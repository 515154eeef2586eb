// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Finds the films among the ledger's records. A record names the task that it extends, so the
// records of a film are a tree. The film is shown as strips of consecutive steps:
//
//   A ── B ── C ── D       first strip:  A B C D     the longest way through the tree
//        │
//        └─── E ── F       second strip: E F         another continuation of B
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "history.h"

namespace veo::cli {

/// Steps that extend one another.
struct Strip {
  /// The record that the first step extends; null: the strip is the first one of its film.
  const Record* extended = nullptr;
  /// The number of the first step in the film, from 1 on; nullopt: the film begins with a task that
  /// is not among the records.
  std::optional<std::size_t> number;
  std::vector<const Record*> steps;  ///< not empty
};

/// A film, or a single clip, which is one strip of one step.
struct Film {
  std::vector<Strip> strips;  ///< the longest one first
  [[nodiscard]] bool is_single() const {
    return strips.size() == 1 && strips.front().steps.size() == 1;
  }
};

/// Finds the films of the records, which must be in their order, newest first. The film with the
/// newest record comes first. Each record is in one film, once. The result has pointers to the
/// records.
std::vector<Film> find_films(const Records& records);

}  // namespace veo::cli
