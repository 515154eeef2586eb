// SPDX-License-Identifier: LGPL-2.1-or-later
#include "history_films.h"

#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <tuple>
#include <utility>

namespace veo::cli {

namespace {

/// The records as trees. Each record is named by its index. All loops over a tree are loops, not
/// recursions, because a film may have as many steps as the ledger has rows.
class Trees {
 public:
  explicit Trees(const Records& records) : records_(records), nodes_(records.size()) {
    std::map<std::pair<std::string_view, std::string_view>, std::size_t> tasks;
    for (std::size_t i = 0; i < records.size(); ++i) {
      if (!records[i].task_id.empty()) tasks.emplace(key(records[i].task_id, i), i);
    }
    // The oldest record comes first among the children.
    for (auto i = records.size(); i-- > 0;) {
      if (records[i].parent_task_id.empty()) continue;
      const auto found = tasks.find(key(records[i].parent_task_id, i));
      if (found == tasks.end()) continue;
      nodes_[i].has_parent = true;
      nodes_[found->second].children.push_back(i);
    }
    for (auto i = records.size(); i-- > 0;) {
      if (!nodes_[i].has_parent) take_tree(i);
    }
    // The parents of a damaged ledger may form a circle. The circle is cut at its oldest record.
    for (auto i = records.size(); i-- > 0;) {
      if (!nodes_[i].root) take_tree(i);
    }
  }

  [[nodiscard]] std::size_t root_of(std::size_t node) const { return *nodes_[node].root; }

  [[nodiscard]] Film make_film(std::size_t root) const {
    const bool is_beginning = records_[root].parent_task_id.empty();
    Film film;
    std::deque<Start> starts{
        {.first = root,
         .extended = nullptr,
         .number = is_beginning ? std::optional<std::size_t>(1) : std::nullopt}};
    while (!starts.empty()) {
      const auto start = starts.front();
      starts.pop_front();
      Strip strip{.extended = start.extended, .number = start.number, .steps = {}};
      auto number = start.number;
      for (std::optional node = start.first; node;) {
        strip.steps.push_back(&records_[*node]);
        if (number) ++*number;
        const auto next = find_next(*node);
        for (const auto child : nodes_[*node].children) {
          if (child != next) starts.push_back({child, &records_[*node], number});
        }
        node = next;
      }
      film.strips.push_back(std::move(strip));
    }
    return film;
  }

 private:
  struct Node {
    std::vector<std::size_t> children;
    std::size_t length = 1;  // of the longest way from here on, in steps
    std::optional<std::size_t> root;
    bool has_parent = false;
  };
  struct Start {
    std::size_t first;
    const Record* extended;
    std::optional<std::size_t> number;
  };

  [[nodiscard]] std::pair<std::string_view, std::string_view> key(const std::string& task,
                                                                  std::size_t record) const {
    return {records_[record].api_url, task};
  }

  /// Makes `root` the root of all records below it that have none yet, and finds their lengths.
  void take_tree(std::size_t root) {
    std::vector<std::size_t> order{root};
    nodes_[root].root = root;
    for (std::size_t i = 0; i < order.size(); ++i) {
      // A child that has a root closes a circle.
      std::erase_if(nodes_[order[i]].children,
                    [this](std::size_t child) { return nodes_[child].root.has_value(); });
      for (const auto child : nodes_[order[i]].children) {
        nodes_[child].root = root;
        order.push_back(child);
      }
    }
    for (auto i = order.size(); i-- > 0;) {
      auto& node = nodes_[order[i]];
      for (const auto child : node.children) {
        node.length = std::max(node.length, nodes_[child].length + 1);
      }
    }
  }

  /// Returns the continuation in the same strip: the longest one; among equals one that is
  /// completed; among these the oldest.
  [[nodiscard]] std::optional<std::size_t> find_next(std::size_t node) const {
    const auto& children = nodes_[node].children;
    const auto best = std::ranges::max_element(children, {}, [this](std::size_t child) {
      return std::tuple(nodes_[child].length, records_[child].state == RecordState::completed,
                        child);
    });
    return best == children.end() ? std::nullopt : std::optional(*best);
  }

  const Records& records_;
  std::vector<Node> nodes_;
};

}  // namespace

std::vector<Film> find_films(const Records& records) {
  const Trees trees(records);
  std::vector<bool> is_taken(records.size());
  std::vector<Film> films;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const auto root = trees.root_of(i);
    if (is_taken[root]) continue;
    is_taken[root] = true;
    films.push_back(trees.make_film(root));
  }
  return films;
}

}  // namespace veo::cli
